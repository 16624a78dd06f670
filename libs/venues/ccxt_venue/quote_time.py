"""When a quote was, at a venue that does not say so: after the newest trade by as much host time as has passed since."""

from math import inf
from typing import Final

from libs.common.clocks import SECOND, HostClock

LEAD_S: Final = inf
"""Host seconds for which the time of a real venue goes on unheard: it is the world's."""


class QuoteTime:
    """A guess, for the eyes of whoever reads the quotes: market time is never concluded from it.

    It never goes back. The time of a simulated market may stand still, so it goes on for `lead_s` host seconds at most
    without a trade, and not at all from `lost` on until a trade says where the market is.
    """

    def __init__(self, clock: HostClock, start: int, speed: float, lead_s: float = LEAD_S) -> None:
        """The market is at `start`, ns, and does `speed` market seconds in a host second."""
        self._clock = clock
        self._speed = speed
        self._lead_s = self._goes_on_s = lead_s
        self._newest = start
        self._heard_at = clock.monotonic()
        self._shown = start

    def now(self) -> int:
        """Market time, as far as one can tell."""
        passed = min(self._clock.monotonic() - self._heard_at, self._goes_on_s)
        self._shown = max(self._shown, self._newest + int(passed * self._speed * SECOND))
        return self._shown

    def hear(self, trade: int, refilled: bool = False) -> None:
        """A trade of that market time has come; one that was missed says less of where the market is now."""
        if trade <= (self.now() if refilled and self._goes_on_s else self._newest):
            return
        self._newest, self._heard_at, self._goes_on_s = trade, self._clock.monotonic(), self._lead_s

    def lost(self) -> None:
        """The connection is gone."""
        if self._lead_s < inf:
            self._goes_on_s = 0.0
