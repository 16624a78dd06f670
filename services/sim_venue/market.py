"""What plays the venue's market: a feed at the speed that was asked for, or nobody but the one who tells it prices."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from libs.common.clocks import SECOND, HostClock
from libs.common.logs import about
from libs.domain.times import iso
from libs.venues.feed import FeedStep
from libs.venues.markets import Timeline
from libs.venues.pace import Pace
from services.sim_venue.host import Host

log = logging.getLogger(__name__)

MARK_EVERY_S: Final = 1.0
MOST_AT_ONCE_S: Final = 0.005  # how long a market that is late may keep clients waiting

START_BY_HAND: Final = 1_736_173_800_000_000_000
"""2025-01-06 14:30 UTC, a Monday at the open: where a manual market begins."""


Sleep = Callable[[float], Awaitable[object]]


class Pump:
    """Plays a feed into the venue from where it stands."""

    def __init__(
        self, host: Host, feed: Timeline, speed: float, clock: HostClock, *, in_order: bool = True, sleep: Sleep = asyncio.sleep
    ) -> None:
        """`in_order` is false after a kill: clients may have seen as much of the market as goes by between two marks, and it
        must not be there a second time."""
        self._host = host
        self._steps = feed.timeline(host.exchange.now)
        self._resumes_at = host.exchange.now + (0 if in_order else int(MARK_EVERY_S * speed * SECOND))
        self._pace = Pace(clock, self._resumes_at, speed)
        self._clock = clock
        self._sleep = sleep
        self._next: FeedStep | None = None
        self._marked_at = self._rested_at = clock.monotonic()
        host.time = self.now

    def now(self) -> int:
        """Market time: never past an event that the venue has not heard."""
        stands = self._host.exchange.now
        return stands if self._next is None else max(stands, min(self._pace.now(), self._next.time - 1))

    async def run(self) -> None:
        """Until cancelled; where the data end, the market stands still."""
        while (step := next(self._steps, None)) is not None:
            self._next = step
            if step.time > self._resumes_at:
                self._pace.on_the_way_to(step.time)
            await self._until(step.time)
            self._host.hear(step)
        self._next = None
        self._host.mark()
        told = about("market_ended", "success")
        log.info("the data of the market have ended; it stands still at %s", iso(self._host.now()), extra=told)
        await asyncio.Event().wait()

    async def _until(self, time: int) -> None:
        while (left := self._pace.left_s(time)) > 0:
            self._mark()
            await self._sleep(min(left, MARK_EVERY_S))
            self._rested_at = self._clock.monotonic()
        if self._clock.monotonic() - self._rested_at >= MOST_AT_ONCE_S:
            self._mark()
            await self._sleep(0)
            self._rested_at = self._clock.monotonic()

    def _mark(self) -> None:
        if self._clock.monotonic() - self._marked_at >= MARK_EVERY_S:
            self._marked_at = self._clock.monotonic()
            self._host.mark()
