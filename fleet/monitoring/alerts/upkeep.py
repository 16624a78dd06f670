"""What goes on without harm for now, and waits for a person."""

from typing import Final

from fleet.monitoring.alerts.alert import COUNT, Alert, Group, Severity, grown, label


def upkeep() -> Group:
    """Things put aside, undelivered, switched off, undone."""
    return Group(
        "upkeep",
        [
            _put_aside("fill", "critical", "A fill could not be booked", "The venue holds what the ledger does not know."),
            _put_aside("message", "warning", "A message was put aside", "Its signal was refused, or its order denied."),
            NOTIFICATIONS_STUCK,
            KILL_SWITCH_ON,
            JOB_FAILED,
        ],
    )


def _put_aside(kind: str, severity: Severity, summary: str, means: str) -> Alert:
    """Rows stay until a person deals with them; what is told is that one has been added."""
    rows = f'tradewinds_quarantine_rows{{kind="{kind}"}}'
    return Alert(
        name="Quarantine",
        runbook="quarantine",
        severity=severity,
        fault="quarantine",
        expr=f"max({rows}) > max(min_over_time({rows}[15m]))",
        summary=summary,
        description=f"That was within the last 15m. Waiting for a person: {COUNT}. {means}",
    )


NOTIFICATIONS_STUCK: Final = Alert(
    name="NotificationsStuck",
    runbook="notifications-stuck",
    severity="warning",
    fault=f"notifications_stuck:{label('channel')}",
    expr="max by (channel) (tradewinds_notifications_waiting) > 0 unless on (channel)"
    ' sum by (channel) (increase(tradewinds_notifications_total{outcome="sent"}[3m])) > 0',
    hold="2m",
    summary=f"{label('channel')} delivers nothing",
    description=f"None has got through for 5m; waiting: {COUNT}. They are tried again; until then you hear nothing that way.",
)
KILL_SWITCH_ON: Final = Alert(
    name="KillSwitchOn",
    runbook="kill-switch",
    severity="warning",
    fault=f"kill_switch:{label('scope')}",
    expr="max by (scope) (tradewinds_kill_switch) == 1",
    summary=f"The kill switch of {label('scope')} is on",
    description="Nothing new is ordered in its scope until a person re-arms it. Open orders fill or expire, positions stay.",
)
JOB_FAILED: Final = Alert(
    name="JobFailed",
    runbook="job-failed",
    severity="warning",
    fault=f"job_failed:{label('exported_job')}",  # `job` itself is whom Prometheus asked: scheduler
    expr=grown("sum by (exported_job)", 'tradewinds_job_runs_total{state="failed"}', "15m"),
    summary=f"The job {label('exported_job')} failed",
    description="That was within the last 15m. Trading goes on; what the job was to do is not done.",
)
