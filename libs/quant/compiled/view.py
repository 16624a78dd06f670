"""An account as the controls see it, compiled: libs/quant/risk/view.py. One moment; what is approved changes it as it goes."""

from typing import Any

import numpy as np

from libs.quant.compiled import rows
from libs.quant.compiled.exact import product, quotient
from libs.quant.compiled.jit import compiled
from libs.quant.compiled.layout import PROTECTIVE
from libs.quant.compiled.steps import row_known

GROSS = 0
NET_LOW = 1
NET_HIGH = 2
FREE = 3
EQUITY = 4


@compiled
def mark(desk: Any, s: int, now: int) -> float:
    """Close of the newest bar known; NaN before the first."""
    symbol = rows.symbols(desk)[s]
    if symbol.marked_at != now:
        row = row_known(desk, symbol, desk.late, now)
        symbol.marked_at, symbol.mark = now, rows.bars(desk)[row].close if row >= symbol.first else np.nan
    return symbol.mark


@compiled
def mark_before(desk: Any, s: int, now: int) -> float:
    """Close of the bar before that one; NaN where there is none."""
    symbol = rows.symbols(desk)[s]
    row = row_known(desk, symbol, desk.late, now) - 1
    return rows.bars(desk)[row].close if row >= symbol.first else np.nan


@compiled
def equity(desk: Any, now: int) -> float:
    """Cash and every position at the newest close, added up in the order of the books."""
    worth = 0.0 + desk.cash_value
    for book in rows.books(desk):
        if book.lots != 0:
            worth += book.lots * (rows.symbols(desk)[book.symbol].units * mark(desk, book.symbol, now))
    return worth


@compiled
def notional(symbol: Any, lots: int, ticks: int) -> float:
    """As `Grid.notional`."""
    return quotient(product(product(lots, ticks), symbol.above), symbol.below)


@compiled
def left_of(desk: Any, number: int) -> int:
    """Lots that an open order still wants, signed."""
    order = rows.orders(desk)[number]
    return order.side * (order.lots - order.filled)


@compiled
def book_low(desk: Any, b: int) -> int:
    """Lowest position that the book's open order can lead to."""
    book = rows.books(desk)[b]
    return book.lots + (min(left_of(desk, book.order), 0) if book.order >= 0 else 0)


@compiled
def book_high(desk: Any, b: int) -> int:
    """Highest one."""
    book = rows.books(desk)[b]
    return book.lots + (max(left_of(desk, book.order), 0) if book.order >= 0 else 0)


@compiled
def symbol_low(desk: Any, s: int) -> int:
    """Lowest position of the account in a symbol."""
    low = 0
    for n in range(rows.symbols(desk)[s].books, rows.symbols(desk)[s].books_end):
        low += book_low(desk, rows.of_symbol(desk)[n])
    return low


@compiled
def symbol_high(desk: Any, s: int) -> int:
    """Highest one."""
    high = 0
    for n in range(rows.symbols(desk)[s].books, rows.symbols(desk)[s].books_end):
        high += book_high(desk, rows.of_symbol(desk)[n])
    return high


@compiled
def farther(low: int, high: int) -> int:
    """Of two positions that are in order the one farther from zero."""
    return high if high > -low else -low


@compiled
def worst(low: int, high: int, change: int) -> int:
    """The largest position, either side, with `change` more lots."""
    return farther(low, high + change) if change > 0 else farther(low + change, high)


@compiled
def shrinks(lots: int, side: int, low: int, high: int) -> bool:
    """Whether an order can only bring the position nearer to zero."""
    return 0 < lots <= (low if side < 0 else -high)


@compiled
def lot_value(desk: Any, s: int, now: int) -> float:
    """Worth of a lot at the newest close."""
    return rows.symbols(desk)[s].units * mark(desk, s, now)


@compiled
def gross(desk: Any, s: int, change: int, now: int, sums: Any) -> float:
    """As `View.gross`: kept in `sums` from the first question on, and moved by what is approved."""
    if np.isnan(sums[GROSS]):
        everything = 0.0
        for n in range(len(rows.symbols(desk))):
            low, high = symbol_low(desk, n), symbol_high(desk, n)
            if low != 0 or high != 0:
                everything += abs(farther(low, high) * lot_value(desk, n, now))
        sums[GROSS] = everything
    low, high = symbol_low(desk, s), symbol_high(desk, s)
    before, lot = farther(low, high), abs(lot_value(desk, s, now))
    return sums[GROSS] - lot * before + lot * worst(low, high, change)


@compiled
def net(desk: Any, s: int, change: int, now: int, sums: Any) -> float:
    """As `View.net`."""
    if np.isnan(sums[NET_LOW]):
        lowest = highest = 0.0
        for n in range(len(rows.symbols(desk))):
            low, high = symbol_low(desk, n), symbol_high(desk, n)
            if low != 0 or high != 0:
                value = lot_value(desk, n, now)
                lowest += low * value
                highest += high * value
        sums[NET_LOW], sums[NET_HIGH] = lowest, highest
    value = change * lot_value(desk, s, now)
    return sums[NET_HIGH] + value if change > 0 else -sums[NET_LOW] - value


@compiled
def free_cash(desk: Any, batch: int, sums: Any) -> float:
    """As `View.free_cash`: less what open buys and those of this decision may take. `batch`: orders of the decision so far."""
    if np.isnan(sums[FREE]):
        taken = 0.0
        for n in range(desk.open_count):
            taken += _buys(desk, rows.open_orders(desk)[n])
        for n in range(batch):
            taken += _buys(desk, rows.batch_orders(desk)[n])
        sums[FREE] = desk.cash_value - taken
    return sums[FREE]


@compiled
def _buys(desk: Any, number: int) -> float:
    order = rows.orders(desk)[number]
    if order.side < 0 or order.leg == PROTECTIVE:
        return 0.0
    return notional(rows.symbols(desk)[rows.books(desk)[order.book].symbol], order.lots - order.filled, max(order.price, 0))


@compiled
def reserve(desk: Any, number: int, now: int, sums: Any) -> None:
    """An approved order counts for whatever is judged later at the same moment. As `View.reserve`, before the book has the order."""
    order = rows.orders(desk)[number]
    book = rows.books(desk)[order.book]
    change = order.side * order.lots
    if not np.isnan(sums[GROSS]):
        sums[GROSS] = gross(desk, book.symbol, change, now, sums)
    if not np.isnan(sums[NET_LOW]):
        more = change * lot_value(desk, book.symbol, now)
        sums[NET_LOW] += min(more, 0.0)
        sums[NET_HIGH] += max(more, 0.0)
    if not np.isnan(sums[FREE]):
        sums[FREE] -= _buys(desk, number)
    book.order = number
