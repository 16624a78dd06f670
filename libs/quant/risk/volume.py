"""What trades of a symbol on an average day: the yardstick of A06. Days are UTC days on which something traded."""

from bisect import bisect_left
from collections.abc import Iterable
from math import fsum
from typing import Final

from libs.quant.calendars import DAY

DAYS: Final = 20


class DailyVolume:
    """Of one symbol, out of its bars."""

    def __init__(self, bars: Iterable[tuple[int, float]]) -> None:
        """`bars`: (start in market ns, volume in units), ascending; what has no volume counts as nothing."""
        volumes: dict[int, list[float]] = {}
        for start, volume in bars:
            if volume > 0:
                volumes.setdefault(start // DAY, []).append(volume)
        self._days = list(volumes)
        self._totals = [fsum(day) for day in volumes.values()]

    def before(self, now: int) -> float | None:
        """The mean of the last DAYS days before that of `now`; None before the first has ended."""
        end = bisect_left(self._days, now // DAY)
        lately = self._totals[max(0, end - DAYS) : end]
        return fsum(lately) / len(lately) if lately else None
