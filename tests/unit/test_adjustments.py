"""Prices on one scale across corporate actions."""

from decimal import Decimal

import pytest

from libs.domain.actions import ActionKind, CorporateAction
from libs.quant.adjustments import Adjustments, price_factor

D = Decimal


def an_action(effective: int, kind: ActionKind = "split", ratio: str = "1", cash: str = "0", close: str = "0") -> CorporateAction:
    return CorporateAction(
        venue="US", symbol="AAPL", effective=effective, kind=kind, ratio=D(ratio), cash=D(cash), reference_price=D(close)
    )


@pytest.mark.parametrize(
    ("action", "factor"),
    [
        pytest.param(an_action(1, ratio="7"), 7.0, id="split"),
        pytest.param(an_action(1, ratio="0.05"), 0.05, id="reverse split"),
        pytest.param(an_action(1, "dividend", cash="3.29", close="592.33"), 592.33 / 589.04, id="dividend: close / (close - cash)"),
        pytest.param(an_action(1, "dividend", cash="3.29"), 1.0, id="dividend without a close"),
        pytest.param(an_action(1, "dividend", cash="5", close="4"), 1.0, id="dividend above the close"),
        pytest.param(an_action(1, "rename", ratio="2"), 2.0, id="rename with a split"),
    ],
)
def test_a_new_price_times_its_factor_goes_on_from_the_old_ones(action: CorporateAction, factor: float) -> None:
    assert price_factor(action) == pytest.approx(factor, rel=1e-12)


def test_factors_multiply_from_their_own_time_on_and_not_before() -> None:
    adjustments = Adjustments([an_action(20, ratio="2"), an_action(10, ratio="7")], since=0)
    assert [adjustments.price("AAPL", at) for at in (9, 10, 19, 20)] == [1.0, 7.0, 7.0, 14.0]
    assert adjustments.changes("AAPL") == [10, 20]
    assert adjustments.price("IBM", 30) == 1.0


def test_what_held_before_the_timeline_began_is_in_its_prices_already() -> None:
    adjustments = Adjustments([an_action(10, ratio="7"), an_action(20, ratio="4")], since=10)
    assert [adjustments.price("AAPL", at) for at in (10, 20)] == [1.0, 4.0]


def test_volumes_and_old_closes_know_splits_and_no_dividends() -> None:
    adjustments = Adjustments([an_action(10, "dividend", cash="10", close="100"), an_action(20, ratio="7")], since=0)
    assert [adjustments.volume("AAPL", at) for at in (5, 10, 20)] == [1.0, 1.0, 7.0]
    assert adjustments.carried("AAPL", 700.0, seen=5, now=20) == pytest.approx(100.0)
    assert adjustments.carried("AAPL", 700.0, seen=5, now=15) == 700.0
    assert adjustments.carried("AAPL", 100.0, seen=20, now=25) == 100.0


def test_a_dividend_and_a_split_of_one_morning_both_count() -> None:
    adjustments = Adjustments([an_action(10, ratio="0.5", close="8"), an_action(10, "dividend", cash="2", close="8")], since=0)
    assert adjustments.price("AAPL", 10) == pytest.approx(0.5 * 8 / 6)


def test_a_close_of_after_a_split_is_itself_to_the_last_digit() -> None:
    adjustments = Adjustments([an_action(100, ratio="1.5")], since=0)
    assert adjustments.carried("AAPL", 100.22, 150, 200) == 100.22
