"""Weighted moving average: weights fall in a straight line from `length` for the newest value to 1 for the oldest.

    WMA = (1 * x[t - length + 1] + ... + length * x[t]) / (length * (length + 1) / 2)

NaN until `length` values have been seen. A NaN or infinite input gives NaN and leaves the state as it was.

Source: Kaufman (2013), Trading Systems and Methods, linearly weighted moving average. The sum slides in rounds as that of `sma`.
"""

from math import isfinite, nan
from typing import NamedTuple

from libs.quant.indicators.lengths import checked


class State(NamedTuple):
    """Up to the newest bar `window` holds values of this round, after it weighted sums of the ends of the round before."""

    window: list[float]
    seen: int
    total: float  # of this round
    weighted: float  # of this round, its first value having weight 1


def init(length: int) -> State:
    """Nothing seen. ValueError if `length` < 1."""
    return State([0.0] * checked(length), 0, 0.0, 0.0)


def step(state: State, value: float) -> tuple[State, float]:
    """The average with one more value, in its unit."""
    if not isfinite(value):
        return state, nan
    window, seen, total, weighted = state
    length = len(window)
    weights = length * (length + 1) / 2.0
    at = seen % length
    window[at] = value
    seen += 1
    total += value
    weighted += (at + 1) * value
    older = length - 1 - at  # values of the round before: this round's weigh so much more than in it alone
    if older:
        return State(window, seen, total, weighted), (window[at + 1] + older * total + weighted) / weights if seen > length else nan
    end = weighted_end = 0.0
    for n in range(length - 1, -1, -1):
        end += window[n]
        weighted_end += end
        window[n] = weighted_end
    return State(window, seen, 0.0, 0.0), weighted / weights
