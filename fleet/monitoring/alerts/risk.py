"""What may cost money: warnings on the way to a limit, and what has been stopped at one."""

from typing import Final

from fleet.monitoring import recording
from fleet.monitoring.alerts.alert import SECONDS, SHARE, Alert, Group, Severity, label
from libs.domain.guards import LAGS, TOLD_ELSEWHERE

ACCOUNT: Final = label("account")
LOSSES: Final = (
    ("DailyLoss", "max_daily_loss", recording.DAILY_LOSS, "loss of the day"),
    ("Drawdown", "max_drawdown", recording.DRAWDOWN, "fall from its peak"),
)


def risk() -> Group:
    """Losses, positions, what a person must answer, the ground that is stood on, and who watches what is sent."""
    losses = (alert for loss in LOSSES for alert in (_halted(*loss), _near(*loss)))
    disarmed = (_disarmed("critical"), _disarmed("warning"))
    return Group("risk", [*losses, *disarmed, POSITION_SIZE, RISK_ALERT, AUDITOR_BLIND])


def _halted(name: str, limit: str, _: str, words: str) -> Alert:
    return Alert(
        name=name,
        runbook="loss-limit",
        severity="critical",
        fault=f"loss_limit:{ACCOUNT}:{limit}",
        expr=f'max by (account) (tradewinds_risk_halted{{limit="{limit}"}}) == 1',
        summary=f"{ACCOUNT} is halted: its {words} has passed {limit}",
        description="The account may only close positions until a person re-arms it. Nothing is sold for you.",
    )


def _near(name: str, limit: str, of_limit: str, words: str) -> Alert:
    return Alert(
        name=name,
        runbook="loss-limit",
        severity="warning",
        fault=f"loss_limit:{ACCOUNT}:{limit}",
        expr=f"{of_limit} > 0.7",
        hold="15s",
        summary=f"{ACCOUNT} nears {limit}: {SHARE} of it is used up",
        description=f"For 15s or longer the {words} has used up more than 70% of {limit}, now {SHARE}. At 100% the account may only close.",
    )


def _disarmed(severity: Severity) -> Alert:
    lags, elsewhere = "|".join(sorted(LAGS)), "|".join(sorted(TOLD_ELSEWHERE))
    which = f'=~"{lags}"' if severity == "warning" else f'!~"{lags}|{elsewhere}"'
    return Alert(
        name="Disarmed",
        runbook="disarmed",
        severity=severity,
        fault=f"disarmed:{ACCOUNT}",
        expr=f"max by (account) (tradewinds_disarmed{{reason{which}}}) == 1",
        summary=f"{ACCOUNT} is disarmed",
        description="The system under it is not sound: nothing is sent that adds to a book. What only closes still goes, and it is armed"
        " again by itself when that is over.",
    )


RISK_ALERT: Final = Alert(
    name="RiskAlertOpen",
    runbook="risk-alert",
    severity="critical",
    fault=f"risk_alert:{ACCOUNT}",
    expr="max by (account) (tradewinds_risk_alerts_open) > 0",
    summary=f"An alert of {ACCOUNT} waits to be acknowledged",
    description="Unless a person acknowledges it in time (`fleet risk ack`) the kill switch of the account is set.",
)
POSITION_SIZE: Final = Alert(
    name="PositionSize",
    runbook="position-size",
    severity="warning",
    fault=f"position_size:{ACCOUNT}:{label('symbol')}",
    expr="max by (account, symbol) (abs(tradewinds_portfolio_position_ratio))"
    " > on (account) group_left () 1.1 * max by (account) (tradewinds_risk_position_limit_ratio)",
    hold="1m",
    summary=f"{label('symbol')} has become {SHARE} of the equity of {ACCOUNT}",
    description="For 1m or longer that has been a tenth or more above max_position_notional. The limit refuses orders that would add to"
    " it; it sells nothing.",
)
AUDITOR_BLIND: Final = Alert(
    name="AuditorBlind",
    runbook="auditor",
    severity="warning",
    fault=f"auditor_blind:{ACCOUNT}",
    expr="time() - max by (account) (tradewinds_audit_last_look_timestamp_seconds) > 60",
    hold="15s",
    service="risk_manager",
    summary=f"Nobody audits {ACCOUNT}",
    description=f"The auditor has not read its broker whole for {SECONDS}. Trading goes on; an order that nobody has approved would not"
    " be noticed by it.",
)
