"""Loss limits, compiled: libs/quant/risk/halts.py, looked at whenever a bar of what is held is known, as backtest/watch.py does."""

from typing import Any, Final

import numpy as np

from libs.quant.compiled import rows
from libs.quant.compiled.extremes import extremes
from libs.quant.compiled.jit import compiled
from libs.quant.compiled.layout import FOREVER
from libs.quant.compiled.steps import newest, row_known
from libs.quant.compiled.view import equity

DAILY_LOSS: Final = 0
DRAWDOWN: Final = 1
ROUNDING: Final = 1e-9  # of an equity: more than float64 can lose on it


@compiled
def look(desk: Any, now: int) -> None:
    """Once, at what is held now."""
    desk.seen_to = max(desk.seen_to, now)
    if desk.watched:
        evaluate(desk, now, equity(desk, now))


@compiled
def evaluate(desk: Any, now: int, worth: float) -> None:
    """As `halts.evaluate`, with the trading day of `now`."""
    days = rows.days(desk)
    while desk.day + 1 < len(days) and days[desk.day + 1] <= now:
        desk.day += 1
        desk.day_equity = desk.equity
    desk.peak = max(desk.peak, worth)
    desk.equity = worth
    _measure(desk, DAILY_LOSS, now, worth, desk.day_equity, desk.max_daily_loss)
    _measure(desk, DRAWDOWN, now, worth, desk.peak, desk.max_drawdown)


@compiled
def _measure(desk: Any, limit: int, now: int, worth: float, reference: float, most: float) -> None:
    if np.isnan(most):
        return
    for n in range(desk.halts_count):
        if rows.halts(desk)[n].limit == limit:
            return
    seen = (reference - worth) / reference if reference > 0 else 1.0
    if seen > most:
        halt = rows.halts(desk)[desk.halts_count]
        halt.limit, halt.at, halt.equity, halt.reference, halt.most, halt.seen = limit, now, worth, reference, most, seen
        desk.halts_count += 1


@compiled
def look_until(desk: Any, until: int) -> None:
    """Whenever a bar is known after the last look and up to `until`, while anything is held."""
    begin = desk.seen_to
    desk.seen_to = max(begin, until)
    if not desk.watched or begin >= until:
        return
    held = -1
    several = False
    for b in range(len(rows.books(desk))):
        if rows.books(desk)[b].lots != 0:
            several = held >= 0
            held = b
            if several:
                break
    if held < 0:
        return
    if several:
        _walk_all(desk, begin, until)
    else:
        _walk_one(desk, rows.books(desk)[held], begin, until)


@compiled
def _walk_one(desk: Any, book: Any, begin: int, until: int) -> None:
    """With one book: day by day, and closely only where the equity of a day may come near a limit."""
    symbol = rows.symbols(desk)[book.symbol]
    late = desk.late
    first = row_known(desk, symbol, late, begin) + 1
    last = row_known(desk, symbol, late, until) + 1
    while first < last:
        tomorrow = _tomorrow(desk)
        known = rows.bars(desk)[first].start + late
        if known >= tomorrow:
            evaluate(desk, known, _worth(desk, book, symbol, first))
            first += 1
            continue
        end = last
        if tomorrow != FOREVER and rows.bars(desk)[last - 1].start + late >= tomorrow:
            end = newest(rows.starts(desk), first, last, tomorrow - late - 1, first) + 1
        _walk_day(desk, book, symbol, first, end)
        first = end


@compiled
def _walk_day(desk: Any, book: Any, symbol: Any, first: int, last: int) -> None:
    """Within one trading day. The equity rises and falls with the close: its extremes are those of the closes."""
    low, high = extremes(rows.closes(desk)[first:last])
    least, most = _worth_at(desk, book, symbol, low), _worth_at(desk, book, symbol, high)
    if least > most:
        least, most = most, least
    peak = max(desk.peak, most)
    if least > _alarm(desk, peak):
        desk.peak, desk.equity = peak, _worth(desk, book, symbol, last - 1)
        return
    for row in range(first, last):
        evaluate(desk, rows.starts(desk)[row] + desk.late, _worth(desk, book, symbol, row))


@compiled
def _worth(desk: Any, book: Any, symbol: Any, row: int) -> float:
    return _worth_at(desk, book, symbol, rows.closes(desk)[row])


@compiled
def _worth_at(desk: Any, book: Any, symbol: Any, price: float) -> float:
    """As `view.equity`, with one book."""
    return 0.0 + desk.cash_value + book.lots * (symbol.units * price)


@compiled
def _tomorrow(desk: Any) -> int:
    """When the next trading day begins."""
    n = desk.day + 1
    return rows.days(desk)[n] if n < len(rows.days(desk)) else FOREVER


@compiled
def _alarm(desk: Any, peak: float) -> float:
    """An equity above which no limit is passed over."""
    alarm = -np.inf
    if not np.isnan(desk.max_daily_loss):
        alarm = max(alarm, _floor(desk.day_equity, desk.max_daily_loss))
    if not np.isnan(desk.max_drawdown):
        alarm = max(alarm, _floor(peak, desk.max_drawdown))
    return alarm


@compiled
def _floor(reference: float, most: float) -> float:
    return reference * (1.0 - most + ROUNDING) if reference > 0.0 else np.inf


@compiled
def _walk_all(desk: Any, begin: int, until: int) -> None:
    count = len(rows.known(desk))
    first = newest(rows.known(desk), 0, count, begin, desk.hint) + 1
    last = newest(rows.known(desk), 0, count, until, first) + 1
    for n in range(first, last):
        evaluate(desk, rows.known(desk)[n], equity(desk, rows.known(desk)[n]))
