"""From the market to the booked fill."""

from typing import Final

from fleet.monitoring import recording
from fleet.monitoring.alerts.alert import COUNT, SECONDS, SHARE, Alert, Group, Severity, grown, label

FEW: Final = 20  # of what is rarer no shares are taken: one of two is no surge
LASTS: Final = "20s"  # longer than a dead service takes to be known as such: the alert on the service comes first, and explains
LATE_S: Final = 0.5  # from there on signals and prices may be refused as too old
ORDER_PATH: Final = "risk:.*|executor:.*"
"""Consumers and leases of accounts; the others are called as their service is."""


def order_path() -> Group:
    """In the order of the flow."""
    return Group(
        "order path",
        [
            FEED_STALE,
            STRATEGY_FAILED,
            _lag("critical", 'consumer=~"risk:.*"', "Signals of the account wait, and expire.", "risk_manager"),
            _lag("critical", 'consumer=~"executor:.*"', "Its approved orders wait, and expire unsent.", "trade_executor"),
            _lag("warning", f'consumer!~"{ORDER_PATH}"', "What it shows is that much behind the record; trading does not wait for it."),
            _unheld("critical", 'lease=~"risk:.*"', "No signal of the account is judged.", "risk_manager"),
            _unheld("critical", 'lease=~"executor:.*"', "No order of the account is sent, no fill booked.", "trade_executor"),
            _unheld("warning", f'lease!~"{ORDER_PATH}"', "No job is started.", "scheduler"),
            RISK_ERROR,
            REFUSAL_SURGE,
            ORDER_NOT_SENT,
            UNKNOWN_ORDER,
            DEADMAN_TRIPPED,
            DEADMAN_KEY,
            RECONCILE_DIFFERENCE,
            _slow("tick_to_order", recording.TICK_TO_ORDER, recording.ORDERS, LATE_S, "from the end of a bar to the approved order"),
            _slow("order_answer", recording.ORDER_ANSWER, recording.ANSWERS, 1.0, "from a request to the venue's answer"),
            SLIPPAGE,
            BEST_EXECUTION,
        ],
    )


def _lag(severity: Severity, consumers: str, means: str, service: str = "") -> Alert:
    return Alert(
        name="JournalLag",
        runbook="journal-lag",
        severity=severity,
        fault=f"journal_lag:{label('consumer')}",
        service=service,
        expr=f"max by (consumer) (tradewinds_journal_lag_seconds{{{consumers}}}) > 5",
        hold=LASTS,
        summary=f"{label('consumer')} does not keep up",
        description=f"For {LASTS} or longer {label('consumer')} has left messages unread; the oldest has waited {SECONDS}. {means}",
    )


def _unheld(severity: Severity, leases: str, means: str, service: str) -> Alert:
    return Alert(
        name="LeaseLost",
        runbook="lease-lost",
        severity=severity,
        fault=f"lease_lost:{label('lease')}",
        service=service,
        expr=f"max by (lease) (tradewinds_lease_held{{{leases}}}) == 0",
        hold=LASTS,
        summary=f"Nobody holds the lease {label('lease')}",
        description=f"For {LASTS} or longer no process may act under it. {means}",
    )


def _slow(what: str, p99: str, count: str, above: float, way: str) -> Alert:
    return Alert(
        name="Latency",
        runbook="latency",
        severity="warning",
        fault=f"latency:{what}",
        expr=f"{p99} > {above:g} and on () {count} >= {FEW}",
        hold="2m",
        summary=f"Slow: {SECONDS} {way}",
        description=f"For 2m or longer one in a hundred has taken {SECONDS} or more {way}. Prices move on meanwhile, and signals that come"
        " too late are refused.",
    )


