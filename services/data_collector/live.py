"""Plays a live market: takes what comes when it comes, and never waits for the next step with anything else undone."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final

from libs.common import metrics
from libs.common.clocks import SECOND, HostClock
from libs.common.logs import about
from libs.domain.market import BadRow, Bar, MarketEvent, Quote, QuoteBar
from libs.quant.calendars import is_open
from libs.venues.feed import FeedLink, FeedStep
from libs.venues.merged import VenuesFeed
from services.data_collector.collect import CLOCK_EVERY_S, Collector
from services.data_collector.frontier import HOLD_S, Estimate, Frontier
from services.data_collector.publish import MOST

log = logging.getLogger(__name__)

MOST_WAITING: Final = 50_000
"""Steps taken from the venues and not yet looked at, above which no more are taken: the record is away. The venues give
later what they had to leave out."""
LOOK_S: Final = 0.05
_LEAST_REST_S: Final = 0.002
_NOT_READY_AFTER_S: Final = HOLD_S
"""A venue that is back sooner has held up the market, and nobody has to be told."""


class Live:
    """Drives a collector from the venues as they speak."""

    def __init__(self, feed: VenuesFeed, collector: Collector, host: HostClock, lead_s: float, show: Callable[[bool, str], None]) -> None:
        """
        Args:
            lead_s: host seconds for which market time may go on without any event, see `Estimate`.
            show: is told whether all venues are connected, and what is waited for.
        """
        self._feed = feed
        self._collector = collector
        self._host = host
        self._show = show
        self._speed = collector.session.speed
        self._horizon = collector.session.horizon
        self._venue_of = feed.venues_of()
        begins = host.monotonic()
        self._estimate = Estimate(collector.market_time, self._speed, lead_s)
        self._estimate.hear(feed.start, begins)  # where the venues said they are, when they were opened
        told_to = {name: min(collector.complete_to[i.symbol] for i in venue.instruments) for name, venue in feed.feeds.items()}
        self._frontier = Frontier(told_to, collector.market_time, self._estimate, begins)
        self._calendars = {name: {i.calendar for i in venue.instruments} for name, venue in feed.feeds.items()}
        self._links = {name: FeedLink(up=False, detail="not looked at yet", reconnects=0, refilled=0) for name in feed.feeds}
        self._down_since: dict[str, float] = dict.fromkeys(feed.feeds, begins)
        self._shown: tuple[bool, str] | None = None
        self._backlog: deque[tuple[float, FeedStep]] = deque()
        self._over = False
        self._behind: frozenset[str] = frozenset()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._is_due = asyncio.Event()  # an event says that a bar is complete

    async def run(self, stopping: asyncio.Event) -> bool:
        """Plays until asked to stop; True when the feed has ended, which only one in a test does."""
        reading = asyncio.create_task(self._read())
        taking = asyncio.create_task(self._take_all())
        reading.add_done_callback(lambda _: self._news.set())
        taking.add_done_callback(lambda _: self._is_due.set())
        try:
            while not stopping.is_set() and not taking.done():
                self._look()
                await self._advance(stopping)
                if reading.done() and not self._backlog:
                    await reading
                    return await self._end(stopping)
                await self._rest()
            return False
        finally:
            reading.cancel()
            self._over = True
            self._news.set()
            await taking
            with contextlib.suppress(asyncio.CancelledError):
                await reading

    async def _read(self) -> None:
        async with contextlib.aclosing(self._feed.steps(self._collector.rewound())) as steps:  # type: ignore[type-var]
            async for step in steps:
                self._backlog.append((self._host.monotonic(), step))
                self._news.set()
                if len(self._backlog) >= MOST_WAITING:
                    self._room.clear()
                    await self._room.wait()

    # --- connections

    def _look(self) -> None:
        """How each venue's connection is: for the frontier, for whoever measures, and for readiness."""
        now = self._host.monotonic()
        expected = self._estimate.at(now)
        waited: list[str] = []
        for name, feed in self._feed.feeds.items():
            link, before = feed.link(), self._links[name]
            if link.reconnects != before.reconnects:
                self._frontier.link(name, False, now)  # it was away, however shortly
            self._frontier.link(name, link.up, now)
            self._frontier.hours(name, any(is_open(calendar, expected) for calendar in self._calendars[name]))
            if link != before:
                self._note(name, link, before)
            if link.up:
                self._down_since[name] = now
            elif now - self._down_since[name] > _NOT_READY_AFTER_S or not self._frontier.alive:
                waited.append(f"{name}: {link.detail or 'not connected'}")
        shown = (not waited, f"waits for {'; '.join(waited)}" if waited else f"playing {self._collector.session.feed}")
        if shown != self._shown:
            self._shown = shown
            self._show(*shown)

    def _note(self, name: str, link: FeedLink, before: FeedLink) -> None:
        self._links[name] = link
        metrics.FEED_CONNECTED.labels(venue=name).set(link.up)
        metrics.FEED_RECONNECTS.labels(venue=name).inc(max(0, link.reconnects - before.reconnects))
        metrics.FEED_REFILLED.labels(venue=name).inc(max(0, link.refilled - before.refilled))
        if link.up and not before.up:
            log.info("the feed of %s is connected", name, extra=about("feed_connected", "success", venue=name))
        elif before.up and not link.up:
            log.warning("the feed of %s is lost: %s", name, link.detail, extra=about("feed_lost", "failure", venue=name))

    # --- events: beside the clock, so that no tick waits for a commit of bars

    async def _take_all(self) -> None:
        publisher = self._collector.publisher
        while not self._over:
            while self._backlog and not self._over:
                came, step = self._backlog[0]
                for event in step.events:
                    if (venue := self._venue_of.get(event.symbol)) is not None and self._is_timed(event, venue):
                        self._frontier.hear(venue, _happened(event), came)
                await self._take(step)
                self._backlog.popleft()
                self._see_whether_due(came, step)
                self._room.set()
            await self._collector.keep_refused()
            if publisher.linger_s() <= 0:
                await publisher.send(self._collector.market_time)
            await _within(publisher.linger_s(), self._news)

    def _is_timed(self, event: MarketEvent | BadRow, venue: str) -> bool:
        """Whether the venue itself said when it happened."""
        return not isinstance(event, BadRow) and (self._feed.feeds[venue].times_quotes or not isinstance(event, Quote))

    async def _take(self, step: FeedStep) -> None:
        """What an earlier life of this session may have published already belongs into its bars only."""
        new = [event for event in step.events if _happened(event) > self._horizon]
        if len(new) < len(step.events):
            self._collector.rebuild(FeedStep(step.time, [event for event in step.events if _happened(event) <= self._horizon]))
        if new:
            await self._collector.promise(step.time)
            self._collector.take_in(FeedStep(step.time, new))
            if self._collector.publisher.count >= MOST:
                await self._collector.publisher.send(self._collector.market_time)

    # --- time

    def _see_whether_due(self, came: float, step: FeedStep) -> None:
        """A bar that is complete by what has just come is not kept waiting for the end of a rest."""
        due = self._collector.next_due()
        if due is not None and due <= step.time and due <= self._frontier.advance(came):
            self._is_due.set()

    async def _advance(self, stopping: asyncio.Event) -> None:
        """Closes the bars that are due, then says the time: in this order, so that no time is told before its bars."""
        collector, publisher = self._collector, self._collector.publisher
        # What has come and was not taken in yet, because the record is away, has its time still before it.
        market_time = self._frontier.advance(self._backlog[0][0] if self._backlog else self._host.monotonic())
        self._leave_behind(self._frontier.behind)
        incomplete = self._frontier.incomplete
        collector.hold([symbol for symbol, venue in self._venue_of.items() if venue in incomplete])
        while (due := collector.next_due()) is not None and due <= market_time and not stopping.is_set():
            await collector.close(max(due, collector.market_time))
        if self._frontier.alive and publisher.clock_due_s(CLOCK_EVERY_S) <= 0 and not stopping.is_set():
            await collector.beat(market_time)

    def _leave_behind(self, venues: frozenset[str]) -> None:
        """The market does not wait for these venues."""
        for name in venues - self._behind:
            log.warning("the market goes on without %s, whose bars stay open", name, extra=about("feed_left_behind", "failure", venue=name))
        for name in self._behind - venues:
            log.info("%s has caught up", name, extra=about("feed_left_behind", "success", venue=name))
        self._behind = venues

    async def _end(self, stopping: asyncio.Event) -> bool:
        self._collector.hold(())
        while (due := self._collector.next_due()) is not None and not stopping.is_set():
            await self._collector.close(due)
        await self._collector.publisher.send(self._collector.market_time)
        return not stopping.is_set()

    async def _rest(self) -> None:
        """Until a bar is or may be due, a clock has to be told, or connections are to be looked at."""
        due = self._collector.next_due()
        left = [LOOK_S]
        if self._frontier.alive:
            left.append(self._collector.publisher.clock_due_s(CLOCK_EVERY_S))
        if due is not None and self._speed:
            left.append((due - self._frontier.market_time) / SECOND / self._speed)
        await _within(max(_LEAST_REST_S, min(left)), self._is_due)


async def _within(seconds: float, news: asyncio.Event) -> None:
    """Until there is news, at most for so long."""
    try:
        async with asyncio.timeout(None if seconds == inf else max(0.0, seconds)):
            await news.wait()
    except TimeoutError:
        return
    news.clear()


def _happened(event: MarketEvent | BadRow) -> int:
    return event.start if isinstance(event, Bar | QuoteBar) else event.ts
