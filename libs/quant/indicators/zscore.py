"""Z-score: how many standard deviations the newest value lies from the mean of the last `length`, itself among them.

    z = (x - mean) / sd, sd with the divisor length, so that |z| <= sqrt(length - 1)

NaN until `length` values have been seen. A NaN or infinite input gives NaN and leaves the state as it was. 0 in a window
that is flat but for rounding.

Source: Kreyszig (1979), Advanced Engineering Mathematics, standard score.
"""

from math import sqrt
from typing import NamedTuple

from libs.quant.indicators import moments
from libs.quant.indicators.lengths import checked
from libs.quant.indicators.rounding import ROUNDING


class State(NamedTuple):
    """The window."""

    values: moments.State


def init(length: int) -> State:
    """Nothing seen. ValueError if `length` < 2."""
    return State(moments.init(checked(length, 2)))


def step(state: State, value: float) -> tuple[State, float]:
    """The score of one more value."""
    values, (mean, variance) = moments.step(state.values, value)
    deviation = sqrt(variance)
    flat = deviation <= ROUNDING * abs(mean)
    return State(values), 0.0 if flat else (value - mean) / deviation
