"""One account over a whole tape, compiled: libs/quant/backtest/desk.py and its neighbours, with risk/assess.py, number by number."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from libs.quant.compiled import rows
from libs.quant.compiled.gate import ENTRIES, bound, judged_leg, judged_signal
from libs.quant.compiled.jit import compiled
from libs.quant.compiled.layout import BAR, FOREVER, NONE
from libs.quant.compiled.prefetch import prefetched
from libs.quant.compiled.protection import announce, protect, protect_touched
from libs.quant.compiled.steps import next_open, row_known, ticks_towards, to_lots, to_ticks
from libs.quant.compiled.venue import CANCELED, LIMIT, MARKET, NEW, STOP_LIMIT, end, expire, send, show
from libs.quant.compiled.view import EQUITY, equity, reserve
from libs.quant.compiled.watch import look, look_until

if TYPE_CHECKING:
    from libs.quant.compiled.layout import Rows

BAR_BYTES: Final = BAR.itemsize
SLOTS: Final = 16
DAY: Final = 86_400_000_000_000

APPROVED: Final = 1
REFUSED: Final = 2
NO_CHANGE: Final = 3
WAITING: Final = 4
SUPERSEDED: Final = 5
TOO_OLD: Final = 6


@compiled
def play(table: "Rows", before: int) -> None:
    """Plays the signals that have come (ascending in time) and are decided before that moment, and the market up to the last of them.

    Raises:
        MemoryError: there are more fills or orders than rows for them.
        OverflowError, ValueError: a number does not fit: the event path has to play.
    """
    desk = table[0]
    signals, n, count = rows.signals(desk), desk.judged, desk.signals_count
    while n < count and signals[n].time < before:
        now, first = signals[n].time, n
        while n < count and signals[n].time == now:
            n += 1
        if n < count and desk.alone:
            _soon(desk, signals[n].time)
        play_until(desk, now)
        decide(desk, first, n, now)
    desk.judged = n


@compiled
def wait(table: "Rows", until: int) -> None:
    """Plays the market up to and including that moment, without another signal; raises as `play`."""
    play_until(table[0], until)


@compiled
def charged(table: "Rows", now: int) -> None:
    """Looks at the account, whose cash has changed at that moment."""
    look(table[0], now)


@compiled
def _soon(desk: Any, time: int) -> None:
    """The bar that the decision of that moment will ask for, if none is missing, is on its way from memory meanwhile."""
    symbol = rows.symbols(desk)[0]
    seen = max(symbol.hint, symbol.first)
    row = seen + (time - desk.late - rows.bars(desk)[seen].start) // desk.length
    if 0 <= row < symbol.last:
        prefetched(desk.bars_at + row * BAR_BYTES)


@compiled
def play_until(desk: Any, until: int) -> None:
    """Shows the market up to and including `until` to the open orders, step by step."""
    time = _next_time(desk)
    while 0 <= time <= until:
        look_until(desk, time - 1)
        _step(desk, time)
        time = _next_time(desk)
    look_until(desk, until)


@compiled
def _next_time(desk: Any) -> int:
    """The next moment at which something can happen to what is open; -1: none."""
    time = FOREVER
    for n in range(desk.open_count):
        order = rows.orders(desk)[rows.open_orders(desk)[n]]
        symbol = rows.symbols(desk)[rows.books(desk)[order.book].symbol]
        row = row_known(desk, symbol, desk.late, desk.now) + 1
        if row < symbol.last:
            time = min(time, rows.bars(desk)[row].start + desk.late)
        if order.ends >= 0:
            time = min(time, order.ends)
    return time if time != FOREVER else -1


@compiled
def _step(desk: Any, time: int) -> None:
    for s in range(len(rows.symbols(desk))):
        if _is_open(desk, s):
            symbol = rows.symbols(desk)[s]
            row = row_known(desk, symbol, desk.late, time)
            if row >= symbol.first and rows.bars(desk)[row].start + desk.late == time:
                show(desk, s, row, time)
    desk.now = max(desk.now, time)
    expire(desk, desk.now)
    if desk.guarded:
        protect_touched(desk, time)
    _decide_waiting(desk, time)
    look(desk, time)


@compiled
def _is_open(desk: Any, s: int) -> bool:
    for n in range(desk.open_count):
        if rows.books(desk)[rows.orders(desk)[rows.open_orders(desk)[n]].book].symbol == s:
            return True
    return False


# --- decisions


@compiled
def decide(desk: Any, first: int, last: int, now: int) -> None:
    """Judges the signals of one moment, and places what is approved."""
    desk.now = max(desk.now, now)
    _decide(desk, first, last, now)
    _decide_waiting(desk, now)


@compiled
def _decide_waiting(desk: Any, now: int) -> None:
    """Signals that waited for orders of their books to end, as long as some of those have."""
    while _free(desk):
        _decide(desk, 0, 0, now)


@compiled
def _free(desk: Any) -> bool:
    for n in range(desk.waiting_count):
        if rows.books(desk)[rows.waiting_books(desk)[n]].order < 0:
            return True
    return False


@compiled
def _decide(desk: Any, first: int, last: int, now: int) -> None:
    """As `assess_all`, and what becomes of its verdicts."""
    signals = rows.signals(desk)
    sums = rows.sums(desk)
    sums[:] = np.nan
    sums[EQUITY] = equity(desk, now)
    batch = cancels = 0
    for n in range(first, last):
        book = rows.books(desk)[signals[n].book]
        if book.waiting >= 0:
            signals[book.waiting].verdict = SUPERSEDED
            _forget(desk, signals[n].book)
    n = 0
    while n < desk.waiting_count:
        b = rows.waiting_books(desk)[n]
        number, leg = rows.books(desk)[b].waiting, rows.books(desk)[b].leg
        if now > signals[number].valid_until + leg * rows.books(desk)[b].length:
            signals[number].verdict = TOO_OLD
            _forget(desk, b)
        elif rows.books(desk)[b].order < 0:
            batch, cancels = _assess(desk, number, leg, now, sums, batch, cancels)
            n += rows.books(desk)[b].waiting >= 0
        else:
            n += 1
    for number in range(first, last):
        batch, cancels = _assess(desk, number, 0, now, sums, batch, cancels)
    for n in range(min(batch, SLOTS)):
        _enter(desk, rows.batch_orders(desk)[n], now)
    for n in range(cancels):
        end(desk, rows.cancels(desk)[n], CANCELED)
        if desk.guarded:
            protect_touched(desk, now)
    for n in range(SLOTS, batch):
        _enter(desk, rows.batch_orders(desk)[n], now)


@compiled
def _enter(desk: Any, number: int, now: int) -> None:
    """Sends an order. The protection of its book makes room for it, and takes that back where the venue does not want it."""
    if not desk.guarded:
        send(desk, number)
        return
    book = rows.orders(desk)[number].book
    announce(desk, number)
    protect(desk, book, now, number)
    if not send(desk, number):
        protect(desk, book, now, -1)


@compiled
def _forget(desk: Any, b: int) -> None:
    """The book's signal waits no more."""
    rows.books(desk)[b].waiting = -1
    kept = 0
    for n in range(desk.waiting_count):
        if rows.waiting_books(desk)[n] != b:
            rows.waiting_books(desk)[kept] = rows.waiting_books(desk)[n]
            kept += 1
    desk.waiting_count = kept


