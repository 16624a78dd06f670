"""Slope of the straight line through the last `length` values, by least squares.

    slope = sum((n - mean(n)) * (x - mean(x))) / sum((n - mean(n))^2), n = 0 ... length - 1

NaN until `length` values have been seen. A NaN or infinite input gives NaN and leaves the state as it was; it does not count
as a bar of time. Exactly 0 in a flat window.

Source: Legendre (1805), least squares; sliding after Chan, Golub and LeVeque (1979): a window is the end of one round of
`length` values and the beginning of the next, as in `sma`, and the co-moment with time is put together of both.
"""

from math import isfinite, nan
from typing import NamedTuple

from libs.quant.indicators.lengths import checked


class State(NamedTuple):
    """Of the ends of the round before: `means` and `products` after the newest bar. Up to it `means` holds this round's values."""

    means: list[float]
    products: list[float]
    seen: int
    mean: float  # of this round
    product: float  # sum of products of the deviations of value and time, of this round


def init(length: int) -> State:
    """Nothing seen. ValueError if `length` < 2."""
    return State([0.0] * checked(length, 2), [0.0] * length, 0, 0.0, 0.0)


def step(state: State, value: float) -> tuple[State, float]:
    """The slope with one more value, in its unit per bar."""
    if not isfinite(value):
        return state, nan
    means, products, seen, mean, product = state
    length = len(means)
    times = length * (length * length - 1) / 12.0
    at = seen % length
    means[at] = value
    seen += 1
    newer = at + 1
    gap = value - mean
    mean += gap / newer
    product += gap * at / 2.0
    if newer == length:
        _turn(means, products)
        return State(means, products, seen, 0.0, 0.0), product / times
    slope = nan
    if seen > length:
        between = (mean - means[newer]) * ((length - newer) * newer / 2.0)  # the parts lie length / 2 bars apart
        slope = (products[newer] + product + between) / times
    return State(means, products, seen, mean, product), slope


def _turn(means: list[float], products: list[float]) -> None:
    """Values of a round become the means and products of its ends."""
    length = len(means)
    mean = product = 0.0
    for n in range(length - 1, -1, -1):
        later = length - 1 - n
        gap = means[n] - mean
        mean += gap / (later + 1)
        product -= gap * later / 2.0
        means[n] = mean
        products[n] = product
