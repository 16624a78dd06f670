"""The feeds of several venues as one timeline, under one name in the record: a session has one market."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from heapq import heappop, heappush
from typing import Final

import msgspec

from libs.common.clocks import HostClock
from libs.domain.actions import CorporateAction
from libs.domain.instruments import Instrument
from libs.domain.market import BadRow, MarketEvent
from libs.quant.bars import BarsOf
from libs.quant.fills import FillOn
from libs.venues.feed import FeedStep, LiveFeed
from libs.venues.leaps import Leaps

WINDOW_S: Final = 0.001
"""Host seconds that a step waits for older ones of the other venues. Sockets of one machine are rarely further apart; what
is later still keeps its own time and comes after what overtook it."""


class Merge:
    """Puts the steps of several feeds in order. Each feed's own steps ascend. It has no clock: it is told host seconds."""

    def __init__(self, feeds: int, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._waiting: list[tuple[int, int, int, float, FeedStep]] = []  # time, feed, arrival, host time of arrival
        self._reached = [0] * feeds  # by feed, the time of its newest step
        self._arrivals = 0
        self._given = 0

    def add(self, feed: int, step: FeedStep, host: float) -> None:
        """A step that has just come."""
        self._arrivals += 1
        self._reached[feed] = max(self._reached[feed], step.time)
        heappush(self._waiting, (step.time, feed, self._arrivals, host, step))

    def ready(self, host: float) -> Iterator[FeedStep]:
        """Steps whose turn it is, each later than all before: no feed can bring an older one, or they have waited enough."""
        while self._waiting and self._due_s(host) <= 0:
            time, *_, step = heappop(self._waiting)
            # What was overtaken became known only now; its events say themselves when they happened.
            self._given = max(time, self._given + 1)
            yield step if self._given == time else FeedStep(self._given, step.events)

    def wait_s(self, host: float) -> float | None:
        """Host seconds until `ready` has something; None while nothing waits."""
        return max(0.0, self._due_s(host)) if self._waiting else None

    def rest(self) -> Iterator[FeedStep]:
        """All that waits, in order: nothing more is to come."""
        yield from self.ready(float("inf"))

    def _due_s(self, host: float) -> float:
        time, _, _, came, _ = self._waiting[0]
        return 0.0 if min(self._reached) >= time else came + self._window_s - host


class VenuesFeed:
    """A `MarketDataFeed` of live feeds. Symbols have to be distinct: a consumer knows an instrument by its symbol alone."""

    name: str = "venues"
    live: bool = True
    recorded_bars: bool = False
    timeframes: tuple[str, ...] = ("1s", "1m")

    def __init__(
        self,
        feeds: Mapping[str, LiveFeed],
        host: HostClock,
        *,
        venue: str,
        seed: int,
        start: int,
        speed: float,
        window_s: float = WINDOW_S,
    ) -> None:
        """
        Args:
            feeds: open ones, by the name of their `[[venue]]`.
            venue: what the record calls the market as a whole; every instrument and event carries it.
            seed: of a simulated market; 0 for a real one.
            start: market time at which a new session begins, ns.
            speed: market seconds per host second.

        Raises:
            ValueError: there is no feed, or two have a symbol in common.
        """
        self.feeds: Mapping[str, LiveFeed] = dict(feeds)
        self.instruments: Sequence[Instrument] = tuple(
            msgspec.structs.replace(instrument, venue=venue) for feed in feeds.values() for instrument in feed.instruments
        )
        self.seed: int = seed
        self.start: int = start
        self.speed: float = speed
        self.bars_of: Mapping[str, BarsOf] = {symbol: of for feed in feeds.values() for symbol, of in feed.bars_of.items()}
        self.fill_on: Mapping[str, FillOn] = {instrument.symbol: "quote" for instrument in self.instruments}
        self.actions: Sequence[CorporateAction] = tuple(
            msgspec.structs.replace(action, venue=venue) for feed in feeds.values() for action in feed.actions
        )
        self._host = host
        self._venue = venue
        self._window_s = window_s
        self._seqs: defaultdict[tuple[type, str], int] = defaultdict(int)
        if not self.instruments:
            raise ValueError("expected a feed with instruments, got none")
        twice = [symbol for symbol, count in Counter(i.symbol for i in self.instruments).items() if count > 1]
        if twice:
            raise ValueError(f"expected each symbol at one venue, got {', '.join(sorted(twice))} at several")

    def venues_of(self) -> dict[str, str]:
        """By symbol, the name of the venue that it comes from."""
        return {instrument.symbol: name for name, feed in self.feeds.items() for instrument in feed.instruments}

    async def close(self) -> None:
        """Closes every feed; a second time does nothing."""
        for feed in self.feeds.values():
            await feed.close()

    async def steps(self, after: int) -> AsyncIterator[FeedStep]:
        """What happens at any of the venues after `after`, ascending, as soon as it can be put in order.

        An event that came later than the window keeps its own time in a step of the moment at which it became known.
        Events are numbered anew from 1. Ends when every feed has ended; an error of one ends all.
        """
        merge, news = Merge(len(self.feeds), self._window_s), asyncio.Event()
        leaps = Leaps(self.start, self._host.monotonic(), self.speed)

        async def read(number: int, feed: LiveFeed) -> None:
            try:
                async with aclosing(feed.steps(after)) as steps:  # type: ignore[type-var]
                    async for step in steps:
                        now = self._host.monotonic()
                        for believed in leaps.judge(number, step, now):
                            merge.add(number, believed, now)
                        news.set()
            finally:
                news.set()

        reading = [asyncio.create_task(read(number, feed)) for number, feed in enumerate(self.feeds.values())]
        try:
            while not all(task.done() for task in reading):
                await self._wait(merge, news)
                for step in merge.ready(self._host.monotonic()):
                    yield self._named(step)
                for task in reading:
                    if task.done():
                        task.result()
            for step in merge.rest():
                yield self._named(step)
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)

    async def _wait(self, merge: Merge, news: asyncio.Event) -> None:
        """Until there is news, or a step has waited enough."""
        try:
            async with asyncio.timeout(merge.wait_s(self._host.monotonic())):
                await news.wait()
        except TimeoutError:
            return
        news.clear()

    def _named(self, step: FeedStep) -> FeedStep:
        return FeedStep(step.time, [self._as_ours(event) for event in step.events])

    def _as_ours(self, event: MarketEvent | BadRow) -> MarketEvent | BadRow:
        if isinstance(event, BadRow):
            return msgspec.structs.replace(event, venue=self._venue)
        kind = (type(event), event.symbol)
        self._seqs[kind] += 1
        return msgspec.structs.replace(event, venue=self._venue, seq=self._seqs[kind])
