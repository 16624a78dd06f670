"""The simulated venue, compiled: libs/quant/exchange and libs/quant/fills.py for trade bars."""

from typing import Any, Final

from libs.quant.compiled import rows
from libs.quant.compiled.exact import half_even, product, quotient, share_of, total
from libs.quant.compiled.jit import compiled
from libs.quant.compiled.layout import FOREVER, NONE, PROTECTIVE, UNBOUNDED
from libs.quant.compiled.steps import against_us, next_known, to_lots, to_ticks

MARKET: Final = 0
LIMIT: Final = 1
STOP: Final = 2
STOP_LIMIT: Final = 3
TRAILING_STOP: Final = 4

EXACTLY: Final = 1e27
"""An average below it, times its lots, is what Decimal makes of it with its 28 digits."""

NEW: Final = 0
OPEN: Final = 1
PARTIAL: Final = 2
FILLED: Final = 3
CANCELED: Final = 4
EXPIRED: Final = 5
REJECTED: Final = 6


@compiled
def fee(desk: Any, symbol: Any, lots: int, ticks: int) -> int:
    """Of one fill, money: a share of the notional and so much a unit, to twelve decimals."""
    notional = product(product(lots, ticks), symbol.worth)
    whole, left = notional // symbol.fee_below, notional % symbol.fee_below
    rest = total(product(left, symbol.fee_above), product(lots, symbol.fee_lots))
    paid = half_even(product(whole, symbol.fee_above), rest, symbol.fee_below)
    return max(paid, desk.fee_least)


@compiled
def cost(desk: Any, symbol: Any, lots: int, ticks: int) -> int:
    """What buying takes at that price, money."""
    return total(product(product(lots, ticks), symbol.worth), fee(desk, symbol, lots, ticks))


@compiled
def takes(desk: Any, number: int, without: int) -> bool:
    """Whether the venue takes an order: on its grid, large enough, and paid for unless on credit.

    Args:
        without: an order that ends when this one is taken; -1: none.
    """
    order = rows.orders(desk)[number]
    book = rows.books(desk)[order.book]
    symbol = rows.symbols(desk)[book.symbol]
    if order.lots <= 0 or (order.price != NONE and order.price <= 0) or (order.stop != NONE and order.stop <= 0):
        return False
    if order.price != NONE and product(product(order.lots, order.price), symbol.worth) < symbol.min_money:
        return False
    if desk.naked:
        return True
    if order.side > 0 and order.leg == PROTECTIVE:
        return True
    if order.side > 0:
        free = desk.cash
        for n in range(desk.open_count):
            other = rows.orders(desk)[rows.open_orders(desk)[n]]
            if other.side > 0 and other.leg != PROTECTIVE:
                there = rows.symbols(desk)[rows.books(desk)[other.book].symbol]
                free -= cost(desk, there, other.lots - other.filled, other.price)
        return cost(desk, symbol, order.lots, order.price) <= free
    if desk.allow_short:
        return True
    held = 0
    for n in range(symbol.books, symbol.books_end):
        held += rows.books(desk)[rows.of_symbol(desk)[n]].lots
    return order.lots <= held - _promised(desk, number, without)


@compiled
def _promised(desk: Any, number: int, without: int) -> int:
    """Lots of its symbol that other open orders may sell. Of two that end each other only one can."""
    order = rows.orders(desk)[number]
    symbol = rows.books(desk)[order.book].symbol
    lots = 0
    for n in range(desk.open_count):
        other_number = rows.open_orders(desk)[n]
        other = rows.orders(desk)[other_number]
        if other_number == without or other.side > 0 or rows.books(desk)[other.book].symbol != symbol:
            continue
        if pair_of(desk, other_number) >= 0 and pair_of(desk, other_number) == pair_of(desk, number):
            continue
        left = other.lots - other.filled
        before = _other_of(desk, other_number)
        if 0 <= before < other_number and before != without:
            there = rows.orders(desk)[before]
            left = max(0, left - (there.lots - there.filled))
        lots += left
    return lots


@compiled
def _other_of(desk: Any, number: int) -> int:
    """The open order of its pair; -1: none."""
    pair = pair_of(desk, number)
    if pair < 0:
        return -1
    for n in range(desk.open_count):
        other = rows.open_orders(desk)[n]
        if other != number and pair_of(desk, other) == pair:
            return other
    return -1


@compiled
def pair_of(desk: Any, number: int) -> int:
    """The first of the two orders of its pair; -1: it stands alone."""
    return rows.guards(desk)[number].pair if rows.orders(desk)[number].leg == PROTECTIVE else -1


@compiled
def send(desk: Any, number: int) -> bool:
    """An order is open from now on, or turned down. Whether it was taken."""
    order = rows.orders(desk)[number]
    book = rows.books(desk)[order.book]
    if takes(desk, number, -1):
        open_(desk, number)
        return True
    order.status = REJECTED
    if book.order == number:
        book.order = -1
    return False


