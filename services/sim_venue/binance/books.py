"""Order books with numbered changes, so that a snapshot of REST and the diffs of a stream fit together."""

from collections.abc import Callable
from typing import Final, NamedTuple

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
        self.refresh()

    def refresh(self) -> None:
        """Looks again, and counts what has changed since."""
        bids, asks = (dict(side) for side in self._look(self.listing.symbol, DEPTH))
        self.update += len(changes(self.bids, bids)) + len(changes(self.asks, asks))
        self.bids, self.asks = bids, asks

    def snapshot(self, limit: int) -> Json:
        """As `/depth` and the streams `@depth5` to `@depth20` have it."""
        return {"lastUpdateId": self.update, "bids": self._rows(self.bids, limit), "asks": self._rows(self.asks, limit)}

    def _rows(self, levels: Levels, limit: int) -> list[list[str]]:
        return [self._row(ticks, lots) for ticks, lots in list(levels.items())[:limit]]

    def _row(self, ticks: int, lots: int) -> list[str]:
        i = self.listing.instrument
        return [exact(i.price(ticks)), exact(i.quantity(lots))]

    def diff(self, before: "Published", now: int) -> Json | None:
        """What has changed since it was last published, or None."""
        if self.update == before.update:
            return None
        return {
            "e": "depthUpdate",
            "E": ms(now),
            "s": wire(self.listing.symbol),
            "U": before.update + 1,
            "u": self.update,
            "b": [self._row(*level) for level in changes(before.bids, self.bids)],
            "a": [self._row(*level) for level in changes(before.asks, self.asks)],
        }

    @property
    def published(self) -> "Published":
        """Where it stands, to tell later what has changed."""
        return Published(self.update, self.bids, self.asks)


class Published(NamedTuple):
    """A book as its readers know it."""

    update: int
    bids: Levels
    asks: Levels


def changes(before: Levels, after: Levels) -> list[tuple[int, int]]:
    """Levels that differ, with what they hold now: 0 lots where a level is gone."""
    changed = [(ticks, lots) for ticks, lots in after.items() if before.get(ticks) != lots]
    return changed + [(ticks, 0) for ticks in before if ticks not in after]
