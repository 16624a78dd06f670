"""How much volatility scales a position."""

from itertools import pairwise
from math import log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.instruments import Calendar
from libs.quant.price_volatility import WARMUP, Volatility, bars_per_year, observe, scale

PRICES = st.floats(0.01, 1e6)


def observed(*closes: float) -> Volatility:
    state = Volatility()
    for close in closes:
        state = observe(state, close)
    return state


@pytest.mark.parametrize(
    ("timeframe", "calendar", "bars"),
    [
        ("1d", "us_equity", 252),
        ("1m", "us_equity", 252 * 390),
        ("1h", "us_equity", 252 * 6.5),
        ("1d", "24/7", 365),
        ("1s", "24/7", 365 * 86_400),
        ("4h", "forex", 260 * 6),
        ("15m", "cme_globex", 252 * 92),
    ],
)
def test_a_year_has_as_many_bars_as_its_sessions_have_room_for(timeframe: str, calendar: Calendar, bars: float) -> None:
    assert bars_per_year(timeframe, calendar) == pytest.approx(bars)


def test_the_first_close_is_no_return() -> None:
    assert observed(100.0) == Volatility(100.0, 0, 0.0)


def test_at_first_all_returns_weigh_equally() -> None:
    closes = [100.0, 102.0, 99.0, 100.0]
    returns = [log(b / a) for a, b in pairwise(closes)]
    assert observed(*closes).variance == pytest.approx(sum(r * r for r in returns) / 3, rel=1e-12)


def test_later_the_newest_weighs_six_hundredths() -> None:
    before = Volatility(100.0, 50, 0.0004)
    assert observe(before, 103.0).variance == pytest.approx(0.94 * 0.0004 + 0.06 * log(1.03) ** 2, rel=1e-12)


@given(closes=st.lists(PRICES, min_size=2, max_size=60))
def test_a_variance_lies_between_the_smallest_and_the_largest_squared_return(closes: list[float]) -> None:
    squares = [log(b / a) ** 2 for a, b in pairwise(closes)]
    assert min(squares) * (1 - 1e-9) <= observed(*closes).variance <= max(squares) * (1 + 1e-9)


def test_a_position_is_scaled_to_the_volatility_wanted() -> None:
    assert scale(Volatility(100.0, 20, 0.0001), 0.10, "1d", "us_equity") == pytest.approx(0.10 / (0.01 * sqrt(252)), rel=1e-12)


@pytest.mark.parametrize("variance", [0.0, 1e-12])
def test_a_quiet_price_is_not_levered(variance: float) -> None:
    assert scale(Volatility(100.0, 20, variance), 0.10, "1d", "us_equity") == 1.0


@pytest.mark.parametrize(("seen", "known"), [(WARMUP - 1, False), (WARMUP, True)])
def test_a_volatility_is_believed_after_enough_returns(seen: int, known: bool) -> None:
    assert (scale(Volatility(100.0, seen, 0.0001), 0.10, "1d", "24/7") is not None) is known
