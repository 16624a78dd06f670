"""The controls, compiled: libs/quant/risk/controls.py, in its order, as far as a backtest on trade bars without quotes can meet them.

The answer is the number of what refuses, 0 for nothing. What was compared is left in `seen`, so that the refusal can be put into words.
"""

from typing import Any, Final

import numpy as np

from libs.quant.compiled import rows
from libs.quant.compiled.jit import compiled
from libs.quant.compiled.layout import PROTECTIVE
from libs.quant.compiled.steps import in_session, next_open
from libs.quant.compiled.view import (
    EQUITY,
    book_high,
    book_low,
    free_cash,
    gross,
    lot_value,
    mark,
    mark_before,
    net,
    notional,
    shrinks,
    symbol_high,
    symbol_low,
    worst,
)

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND

NOT_LISTED: Final = 1
UNSOUND: Final = 2
TOO_LATE: Final = 3
OLD_PRICE: Final = 4
NO_COLLAR: Final = 5
AWAY: Final = 6
DISABLED: Final = 7
HALTED: Final = 8
FORBIDDEN: Final = 9
SHUT: Final = 10
NOT_POSITIVE: Final = 11
TOO_SMALL: Final = 12
JUMP: Final = 13
NO_SHORT: Final = 14
SHORT: Final = 15
QUANTITY: Final = 16
NOTIONAL: Final = 17
POSITION: Final = 18
GROSS_EXPOSURE: Final = 19
NET_EXPOSURE: Final = 20
CASH: Final = 21
MARGIN: Final = 22
OPEN_SYMBOL: Final = 23
OPEN_STRATEGY: Final = 24
OPEN_ACCOUNT: Final = 25
MINUTE_STRATEGY: Final = 26
MINUTE_ACCOUNT: Final = 27
SECOND_STRATEGY: Final = 28
SECOND_ACCOUNT: Final = 29
DUPLICATE: Final = 30
ENTRIES: Final = 31
CROSSING: Final = 32
STOP_SIDE: Final = 33
TRAIL_SIDE: Final = 34
TARGET_SIDE: Final = 35


@compiled
def judged_signal(desk: Any, signal: Any, decided_at: int, valid_until: int, now: int, seen: Any) -> int:
    """As SIGNAL_CONTROLS."""
    book, price = rows.books(desk)[signal.book], signal.price
    if not book.listed:
        return NOT_LISTED
    if not (0.0 <= signal.scale <= 1.0 and -1.0 <= signal.target <= 1.0 and 0.0 < price < np.inf):
        return UNSOUND
    if now > valid_until:
        return _saw(TOO_LATE, 0.0, float(now - valid_until), seen)
    age, oldest = now - decided_at, max(2 * SECOND, book.length)
    if age > oldest:
        return _saw(OLD_PRICE, float(oldest), float(age), seen)
    newest = mark(desk, book.symbol, now)
    if np.isnan(book.collar) or np.isnan(newest):
        return _saw(NO_COLLAR, book.collar, newest, seen)
    off = abs(price - newest) / newest
    if not off <= book.collar:
        seen[2] = newest
        return _saw(AWAY, book.collar, off, seen)
    return 0


