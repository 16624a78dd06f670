"""One account over a whole tape, compiled: libs/quant/backtest/play.py with libs/quant/risk/assess.py and naked.py, number by number."""

from typing import Any, Final

import numpy as np

from libs.quant.compiled.gate import ENTRIES, bound, judged_leg, judged_signal
from libs.quant.compiled.jit import compiled
from libs.quant.compiled.layout import FOREVER, NONE, Desk
from libs.quant.compiled.steps import next_known, next_open, row_known, ticks_towards, to_lots, to_ticks
from libs.quant.compiled.venue import CANCELED, LIMIT, MARKET, NEW, STOP, STOP_LIMIT, end, expire, send, show
from libs.quant.compiled.view import EQUITY, equity, reserve
from libs.quant.compiled.watch import look, look_until

SLOTS: Final = 16
DAY: Final = 86_400_000_000_000

APPROVED: Final = 1
REFUSED: Final = 2
NO_CHANGE: Final = 3
WAITING: Final = 4
SUPERSEDED: Final = 5
TOO_OLD: Final = 6


@compiled
def play(desk: Desk, ends: int) -> None:
    """Plays all signals (ascending in time), and the market to its end.

    Raises:
        MemoryError: there are more fills than rows for them.
        OverflowError, ValueError: a number does not fit: the event path has to play.
    """
    signals, n = desk.signals, 0
    while n < len(signals):
        now, first = signals[n].time, n
        while n < len(signals) and signals[n].time == now:
            n += 1
        play_until(desk, now)
        decide(desk, first, n, now)
    play_until(desk, ends)


@compiled
def play_until(desk: Desk, until: int) -> None:
    """Shows the market up to and including `until` to the open orders, step by step."""
    time = _next_time(desk)
    while 0 <= time <= until:
        look_until(desk, time - 1)
        _step(desk, time)
        time = _next_time(desk)
    look_until(desk, until)


@compiled
def _next_time(desk: Desk) -> int:
    """The next moment at which something can happen to what is open; -1: none."""
    account, market = desk.account[0], desk.market
    time = FOREVER
    for n in range(account.open):
        order = desk.orders[desk.open[n]]
        symbol = desk.symbols[desk.books[order.book].symbol]
        row = row_known(market, symbol.first, symbol.last, account.late, account.now) + 1
        if row < symbol.last:
            time = min(time, market.start[row] + account.late)
        if order.expires_at != FOREVER:
            known = next_known(market, max(order.expires_at, account.now + 1))
            if known >= 0:
                time = min(time, known)
    return time if time != FOREVER else -1


@compiled
def _step(desk: Desk, time: int) -> None:
    account, market = desk.account[0], desk.market
    for s in range(len(desk.symbols)):
        if _is_open(desk, s):
            symbol = desk.symbols[s]
            row = row_known(market, symbol.first, symbol.last, account.late, time)
            if row >= symbol.first and market.start[row] + account.late == time:
                show(desk, s, row, time)
    account.now = max(account.now, time)
    expire(desk, account.now)
    _decide_waiting(desk, time)
    look(desk, time)


@compiled
def _is_open(desk: Desk, s: int) -> bool:
    for n in range(desk.account[0].open):
        if desk.books[desk.orders[desk.open[n]].book].symbol == s:
            return True
    return False


# --- decisions


@compiled
def decide(desk: Desk, first: int, last: int, now: int) -> None:
    """Judges the signals of one moment, and places what is approved."""
    account = desk.account[0]
    account.now = max(account.now, now)
    _decide(desk, first, last, now)
    _decide_waiting(desk, now)


@compiled
def _decide_waiting(desk: Desk, now: int) -> None:
    """Signals that waited for orders of their books to end, as long as some of those have."""
    while _free(desk):
        _decide(desk, 0, 0, now)


@compiled
def _free(desk: Desk) -> bool:
    for n in range(desk.account[0].waiting):
        if desk.books[desk.waiting[n]].order < 0:
            return True
    return False


