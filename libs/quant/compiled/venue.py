"""The simulated venue, compiled: libs/quant/exchange and libs/quant/fills.py for trade bars, without orders that guard a position."""

from typing import Any, Final

from libs.quant.compiled import rows
from libs.quant.compiled.exact import half_even, product, quotient, total
from libs.quant.compiled.jit import compiled
from libs.quant.compiled.layout import FOREVER, NONE, UNBOUNDED
from libs.quant.compiled.steps import against_us, next_known, to_lots, to_ticks

MARKET: Final = 0
LIMIT: Final = 1
STOP: Final = 2
STOP_LIMIT: Final = 3

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
def takes(desk: Any, number: int) -> bool:
    """Whether the venue takes an order: on its grid, large enough, and paid for unless on credit."""
    order = rows.orders(desk)[number]
    book = rows.books(desk)[order.book]
    symbol = rows.symbols(desk)[book.symbol]
    if order.lots <= 0 or (order.price != NONE and order.price <= 0) or (order.stop != NONE and order.stop <= 0):
        return False
    if order.price != NONE and product(product(order.lots, order.price), symbol.worth) < symbol.min_money:
        return False
    if desk.naked:
        return True
    if order.side > 0:
        free = desk.cash
        for n in range(desk.open_count):
            other = rows.orders(desk)[rows.open_orders(desk)[n]]
            if other.side > 0:
                there = rows.symbols(desk)[rows.books(desk)[other.book].symbol]
                free -= cost(desk, there, other.lots - other.filled, other.price)
        return cost(desk, symbol, order.lots, order.price) <= free
    if desk.allow_short:
        return True
    held = 0
    for n in range(symbol.books, symbol.books_end):
        held += rows.books(desk)[rows.of_symbol(desk)[n]].lots
    for n in range(desk.open_count):
        other = rows.orders(desk)[rows.open_orders(desk)[n]]
        if other.side < 0 and rows.books(desk)[other.book].symbol == book.symbol:
            held -= other.lots - other.filled
    return order.lots <= held


@compiled
def send(desk: Any, number: int) -> None:
    """An order is open from now on, or turned down."""
    order = rows.orders(desk)[number]
    book = rows.books(desk)[order.book]
    if takes(desk, number):
        order.status = OPEN
        order.ends = -1 if order.expires_at == FOREVER else next_known(desk, max(order.expires_at, desk.now + 1))
        rows.open_orders(desk)[desk.open_count] = number
        desk.open_count += 1
    else:
        order.status = REJECTED
        if book.order == number:
            book.order = -1


@compiled
def end(desk: Any, number: int, status: int) -> None:
    """An open order is over."""
    rows.orders(desk)[number].status = status
    book = rows.books(desk)[rows.orders(desk)[number].book]
    if book.order == number:
        book.order = -1
    kept = 0
    for n in range(desk.open_count):
        if rows.open_orders(desk)[n] != number:
            rows.open_orders(desk)[kept] = rows.open_orders(desk)[n]
            kept += 1
    desk.open_count = kept


@compiled
def show(desk: Any, s: int, row: int, known: int) -> bool:
    """One bar meets the open orders of its symbol in order of arrival; what one takes is gone for the next. Whether any was filled."""
    symbol = rows.symbols(desk)[s]
    start = rows.bars(desk)[row].start
    left_buy = left_sell = -1  # lots that are left; -1: not asked for yet
    changed = False
    n = 0
    while n < desk.open_count:
        number = rows.open_orders(desk)[n]
        n += 1
        order = rows.orders(desk)[number]
        if rows.books(desk)[order.book].symbol != s:
            continue
        if start < order.decided_at - desk.grace + desk.delay or start + desk.late > order.expires_at:
            continue
        side = order.side
        if side > 0 and left_buy < 0:
            left_buy = _offered(desk, symbol, row, side)
        if side < 0 and left_sell < 0:
            left_sell = _offered(desk, symbol, row, side)
        left = left_buy if side > 0 else left_sell
        price = _price(desk, symbol, row, number, left)
        if price < 0:
            continue
        lots = min(order.lots - order.filled, left)
        if lots <= 0:
            continue
        if side > 0:
            left_buy -= lots
        else:
            left_sell -= lots
        changed = True
        if _fill(desk, symbol, number, lots, price, row, known):
            n -= 1
    return changed


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
    """Where a bar touches a stop: at it, or at an open beyond it; -1: nowhere."""
    stop = rows.orders(desk)[number].stop
    first, high, low, last = rows.bars(desk)[row].open, rows.bars(desk)[row].high, rows.bars(desk)[row].low, rows.bars(desk)[row].close
    if not (first > 0.0 and high > 0.0 and low > 0.0 and last > 0.0):
        return -1
    opened = to_ticks(first, symbol.tick)
    if rows.orders(desk)[number].side < 0:
        return opened if opened <= stop else stop if to_ticks(low, symbol.tick) <= stop else -1
    return opened if opened >= stop else stop if to_ticks(high, symbol.tick) >= stop else -1


@compiled
def _fill(desk: Any, symbol: Any, number: int, lots: int, ticks: int, row: int, known: int) -> bool:
    """Books a fill; whether the order is over with it.

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
    book.lots += order.side * lots
    order.filled += lots
    fill = rows.fills(desk)[desk.fills_count]
    fill.order, fill.lots, fill.price, fill.fee, fill.cash, fill.cash_value = number, lots, ticks, paid, desk.cash, desk.cash_value
    fill.row, fill.at, fill.known = row, rows.bars(desk)[row].start, known
    desk.fills_count += 1
    if order.filled < order.lots:
        order.status = PARTIAL
        return False
    end(desk, number, FILLED)
    return True


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