@compiled
def open_(desk: Any, number: int) -> None:
    """An order that was taken, behind those that were before."""
    order = rows.orders(desk)[number]
    order.status = OPEN
    order.ends = -1 if order.expires_at == FOREVER else next_known(desk, max(order.expires_at, desk.now + 1))
    rows.open_orders(desk)[desk.open_count] = number
    desk.open_count += 1
    desk.guards_count += order.leg == PROTECTIVE


@compiled
def end(desk: Any, number: int, status: int) -> None:
    """An open order is over."""
    order = rows.orders(desk)[number]
    order.status = status
    book = rows.books(desk)[order.book]
    book.touched = 1
    desk.guards_count -= order.leg == PROTECTIVE
    if book.order == number:
        book.order = -1
    kept = 0
    for n in range(desk.open_count):
        if rows.open_orders(desk)[n] != number:
            rows.open_orders(desk)[kept] = rows.open_orders(desk)[n]
            kept += 1
    desk.open_count = kept


@compiled
def show(desk: Any, s: int, row: int, known: int) -> None:
    """One bar meets the open orders of its symbol; what one takes is gone for the next."""
    symbol = rows.symbols(desk)[s]
    left_buy = left_sell = -1  # lots that are left; -1: not asked for yet
    start, meeting, count = rows.bars(desk)[row].start, rows.meeting(desk), 1
    meeting[0] = rows.open_orders(desk)[0]
    if desk.open_count > 1:
        count = _meeting(desk, symbol, s, row)
    for n in range(count):
        number = meeting[n]
        order = rows.orders(desk)[number]
        if order.status > PARTIAL:  # its pair has acted on this bar
            continue
        if start < order.decided_at - desk.grace + desk.delay or start + desk.late > order.expires_at:
            continue
        side = order.side
        if side > 0 and left_buy < 0:
            left_buy = _offered(desk, symbol, row, side)
        if side < 0 and left_sell < 0:
            left_sell = _offered(desk, symbol, row, side)
        left = left_buy if side > 0 else left_sell
        was_triggered = order.triggered
        price = _price(desk, symbol, row, number, left)
        lots = min(order.lots - order.filled, left) if price >= 0 else 0
        if order.leg == PROTECTIVE and (lots > 0 or order.triggered != was_triggered):
            _end_other_of(desk, number)
        if lots <= 0:
            continue
        if side > 0:
            left_buy -= lots
        else:
            left_sell -= lots
        _fill(desk, symbol, number, lots, price, row, known)


@compiled
def _end_other_of(desk: Any, number: int) -> None:
    other = _other_of(desk, number)
    if other >= 0:
        end(desk, other, CANCELED)


@compiled
def _meeting(desk: Any, symbol: Any, s: int, row: int) -> int:
    """The open orders of a symbol, into `meeting`: in order of arrival, but against us, of those that end each other the stop first,
    unless the open fills the limit. How many they are."""
    meeting, ranks = rows.meeting(desk), rows.ranks(desk)
    count = last = 0
    for n in range(desk.open_count):
        number = rows.open_orders(desk)[n]
        order = rows.orders(desk)[number]
        if rows.books(desk)[order.book].symbol != s:
            continue
        rank = _rank(desk, symbol, row, number) if pair_of(desk, number) >= 0 else 0
        at = count
        while at > 0 and last > rank and ranks[at - 1] > rank:
            meeting[at], ranks[at] = meeting[at - 1], ranks[at - 1]
            at -= 1
        meeting[at], ranks[at] = number, rank
        last = max(last, rank)
        count += 1
    return count


@compiled
def _rank(desk: Any, symbol: Any, row: int, number: int) -> int:
    order = rows.orders(desk)[number]
    if order.kind >= STOP:
        return 1
    if _offered(desk, symbol, row, order.side) <= 0:
        return 2
    first = against_us(order.side, to_ticks(rows.bars(desk)[row].open, symbol.tick), desk.costs_above, desk.costs_below)
    return 0 if (order.price - first) * order.side >= 0 else 2


@compiled
def _offered(desk: Any, symbol: Any, row: int, side: int) -> int:
    """Lots of a bar that are ours to take; 0: it shows no price or too little."""
    first, best = rows.bars(desk)[row].open, rows.bars(desk)[row].low if side > 0 else rows.bars(desk)[row].high
    if not (first > 0.0 and best > 0.0):
        return 0
    ticks = against_us(side, to_ticks(first, symbol.tick), desk.costs_above, desk.costs_below)
    if ticks <= 0:
        return 0
    if desk.share_above == 0:
        return UNBOUNDED
    size = rows.bars(desk)[row].volume
    if not size > 0.0:
        return 0
    shown = to_lots(min(size, symbol.lot * 2.0**52), symbol.lot)
    return product(shown, desk.share_above) // desk.share_below


