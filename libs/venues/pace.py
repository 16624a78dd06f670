"""Market time from host time: how fast a recorded or synthetic market is played."""

import asyncio
from typing import Final

from libs.common.clocks import SECOND, HostClock


class Pace:
    """A straight line from host time to market time, laid anew when the market jumps or the host has stalled."""

    STALL_S: Final = 1.0
    QUIET_NS: Final = 30 * 60 * SECOND
    """A stretch of market time without an event that is longer than this (a night) is not waited through."""

    def __init__(self, clock: HostClock, market_time: int, speed: float) -> None:
        self._clock = clock
        self.speed = speed
        self._market = market_time
        self._host = clock.monotonic()

    def now(self) -> int:
        """Market time of this moment."""
        return self._market + int((self._clock.monotonic() - self._host) * self.speed * SECOND)

    def left_s(self, market_time: int) -> float:
        """Host seconds until a market time; not positive when it has come."""
        return (market_time - self.now()) / SECOND / self.speed

    def on_the_way_to(self, market_time: int) -> None:
        """Skips a quiet stretch, and forgives a stall: what was not played in time is played late, not in a rush."""
        left = self.left_s(market_time)
        if left < -self.STALL_S or market_time - self._market > self.QUIET_NS < market_time - self.now():
            self._market, self._host = market_time, self._clock.monotonic()

    async def rest(self, seconds: float) -> None:
        """Lets others run."""
        await asyncio.sleep(max(seconds, 0.0))
