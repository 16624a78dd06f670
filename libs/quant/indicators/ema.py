"""Exponential moving average: each value counts (length - 1) / (length + 1) of the one after it.

    EMA = EMA' + (x - EMA') * 2 / (length + 1), the first being the mean of the first `length` values

NaN until `length` values have been seen. A NaN or infinite input gives NaN and leaves the state as it was.

Source: Brown (1959), Statistical Forecasting for Inventory Control; Appel (1979) for the factor from a length.
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
    """The average with one more value, in its unit."""
    if not isfinite(value):
        return state, nan
    length, seen, mean = state
    if seen == length:
        mean += (value - mean) * 2.0 / (length + 1)
        return State(length, seen, mean), mean
    seen += 1
    mean += (value - mean) / seen
    return State(length, seen, mean), mean if seen == length else nan
