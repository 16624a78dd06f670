"""Average true range: how far a bar reaches, gaps from the close before included.

    true range = max(high - low, |high - previous close|, |low - previous close|), ATR = Wilder's smoothing of it

The first bar has no true range: NaN until `length` + 1 bars have been seen. A bar with a NaN or infinite input gives NaN and
leaves the state as it was. 0 where nothing has moved.

Source: Wilder (1978), New Concepts in Technical Trading Systems.
"""

from math import isfinite, isnan, nan
from typing import NamedTuple

from libs.quant.indicators import wilder


class State(NamedTuple):
    """What came before the next bar."""

    close: float  # NaN before the first
    ranges: wilder.State


def init(length: int) -> State:
    """Nothing seen. ValueError if `length` < 1."""
    return State(nan, wilder.init(length))


def step(state: State, high: float, low: float, close: float) -> tuple[State, float]:
    """The average with one more bar, in units of the price."""
    if not isfinite(high + low + close):
        return state, nan
    if isnan(state.close):
        return State(close, state.ranges), nan
    ranges, average = wilder.step(state.ranges, true_range(high, low, state.close))
    return State(close, ranges), average


def true_range(high: float, low: float, previous_close: float) -> float:
    """The reach of one bar, in units of the price."""
    return max(high - low, abs(high - previous_close), abs(low - previous_close))
