"""Relative strength index: the share of the rises in all movement, 0 to 100.

    RSI = 100 * G / (G + L), G and L being Wilder's smoothing of the rises and of the falls from close to close

NaN until `length` + 1 closes have been seen. A NaN or infinite input gives NaN and leaves the state as it was. 0 where
nothing has moved at all.

Source: Wilder (1978), New Concepts in Technical Trading Systems.
"""

from math import isfinite, isnan, nan
from typing import NamedTuple

from libs.quant.indicators import wilder


class State(NamedTuple):
    """What came before the next bar."""

    close: float  # NaN before the first
    rises: wilder.State
    falls: wilder.State


def init(length: int) -> State:
    """Nothing seen. ValueError if `length` < 1."""
    return State(nan, wilder.init(length), wilder.init(length))


def step(state: State, close: float) -> tuple[State, float]:
    """The index with one more close."""
    if not isfinite(close):
        return state, nan
    if isnan(state.close):
        return State(close, state.rises, state.falls), nan
    change = close - state.close
    rises, rise = wilder.step(state.rises, change if change > 0.0 else 0.0)
    falls, fall = wilder.step(state.falls, -change if change < 0.0 else 0.0)
    movement = rise + fall
    return State(close, rises, falls), 100.0 * rise / movement if movement != 0.0 else 0.0
