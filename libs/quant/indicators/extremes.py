"""The highest high and the lowest low of the last `length` bars, in constant time on average.

NaN until `length` bars have been seen. A bar with a NaN or infinite input gives NaN and leaves the state as it was.

Source: van Herk (1992) and Gil and Werman (1993). Bars are counted in rounds of `length`. A window is the end of one round
and the beginning of the next: the extremes of all ends are made once when a round is over, those of the beginning bar by bar.
"""

from math import inf, isfinite, nan
from typing import Final, NamedTuple

from libs.quant.indicators.lengths import checked


class State(NamedTuple):
    """Up to the newest bar the lists hold prices of this round, after it extremes of the ends of the round before."""

    highs: list[float]
    lows: list[float]
    seen: int
    highest: float  # of this round
    lowest: float  # of this round


class Extremes(NamedTuple):
    """Prices."""

    highest: float
    lowest: float


_NONE: Final = Extremes(nan, nan)


def init(length: int) -> State:
    """Nothing seen. ValueError if `length` < 1."""
    return State([0.0] * checked(length), [0.0] * length, 0, -inf, inf)


def step(state: State, high: float, low: float) -> tuple[State, Extremes]:
    """The extremes with one more bar."""
    if not isfinite(high + low):
        return state, _NONE
    highs, lows, seen, highest, lowest = state
    length = len(highs)
    at = seen % length
    highs[at] = high
    lows[at] = low
    seen += 1
    if high > highest:
        highest = high
    if low < lowest:
        lowest = low
    if at + 1 == length:
        _turn(highs, lows)
        return State(highs, lows, seen, -inf, inf), Extremes(highest, lowest)
    extremes = _NONE
    if seen > length:
        before_high, before_low = highs[at + 1], lows[at + 1]
        extremes = Extremes(before_high if before_high > highest else highest, before_low if before_low < lowest else lowest)
    return State(highs, lows, seen, highest, lowest), extremes


def _turn(highs: list[float], lows: list[float]) -> None:
    """Prices of a round become the extremes of its ends."""
    for n in range(len(highs) - 2, -1, -1):
        highs[n] = max(highs[n], highs[n + 1])
        lows[n] = min(lows[n], lows[n + 1])
