"""What the fills of a desk changed: what was filled at one moment is one change."""

from typing import TYPE_CHECKING

import numpy as np

from libs.quant.compiled.jit import compiled

if TYPE_CHECKING:
    from libs.quant.compiled.layout import Rows, Times


@compiled
def last_of(known: "Times") -> "Times":
    """Of ascending moments the last row of each."""
    rows, count = np.empty(len(known), np.int64), 0
    for n in range(len(known)):
        if n + 1 == len(known) or known[n + 1] != known[n]:
            rows[count] = n
            count += 1
    return rows[:count]


@compiled
def filled(orders: "Rows", fills: "Rows", books: int) -> "Times":
    """Numbers of the books that were filled, in the order in which they first were."""
    known, found, count = np.zeros(books, np.bool_), np.empty(books, np.int64), 0
    for fill in fills:
        book = orders[fill.order].book
        if not known[book]:
            known[book] = True
            found[count] = book
            count += 1
    return found[:count]


@compiled
def lots_of(book: int, orders: "Rows", fills: "Rows", last: "Times") -> "Times":
    """Lots that a book held after each change."""
    lots, held, n = np.empty(len(last), np.int64), 0, 0
    for row in range(len(last)):
        while n <= last[row]:
            order = orders[fills[n].order]
            if order.book == book:
                held += order.side * fills[n].lots
            n += 1
        lots[row] = held
    return lots
