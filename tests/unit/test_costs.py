from decimal import Decimal

import pytest

from libs.domain.market import TradeTick
from libs.domain.orders import Side
from libs.quant.execution.costs import Benchmarks, Executed, fill_rate, hops_ms, shortfall, slippage_bps
from services.trade_executor.quotes import Price, Quotes
from tests.paper import a_quote
from tests.scenes import a_bar

D = Decimal


def executed(side: Side = "buy", filled: str = "600", average: str | None = "50.05", fees: str = "3", multiplier: str = "1") -> Executed:
    return Executed(side, D(1000), D(filled), D(average) if average is not None else None, D(fees), D(multiplier))


PRICES = Benchmarks(D("50.00"), D("50.02"), D("50.20"))


@pytest.mark.parametrize(
    ("side", "average", "bps"),
    [("buy", "50.05", 0.03 / 50.02 * 1e4), ("sell", "50.05", -0.03 / 50.02 * 1e4), ("buy", "50.02", 0.0), ("buy", None, None)],
)
def test_slippage_is_against_arrival_and_positive_is_worse(side: Side, average: str | None, bps: float | None) -> None:
    assert slippage_bps(executed(side, average=average), PRICES.arrival) == (None if bps is None else pytest.approx(bps))
    assert slippage_bps(executed(side, average=average), None) is None


def test_the_shortfall_is_what_was_paid_beyond_the_decision_fees_and_what_was_missed() -> None:
    assert shortfall(executed(), PRICES) == D(600) * D("0.05") + D(400) * D("0.20") + D(3)
    assert shortfall(executed("sell"), PRICES) == -(D(600) * D("0.05") + D(400) * D("0.20")) + D(3)
    assert shortfall(executed(multiplier="50"), PRICES) == (D(600) * D("0.05") + D(400) * D("0.20")) * 50 + D(3)
    assert fill_rate(executed()) == 0.6


def test_what_was_not_filled_at_all_costs_where_the_market_went() -> None:
    assert shortfall(executed(filled="0", average=None, fees="0"), PRICES) == D(1000) * D("0.20")


def test_a_shortfall_that_takes_an_unknown_price_is_not_known() -> None:
    assert shortfall(executed(), PRICES._replace(end=None)) is None
    assert shortfall(executed(), PRICES._replace(decision=None)) is None
    assert shortfall(executed(filled="1000"), PRICES._replace(end=None)) == D(1000) * D("0.05") + D(3)


def test_each_hop_is_timed_from_the_one_before_it_that_is_known() -> None:
    moments = {
        "signal": 5_000_000,
        "noticed": 1_000_000,
        "approved": 7_500_000,
        "sent": 7_400_000,
        "first_fill": 10_000_000,
        "done": 11_000_000,
    }
    assert hops_ms(moments) == {"signal": 4.0, "approved": 2.5, "sent": 0.0, "first_fill": 2.6, "done": 1.0}
    assert hops_ms({}) == {}


def test_a_price_is_the_middle_of_the_newest_quote_else_the_last_trade() -> None:
    quotes = Quotes()
    assert quotes.price("ALFA") is None
    quotes.hear([a_bar(0, 101.0)])
    assert quotes.price("ALFA") == Price(D("101.0"), None)
    quotes.hear([TradeTick(venue="TEST", symbol="ALFA", seq=1, ts=1, price=102.5, size=1.0)])
    assert quotes.price("ALFA") == Price(D("102.5"), None)
    quotes.hear([a_quote(1), a_quote(2, 99.98, 100.04)])
    assert quotes.price("ALFA") == Price(D("100.01"), D("0.06"))
    quotes.hear([a_quote(3, float("nan"), 100.04)])
    assert quotes.price("ALFA") == Price(D("102.5"), None)