@compiled
def _decide(desk: Desk, first: int, last: int, now: int) -> None:
    """As `assess_all`, and what becomes of its verdicts."""
    account, signals = desk.account[0], desk.signals
    sums = np.full(5, np.nan)
    sums[EQUITY] = equity(desk, now)
    batch = cancels = 0
    for n in range(first, last):
        book = desk.books[signals[n].book]
        if book.waiting >= 0:
            signals[book.waiting].verdict = SUPERSEDED
            _forget(desk, signals[n].book)
    n = 0
    while n < account.waiting:
        b = desk.waiting[n]
        number, leg = desk.books[b].waiting, desk.books[b].leg
        if now > signals[number].valid_until + leg * desk.books[b].length:
            signals[number].verdict = TOO_OLD
            _forget(desk, b)
        elif desk.books[b].order < 0:
            batch, cancels = _assess(desk, number, leg, now, sums, batch, cancels)
            n += desk.books[b].waiting >= 0
        else:
            n += 1
    for number in range(first, last):
        batch, cancels = _assess(desk, number, 0, now, sums, batch, cancels)
    for n in range(min(batch, SLOTS)):
        send(desk, desk.batch[n])
    for n in range(cancels):
        end(desk, desk.cancels[n], CANCELED)
    for n in range(SLOTS, batch):
        send(desk, desk.batch[n])


@compiled
def _forget(desk: Desk, b: int) -> None:
    """The book's signal waits no more."""
    account = desk.account[0]
    desk.books[b].waiting = -1
    kept = 0
    for n in range(account.waiting):
        if desk.waiting[n] != b:
            desk.waiting[kept] = desk.waiting[n]
            kept += 1
    account.waiting = kept


@compiled
def _wait(desk: Desk, b: int, number: int, leg: int) -> None:
    """The signal waits for the book's orders to end."""
    account, book = desk.account[0], desk.books[b]
    if book.waiting < 0:
        desk.waiting[account.waiting] = b
        account.waiting += 1
    book.waiting, book.leg = number, leg


@compiled
def _assess(desk: Desk, number: int, leg: int, now: int, sums: Any, batch: int, cancels: int) -> tuple[int, int]:
    """As `assess` and `judge`: the signal's verdict, and how many orders and cancels there are with it."""
    account, signal = desk.account[0], desk.signals[number]
    b = signal.book
    book = desk.books[b]
    symbol = desk.symbols[book.symbol]
    decided_at = signal.time if leg == 0 or account.naked else now
    valid_until = signal.valid_until + (0 if account.naked else leg * book.length)
    seen = np.full(3, np.nan)
    if not account.naked:
        reason = judged_signal(desk, b, signal.target, signal.scale, signal.price, decided_at, valid_until, now, seen)
        if reason:
            _refuse(desk, number, reason, seen)
            return batch, cancels
    desired = _desired(desk, number, sums[EQUITY])
    held, open_order = book.lots, book.order
    on_its_way = held
    if open_order >= 0:
        order = desk.orders[open_order]
        on_its_way += order.side * (order.lots - order.filled)
    if on_its_way == desired:
        _settle(desk, number, NO_CHANGE)
        return batch, cancels
    if open_order >= 0:
        signal.verdict = WAITING
        desk.cancels[cancels] = open_order
        _wait(desk, b, number, leg)
        return batch, cancels + 1
    change = desired - held
    if signal.target != 0.0 and book.band != 0.0:
        worth = abs(change) * symbol.lot * signal.price * symbol.multiplier
        if worth < book.band * book.allocation * sums[EQUITY]:
            _settle(desk, number, NO_CHANGE)
            return batch, cancels
    flips = not account.naked and ((held > 0 and desired < 0) or (held < 0 and desired > 0))
    if flips and leg > 0:
        _settle(desk, number, TOO_OLD)
        return batch, cancels
    if flips:
        change = -held
    _propose(desk, number, leg, change, decided_at, valid_until, now)
    placed = account.orders
    if not account.naked:
        reason = judged_leg(desk, placed, b, signal.price, batch, now, sums, seen)
        if reason:
            _refuse(desk, number, reason, seen)
            return batch, cancels
    reserve(desk, placed, now, sums)
    desk.batch[batch] = placed
    account.orders += 1
    if flips:
        signal.verdict = WAITING
        _wait(desk, b, number, leg + 1)
    else:
        _settle(desk, number, APPROVED)
    return batch + 1, cancels