FEED_STALE: Final = Alert(
    name="FeedStale",
    runbook="feed-stale",
    severity="critical",
    fault="feed_stale",
    expr="max(tradewinds_market_clock_silent_seconds) > 5 and on () max(tradewinds_session_playing) == 1",
    hold="10s",
    summary="The market stands still",
    description=f"A market is being played, and its clock has not been heard for {SECONDS}. After 3s nothing new is ordered; cancels and"
    " fills go on.",
)
STRATEGY_FAILED: Final = Alert(
    name="StrategyFailed",
    runbook="strategy-failed",
    severity="warning",
    fault=f"strategy_failed:{label('strategy')}",
    expr="max by (strategy) (tradewinds_strategy_faults_total) > 0",
    summary=f"{label('strategy')} has failed and stands still",
    description="It failed on a bar and was stopped on that symbol, until strategy_engine is started again. What it holds stays, and"
    " nobody watches it.",
)
RISK_ERROR: Final = Alert(
    name="RefusalSurge",
    runbook="refusal-surge",
    severity="critical",
    fault="refusal_surge:RC-ERR",
    expr=grown("sum", 'tradewinds_assessments_total{code="RC-ERR"}', "5m"),
    summary="A signal could not be judged",
    description="Within the last 5m a risk control failed on a signal and it was refused (RC-ERR). That is a fault of data or code, and"
    " the next signal of its kind will meet it too.",
)
REFUSAL_SURGE: Final = Alert(
    name="RefusalSurge",
    runbook="refusal-surge",
    severity="warning",
    fault=f"refusal_surge:{label('code')}",
    expr=f"{recording.REFUSED} > 0.3 and on () {recording.ASSESSED} >= {FEW}",
    hold="1m",
    summary=f"Many signals are refused: {label('code')}",
    description=f"{SHARE} of the signals of the last 5m were refused with {label('code')}, and that for 1m or longer. What was refused is"
    " not tried again.",
)
ORDER_NOT_SENT: Final = Alert(
    name="OrderNotSent",
    runbook="order-not-sent",
    severity="warning",
    fault="order_not_sent",
    service="trade_executor",
    expr=grown("sum", 'tradewinds_order_submits_total{outcome="not_sent"}', "5m"),
    summary="An approved order did not leave this host",
    description="Within the last 5m an order was about to be sent and was held back: it was not known for 250 ms whether a kill switch"
    " is on, its time was over, there was no connection, or the venue takes no such orders. It is over, and is not tried again.",
)
UNKNOWN_ORDER: Final = Alert(
    name="UnknownOrder",
    runbook="unknown-order",
    severity="critical",
    fault="unknown_order",
    service="trade_executor",
    expr="max(tradewinds_unknown_order_age_seconds) > 20",
    summary="It is not known what became of an order",
    description=f"For {SECONDS} an order has been neither confirmed nor refused. It counts at its worst case, and its book orders nothing"
    " new. It must not be sent again.",
)
DEADMAN_TRIPPED: Final = Alert(
    name="DeadmanTripped",
    runbook="deadman",
    severity="critical",
    fault=f"deadman:{label('account')}",
    expr="max by (account) (tradewinds_deadman_tripped) == 1",
    summary=f"Nobody attends to {label('account')}: its open orders are canceled",
    description="No trade_executor that answers has held the lease of the account for [deadman] after, a minute unless configured"
    " otherwise. All its open orders are canceled at the venue, protective stops too. Its positions stay as they are.",
)
DEADMAN_KEY: Final = Alert(
    name="DeadmanKey",
    runbook="deadman",
    severity="warning",
    fault=f"deadman_key:{label('account')}",
    expr="min by (account) (tradewinds_deadman_key_good) == 0",
    hold="2m",
    summary=f"The dead man could not act for {label('account')}",
    description="For 2m or longer the dead man's own key has not opened the account at its venue, or there is none. Trading goes on;"
    " should trade_executor be gone, its open orders would stay.",
)
RECONCILE_DIFFERENCE: Final = Alert(
    name="ReconcileDifference",
    runbook="reconciliation",
    severity="critical",
    fault="ledger_difference",
    expr="sum(tradewinds_reconcile_differences) > 0",
    hold="10s",
    summary="The books are not what the venue says",
    description=f"Differences that nobody has decided on for 10s or longer: {COUNT}. Nothing is sent that adds to a book of the account;"
    " exits and cancels go on. fleet doctor shows what differs, and takes your decision.",
)
SLIPPAGE: Final = Alert(
    name="Slippage",
    runbook="slippage",
    severity="warning",
    fault=f"slippage:{label('strategy')}",
    expr=f"{recording.BAD_FILLS} > 0.2 and on (strategy) {recording.FILLS} >= {FEW}",
    hold="1m",
    summary=f"{label('strategy')} is filled at bad prices",
    description=f"{SHARE} of its fills of the last 30m were more than 0.3% worse than the price it decided on.",
)
BEST_EXECUTION: Final = Alert(
    name="BestExecution",
    runbook="slippage",
    severity="warning",
    fault=f"best_execution:{label('strategy')}:{label('venue')}",
    expr=f"{recording.POOR_EXECUTIONS} > on () group_left () max(tradewinds_best_execution_most_ratio)"
    f" and on (strategy, venue) {recording.EXECUTIONS} >= on () group_left () max(tradewinds_best_execution_least_orders)",
    hold="1m",
    summary=f"{label('strategy')} is executed badly at {label('venue')}",
    description=f"{SHARE} of its orders of the last 30m were filled worse than the market was when they left, by more than [best_execution]"
    " of config/risk.toml allows.",
)
