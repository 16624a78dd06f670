"""Volume-weighted average price: what one unit has cost on average, each bar taken at its typical price.

    VWAP = sum(p * volume) / sum(volume), p = (high + low + close) / 3

Over the last `length` bars, or with `length` 0 over all since `init`: a session's VWAP is that of a state made at its start.
NaN until `length` bars have been seen, and where nothing has been traded. A bar with a NaN or infinite input gives NaN and
leaves the state as it was.

Source: Berkowitz, Logue and Noser (1988), The Total Cost of Transactions on the NYSE. The sums slide in rounds as that of `sma`.
"""

from math import isfinite, nan
from typing import NamedTuple

from libs.quant.indicators.lengths import checked


class State(NamedTuple):
    """Up to the newest bar the lists hold what bars of this round traded, after it sums of the ends of the round before."""

    amounts: list[float]
    volumes: list[float]
    seen: int
    amount: float  # of this round
    volume: float  # of this round


def init(length: int = 0) -> State:
    """Nothing seen. ValueError if `length` < 0."""
    return State([0.0] * checked(length, 0), [0.0] * length, 0, 0.0, 0.0)


def step(state: State, high: float, low: float, close: float, volume: float) -> tuple[State, float]:
    """The average with one more bar, a price."""
    spent = (high + low + close) / 3.0 * volume
    if not isfinite(spent + volume):
        return state, nan
    amounts, volumes, seen, amount, traded = state
    length = len(volumes)
    amount += spent
    traded += volume
    seen += 1
    if length == 0:
        return State(amounts, volumes, seen, amount, traded), _price(amount, traded)
    newer = (seen - 1) % length + 1
    amounts[newer - 1] = spent
    volumes[newer - 1] = volume
    if newer == length:
        _turn(amounts, volumes)
        return State(amounts, volumes, seen, 0.0, 0.0), _price(amount, traded)
    price = _price(amounts[newer] + amount, volumes[newer] + traded) if seen > length else nan
    return State(amounts, volumes, seen, amount, traded), price


def _price(amount: float, volume: float) -> float:
    return amount / volume if volume != 0.0 else nan


def _turn(amounts: list[float], volumes: list[float]) -> None:
    """What bars of a round traded becomes the sums of its ends."""
    for n in range(len(volumes) - 2, -1, -1):
        amounts[n] += amounts[n + 1]
        volumes[n] += volumes[n + 1]