@compiled
def judged_leg(desk: Any, number: int, target_book: int, price: float, batch: int, now: int, sums: Any, seen: Any) -> int:
    """As LEG_CONTROLS; the order is not its book's yet."""
    order = rows.orders(desk)[number]
    b = target_book
    book = rows.books(desk)[b]
    s = book.symbol
    symbol = rows.symbols(desk)[s]
    side, lots, change = order.side, order.lots, order.side * order.lots
    low, high = book_low(desk, b), book_high(desk, b)
    of_book = shrinks(lots, side, low, high)
    all_low, all_high = symbol_low(desk, s), symbol_high(desk, s)
    of_account = shrinks(lots, side, all_low, all_high)
    equity = sums[EQUITY]
    if rows.killed(desk)[book.strategy] and not of_book:
        return DISABLED
    if desk.halts_count > 0 and not of_book:
        return HALTED
    if book.forbidden and not of_book:
        return FORBIDDEN
    if symbol.calendar >= 0 and not in_session(desk, symbol.calendar, now):
        opens = next_open(desk, symbol.calendar, now)
        if not opens < order.expires_at:
            return _saw(SHUT, float(order.expires_at), float(opens), seen)
    if lots <= 0 or order.price <= 0:
        return _saw(NOT_POSITIVE, float(lots), float(order.price), seen)
    worth = notional(symbol, lots, order.price)
    if not (worth >= symbol.min_notional or change + book.lots == 0):
        return _saw(TOO_SMALL, symbol.min_notional, worth, seen)
    if desk.guarded and not order.closes:
        reason = _sides(book, symbol.tick, side, price, seen)
        if reason:
            return reason
    before = mark_before(desk, s, now)
    if not np.isnan(book.jump) and not np.isnan(before):
        jumped = abs(mark(desk, s, now) / before - 1)
        if jumped > book.jump and not of_book:
            seen[2] = before
            return _saw(JUMP, book.jump, jumped, seen)
    if side < 0 and low + change < 0:
        if not desk.allow_short:
            return _saw(NO_SHORT, 0.0, float(low + change), seen)
        most = bound(book.short_plain, book.short_multiple, equity)
        short = max(0.0, -((all_low + change) * lot_value(desk, s, now)))
        if short > most:
            return _saw(SHORT, most, short, seen)
    if lots > book.most_lots and not of_book:
        return _saw(QUANTITY, float(book.most_lots), float(lots), seen)
    most = bound(book.order_notional_plain, book.order_notional_multiple, equity)
    if worth > most and not of_book:
        return _saw(NOTIONAL, most, worth, seen)
    lot = abs(lot_value(desk, s, now))
    most = bound(book.strategy_position_plain, book.strategy_position_multiple, equity)
    if lot * worst(low, high, change) > most and not of_book:
        return _saw(POSITION, most, lot * worst(low, high, change), seen)
    most = bound(book.account_position_plain, book.account_position_multiple, equity)
    if lot * worst(all_low, all_high, change) > most and not of_account:
        return _saw(POSITION, most, lot * worst(all_low, all_high, change), seen)
    if not (np.isnan(book.account_gross_plain) and np.isnan(book.account_gross_multiple)):
        most, there = bound(book.account_gross_plain, book.account_gross_multiple, equity), gross(desk, s, change, now, sums)
        if not there <= most and not of_account:
            return _saw(GROSS_EXPOSURE, most, there, seen)
    if not (np.isnan(book.account_net_plain) and np.isnan(book.account_net_multiple)):
        most, there = bound(book.account_net_plain, book.account_net_multiple, equity), net(desk, s, change, now, sums)
        if not there <= most and not of_account:
            return _saw(NET_EXPOSURE, most, there, seen)
    if desk.kind == 0 and side > 0:
        free = free_cash(desk, batch, sums)
        if not worth <= free and not of_book:
            return _saw(CASH, free, worth, seen)
    if desk.kind == 1:
        required = 0.25 * gross(desk, s, change, now, sums)
        if not required <= equity and not of_book:
            return _saw(MARGIN, equity, required, seen)
    return _flow(desk, number, b, batch, of_book, now, seen)


@compiled
def _sides(book: Any, tick: float, side: int, price: float, seen: Any) -> int:
    """As `protection_sides`: what is to protect an entry stands on its side of the market."""
    for reason, bps, gains in ((STOP_SIDE, book.stop_bps, -1), (TRAIL_SIDE, book.trail_bps, -1), (TARGET_SIDE, book.target_bps, 1)):
        if bps != 0.0:
            away = price * bps / 10_000
            at = price + away if gains == side else price - away
            if not (away >= tick and at >= tick):
                return _saw(reason, tick, at, seen)
    return 0


