"""What a Monte Carlo draws from: closed trades out of fills, days, shares of an equity."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.quant.validation.trade_results import TradeResult, by_day, results_of, shares
from libs.store.backtests import BacktestTrade
from tests.paper import D

BEGIN = datetime(2025, 1, 6, 9, 30, tzinfo=UTC)
amounts = st.decimals(-100, 100, places=2)


def fill(minute: int, pnl: str = "0", fee: str = "1", symbol: str = "ALFA", strategy_id: str = "fast") -> BacktestTrade:
    return BacktestTrade(
        n=minute,
        strategy_id=strategy_id,
        symbol=symbol,
        side="buy",
        quantity=D(1),
        executed_price=D(100),
        commission=D(fee),
        executed_at=BEGIN + timedelta(minutes=minute),
        pnl=D(pnl),
    )


def result(minute: int, gain: str) -> TradeResult:
    return TradeResult(BEGIN + timedelta(minutes=minute), D(gain))


def test_a_trade_is_what_was_realised_less_the_fees_of_both_ways() -> None:
    assert results_of([fill(0), fill(1), fill(5, "30"), fill(6), fill(9, "-4")]) == [result(5, "27"), result(9, "-6")]


def test_fills_of_one_moment_are_one_trade() -> None:
    assert results_of([fill(0), fill(5, "10"), fill(5, "20"), fill(5, "3", symbol="BETA")]) == [result(5, "27"), result(5, "2")]


def test_each_strategy_and_symbol_pays_its_own_fees() -> None:
    fills = [fill(0, fee="7"), fill(0, symbol="BETA"), fill(0, strategy_id="slow"), fill(3, "10", symbol="BETA")]
    assert results_of(fills) == [result(3, "8")]


@given(st.lists(st.tuples(amounts, st.sampled_from("AB"))))
def test_no_gain_is_lost_or_counted_twice(drawn: list[tuple[Decimal, str]]) -> None:
    fills = [fill(n, str(pnl), "0", symbol) for n, (pnl, symbol) in enumerate(drawn)]
    assert sum(each.gain for each in results_of(fills)) == sum(pnl for pnl, _ in drawn)


def test_days_without_a_trade_count() -> None:
    trades = [result(0, "5"), result(60, "-2"), result(2 * 24 * 60, "1")]
    assert by_day(trades, date(2025, 1, 5), date(2025, 1, 9)) == [0, 3, 0, 1, 0]


def test_a_trade_outside_the_days_is_refused() -> None:
    with pytest.raises(ValueError, match="from 2025-01-07 to 2025-01-08, got one of 2025-01-06"):
        by_day([result(0, "5")], date(2025, 1, 7), date(2025, 1, 8))


def test_shares_are_of_what_was_there_or_of_the_deposit() -> None:
    gains = [D(50), D(-15), D("13.5")]
    assert shares(gains, D(100), compounded=True) == [0.5, -0.1, 0.1]
    assert shares(gains, D(100), compounded=False) == [0.5, -0.15, 0.135]


def test_an_account_that_is_worth_nothing_has_no_shares() -> None:
    with pytest.raises(ValueError, match=r"worth something before each result, got -1.00 before number 2"):
        shares([D(-101), D(5)], D(100), compounded=True)
    assert shares([D(-101), D(5)], D(100), compounded=False) == [-1.01, 0.05]