@compiled
def _wait(desk: Any, b: int, number: int, leg: int) -> None:
    """The signal waits for the book's orders to end."""
    book = rows.books(desk)[b]
    if book.waiting < 0:
        rows.waiting_books(desk)[desk.waiting_count] = b
        desk.waiting_count += 1
    book.waiting, book.leg = number, leg


@compiled
def _assess(desk: Any, number: int, leg: int, now: int, sums: Any, batch: int, cancels: int) -> tuple[int, int]:
    """As `assess` and `judge`: the signal's verdict, and how many orders and cancels there are with it."""
    signal = rows.signals(desk)[number]
    b = signal.book
    book = rows.books(desk)[b]
    symbol = rows.symbols(desk)[book.symbol]
    decided_at = signal.time if leg == 0 or desk.naked else now
    valid_until = signal.valid_until + (0 if desk.naked else leg * book.length)
    seen = rows.seen(desk)
    seen[:] = np.nan
    if not desk.naked:
        reason = judged_signal(desk, signal, decided_at, valid_until, now, seen)
        if reason:
            _refuse(desk, number, reason, seen)
            return batch, cancels
    desired = _desired(desk, number, sums[EQUITY])
    held, open_order = book.lots, book.order
    on_its_way = held
    if open_order >= 0:
        order = rows.orders(desk)[open_order]
        on_its_way += order.side * (order.lots - order.filled)
    if on_its_way == desired:
        _settle(desk, number, NO_CHANGE)
        return batch, cancels
    if open_order >= 0:
        signal.verdict = WAITING
        rows.cancels(desk)[cancels] = open_order
        _wait(desk, b, number, leg)
        return batch, cancels + 1
    change = desired - held
    if signal.target != 0.0 and book.band != 0.0:
        worth = abs(change) * symbol.lot * signal.price * symbol.multiplier
        if worth < book.band * book.allocation * sums[EQUITY]:
            _settle(desk, number, NO_CHANGE)
            return batch, cancels
    flips = not desk.naked and ((held > 0 and desired < 0) or (held < 0 and desired > 0))
    if flips and leg > 0:
        _settle(desk, number, TOO_OLD)
        return batch, cancels
    if flips:
        change = -held
    if desk.orders_count == desk.orders_room:
        raise MemoryError("more orders than rows")
    _propose(desk, number, leg, change, decided_at, valid_until, now)
    placed = desk.orders_count
    if not desk.naked:
        reason = judged_leg(desk, placed, b, signal.price, batch, now, sums, seen)
        if reason:
            _refuse(desk, number, reason, seen)
            return batch, cancels
    reserve(desk, placed, now, sums)
    rows.batch_orders(desk)[batch] = placed
    desk.orders_count += 1
    if flips:
        signal.verdict = WAITING
        _wait(desk, b, number, leg + 1)
    else:
        _settle(desk, number, APPROVED)
    return batch + 1, cancels


