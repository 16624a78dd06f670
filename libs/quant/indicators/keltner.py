"""Keltner channel: an exponential average of the typical price, and so many average true ranges on either side of it.

    p = (high + low + close) / 3, middle = EMA(p, length), upper and lower = middle +- multiplier * ATR(atr_length)

NaN, all lines, until max(length, atr_length + 1) bars have been seen. A bar with a NaN or infinite input gives NaN and
leaves the state as it was. The lines of a flat market all lie on the price.

Source: Keltner (1960), How To Make Money in Commodities, for the typical price; Raschke and Connors (1995), Street Smarts,
for the exponential average and the average true range.
"""

from math import isnan, nan
from typing import Final, NamedTuple

from libs.quant.indicators import atr, ema


class State(NamedTuple):
    """The middle, the ranges, and the half width in average true ranges."""

    middle: ema.State
    ranges: atr.State
    multiplier: float


class Lines(NamedTuple):
    """Prices."""

    upper: float
    middle: float
    lower: float


_NONE: Final = Lines(nan, nan, nan)


def init(length: int, atr_length: int = 10, multiplier: float = 2.0) -> State:
    """Nothing seen. ValueError if a length is < 1."""
    return State(ema.init(length), atr.init(atr_length), multiplier)


def step(state: State, high: float, low: float, close: float) -> tuple[State, Lines]:
    """The channel with one more bar."""
    middle, mean = ema.step(state.middle, (high + low + close) / 3.0)
    ranges, average = atr.step(state.ranges, high, low, close)
    reach = state.multiplier * average
    lines = _NONE if isnan(mean) or isnan(average) else Lines(mean + reach, mean, mean - reach)
    return State(middle, ranges, state.multiplier), lines
