"""Stochastic oscillator, slow: where the close lies in the range of the last `length` bars, 0 to 100, smoothed twice.

    raw = 100 * (close - lowest low) / (highest high - lowest low), k = SMA(raw, smoothing), d = SMA(k, signal)

NaN, both lines, until length + smoothing + signal - 2 bars have been seen. A bar with a NaN or infinite input gives NaN and
leaves the state as it was. Where the range is nothing but rounding raw is 0.

Source: Lane (1984), Lane's Stochastics, Technical Analysis of Stocks and Commodities.
"""

from math import isfinite, nan
from typing import Final, NamedTuple

from libs.quant.indicators import extremes, sma
from libs.quant.indicators.rounding import ROUNDING


class State(NamedTuple):
    """The window, and the two averages."""

    bars: extremes.State
    smoothing: sma.State
    signal: sma.State


class Lines(NamedTuple):
    """0 to 100 while closes lie within their bars."""

    k: float
    d: float


_NONE: Final = Lines(nan, nan)


def init(length: int, smoothing: int = 3, signal: int = 3) -> State:
    """Nothing seen. ValueError if a length is < 1."""
    return State(extremes.init(length), sma.init(smoothing), sma.init(signal))


def step(state: State, high: float, low: float, close: float) -> tuple[State, Lines]:
    """The lines with one more bar."""
    if not isfinite(high + low + close):
        return state, _NONE
    bars, (highest, lowest) = extremes.step(state.bars, high, low)
    reach = highest - lowest
    flat = reach <= ROUNDING * (abs(highest) + abs(lowest))
    raw = 0.0 if flat else 100.0 * (close - lowest) / reach
    smoothing, k = sma.step(state.smoothing, raw)
    signal, d = sma.step(state.signal, k)
    return State(bars, smoothing, signal), Lines(k, d) if d == d else _NONE
