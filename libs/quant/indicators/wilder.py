"""Wilder's smoothing: an exponential average in which each value counts (length - 1) / length of the one after it.

    W = (W' * (length - 1) + x) / length, the first being the mean of the first `length` values

NaN until `length` values have been seen. A NaN or infinite input gives NaN and leaves the state as it was.

Source: Wilder (1978), New Concepts in Technical Trading Systems.
"""

from math import isfinite, nan
from typing import NamedTuple

from libs.quant.indicators.lengths import checked


class State(NamedTuple):
    """Until `length` values have been seen `mean` is the plain mean of all."""

    length: int
    seen: int  # at most length
    mean: float


def init(length: int) -> State:
    """Nothing seen. ValueError if `length` < 1."""
    return State(checked(length), 0, 0.0)


def step(state: State, value: float) -> tuple[State, float]:
    """The average with one more value, in its unit; not negative when no value is."""
    if not isfinite(value):
        return state, nan
    length, seen, mean = state
    if seen < length:
        seen += 1
    mean = (mean * (seen - 1) + value) / seen
    return State(length, seen, mean), mean if seen == length else nan
