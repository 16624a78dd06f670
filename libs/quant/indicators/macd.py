"""Moving average convergence divergence: a fast exponential average less a slow one, and the average of that.

    MACD = EMA(close, fast) - EMA(close, slow), signal = EMA(MACD, signal length), histogram = MACD - signal

Both averages have their first value at bar `slow`, so the fast one begins slow - fast bars late. NaN, all lines, until
slow + signal - 1 closes have been seen. A NaN or infinite input gives NaN and leaves the state as it was.

Source: Appel (1979), The Moving Average Convergence-Divergence Method.
"""

from math import nan
from typing import Final, NamedTuple

from libs.quant.indicators import ema


class State(NamedTuple):
    """The three averages."""

    fast: ema.State
    slow: ema.State
    signal: ema.State


class Lines(NamedTuple):
    """In units of the price."""

    macd: float
    signal: float
    histogram: float


_NONE: Final = Lines(nan, nan, nan)


def init(fast: int = 12, slow: int = 26, signal: int = 9) -> State:
    """Nothing seen. ValueError unless 1 <= fast < slow and 1 <= signal."""
    if fast >= slow:
        raise ValueError(f"expected fast < slow, got fast={fast}, slow={slow}")
    return State(ema.init(fast), ema.init(slow), ema.init(signal))


def step(state: State, close: float) -> tuple[State, Lines]:
    """The lines with one more close."""
    slow, slow_mean = ema.step(state.slow, close)
    fast, fast_mean = state.fast, nan
    if slow.seen > slow.length - fast.length:
        fast, fast_mean = ema.step(fast, close)
    difference = fast_mean - slow_mean
    signal, mean = ema.step(state.signal, difference)
    lines = Lines(difference, mean, difference - mean) if mean == mean else _NONE
    return State(fast, slow, signal), lines
