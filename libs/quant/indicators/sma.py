"""Simple moving average: the mean of the last `length` values.

    SMA = (x[t - length + 1] + ... + x[t]) / length

NaN until `length` values have been seen. A NaN or infinite input gives NaN and leaves the state as it was.

Source: Box and Jenkins (1970), Time Series Analysis; the sliding sum without subtraction is that of van Herk (1992) and Gil
and Werman (1993) for maxima. Bars are counted in rounds of `length`. A window is the end of one round and the beginning of
the next: the sums of all ends are made once when a round is over, the sum of the beginning grows by one value a bar. Nothing
is ever subtracted, so rounding does not add up and what has left the window leaves no trace.
"""

from math import isfinite, nan
from typing import NamedTuple

from libs.quant.indicators.lengths import checked


class State(NamedTuple):
    """Up to the newest bar `window` holds values of this round, after it sums of the ends of the round before."""

    window: list[float]
    seen: int
    total: float  # of this round


def init(length: int) -> State:
    """Nothing seen. ValueError if `length` < 1."""
    return State([0.0] * checked(length), 0, 0.0)


def step(state: State, value: float) -> tuple[State, float]:
    """The mean with one more value, in its unit."""
    if not isfinite(value):
        return state, nan
    window, seen, total = state
    length = len(window)
    at = seen % length
    window[at] = value
    seen += 1
    total += value
    if at + 1 < length:
        return State(window, seen, total), (window[at + 1] + total) / length if seen > length else nan
    end = 0.0
    for n in range(length - 1, -1, -1):
        end += window[n]
        window[n] = end
    return State(window, seen, 0.0), total / length
