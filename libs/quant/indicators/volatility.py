"""Rolling volatility: the standard deviation of the last `length` logarithmic returns, per bar.

    volatility = sqrt(sum((r - mean(r))^2) / (length - 1)), r = log(close / previous close)

A fraction per square-root bar; times the square root of the bars in a year it is annual. NaN until `length` + 1 closes have
been seen. A close that is NaN, infinite or not positive gives NaN and leaves the state as it was, so that the next return
spans it. 0 in a flat window.

Source: Hull (2018), Options, Futures, and Other Derivatives, estimating volatility from historical data.
"""

from math import inf, log, nan, sqrt
from typing import NamedTuple

from libs.quant.indicators import moments
from libs.quant.indicators.lengths import checked


class State(NamedTuple):
    """What came before the next bar."""

    log_close: float  # NaN before the first
    returns: moments.State


def init(length: int) -> State:
    """Nothing seen; `length` counts returns. ValueError if it is < 2."""
    return State(nan, moments.init(checked(length, 2)))


def step(state: State, close: float) -> tuple[State, float]:
    """The volatility with one more close."""
    if not 0.0 < close < inf:
        return state, nan
    log_close = log(close)
    returns, (_, variance) = moments.step(state.returns, log_close - state.log_close)
    length = len(returns.means)
    return State(log_close, returns), sqrt(variance * length / (length - 1))
