"""Donchian channel: the highest high and the lowest low of the last `length` bars, and the middle of the two.

The newest bar is in it: a breakout compares with the lines of the bar before. NaN until `length` bars have been seen. A bar
with a NaN or infinite input gives NaN and leaves the state as it was.

Source: Donchian (1960), High Finance in Copper, Financial Analysts Journal.
"""

from typing import NamedTuple

from libs.quant.indicators import extremes


class State(NamedTuple):
    """The window."""

    bars: extremes.State


class Lines(NamedTuple):
    """Prices."""

    upper: float
    middle: float
    lower: float


def init(length: int) -> State:
    """Nothing seen. ValueError if `length` < 1."""
    return State(extremes.init(length))


def step(state: State, high: float, low: float) -> tuple[State, Lines]:
    """The channel with one more bar."""
    bars, (highest, lowest) = extremes.step(state.bars, high, low)
    return State(bars), Lines(highest, (highest + lowest) / 2.0, lowest)
