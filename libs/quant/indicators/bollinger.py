"""Bollinger bands: the mean of the last `length` closes, and so many standard deviations on either side of it.

    middle = mean(close), upper and lower = middle +- deviations * sd(close), sd with the divisor length

NaN until `length` closes have been seen. A NaN or infinite input gives NaN and leaves the state as it was. The bands of a
flat window all lie on the close.

Source: Bollinger (2001), Bollinger on Bollinger Bands.
"""

from math import sqrt
from typing import NamedTuple

from libs.quant.indicators import moments


class State(NamedTuple):
    """The window, and the half width of the bands in standard deviations."""

    closes: moments.State
    deviations: float


class Lines(NamedTuple):
    """Prices."""

    upper: float
    middle: float
    lower: float


def init(length: int, deviations: float = 2.0) -> State:
    """Nothing seen. ValueError if `length` < 1."""
    return State(moments.init(length), deviations)


def step(state: State, close: float) -> tuple[State, Lines]:
    """The bands with one more close."""
    closes, (mean, variance) = moments.step(state.closes, close)
    reach = state.deviations * sqrt(variance)
    return State(closes, state.deviations), Lines(mean + reach, mean, mean - reach)
