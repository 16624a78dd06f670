"""Whole lots and ticks, and moments of the market: what libs/quant/sizing.py, fills.py and calendars.py say, compiled."""

import math

import numpy as np

from libs.quant.compiled.exact import product
from libs.quant.compiled.jit import compiled
from libs.quant.compiled.layout import UNBOUNDED, Market


@compiled
def to_lots(x: float, lot: float) -> int:
    """As `sizing.to_lots`."""
    q = _steps(x, lot)
    r = math.floor(q + 0.5)
    if q == r or _is_noise(q - r, q):
        return int(r)
    return int(q)


@compiled
def to_ticks(price: float, tick: float) -> int:
    """As `sizing.to_ticks`."""
    return int(math.floor(_steps(price, tick) + 0.5))


@compiled
def ticks_towards(price: float, tick: float, reference: float) -> int:
    """As `sizing.ticks_towards`."""
    q = _steps(price, tick)
    r = math.floor(q + 0.5)
    if q == r or _is_noise(q - r, q):
        return int(r)
    return int(math.floor(q)) if price > reference else int(math.ceil(q))


@compiled
def _steps(x: float, step: float) -> float:
    q = x / step
    if not abs(q) <= UNBOUNDED:
        raise ValueError("no countable number of steps")
    return q


@compiled
def _is_noise(miss: float, q: float) -> bool:
    return abs(miss) <= 1e-9 or abs(miss) <= min(0.01, 1e-9 * abs(q))


@compiled
def against_us(side: int, ticks: int, above: int, below: int) -> int:
    """As `sizing.against_us`; bps are above / below."""
    shift = -((-product(abs(ticks), above)) // (below * 10_000))
    return ticks + shift if side > 0 else ticks - shift


@compiled
def row_known(market: Market, first: int, last: int, late: int, now: int) -> int:
    """The newest row of a symbol that is known by `now`; first - 1 before the first."""
    return first + np.searchsorted(market.start[first:last], now - late, side="right") - 1


@compiled
def next_known(market: Market, at: int) -> int:
    """The first moment from `at` on at which anything is known; -1 after the end."""
    n = np.searchsorted(market.known, at, side="left")
    return market.known[n] if n < len(market.known) else -1


@compiled
def in_session(market: Market, calendar: int, now: int) -> bool:
    """Whether the calendar's market is open at `now`."""
    first, last = market.calendars[calendar], market.calendars[calendar + 1]
    n = first + np.searchsorted(market.session_opens[first:last], now, side="right") - 1
    return n >= first and now < market.session_closes[n]


@compiled
def next_open(market: Market, calendar: int, at: int) -> int:
    """When the first session begins that does so at `at` or later."""
    first, last = market.calendars[calendar], market.calendars[calendar + 1]
    n = first + np.searchsorted(market.session_opens[first:last], at, side="left")
    if n >= last:
        raise IndexError("no session is known that late")
    return market.session_opens[n]
