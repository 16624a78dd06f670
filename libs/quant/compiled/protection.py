"""The orders that guard positions, compiled: libs/quant/execution/protection.py with backtest/guarding.py. Its venue holds all of them."""

from typing import Any

from libs.quant.compiled import rows
from libs.quant.compiled.exact import quotient
from libs.quant.compiled.jit import compiled
from libs.quant.compiled.layout import FOREVER, MONEY, NONE, PROTECTIVE
from libs.quant.compiled.steps import to_ticks
from libs.quant.compiled.venue import CANCELED, LIMIT, NEW, OPEN, PARTIAL, REJECTED, STOP, TRAILING_STOP, end, open_, pair_of, send, takes
from libs.quant.execution.protection import MOST


@compiled
def protect_touched(desk: Any, now: int) -> None:
    """Brings the protection of every book in step whose orders or lots have changed."""
    for b in range(len(rows.books(desk))):
        if rows.books(desk)[b].touched:
            protect(desk, b, now, -1)


@compiled
def protect(desk: Any, b: int, now: int, wants: int) -> None:
    """Brings the protection of a book in step with what it holds.

    Args:
        wants: an order of the book that is about to be sent, and to which it gives way; -1: none.
    """
    book = rows.books(desk)[b]
    if book.entry >= 0:
        while _go(desk, b, now, wants):
            pass
    book.touched = 0


@compiled
def _go(desk: Any, b: int, now: int, wants: int) -> bool:
    """The next step towards it; False: there is none. As `protection.plan` and `Executing._guard`."""
    book = rows.books(desk)[b]
    first, second = _standing(desk, b)
    room = _room(desk, b, wants)
    lots, stop, trail, target = _wanted(desk, b, room)
    if _in_step(desk, first, second, lots, stop, trail, target):
        return False
    count = (stop != NONE) + (target != NONE) if lots > 0 else 0
    if count and (_is_refused(desk, b, lots, stop, trail, target) or book.children + count > MOST):
        if _cover(desk, first, second) <= room:
            return False
        _cancel(desk, first, second)
        return True
    if first >= 0 and second < 0 and count == 1 and _takes_the_place(desk, first, stop, trail):
        number = _child(desk, b, lots, stop, trail, target, now)
        rows.guards(desk)[number].replaces = first
        _replace(desk, b, first, number)
        return True
    if first >= 0:
        _cancel(desk, first, second)
        return True
    if not count:
        return False
    _place(desk, b, lots, stop, trail, target, now)
    return True


@compiled
def _standing(desk: Any, b: int) -> tuple[int, int]:
    """The protective orders of a book, in order of arrival; -1: none."""
    first = second = -1
    for n in range(desk.open_count):
        number = rows.open_orders(desk)[n]
        order = rows.orders(desk)[number]
        if order.book == b and order.leg == PROTECTIVE:
            if first < 0:
                first = number
            else:
                second = number
    return first, second


@compiled
def _room(desk: Any, b: int, wants: int) -> int:
    """Lots of the position that no other order is about to close."""
    book = rows.books(desk)[b]
    held = book.lots
    if held == 0 or (rows.orders(desk)[book.entry].side > 0) != (held > 0):
        return 0
    room = abs(held)
    if book.order >= 0:
        order = rows.orders(desk)[book.order]
        if (order.status == OPEN or order.status == PARTIAL) and (order.side > 0) != (held > 0):
            room -= order.lots - order.filled
    if wants >= 0 and (rows.orders(desk)[wants].side > 0) != (held > 0):
        room -= rows.orders(desk)[wants].lots
    return max(0, room)


@compiled
def _wanted(desk: Any, b: int, room: int) -> tuple[int, int, int, int]:
    """(lots, stop, trail, target) of what is to stand, in lots and ticks; NONE: no such order. As `exits_for`."""
    book = rows.books(desk)[b]
    stop = trail = target = NONE
    if room > 0:
        tick = rows.symbols(desk)[book.symbol].tick
        cost, worse = quotient(book.cost, MONEY), -1 if book.lots > 0 else 1
        stop_bps = book.trail_bps if book.trail_bps != 0.0 else book.stop_bps
        if stop_bps != 0.0:
            stop = max(1, to_ticks(cost * (1 + worse * stop_bps / 10_000), tick))
        if book.trail_bps != 0.0:
            trail = max(1, to_ticks(cost * stop_bps / 10_000, tick))
        if book.target_bps != 0.0:
            target = max(1, to_ticks(cost * (1 + -worse * book.target_bps / 10_000), tick))
    return room, stop, trail, target


@compiled
def _in_step(desk: Any, first: int, second: int, lots: int, stop: int, trail: int, target: int) -> bool:
    """Whether what stands is what should. A stop that is being executed has ended its target, and is let finish."""
    stops = targets = 0
    alike = True
    for number in (first, second):
        if number >= 0:
            order = rows.orders(desk)[number]
            stops += order.kind != LIMIT
            targets += order.kind == LIMIT
            same = order.price == target
            if order.kind != LIMIT:
                same = order.stop == stop and rows.guards(desk)[number].trail == trail
            alike = alike and same and order.lots - order.filled == lots and order.side == _closing(desk, number)
    if alike and stops == (stop != NONE) and targets == (target != NONE):
        return True
    if first < 0 or second >= 0:
        return False
    order = rows.orders(desk)[first]
    return order.filled > 0 and order.kind != LIMIT and stop != NONE and order.lots - order.filled <= lots