@compiled
def _price(desk: Any, symbol: Any, row: int, number: int, left: int) -> int:
    """Ticks at which an order would be filled by a bar, costs included; -1: it is not. A stop that is touched is triggered."""
    order = rows.orders(desk)[number]
    side = order.side
    if order.kind >= STOP and not order.triggered:
        touched = _touched(desk, symbol, row, number)
        if touched < 0:
            return -1
        order.triggered = 1
        if left <= 0:
            return -1
        at = against_us(side, touched, desk.costs_above, desk.costs_below)
        return _within(side, order.price, at, at)
    if left <= 0:
        return -1
    first = against_us(side, to_ticks(rows.bars(desk)[row].open, symbol.tick), desk.costs_above, desk.costs_below)
    if order.price == NONE or (order.price - first) * side >= 0:
        return first
    extreme = rows.bars(desk)[row].low if side > 0 else rows.bars(desk)[row].high
    best = against_us(side, to_ticks(extreme, symbol.tick), desk.costs_above, desk.costs_below)
    return _within(side, order.price, first, best)


@compiled
def _within(side: int, limit: int, first: int, best: int) -> int:
    """As `fills.fill`: the first price, or the limit where the market went through it; -1: neither."""
    if limit == NONE or (limit - first) * side >= 0:
        return first
    return limit if (limit - best) * side > 0 else -1


@compiled
def _touched(desk: Any, symbol: Any, row: int, number: int) -> int:
    """Where a bar touches a stop: at it, or at an open beyond it; -1: nowhere. One that trails follows after, and may be touched then."""
    order = rows.orders(desk)[number]
    first, high, low, last = rows.bars(desk)[row].open, rows.bars(desk)[row].high, rows.bars(desk)[row].low, rows.bars(desk)[row].close
    if not (first > 0.0 and high > 0.0 and low > 0.0 and last > 0.0):
        return -1
    stop = order.stop
    if order.kind == TRAILING_STOP:
        guard = rows.guards(desk)[number]
        stop = guard.stands = order.stop if guard.stands == NONE else guard.stands
    opened, best = to_ticks(first, symbol.tick), to_ticks(high if order.side < 0 else low, symbol.tick)
    if (opened - stop) * order.side >= 0:
        return opened
    if (to_ticks(low if order.side < 0 else high, symbol.tick) - stop) * order.side >= 0:
        return stop
    if order.kind != TRAILING_STOP:
        return -1
    guard = rows.guards(desk)[number]
    moved = best + order.side * guard.trail
    moved = max(stop, moved) if order.side < 0 else min(stop, moved)
    guard.stands = moved
    return moved if moved != stop and (to_ticks(last, symbol.tick) - moved) * order.side >= 0 else -1


@compiled
def _fill(desk: Any, symbol: Any, number: int, lots: int, ticks: int, row: int, known: int) -> None:
    """Books a fill.

    Raises:
        MemoryError: there is no row left for it: the caller has to make room and begin again.
    """
    order = rows.orders(desk)[number]
    book = rows.books(desk)[order.book]
    if desk.fills_count == desk.fills_room:
        raise MemoryError("more fills than rows")
    paid = fee(desk, symbol, lots, ticks)
    moved = total(product(product(-order.side * lots, ticks), symbol.worth), -paid)
    desk.cash, desk.fees = total(desk.cash, moved), total(desk.fees, paid)
    desk.cash_value = quotient(desk.cash, desk.money)
    if desk.guarded:
        _note(desk, symbol, number, lots, ticks)
    book.lots += order.side * lots
    order.filled += lots
    fill = rows.fills(desk)[desk.fills_count]
    fill.order, fill.lots, fill.price, fill.fee, fill.cash, fill.cash_value = number, lots, ticks, paid, desk.cash, desk.cash_value
    fill.row, fill.at, fill.known = row, rows.bars(desk)[row].start, known
    desk.fills_count += 1
    if order.filled < order.lots:
        order.status = PARTIAL
    else:
        end(desk, number, FILLED)


@compiled
def _note(desk: Any, symbol: Any, number: int, lots: int, ticks: int) -> None:
    """What protection has to know of a fill, before the lots have changed: what is held costs, and which entry it hangs on."""
    order = rows.orders(desk)[number]
    book = rows.books(desk)[order.book]
    own_cost(symbol, book, order.side * lots, ticks)
    if order.leg != PROTECTIVE and not order.closes and book.entry != number:
        book.entry, book.children = number, 0
    book.touched = 1


@compiled
def own_cost(symbol: Any, book: Any, change: int, ticks: int) -> None:
    """The average cost of what a book holds with `change` more lots, to twelve decimals. As `books.apply`, before the lots have changed."""
    price, held = product(ticks, symbol.tick_cost), book.lots
    after = held + change
    if held == 0 or (held > 0) == (change > 0):
        if float(max(price, book.cost)) * float(abs(after)) > EXACTLY:
            raise OverflowError("an average cost has more than 28 digits on its way, which Decimal would round")
        away = 1 if price > book.cost else -1
        whole, left = share_of(abs(price - book.cost), abs(change), abs(after))
        book.cost = half_even(book.cost + away * whole, away * left, abs(after))
    elif after == 0:
        book.cost = 0
    elif (after > 0) != (held > 0):
        book.cost = price


@compiled
def expire(desk: Any, now: int) -> None:
    """Ends the open orders whose time is over."""
    n = 0
    while n < desk.open_count:
        number = rows.open_orders(desk)[n]
        if rows.orders(desk)[number].expires_at <= now and rows.orders(desk)[number].expires_at != FOREVER:
            end(desk, number, EXPIRED)
        else:
            n += 1
