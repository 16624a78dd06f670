"""Order books with numbered changes, so that a snapshot of REST and the diffs of a stream fit together."""

from collections.abc import Callable
from typing import Final

from libs.quant.sim_venue.listings import Listing
from services.sim_venue.binance.figures import exact, ms
from services.sim_venue.binance.order_answers import Json
from services.sim_venue.binance.symbols import wire

DEPTH: Final = 1000
"""Levels of a side that the diffs are about; deeper ones are not published."""

Levels = dict[int, int]
"""Lots by ticks."""

Look = Callable[[str, int], tuple[list[tuple[int, int]], list[tuple[int, int]]]]
"""Bids and asks of a symbol, best first, at most so many a side: `Exchange.depth`."""


class Book:
    """One symbol's book as last looked at, and how many changes it has seen. Each changed level is one update."""

    def __init__(self, listing: Listing, look: Look, now: int) -> None:
        """The count begins at the time, so that it goes on above where it stood before a restart."""
        self.listing = listing
        self._look = look
        self.update = ms(now)
        self.bids: Levels = {}
        self.asks: Levels = {}
        self._diffs: list[Diff] = []
        self.refresh()

    def refresh(self) -> None:
        """Looks again, and counts what has changed since."""
        bids, asks = (dict(side) for side in self._look(self.listing.symbol, DEPTH))
        changed_bids, changed_asks = changed(self.bids, bids), changed(self.asks, asks)
        self.update += len(changed_bids) + len(changed_asks)
        self.bids, self.asks = bids, asks
        for diff in self._diffs:
            diff.bids |= changed_bids
            diff.asks |= changed_asks

    def snapshot(self, limit: int) -> Json:
        """As `/depth` and the streams `@depth5` to `@depth20` have it."""
        return {"lastUpdateId": self.update, "bids": self._rows(self.bids, limit), "asks": self._rows(self.asks, limit)}

    def _rows(self, levels: Levels, limit: int) -> list[list[str]]:
        return [self._row(ticks, lots) for ticks, lots in list(levels.items())[:limit]]

    def _row(self, ticks: int, lots: int) -> list[str]:
        i = self.listing.instrument
        return [exact(i.price(ticks)), exact(i.quantity(lots))]

    def follow(self) -> "Diff":
        """What changes from now on, until `forget`."""
        diff = Diff(self.update)
        self._diffs.append(diff)
        return diff

    def forget(self, diff: "Diff") -> None:
        """Nobody reads it any more."""
        self._diffs = [other for other in self._diffs if other is not diff]

    def told(self, diff: "Diff", now: int) -> Json | None:
        """What has changed since the diff was told last, or None; levels that came and went are told as gone."""
        if self.update == diff.update:
            return None
        event: Json = {
            "e": "depthUpdate",
            "E": ms(now),
            "s": wire(self.listing.symbol),
            "U": diff.update + 1,
            "u": self.update,
            "b": [self._row(ticks, self.bids.get(ticks, 0)) for ticks in sorted(diff.bids, reverse=True)],
            "a": [self._row(ticks, self.asks.get(ticks, 0)) for ticks in sorted(diff.asks)],
        }
        diff.update = self.update
        diff.bids.clear()
        diff.asks.clear()
        return event


class Diff:
    """Levels that have changed since an update, by the reader of one stream. A snapshot taken meanwhile may have shown any of them."""

    def __init__(self, update: int) -> None:
        self.update = update
        self.bids: set[int] = set()
        self.asks: set[int] = set()


def changed(before: Levels, after: Levels) -> set[int]:
    """Ticks of the levels that differ."""
    return {ticks for ticks, lots in after.items() if before.get(ticks) != lots} | {ticks for ticks in before if ticks not in after}
