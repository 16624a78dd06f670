"""Recording rules: what alerts and dashboards ask for again and again, under names `level:metric:operations`."""

from collections.abc import Mapping
from typing import Final

WINDOW: Final = "5m"
FILLS_WINDOW: Final = "30m"
BAD_FILL: Final = "0.003"  # of the reference price; an upper end of a bucket of the histogram

EXPECTED_REFUSALS: Final = ("RC-B02", "RC-B05", "RC-C01")
"""No exposure left to give, a halted account, a kill switch: answers that are meant to be given, and have alerts of their own."""

TICK_TO_ORDER: Final = "fleet:tradewinds_tick_to_order_seconds:p99_5m"
ORDERS: Final = "fleet:tradewinds_tick_to_order_seconds:increase5m"
ORDER_ANSWER: Final = "fleet:tradewinds_order_answer_seconds:p99_5m"
ANSWERS: Final = "fleet:tradewinds_order_answer_seconds:increase5m"
ASSESSED: Final = "fleet:tradewinds_assessments:increase5m"
REFUSED: Final = "code:tradewinds_refusals:ratio_5m"
FILLS: Final = "strategy:tradewinds_slippage:increase30m"
BAD_FILLS: Final = "strategy:tradewinds_slippage:bad_ratio_30m"
EXECUTIONS: Final = "strategy_venue:tradewinds_arrival_slippage:increase30m"
POOR_EXECUTIONS: Final = "strategy_venue:tradewinds_poor_executions:ratio_30m"
_EXECUTED: Final = f"sum by (strategy, venue) (increase(tradewinds_arrival_slippage_ratio_count[{FILLS_WINDOW}]))"
POOR_SHARE: Final = f"sum by (strategy, venue) (increase(tradewinds_poor_executions_total[{FILLS_WINDOW}])) / {_EXECUTED}"
"""Of the orders of a strategy at a venue, those that were badly executed: what is recorded, and what dashboards show."""
DAILY_LOSS: Final = "account:tradewinds_risk_daily_loss:of_limit"
DRAWDOWN: Final = "account:tradewinds_risk_drawdown:of_limit"


def _p99(metric: str) -> str:
    return f"histogram_quantile(0.99, sum by (le) (rate({metric}_bucket[{WINDOW}])))"


def _of_limit(metric: str, limit: str) -> str:
    return f'max by (account) ({metric}) / on (account) max by (account) (tradewinds_risk_loss_limit_ratio{{limit="{limit}"}})'


RECORDED: Final[Mapping[str, str]] = {
    TICK_TO_ORDER: _p99("tradewinds_tick_to_order_seconds"),
    ORDERS: f"sum(increase(tradewinds_tick_to_order_seconds_count[{WINDOW}]))",
    ORDER_ANSWER: _p99("tradewinds_order_answer_seconds"),
    ANSWERS: f"sum(increase(tradewinds_order_answer_seconds_count[{WINDOW}]))",
    ASSESSED: f"sum(increase(tradewinds_assessments_total[{WINDOW}]))",
    REFUSED: (
        f'sum by (code) (increase(tradewinds_assessments_total{{verdict="REFUSED", code!~"{"|".join(EXPECTED_REFUSALS)}"}}[{WINDOW}]))'
        f" / on () group_left () {ASSESSED}"
    ),
    FILLS: f"sum by (strategy) (increase(tradewinds_slippage_ratio_count[{FILLS_WINDOW}]))",
    BAD_FILLS: f'1 - sum by (strategy) (increase(tradewinds_slippage_ratio_bucket{{le="{BAD_FILL}"}}[{FILLS_WINDOW}])) / {FILLS}',
    EXECUTIONS: _EXECUTED,
    POOR_EXECUTIONS: POOR_SHARE,
    DAILY_LOSS: _of_limit("tradewinds_risk_daily_loss_ratio", "max_daily_loss"),
    DRAWDOWN: _of_limit("tradewinds_risk_drawdown_ratio", "max_drawdown"),
}
"""In this order they are evaluated: a later one may use an earlier one of the same moment."""
