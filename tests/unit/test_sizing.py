import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.orders import Side
from libs.quant.sizing import against_us, ticks_towards, to_lots, to_ticks


@pytest.mark.parametrize(
    ("x", "lot", "lots"),
    [
        pytest.param(0.1 + 0.2, 0.1, 3, id="noise above a whole lot"),
        pytest.param(0.3, 0.1, 3, id="noise below a whole lot"),
        pytest.param(2.9999999999, 1.0, 3, id="within 1e-9 of a lot per lot"),
        pytest.param(2.99999999, 1.0, 2, id="further off is not noise"),
        pytest.param(-2.9999999999, 1.0, -3, id="short, noise"),
        pytest.param(-2.99999999, 1.0, -2, id="short, towards zero"),
        pytest.param(0.999, 1.0, 0, id="less than a lot is none"),
        pytest.param(123_456_789.985, 1.0, 123_456_789, id="the tolerance stops growing at a hundredth of a lot"),
        pytest.param(123_456_789.995, 1.0, 123_456_790, id="a hundredth of a lot is noise in a big number"),
        pytest.param(2.0**53, 1.0, 2**53, id="largest countable"),
        pytest.param(2.0**53 - 1, 1.0, 2**53 - 1, id="odd and large: adding a half would round"),
    ],
)
def test_lots_are_whole_and_towards_zero_except_for_float_noise(x: float, lot: float, lots: int) -> None:
    assert to_lots(x, lot) == lots


@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf, 2.0**53 + 2, 1e300])
def test_a_quantity_that_cannot_be_counted_is_named(x: float) -> None:
    with pytest.raises(ValueError, match=repr(x).replace("+", r"\+")):
        to_lots(x, 1.0)


@pytest.mark.parametrize("step", [0.0, -1.0, math.nan, math.inf])
def test_a_step_that_is_no_step_is_named(step: float) -> None:
    with pytest.raises(ValueError, match=f"positive step, got {step!r}"):
        to_ticks(1.0, step)


@given(lots=st.integers(-(10**9), 10**9), lot=st.sampled_from([1e-8, 1e-5, 0.001, 0.1, 1.0, 100.0]))
def test_whole_lots_come_back_whole(lots: int, lot: float) -> None:
    assert to_lots(lots * lot, lot) == lots


@given(x=st.floats(-1e9, 1e9), lot=st.sampled_from([1e-5, 0.1, 1.0]))
def test_lots_are_never_more_than_wished_by_more_than_noise(x: float, lot: float) -> None:
    assert abs(to_lots(x, lot)) <= abs(x / lot) + 0.01
    assert abs(to_lots(x, lot)) > abs(x / lot) - 1
    assert to_lots(-x, lot) == -to_lots(x, lot)


@given(ticks=st.integers(1, 10**9), tick=st.sampled_from([1e-6, 0.01, 0.25, 0.00005]))
def test_a_price_on_the_grid_is_its_tick_whatever_the_rounding(ticks: int, tick: float) -> None:
    price = ticks * tick
    assert to_ticks(price, tick) == ticks
    assert ticks_towards(price, tick, reference=0.0) == ticks_towards(price, tick, reference=2 * price) == ticks


@pytest.mark.parametrize(("price", "ticks"), [(1.004, 100), (1.006, 101), (0.125, 13), (-0.125, -12)])
def test_prices_go_to_the_nearest_tick_and_half_way_up(price: float, ticks: int) -> None:
    assert to_ticks(price, 0.01) == ticks


def test_a_collar_is_rounded_towards_the_reference() -> None:
    assert ticks_towards(102.0376, 0.01, reference=100.037) == 10203
    assert ticks_towards(98.0362, 0.01, reference=100.037) == 9804


@pytest.mark.parametrize(
    ("side", "ticks", "bps", "worse"),
    [
        pytest.param("buy", 10_000, "1", 10_001, id="exactly one tick"),
        pytest.param("buy", 10_000, "1.01", 10_002, id="a little more goes to the next"),
        pytest.param("sell", 10_000, "1.01", 9_998, id="down for a seller"),
        pytest.param("buy", 30_000, "0.1", 30_001, id="no noise from decimal fractions"),
        pytest.param("sell", 10_000, "0", 10_000, id="no cost, no move"),
        pytest.param("sell", -10_000, "1", -10_001, id="negative prices get worse too"),
    ],
)
def test_costs_move_a_price_against_us_to_the_next_tick(side: Side, ticks: int, bps: str, worse: int) -> None:
    assert against_us(side, ticks, Decimal(bps)) == worse


@given(ticks=st.integers(1, 10**9), bps=st.decimals(0, 500, places=3), side=st.sampled_from(["buy", "sell"]))
def test_rounding_is_never_in_our_favour_and_less_than_a_tick(ticks: int, bps: Decimal, side: Side) -> None:
    shift = Fraction(bps) * ticks / 10_000
    paid = against_us(side, ticks, bps) - ticks if side == "buy" else ticks - against_us(side, ticks, bps)
    assert shift <= paid < shift + 1
