"""Lockstep: the next market time comes only when every consumer has dealt with the last one (semantics 6).

A step has two phases. `venue`: the step's events fill, expire and are booked. `decide`: strategies step on its bars, and
risk looks at each account's loss limits before it judges their signals. What either sets in motion comes to rest before
the next begins. A new order meets later steps only.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from libs.common.clocks import HostClock
from libs.common.database import Database, Unreachable
from libs.common.logs import about
from libs.domain.market import Clock, Phase, Quote, TradeTick
from libs.store import lockstep, sessions
from libs.store.market import BarEvent
from libs.venues.feed import FeedStep, MarketDataFeed
from services.data_collector.collect import Collector

log = logging.getLogger(__name__)

LOOK_S: Final = 0.002
AGAIN_S: Final = 1.0
FINISH_S: Final = 3.0
"""How long an orderly stop waits for the step that is being played: the others are stopped after this service."""


class Lockstep:
    """Drives a collector step by step. There is no time-out before a stop: who is missing is named, and waited for."""

    def __init__(self, feed: MarketDataFeed, collector: Collector, database: Database, host: HostClock) -> None:
        self._feed = feed
        self._collector = collector
        self._database = database
        self._host = host
        self._session = collector.session
        self._step = collector.session.step
        self._wanted: Mapping[Phase, frozenset[str]] = {}
        self._leave_by = math.inf

    async def run(self, stopping: asyncio.Event) -> bool:
        """Plays until asked to stop; True when the data have ended."""
        self._wanted = lockstep.wanted(await sessions.accounts(self._database, self._session.session_id))
        async for step in self._feed.steps(self._collector.rewound()):
            if step.time < self._session.horizon:
                self._collector.rebuild(step)
                continue
            while (due := self._collector.next_due()) is not None and due < step.time:
                await self._play(FeedStep(due, ()), stopping)
            await self._play(step, stopping)
            if stopping.is_set():
                return False
        while (due := self._collector.next_due()) is not None and not stopping.is_set():
            await self._play(FeedStep(due, ()), stopping)
        return not stopping.is_set()

    async def _play(self, step: FeedStep, stopping: asyncio.Event) -> None:
        """One step. One that a restart interrupted is played again under its old number: whoever is through with it says so."""
        if stopping.is_set() or step.time < self._session.horizon:
            self._collector.close_due(step.time)
            return
        if step.time > self._session.horizon:
            self._step += 1
        collector, publisher = self._collector, self._collector.publisher
        collector.events = 0
        collector.take_in(step)
        collector.close_due(step.time)
        noticed_ns = self._host.now_ns()
        bars, closed = await collector.store(step.time, self._step)
        ticks = publisher.take()
        for phase in self._wanted:

            async def say(phase: Phase = phase) -> None:
                clock = publisher.clock(step.time, closed, noticed_ns=noticed_ns, step=self._step, events=collector.events, phase=phase)
                await self._publish(ticks, bars, step.time, clock)

            await self._until(phase, say, stopping)

    async def _publish(self, ticks: Sequence[Quote | TradeTick], bars: Sequence[BarEvent], now: int, clock: Clock) -> None:
        for tick in ticks:
            self._collector.publisher.add(tick)
        await self._collector.publisher.send(now, bars, clock)

    async def _until(self, phase: Phase, say: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> None:
        """Says it, again each second, until everybody has acknowledged the phase and nothing of it is under way."""
        said = float("-inf")
        rounds = 0
        while (now := self._host.monotonic()) < self._leave_by:
            if stopping.is_set() and self._leave_by == math.inf:
                self._leave_by = now + FINISH_S
            if now - said >= AGAIN_S:
                await say()
                said, rounds = now, rounds + 1
            try:
                missing = await lockstep.missing(self._database, self._session.session_id, phase, self._wanted[phase], self._step)
            except Unreachable as error:
                log.warning("step %d waits for the database: %s", self._step, error, extra=about("database_lost", "failure"))
                missing = ["the database"]
            if not missing:
                return
            if rounds > 1 and now == said:
                told = about("step_done", "unknown", session_id=self._session.session_id)
                log.warning("step %d, phase %s, waits for %s", self._step, phase, ", ".join(missing), extra=told)
            await asyncio.sleep(LOOK_S)