@compiled
def _settle(desk: Any, number: int, verdict: int) -> None:
    """The last word on a signal."""
    signal = rows.signals(desk)[number]
    signal.verdict = verdict
    if rows.books(desk)[signal.book].waiting == number:
        _forget(desk, signal.book)


@compiled
def _refuse(desk: Any, number: int, reason: int, seen: Any) -> None:
    refusal = rows.refusals(desk)[desk.refusals_count]
    refusal.signal, refusal.reason, refusal.limit, refusal.seen, refusal.other = number, reason, seen[0], seen[1], seen[2]
    desk.refusals_count += 1
    if reason == ENTRIES:
        rows.killed(desk)[rows.books(desk)[rows.signals(desk)[number].book].strategy] = 1
    _settle(desk, number, REFUSED)


@compiled
def _desired(desk: Any, number: int, worth: float) -> int:
    """As `desired_lots`."""
    signal = rows.signals(desk)[number]
    book = rows.books(desk)[signal.book]
    symbol = rows.symbols(desk)[book.symbol]
    factors = book.risked
    if not np.isnan(book.drawdown):
        factors *= _left_of_size(desk.peak, worth, book.drawdown)
    worth = max(0.0, worth)
    capital = book.allocation * worth
    if not np.isnan(book.fixed) and worth > 0:
        capital = book.fixed * signal.price * symbol.multiplier
    wish = signal.target * signal.scale * capital * factors
    most = bound(book.strategy_position_plain, book.strategy_position_multiple, worth)
    wish = most if wish > most else -most if wish < -most else wish
    if wish < 0.0 and not desk.allow_short:
        wish = 0.0
    return to_lots(wish / (signal.price * symbol.multiplier), symbol.lot)


@compiled
def _left_of_size(peak: float, equity: float, most: float) -> float:
    """As `drawdown_scale`, of `losses.loss`."""
    fallen = max(0.0, (peak - equity) / peak if peak > 0 else 1.0)
    return 0.0 if fallen >= most else (most - fallen) / (most * (1.0 - fallen))


@compiled
def _propose(desk: Any, number: int, leg: int, change: int, decided_at: int, valid_until: int, now: int) -> None:
    """The order to be, in the row that comes next. As `proposal` and `naked_order`."""
    signal = rows.signals(desk)[number]
    book = rows.books(desk)[signal.book]
    symbol = rows.symbols(desk)[book.symbol]
    order = rows.orders(desk)[desk.orders_count]
    side = 1 if change > 0 else -1
    order.signal, order.leg, order.book, order.side, order.lots = number, leg, signal.book, side, abs(change)
    order.decided_at, order.valid_until, order.placed_at = decided_at, valid_until, now
    order.filled, order.triggered, order.status = 0, 0, NEW
    order.closes = (book.lots > 0) != (change > 0) and book.lots != 0 and abs(change) <= abs(book.lots)
    order.price = order.stop = NONE
    price, tick = signal.price, symbol.tick
    if not desk.naked:
        order.kind = LIMIT
        order.price = ticks_towards(price * (1 + book.collar if change > 0 else 1 - book.collar), tick, price)
        order.expires_at = _expires_at(desk, symbol, signal.bar_time, book.length, decided_at)
        return
    order.kind, order.expires_at = desk.entry, FOREVER
    offset, beyond = desk.entry_offset, desk.entry_offset + desk.entry_limit
    if order.kind == LIMIT:
        order.price = to_ticks(price * (1 + -side * offset / 10_000), tick)
    elif order.kind != MARKET:
        order.stop = to_ticks(price * (1 + side * offset / 10_000), tick)
    if order.kind == STOP_LIMIT:
        order.price = to_ticks(price * (1 + side * beyond / 10_000), tick)


@compiled
def _expires_at(desk: Any, symbol: Any, bar_time: int, length: int, decided_at: int) -> int:
    """As `lifetime.expires_at`."""
    grace = desk.grace
    known = decided_at - grace
    if length >= DAY:
        opens = next_open(desk, symbol.calendar, known) if symbol.calendar >= 0 else -(-known // DAY) * DAY
        return opens + length + grace
    bars = -((bar_time - known) // length)
    return bar_time + (bars + 1) * length + grace