@compiled
def _flow(desk: Any, number: int, b: int, batch: int, of_book: bool, now: int, seen: Any) -> int:
    """The controls of our own orders: how many are open, how many there were lately, and whether one meets another."""
    book, order = rows.books(desk)[b], rows.orders(desk)[number]
    if not (np.isnan(book.open_symbol) and np.isnan(book.open_strategy) and np.isnan(book.open_account)):
        open_symbol = open_strategy = 1
        for n in range(desk.open_count + batch):
            there = rows.orders(desk)[_open(desk, n)]
            if there.leg != PROTECTIVE:
                open_symbol += rows.books(desk)[there.book].symbol == book.symbol
                open_strategy += rows.books(desk)[there.book].strategy == book.strategy
        open_account = desk.open_count - desk.guards_count + batch + 1
        if open_symbol > book.open_symbol and not of_book:
            return _saw(OPEN_SYMBOL, book.open_symbol, float(open_symbol), seen)
        if open_strategy > book.open_strategy and not of_book:
            return _saw(OPEN_STRATEGY, book.open_strategy, float(open_strategy), seen)
        if open_account > book.open_account and not of_book:
            return _saw(OPEN_ACCOUNT, book.open_account, float(open_account), seen)
    minute_strategy = minute_account = second_strategy = second_account = entries = 1
    alike = 0
    window = min(2 * SECOND, book.length)
    signal_time = order.decided_at
    n = desk.orders_count - 1
    while n >= 0 and (n >= desk.orders_count - batch or rows.orders(desk)[n].placed_at > min(now - MINUTE, signal_time - window)):
        other = rows.orders(desk)[n]
        if other.leg == PROTECTIVE:
            n -= 1
            continue
        theirs = rows.books(desk)[other.book]
        if n >= desk.orders_count - batch or now - MINUTE < other.decided_at <= now:
            minute_account += 1
            minute_strategy += theirs.strategy == book.strategy
            entries += theirs.strategy == book.strategy and theirs.symbol == book.symbol and not other.closes
        if n >= desk.orders_count - batch or now - SECOND < other.decided_at <= now:
            second_account += 1
            second_strategy += theirs.strategy == book.strategy
        if other.book == b and other.side == order.side and other.lots == order.lots and other.price == order.price:
            alike += other.signal != order.signal and abs(signal_time - other.decided_at) < window and other.decided_at <= now
        n -= 1
    if minute_strategy > book.minute_strategy:
        return _saw(MINUTE_STRATEGY, book.minute_strategy, float(minute_strategy), seen)
    if minute_account > book.minute_account:
        return _saw(MINUTE_ACCOUNT, book.minute_account, float(minute_account), seen)
    if second_strategy > book.second_strategy:
        return _saw(SECOND_STRATEGY, book.second_strategy, float(second_strategy), seen)
    if second_account > book.second_account:
        return _saw(SECOND_ACCOUNT, book.second_account, float(second_account), seen)
    if alike and not of_book:
        return _saw(DUPLICATE, 0.0, float(alike), seen)
    if entries > book.entries and not of_book:
        return _saw(ENTRIES, book.entries, float(entries), seen)
    for n in range(desk.open_count + batch):
        other_number = _open(desk, n)
        other = rows.orders(desk)[other_number]
        if rows.books(desk)[other.book].symbol != book.symbol or other.side == order.side or other.leg == PROTECTIVE:
            continue
        buy, sell = (order.price, other.price) if order.side > 0 else (other.price, order.price)
        if buy >= sell:
            seen[2] = other_number
            return _saw(CROSSING, float(buy), float(sell), seen)
    return 0


@compiled
def _open(desk: Any, n: int) -> int:
    """The n-th of the orders that are open, and after them of those that are about to be."""
    return rows.open_orders(desk)[n] if n < desk.open_count else rows.batch_orders(desk)[n - desk.open_count]


@compiled
def bound(plain: float, multiple: float, equity: float) -> float:
    """As `Bound.at`; without a limit there is no end."""
    if np.isnan(multiple):
        return np.inf if np.isnan(plain) else plain
    most = multiple * equity if equity > 0 else 0.0
    return most if np.isnan(plain) else min(plain, most)


@compiled
def _saw(reason: int, limit: float, value: float, seen: Any) -> int:
    """Both are floats, whatever was compared: else the same would be compiled for each pair of types."""
    seen[0], seen[1] = limit, value
    return reason
