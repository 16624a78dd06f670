"""A limit order book: price before time, in whole ticks and lots. Who stands behind an entry is none of its business."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice
from typing import Final

from libs.domain.orders import Side

STREET: Final = 0
"""Key of what the market shows. Orders of accounts have positive keys, those of agents negative ones."""


class Half:
    """One side of a book. `levels` are entries (key -> lots) by price, each in order of arrival."""

    def __init__(self, sign: int) -> None:
        self.levels: dict[int, dict[int, int]] = {}
        self._sign = sign
        self._ranked: list[int] = []  # prices times sign, ascending: the best is the last

    def best(self) -> int | None:
        """Ticks of the best price."""
        return self._ranked[-1] * self._sign if self._ranked else None

    def depth(self, levels: int) -> list[tuple[int, int]]:
        """(ticks, lots) of the best prices, best first."""
        return [(ticks, sum(self.levels[ticks].values())) for ticks in islice(self.every(), max(levels, 0))]

    def every(self) -> Iterator[int]:
        """All prices, best first."""
        return (ranked * self._sign for ranked in reversed(self._ranked))

    def add(self, ticks: int, key: int, lots: int) -> None:
        """Puts an entry behind all others of its price."""
        level = self.levels.get(ticks)
        if level is None:
            self.levels[ticks] = {key: lots}
            insort(self._ranked, ticks * self._sign)
        else:
            level[key] = lots

    def change(self, ticks: int, key: int, lots: int) -> None:
        """Gives an entry other lots, where it stands; takes it out at 0."""
        if lots > 0:
            self.levels[ticks][key] = lots
        else:
            self.remove(ticks, key)

    def remove(self, ticks: int, key: int) -> None:
        """Takes an entry out; nothing happens when it is not there."""
        level = self.levels.get(ticks)
        if level is None or level.pop(key, None) is None or level:
            return
        del self.levels[ticks]
        del self._ranked[bisect_left(self._ranked, ticks * self._sign)]


class Book:
    """Both sides of one symbol."""

    def __init__(self) -> None:
        self.bids = Half(1)
        self.asks = Half(-1)

    def own(self, side: Side) -> Half:
        """Where an order of this side rests."""
        return self.bids if side == "buy" else self.asks

    def against(self, side: Side) -> Half:
        """What an order of this side takes from."""
        return self.asks if side == "buy" else self.bids


def within(side: Side, ticks: int, limit: int | None) -> bool:
    """Whether an order may trade at this price; a limit of None takes any."""
    return limit is None or (ticks <= limit if side == "buy" else ticks >= limit)
