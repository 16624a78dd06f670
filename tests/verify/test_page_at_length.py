"""docs/fills-and-costs.md beside the engine over many drawn backtests, and that these hold all that the page speaks of."""

from collections import Counter

from tests.unit.test_page import compare


def test_engine_and_page_agree_over_many_drawn_backtests() -> None:
    seen: Counter[str] = Counter()
    for seed in range(60):
        played = compare(seed)
        filled = Counter(trade.order_id for trade in played.trades)
        seen.update(order.order_type for order in played.orders if order.order_id in filled)
        seen.update({"partial": sum(fills > 1 for fills in filled.values())})
        seen.update(line.ledger_account for line in played.lines if line.kind in ("financing", "corporate_action"))
    expected = ("market", "limit", "stop", "stop_limit", "partial", "cash_interest", "margin_interest", "borrow", "funding", "income")
    assert all(seen[what] > 10 for what in expected), seen
