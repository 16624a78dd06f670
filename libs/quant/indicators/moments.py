"""Mean and variance of the last `length` values, sliding without drift.

    mean = sum(x) / length, variance = sum((x - mean)^2) / length

NaN until `length` values have been seen. A NaN or infinite input gives NaN and leaves the state as it was. The variance is
never negative, not even where numbers near the largest there is overflow, and exactly 0 when all values are the same.

Source: Welford (1962) for one value more, Chan, Golub and LeVeque (1979) for two parts together: a window is the end of one
round of `length` values and the beginning of the next, as in `sma`, and nothing is ever subtracted from either.
"""

from math import isfinite, nan
from typing import Final, NamedTuple

from libs.quant.indicators.lengths import checked


class State(NamedTuple):
    """Of the ends of the round before: `means` and `squares` after the newest bar. Up to it `means` holds this round's values."""

    means: list[float]
    squares: list[float]
    seen: int
    mean: float  # of this round
    square: float  # sum of squared deviations, of this round


class Moments(NamedTuple):
    """In units of the value, and of its square."""

    mean: float
    variance: float


_NONE: Final = Moments(nan, nan)


def init(length: int) -> State:
    """Nothing seen. ValueError if `length` < 1."""
    return State([0.0] * checked(length), [0.0] * length, 0, 0.0, 0.0)


def step(state: State, value: float) -> tuple[State, Moments]:
    """The moments with one more value."""
    if not isfinite(value):
        return state, _NONE
    means, squares, seen, mean, square = state
    length = len(means)
    at = seen % length
    means[at] = value
    seen += 1
    newer = at + 1
    gap = value - mean
    mean += gap / newer
    square += gap * (value - mean)
    if newer == length:
        _turn(means, squares)
        return State(means, squares, seen, 0.0, 0.0), Moments(mean, abs(square) / length)
    moments = _NONE
    if seen > length:
        gap = mean - means[newer]
        between = gap * gap * ((length - newer) * newer / length)
        moments = Moments(means[newer] + gap * newer / length, abs(squares[newer] + square + between) / length)
    return State(means, squares, seen, mean, square), moments


def _turn(means: list[float], squares: list[float]) -> None:
    """Values of a round become the moments of its ends."""
    length = len(means)
    mean = square = 0.0
    for n in range(length - 1, -1, -1):
        value = means[n]
        gap = value - mean
        mean += gap / (length - n)
        square += gap * (value - mean)
        means[n] = mean
        squares[n] = square