@compiled
def _settle(desk: Desk, number: int, verdict: int) -> None:
    """The last word on a signal."""
    signal = desk.signals[number]
    signal.verdict = verdict
    if desk.books[signal.book].waiting == number:
        _forget(desk, signal.book)


@compiled
def _refuse(desk: Desk, number: int, reason: int, seen: Any) -> None:
    account = desk.account[0]
    refusal = desk.refusals[account.refusals]
    refusal.signal, refusal.reason, refusal.limit, refusal.seen, refusal.other = number, reason, seen[0], seen[1], seen[2]
    account.refusals += 1
    if reason == ENTRIES:
        desk.killed[desk.books[desk.signals[number].book].strategy] = 1
    _settle(desk, number, REFUSED)


@compiled
def _desired(desk: Desk, number: int, worth: float) -> int:
    """As `desired_lots`."""
    account, signal = desk.account[0], desk.signals[number]
    book = desk.books[signal.book]
    symbol = desk.symbols[book.symbol]
    worth = max(0.0, worth)
    capital = book.allocation * worth
    if not np.isnan(book.fixed) and worth > 0:
        capital = book.fixed * signal.price * symbol.multiplier
    wish = signal.target * signal.scale * capital
    most = bound(book.strategy_position_plain, book.strategy_position_multiple, worth)
    wish = most if wish > most else -most if wish < -most else wish
    if wish < 0.0 and not account.allow_short:
        wish = 0.0
    return to_lots(wish / (signal.price * symbol.multiplier), symbol.lot)


@compiled
def _propose(desk: Desk, number: int, leg: int, change: int, decided_at: int, valid_until: int, now: int) -> None:
    """The order to be, in the row that comes next. As `proposal` and `naked_order`."""
    account, signal = desk.account[0], desk.signals[number]
    book = desk.books[signal.book]
    symbol = desk.symbols[book.symbol]
    order = desk.orders[account.orders]
    side = 1 if change > 0 else -1
    order.signal, order.leg, order.book, order.side, order.lots = number, leg, signal.book, side, abs(change)
    order.decided_at, order.valid_until, order.placed_at = decided_at, valid_until, now
    order.filled, order.triggered, order.status = 0, 0, NEW
    order.closes = (book.lots > 0) != (change > 0) and book.lots != 0 and abs(change) <= abs(book.lots)
    order.price = order.stop = NONE
    price, tick = signal.price, symbol.tick
    if not account.naked:
        order.kind = LIMIT
        order.price = ticks_towards(price * (1 + book.collar if change > 0 else 1 - book.collar), tick, price)
        order.expires_at = _expires_at(desk, symbol, signal.bar_time, book.length, decided_at)
        return
    order.kind, order.expires_at = account.entry, FOREVER
    offset, beyond = account.entry_offset, account.entry_offset + account.entry_limit
    if order.kind == LIMIT:
        order.price = to_ticks(price * (1 + -side * offset / 10_000), tick)
    elif order.kind != MARKET:
        order.stop = to_ticks(price * (1 + side * offset / 10_000), tick)
    if order.kind == STOP_LIMIT:
        order.price = to_ticks(price * (1 + side * beyond / 10_000), tick)


@compiled
def _expires_at(desk: Desk, symbol: Any, bar_time: int, length: int, decided_at: int) -> int:
    """As `lifetime.expires_at`."""
    grace = desk.account[0].grace
    known = decided_at - grace
    if length >= DAY:
        opens = next_open(desk.market, symbol.calendar, known) if symbol.calendar >= 0 else -(-known // DAY) * DAY
        return opens + length + grace
    bars = -((bar_time - known) // length)
    return bar_time + (bars + 1) * length + grace
