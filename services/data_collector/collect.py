"""Takes a feed in: checks every event, builds or stores bars, keeps the record of how far the market has come."""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from libs.common import metrics
from libs.common.clocks import SECOND, HostClock
from libs.common.database import CopyWriter, Database, Unreachable, Write
from libs.common.logs import about
from libs.domain.market import BadRow, Bar, Quote, QuoteBar, TradeTick
from libs.domain.names import TIMEFRAMES
from libs.quant.bars import BarBuilder
from libs.quant.market_checks import Checker
from libs.store import market, sessions
from libs.store.market import BarEvent, tick_row
from libs.store.sessions import Session
from libs.venues.feed import FeedStep, MarketDataFeed
from libs.venues.pace import Pace
from services.data_collector.publish import MOST, Publisher

log = logging.getLogger(__name__)

CLOCK_EVERY_S: Final = 0.25
STORE_EVERY_S: Final = 1.0
AHEAD_S: Final = 2.0  # host seconds of market time that the record allows to be published before it is written again


class Collector:
    """One session of one feed."""

    def __init__(
        self,
        feed: MarketDataFeed,
        session: Session,
        database: Database,
        ticks: CopyWriter,
        publisher: Publisher,
        host: HostClock,
        complete_to: Mapping[str, int] | None = None,
    ) -> None:
        """`complete_to` is, by symbol, the market time up to which its bars are stored; None: all as the session's record says."""
        self.session = session
        self.publisher = publisher
        self._feed = feed
        self._database = database
        self._ticks = ticks
        self._host = host
        self._checker = Checker(feed.instruments, feed.actions)
        self._builders = (
            {}
            if feed.recorded_bars
            else {i.symbol: BarBuilder(i.venue, i.symbol, session.timeframes, of=feed.bars_of[i.symbol]) for i in feed.instruments}
        )
        self.market_time = session.market_time
        self._stored_to = session.market_time - (1 if session.lockstep else 0)  # an interrupted lockstep step is played again, whole
        self.complete_to = {i.symbol: (complete_to or {}).get(i.symbol, self._stored_to) for i in feed.instruments}
        if session.horizon:
            for symbol, builder in self._builders.items():
                builder.close(self.complete_to[symbol])
        self._horizon = session.horizon
        self._stored_at = float("-inf")
        self._month = 0
        self._due: int | None = None  # when the next built bar is known
        self._due_changed = True
        self._held: frozenset[str] = frozenset()
        self._bars: list[BarEvent] = []
        self._refused: list[BadRow] = []
        self._reached = session.horizon  # market time of the last event taken in
        self.events = 0
        self._writing = asyncio.Lock()  # a market time is never in the record before the bars that were known by it

    # --- free running

    async def run(self, stopping: asyncio.Event) -> bool:
        """Plays the feed at the session's speed until asked to stop; True when its data have ended."""
        pace = Pace(self._host, self.market_time, self.session.speed)
        async for step in self._feed.steps(self.rewound()):
            if step.time <= self.session.horizon:
                self.rebuild(step)
                continue
            await self._wait(step.time, pace, stopping)
            if stopping.is_set():
                break
            await self._take(step, pace)
        else:
            while (due := self.next_due()) is not None and not stopping.is_set():
                await self._wait(due, pace, stopping)
            await self.publisher.send(self.market_time)
            return not stopping.is_set()
        return False

    def rewound(self) -> int:
        """Where to read the feed from, so that every bar that is not stored yet is whole again."""
        if not self._builders or not self.session.horizon:
            return self.session.horizon
        longest = max(TIMEFRAMES[t] for t in self.session.timeframes)
        return (min(self.complete_to.values()) - self.session.grace_ns) // longest * longest - 1

    def rebuild(self, step: FeedStep) -> None:
        """An event from before the restart: it belongs into its bar and goes nowhere else."""
        for event in step.events:
            if isinstance(event, Quote | TradeTick) and self._checker.refusal(event) is None:
                self._builders[event.symbol].add(event)
                self._due_changed = True

    async def _wait(self, until: int, pace: Pace, stopping: asyncio.Event) -> None:
        """Until a market time, closing on the way the bars that are due."""
        while not stopping.is_set():
            due = self.next_due()
            target = until if due is None else min(due, until)
            pace.on_the_way_to(target)
            await self._rest_until(target, pace, stopping)
            if stopping.is_set():
                return
            if due is not None and due <= until:
                await self.close(due)
            if target == until:
                return

    async def _rest_until(self, target: int, pace: Pace, stopping: asyncio.Event) -> None:
        while (left := pace.left_s(target)) > 0 and not stopping.is_set():
            now = pace.now()
            if self.publisher.clock_due_s(CLOCK_EVERY_S) <= 0:
                await self.beat(min(now, target - 1))  # what happens at `target` comes before the clock says so
            elif self.publisher.linger_s() <= 0:
                await self.publisher.send(now)
            else:
                await pace.rest(min(left, self.publisher.linger_s(), self.publisher.clock_due_s(CLOCK_EVERY_S)))
        if self.publisher.clock_due_s(CLOCK_EVERY_S) <= 0:
            await self.beat(target - 1)

    async def beat(self, now: int) -> None:
        """Says the market time, and writes it down once a second."""
        async with self._writing:
            self.market_time = max(self.market_time, now)
            if self._host.monotonic() - self._stored_at >= STORE_EVERY_S:
                await self.commit([])
        await self.publisher.send(self.market_time, clock=self.publisher.clock(self.market_time))

    async def _take(self, step: FeedStep, pace: Pace) -> None:
        await self.promise(step.time)
        self.take_in(step)
        if self._bars or self._refused:
            await self.close(step.time)
        elif self.publisher.count >= MOST:
            await self.publisher.send(pace.now())

    async def promise(self, time: int) -> None:
        """Before anything of a market time is published, the record says that it may have been."""
        if self._builders and time > self._horizon:
            async with self._writing:
                self._horizon = time + int(AHEAD_S * self.session.speed * SECOND)
                await self.commit([])

    async def close(self, now: int) -> None:
        """Stores and tells the bars that are known by now."""
        noticed_ns = self._host.now_ns()
        async with self._writing:
            self.close_due(now)
            bars, closed = await self.store(now)
        clock = self.publisher.clock(self.market_time, closed, noticed_ns=noticed_ns)
        await self.publisher.send(now, bars, clock if closed else None)

    async def rest(self) -> None:
        """Leaves the record exactly where the market stands, so that the next start goes on there."""
        await self.publisher.send(self.market_time)
        await self._database.write([sessions.stopped_at(self.session.session_id, self._reached)])

    # --- shared with lockstep

    def take_in(self, step: FeedStep) -> None:
        """Checks the events of a step; ticks go to the publisher and the copy writer, whole bars wait to be stored."""
        rows = []
        self._reached = step.time
        for event in step.events:
            if isinstance(event, BadRow):
                self._refuse(event)
                continue
            reason = self._checker.refusal(event)
            if reason is not None:
                self._refuse(BadRow(venue=event.venue, symbol=event.symbol, ts=step.time, reason=reason, raw=str(event)))
                continue
            self.events += 1
            if isinstance(event, Bar | QuoteBar):
                self._bars.append(event)
                continue
            if self._builders:
                self._build(event)
            rows.append(tick_row(event))
            self.publisher.add(event)
        self._ticks.add(rows)

    def _build(self, tick: Quote | TradeTick) -> None:
        builder = self._builders[tick.symbol]
        if type(tick) is not builder.made_of:
            return
        if not builder.add(tick):
            metrics.LATE_TICKS.labels(venue=tick.venue).inc()
        due = builder.next_due()
        if due is not None and (self._due is None or due < self._due) and tick.symbol not in self._held:
            self._due = due

    async def keep_refused(self) -> None:
        """Stores what was put aside since the last commit."""
        if self._refused:
            async with self._writing:
                await self.commit([])

    def hold(self, symbols: Collection[str]) -> None:
        """Bars of these symbols stay open, whatever the time: more of what they are made of is to come."""
        if self._held != (held := frozenset(symbols)):
            self._held, self._due_changed = held, True

    def next_due(self) -> int | None:
        """Market time at which the next built bar is known."""
        if self._due_changed:
            going_on = (builder for symbol, builder in self._builders.items() if symbol not in self._held)
            self._due = min((due for builder in going_on if (due := builder.next_due()) is not None), default=None)
            self._due_changed = False
        return self._due

    def close_due(self, now: int) -> None:
        """Built bars that are known by now join those that wait to be stored."""
        self._due_changed = True
        for symbol, builder in self._builders.items():
            if symbol in self._held:
                continue
            bars = builder.close(now)
            self.events += len(bars)
            self._bars += bars
        self._bars.sort(key=lambda bar: _known((bar.timeframe, bar.start)))

    async def store(self, now: int, step: int = 0) -> tuple[Sequence[BarEvent], list[tuple[str, int, int]]]:
        """Commits the bars that wait, with the market time they belong to; gives them back to be published."""
        bars, self._bars = self._bars, []
        self.market_time = max(self.market_time, now)
        self._horizon = max(self._horizon, now)
        await self.commit(market.store_bars(bars), step)
        counts = Counter((bar.timeframe, bar.start) for bar in bars)
        closed = [(timeframe, start, counts[timeframe, start]) for timeframe, start in sorted(counts, key=_known)]
        for bar in bars:
            metrics.BARS.labels(timeframe=bar.timeframe).inc()
        return bars, closed

    async def commit(self, writes: Sequence[Write], step: int = 0) -> None:
        """Writes, with the market's clock, until the database takes it: a bar is never dropped."""
        refused, self._refused = self._refused, []
        statements = [*writes, sessions.advanced(self.session.session_id, self.market_time, self._horizon, step)]
        if refused:
            statements.append(market.store_refused(self.session.session_id, refused))
        while True:
            try:
                await self._partitions()
                await self._database.write(statements)
                break
            except Unreachable as error:
                log.warning("the market waits for the database: %s", error, extra=about("database_lost", "failure"))
                await asyncio.sleep(0.2)
        self._stored_at = self._host.monotonic()

    # --- inner

    def _refuse(self, row: BadRow) -> None:
        metrics.REFUSED_ROWS.labels(venue=row.venue, reason=row.reason.split()[0].strip(":")).inc()
        told = about("row_refused", "failure", symbol=row.symbol, session_id=self.session.session_id)
        log.warning("refused a row of %s at market time %d: %s", row.symbol, row.ts, row.reason, extra=told)
        self._refused.append(row)

    async def _partitions(self) -> None:
        """The months about to be written have their partitions: this one, and where the horizon reaches."""
        for at in (self.market_time, self._horizon):
            month = at // (28 * 24 * 3600 * SECOND)  # finer than any month: asks a little too often, never too late
            if month > self._month:
                await market.ensure_partitions(self._database, at)
                await market.ensure_partitions(self._database, at + 28 * 24 * 3600 * SECOND)
                self._month = month


def _known(bar: tuple[str, int]) -> tuple[int, int]:
    """In which order bars (timeframe, start) become known: by end, the finest first."""
    length = TIMEFRAMES[bar[0]]
    return bar[1] + length, length
