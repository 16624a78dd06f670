"""On-balance volume: the running sum of volumes, added on a rise of the close and taken away on a fall.

The first bar counts as a rise; an unchanged close counts for nothing. Never NaN but for a bar with a NaN or infinite input,
which leaves the state as it was. Only changes mean anything: the level is that of the first bar seen.

Source: Granville (1963), New Key to Stock Market Profits.
"""

from math import isfinite, nan
from typing import NamedTuple


class State(NamedTuple):
    """What came before the next bar."""

    close: float  # NaN before the first
    balance: float


def init() -> State:
    """Nothing seen."""
    return State(nan, 0.0)


def step(state: State, close: float, volume: float) -> tuple[State, float]:
    """The balance with one more bar, in units of the volume."""
    if not isfinite(close + volume):
        return state, nan
    previous, balance = state
    if close < previous:
        balance -= volume
    elif close != previous:
        balance += volume
    return State(close, balance), balance
