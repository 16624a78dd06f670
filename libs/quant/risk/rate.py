"""How many orders were decided within the last minute of market time: what the rate control counts."""

from bisect import bisect_right, insort
from collections.abc import Iterable
from typing import Final

MINUTE: Final = 60_000_000_000
"""Of market time, ns."""


class OrderRate:
    """Of one account, by strategy. Taken in once each, they are counted as time passes."""

    def __init__(self, decided: Iterable[tuple[int, str]] = ()) -> None:
        """`decided`: (market time ns, strategy) of orders."""
        self._decided = sorted(decided)
        self._counts: dict[str, int] = {}
        for _, strategy_id in self._decided:
            self._count(strategy_id, 1)

    def add(self, decided_at: int, strategy_id: str) -> None:
        """One more order."""
        insort(self._decided, (decided_at, strategy_id))
        self._count(strategy_id, 1)

    def within_a_minute(self, now: int) -> dict[str, int]:
        """Orders of (now - 1 min, now] by strategy; `now` (market ns) never goes back."""
        past = bisect_right(self._decided, now - MINUTE, key=_time)
        for _, strategy_id in self._decided[:past]:
            self._count(strategy_id, -1)
        del self._decided[:past]
        found = dict(self._counts)
        for _, strategy_id in self._decided[bisect_right(self._decided, now, key=_time) :]:  # of a clock ahead of this one
            found[strategy_id] -= 1
        return {strategy_id: n for strategy_id, n in found.items() if n}

    def _count(self, strategy_id: str, change: int) -> None:
        left = self._counts.get(strategy_id, 0) + change
        if left:
            self._counts[strategy_id] = left
        else:
            del self._counts[strategy_id]


def _time(decided: tuple[int, str]) -> int:
    return decided[0]
