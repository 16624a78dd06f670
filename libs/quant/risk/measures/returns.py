"""Stored closes as a matrix of returns: aligned, with what is missing left out and said."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from libs.domain.actions import CorporateAction
from libs.domain.history import Closes
from libs.domain.times import SECOND
from libs.quant.adjustments import Adjustments
from libs.quant.risk.measures.checks import Matrix, Vector, table

DAY: Final = 86_400 * SECOND
LEAST: Final = 30
"""Fewer returns are no history: the error of a volatility is then above an eighth of it."""
_WANTED: Final = 100
"""Returns that a symbol may not cost the others: with fewer, 1 day in 100 is not in the sample."""
_LONGEST_NIGHT: Final = 5
"""Days from one close to the next over a long weekend (a Thursday before Good Friday to the Tuesday after it). Longer is a hole."""


class Returns(NamedTuple):
    """Simple returns of several symbols over the same periods."""

    symbols: tuple[str, ...]
    matrix: Matrix  # shape (observations, symbols), the oldest first
    length_ns: int  # of a period
    ends: tuple[int, ...] = ()  # of each return, market ns
    left_out: tuple[tuple[str, int], ...] = ()  # symbols with too few closes, and how many they have
    incomplete: int = 0  # periods in which some of the symbols had no close, so none counts
    holes: int = 0  # returns over more than one period, which are not used

    def of(self, symbol: str) -> Vector:
        """Returns of one symbol, shape (observations,); KeyError: it is not there."""
        try:
            return np.asarray(self.matrix[:, self.symbols.index(symbol)], dtype=np.float64)
        except ValueError:
            raise KeyError(symbol) from None


def returns_of(closes: Closes, actions: Sequence[CorporateAction] = ()) -> Returns:
    """Returns between the moments at which every symbol had a close, with splits and dividends taken out of the prices.

    A symbol whose history is so short that it would leave fewer than 100 returns for all, or than half of what the longest history has,
    whichever is fewer, is left out, the one with the fewest closes first: the others shall not go unmeasured with it. Returns of days
    may span a weekend; others that span more than one period are left out.

    Raises:
        ValueError: a price that is not above 0 or not finite, or columns of unequal length; the message says of what.
    """
    prices = _adjusted(closes, actions)
    counts = {symbol: int(np.isfinite(column).sum()) for symbol, column in prices.items()}
    least = min(_WANTED, max(counts.values(), default=0) // 2)
    kept, left_out = sorted(prices), []
    while len(kept) > 1 and len(_usable(closes, prices, kept)[1]) < least:
        fewest = min(kept, key=lambda symbol: (counts[symbol], symbol))
        left_out.append((fewest, counts[fewest]))
        kept.remove(fewest)
    rows, steps = _usable(closes, prices, kept)
    if not kept or not len(steps):
        return Returns(tuple(kept), np.empty((0, len(kept))), closes.length_ns, left_out=tuple(left_out))
    columns = np.column_stack([prices[symbol][rows] for symbol in kept])
    known = np.isfinite(np.column_stack([prices[symbol] for symbol in kept]))
    return Returns(
        symbols=tuple(kept),
        matrix=table(columns[steps] / columns[steps - 1] - 1.0, "returns"),
        length_ns=closes.length_ns,
        ends=tuple(closes.ends[rows[step]] for step in steps),
        left_out=tuple(left_out),
        incomplete=int((known.any(axis=1) & ~known.all(axis=1)).sum()),
        holes=len(rows) - 1 - len(steps),
    )


def _adjusted(closes: Closes, actions: Sequence[CorporateAction]) -> dict[str, Vector]:
    """Prices on one scale by symbol, NaN where there is none."""
    factors = Adjustments(actions, closes.ends[0] if closes.ends else 0)
    found = {}
    for symbol, column in closes.prices.items():
        if len(column) != len(closes.ends):
            raise ValueError(f"Expected one close of {symbol} for each of {len(closes.ends)} periods, got {len(column)}")
        values = np.array([np.nan if price is None else price for price in column], dtype=np.float64)
        bad = [price for price in column if price is not None and not 0.0 < price < np.inf]
        if bad:
            raise ValueError(f"Expected closes of {symbol} above 0 and finite, got {bad[0]}")
        if factors.changes(symbol):
            values *= [factors.price(symbol, end - 1) for end in closes.ends]
        found[symbol] = values
    return found


def _usable(closes: Closes, prices: dict[str, Vector], symbols: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Periods in which all of the symbols have a close; and which of them (places in the first) give a return with the one before."""
    known = np.ones(len(closes.ends), dtype=np.bool_)
    for symbol in symbols:
        known &= np.isfinite(prices[symbol])
    rows = np.flatnonzero(known)
    spans = np.diff(np.asarray(closes.ends, dtype=np.int64)[rows])
    longest = _LONGEST_NIGHT * DAY if closes.length_ns == DAY else closes.length_ns
    return rows, np.flatnonzero(spans <= longest) + 1