@compiled
def _closing(desk: Any, number: int) -> int:
    """The side on which an order of the book of that one would close what is held."""
    return -1 if rows.books(desk)[rows.orders(desk)[number].book].lots > 0 else 1


@compiled
def _cover(desk: Any, first: int, second: int) -> int:
    """Lots that protection may still trade; of orders that end each other only one can."""
    if first < 0:
        return 0
    one = rows.orders(desk)[first]
    left = one.lots - one.filled
    if second < 0:
        return left
    two = rows.orders(desk)[second]
    paired = pair_of(desk, first) >= 0 and pair_of(desk, first) == pair_of(desk, second)
    return max(left, two.lots - two.filled) if paired else left + two.lots - two.filled


@compiled
def _cancel(desk: Any, first: int, second: int) -> None:
    for number in (first, second):
        if number >= 0:
            end(desk, number, CANCELED)


@compiled
def _takes_the_place(desk: Any, old: int, stop: int, trail: int) -> bool:
    """Whether one order may stand where another of its kind stood. Of a pair the venue may end both when one is replaced."""
    order, guard = rows.orders(desk)[old], rows.guards(desk)[old]
    return order.filled == 0 and guard.pair < 0 and order.kind == _kind(stop, trail) and not guard.unreplaceable


@compiled
def _kind(stop: int, trail: int) -> int:
    return LIMIT if stop == NONE else STOP if trail == NONE else TRAILING_STOP


@compiled
def _is_refused(desk: Any, b: int, lots: int, stop: int, trail: int, target: int) -> bool:
    """Whether the venue has turned down the same."""
    book = rows.books(desk)[b]
    same = book.refused_stop == stop and book.refused_trail == trail and book.refused_target == target
    return same and book.refused_lots == (lots if book.lots > 0 else -lots)


# --- to the venue


@compiled
def _place(desk: Any, b: int, lots: int, stop: int, trail: int, target: int, now: int) -> None:
    book = rows.books(desk)[b]
    first = second = -1
    if stop != NONE:
        first = _child(desk, b, lots, stop, trail, NONE, now)
    if target != NONE:
        second = _child(desk, b, lots, NONE, NONE, target, now)
    if first >= 0 and second >= 0:
        rows.guards(desk)[first].pair = rows.guards(desk)[second].pair = first
    taken = True
    for number in (first, second):
        if number >= 0:
            taken = send(desk, number) and taken
    if taken:
        book.refused_lots = 0
    else:
        book.refused_lots = lots if book.lots > 0 else -lots
        book.refused_stop, book.refused_trail, book.refused_target = stop, trail, target


@compiled
def _replace(desk: Any, b: int, old: int, new: int) -> None:
    """One order for another. A trailing stop goes on from where the old one stood, unless its own beginning is nearer to the market."""
    order, other = rows.orders(desk)[old], rows.orders(desk)[new]
    if order.triggered or not takes(desk, new, old):
        other.status, rows.guards(desk)[old].unreplaceable = REJECTED, 1
        return
    end(desk, old, CANCELED)
    open_(desk, new)
    stands = rows.guards(desk)[old].stands
    if order.kind == TRAILING_STOP and stands != NONE:
        rows.guards(desk)[new].stands = max(stands, other.stop) if other.side < 0 else min(stands, other.stop)
    rows.books(desk)[b].refused_lots = 0


@compiled
def _child(desk: Any, b: int, lots: int, stop: int, trail: int, target: int, now: int) -> int:
    """The next protective order of a book; not sent yet."""
    if desk.orders_count == desk.orders_room:
        raise MemoryError("more orders than rows")
    number, book = desk.orders_count, rows.books(desk)[b]
    desk.orders_count += 1
    order, entry = rows.orders(desk)[number], rows.orders(desk)[book.entry]
    order.signal, order.leg, order.book = entry.signal, PROTECTIVE, b
    order.side, order.lots, order.kind, order.closes = -1 if book.lots > 0 else 1, lots, _kind(stop, trail), 1
    order.price, order.stop = target, stop
    order.decided_at, order.placed_at, order.valid_until, order.expires_at, order.ends = now, now, FOREVER, FOREVER, -1
    order.filled, order.triggered, order.status = 0, 0, NEW
    guard = rows.guards(desk)[number]
    guard.trail, guard.stands, guard.pair, guard.replaces, guard.unreplaceable = trail, NONE, -1, -1, 0
    guard.entry, guard.child = book.entry, book.children
    book.children += 1
    announce(desk, number)
    return number


@compiled
def announce(desk: Any, number: int) -> None:
    """Notes that an order is the next one that is sent."""
    rows.guards(desk)[number].announced = desk.announced
    desk.announced += 1
