"""What a position has cost, by machine code and by the books."""

from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.books import Position, apply
from libs.quant.compiled.layout import BOOK, MONEY, SYMBOL
from libs.quant.compiled.venue import own_cost

TICK, LOT = Decimal("0.01"), Decimal("0.001")
FILLS = st.lists(st.tuples(st.integers(-(10**6), 10**6).filter(bool), st.integers(1, 10**7)), min_size=1, max_size=8)


@settings(max_examples=500, deadline=None)  # the first call reads machine code
@given(FILLS)
def test_an_average_cost_is_that_of_the_books_to_the_last_digit(fills: list[tuple[int, int]]) -> None:
    symbols, books, position = np.zeros(1, SYMBOL), np.zeros(1, BOOK), Position()
    symbols["tick_cost"] = int(TICK * MONEY)
    for lots, ticks in fills:
        own_cost(symbols[0], books[0], lots, ticks)
        books["lots"] += lots
        position, _ = apply(position, lots * LOT, ticks * TICK, Decimal(1))
        assert Decimal(int(books[0]["cost"])) / MONEY == position.avg_cost
