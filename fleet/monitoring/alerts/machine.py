"""The machine, and how the processes fare on it."""

from typing import Final

from fleet.monitoring.alerts.alert import SECONDS, SHARE, Alert, Group, Severity, label

URGENT: Final = "15s"
SLOWLY: Final = "1m"


def machine() -> Group:
    """Disk, memory, event loops, clocks."""
    return Group(
        "machine",
        [
            _disk("critical", 0.03, URGENT),
            _disk("warning", 0.10, SLOWLY),
            _memory("critical", 0.02, URGENT),
            _memory("warning", 0.05, SLOWLY),
            EVENT_LOOP_LAG,
            CLOCK_SKEW,
        ],
    )


def _disk(severity: Severity, below: float, hold: str) -> Alert:
    return Alert(
        name="DiskFull",
        runbook="disk",
        severity=severity,
        fault="disk",
        expr=f"min(tradewinds_host_disk_free_ratio) < {below:g}",
        hold=hold,
        summary=f"The disk is almost full: {SHARE} is left",
        description=f"For {hold} or longer less than {below:.0%} of the disk with the state folder has been free, now {SHARE}."
        " When it is full Postgres stops, and everything with it.",
    )


def _memory(severity: Severity, below: float, hold: str) -> Alert:
    return Alert(
        name="MemoryLow",
        runbook="memory",
        severity=severity,
        fault="memory",
        expr=f"min(tradewinds_host_memory_available_ratio) < {below:g}",
        hold=hold,
        summary=f"The machine runs out of memory: {SHARE} is left",
        description=f"For {hold} or longer less than {below:.0%} of the memory has been available, now {SHARE}."
        " When none is left the kernel kills a process, perhaps Postgres.",
    )


EVENT_LOOP_LAG: Final = Alert(
    name="EventLoopLag",
    runbook="event-loop-lag",
    severity="warning",
    fault=f"event_loop_lag:{label('service')}",
    expr="max by (service) (tradewinds_event_loop_lag_seconds) > 0.25",
    hold="30s",
    summary=f"{label('service')} is held up",
    description=f"For 30s or longer something has held up all work of {label('service')} again and again, the last time for {SECONDS}."
    " It hears, decides and answers that much later.",
)
CLOCK_SKEW: Final = Alert(
    name="ClockSkew",
    runbook="clock-skew",
    severity="warning",
    fault=f"clock_skew:{label('service')}",
    expr="max by (service) (abs(tradewinds_clock_skew_seconds)) > 0.05",
    hold="30s",
    summary=f"Clocks differ by {SECONDS}",
    description=f"For 30s or longer the clock of the host of {label('service')} and that of the database have differed by {SECONDS}."
    " Leases do not depend on it. Times of logs are wrong by so much, and from 500 ms on nothing is sent that adds to a book.",
)
