"""Whole lots and ticks, and moments of the market: what libs/quant/sizing.py, fills.py and calendars.py say, compiled."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from libs.quant.compiled import rows
from libs.quant.compiled.exact import product
from libs.quant.compiled.jit import compiled
from libs.quant.compiled.layout import UNBOUNDED

if TYPE_CHECKING:
    from libs.quant.compiled.layout import Times


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
def newest(times: "Times", first: int, last: int, at: int, hint: int) -> int:
    """Where the last of `times[first:last]` (ascending) stands that is not later than `at`; first - 1 where all are.

    Looked for at `hint`, then where it would stand if all were as far apart as those there, and from there on, farther at each step.
    """
    if first >= last:
        return first - 1
    low = min(max(hint, first), last - 1)
    if times[low] <= at and (low + 1 == last or at < times[low + 1]):
        return low
    if low + 1 < last:
        ahead = low + (at - times[low]) // (times[low + 1] - times[low])
        if first <= ahead < last:
            low = ahead
    step = 1
    if times[low] <= at:
        while low + step < last and times[low + step] <= at:
            low += step
            step *= 2
        high = min(low + step, last)
    else:
        high = low
        while high - step >= first and times[high - step] > at:
            high -= step
            step *= 2
        low = max(high - step, first - 1)
    while high - low > 1:
        middle = (low + high) // 2
        if times[middle] <= at:
            low = middle
        else:
            high = middle
    return low


@compiled
def row_known(desk: Any, symbol: Any, late: int, now: int) -> int:
    """The newest row of a symbol that is known by `now`; first - 1 before the first."""
    symbol.hint = newest(rows.bars(desk).start, symbol.first, symbol.last, now - late, symbol.hint)
    return symbol.hint


@compiled
def next_known(desk: Any, at: int) -> int:
    """The first moment from `at` on at which anything is known; -1 after the end."""
    if desk.alone:  # its bars are looked at anyway, and lie in the cache
        symbol = rows.symbols(desk)[0]
        row = row_known(desk, symbol, desk.late, at - 1) + 1
        return rows.bars(desk)[row].start + desk.late if row < symbol.last else -1
    count = len(rows.known(desk))
    desk.hint = newest(rows.known(desk), 0, count, at - 1, desk.hint)
    n = desk.hint + 1
    return rows.known(desk)[n] if n < count else -1


@compiled
def in_session(desk: Any, calendar: int, now: int) -> bool:
    """Whether the calendar's market is open at `now`."""
    first, last = rows.calendars(desk)[calendar], rows.calendars(desk)[calendar + 1]
    n = first + np.searchsorted(rows.session_opens(desk)[first:last], now, side="right") - 1
    return n >= first and now < rows.session_closes(desk)[n]


@compiled
def next_open(desk: Any, calendar: int, at: int) -> int:
    """When the first session begins that does so at `at` or later."""
    first, last = rows.calendars(desk)[calendar], rows.calendars(desk)[calendar + 1]
    n = first + np.searchsorted(rows.session_opens(desk)[first:last], at, side="left")
    if n >= last:
        raise IndexError("no session is known that late")
    return rows.session_opens(desk)[n]
