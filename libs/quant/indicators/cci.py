"""Commodity channel index: the distance of the typical price from its mean, in mean absolute deviations.

    p = (high + low + close) / 3, CCI = (p - mean(p)) / (0.015 * mean(|p - mean(p)|)), over the last `length` bars

NaN until `length` bars have been seen. A bar with a NaN or infinite input gives NaN and leaves the state as it was. 0 where
the price is the mean or the window is flat, but for rounding. Takes time in proportion to `length`: every deviation is from
a mean that moves.

Source: Lambert (1980), Commodity Channel Index, Commodities Magazine.
"""

from math import isfinite, nan
from typing import NamedTuple

from libs.quant.indicators.lengths import checked
from libs.quant.indicators.rounding import ROUNDING


class State(NamedTuple):
    """The window."""

    prices: list[float]  # ring
    seen: int


def init(length: int) -> State:
    """Nothing seen. ValueError if `length` < 2."""
    return State([0.0] * checked(length, 2), 0)


def step(state: State, high: float, low: float, close: float) -> tuple[State, float]:
    """The index with one more bar."""
    price = (high + low + close) / 3.0
    if not isfinite(price):
        return state, nan
    prices, seen = state
    length = len(prices)
    prices[seen % length] = price
    seen += 1
    if seen < length:
        return State(prices, seen), nan
    above = 0.0  # sums are of distances from the newest price, so that a flat window has exactly none
    for other in prices:
        above += other - price
    mean = price + above / length
    deviations = 0.0
    for other in prices:
        deviations += abs(other - mean)
    deviation = deviations / length
    noise = ROUNDING * abs(mean)
    if abs(price - mean) <= noise or deviation <= noise:
        return State(prices, seen), 0.0
    return State(prices, seen), (price - mean) / deviation / 0.015
