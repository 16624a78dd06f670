"""Closed bars for a consumer, complete and in order: by bell while bells come, from the record when one may be missing."""

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from libs.common import metrics
from libs.common.bus import Bus
from libs.common.clocks import HostClock, MarketClock
from libs.common.consumer import Bell
from libs.common.database import Database
from libs.common.envelope import opened
from libs.domain.market import Bar, Clock, Phase, Quote, QuoteBar, TradeTick
from libs.domain.names import TIMEFRAMES
from libs.domain.streams import CLOCK, MARKET_DATA
from libs.store import market, sessions
from libs.store.market import BarEvent
from libs.store.sessions import Session

log = logging.getLogger(__name__)

Tick = Quote | TradeTick
_events: Final = msgspec.json.Decoder(list[Quote | TradeTick | Bar | QuoteBar])
_clock: Final = msgspec.json.Decoder(Clock)


class Closing(NamedTuple):
    """Bars that became known together, and the market time at which they did."""

    market_time: int
    noticed_ns: int
    bars: Sequence[BarEvent]
    step: int  # of a lockstep session; 0 otherwise


class MarketReader:
    """Hears the market for one consumer of one session. Ticks go to `on_ticks` at once; bars wait for `closings`."""

    SILENCE_S: Final = 0.5
    KEPT: Final = 4096  # closings of bars remembered while their clock message is awaited

    def __init__(
        self,
        name: str,
        database: Database,
        bus: Bus,
        host: HostClock,
        session: Session,
        phase: Phase,
        on_ticks: Callable[[Sequence[Tick]], None] | None = None,
    ) -> None:
        self.market = MarketClock(host)
        self._name = name
        self._database = database
        self._bus = bus
        self._session = session
        self._phase: Phase = phase if session.lockstep else "free"
        self._on_ticks = on_ticks
        self._bell = Bell()
        self._clocks: deque[Clock] = deque()
        self._heard: defaultdict[tuple[str, int], dict[tuple[str, type], BarEvent]] = defaultdict(dict)
        self._seen = dict.fromkeys(session.timeframes, 0)
        self.start_from(session.market_time)
        self._suspect = True  # something may have been missed: read the record before going on
        self._clock_seq = self._recorded = 0
        self._step = session.step
        self._step_events = 0
        self._seqs: dict[tuple[str, type], int] = {}
        self.settled = 0  # market time up to which everything has been handed over
        self.finished = False

    def start_from(self, market_time: int) -> None:
        """Bars known by `market_time` are not wanted again."""
        for timeframe in self._seen:
            self._seen[timeframe] = market_time - self._session.grace_ns - TIMEFRAMES[timeframe]

    async def listen(self) -> None:
        """Hears until cancelled."""
        await self._bus.listen([MARKET_DATA.pattern], self._hear, self._joined)

    def _joined(self) -> None:
        self._suspect = True
        self._bell.ring()

    def _hear(self, channel: str, payload: bytes) -> None:
        for envelope in opened(payload):
            if envelope.session_id != self._session.session_id:
                continue
            if channel == CLOCK.address:
                self._hear_clock(_clock.decode(envelope.payload), envelope.seq)
            else:
                self._hear_events(_events.decode(envelope.payload))

    def _hear_clock(self, clock: Clock, seq: int) -> None:
        if seq != self._clock_seq + 1:
            self._suspect = True
            metrics.MARKET_GAPS.labels(service=self._name).inc()
        self._clock_seq = seq
        self.market.hear(clock.market_time, clock.speed)
        if clock.step > self._step and self._step_events < clock.events:
            return  # part of the step was lost: it is published again after a second
        if clock.phase == self._phase:
            self._clocks.append(clock)
        if clock.closed or clock.step or clock.state == "finished":
            self._bell.ring()

    def _hear_events(self, events: Sequence[Quote | TradeTick | Bar | QuoteBar]) -> None:
        ticks: list[Tick] = []
        for event in events:
            key = (event.symbol, type(event))
            last = self._seqs.get(key, 0)
            if self._session.lockstep and event.seq <= last:
                continue  # the step was published again
            if event.seq > last + 1 and last:
                metrics.MARKET_GAPS.labels(service=self._name).inc()
            self._seqs[key] = event.seq
            self._step_events += 1
            if isinstance(event, Bar | QuoteBar):
                self._heard[event.timeframe, event.start][event.symbol, type(event)] = event
            else:
                ticks.append(event)
        if ticks and self._on_ticks:
            self._on_ticks(ticks)

    async def closings(self, timeout_s: float = SILENCE_S) -> list[Closing]:
        """What has closed since the last call; waits for a bell, at most `timeout_s`. Empty when nothing has.

        Raises:
            Unreachable: bells were missed and the record cannot be read.
        """
        if not self._clocks and not self._suspect:
            await self._bell.wait(timeout_s)
            if self.market.silent_for() > self.SILENCE_S:
                self._suspect = True
        if self._suspect:
            return await self._from_record()
        found = []
        while self._clocks:
            clock = self._clocks.popleft()
            if closing := self._closing(clock):
                found.append(closing)
            elif self._suspect:
                return found + await self._from_record()
        return found

    def _closing(self, clock: Clock) -> Closing | None:
        """The bars a clock message announces, when all were heard; else the record has to be read."""
        if clock.state == "finished":
            self.finished = True
        if clock.step:
            if clock.step <= self._step:
                return None
            self._step, self._step_events = clock.step, 0
        bars: list[BarEvent] = []
        for timeframe, start, count in clock.closed:
            if start <= self._seen[timeframe]:
                continue
            heard = self._heard.pop((timeframe, start), {})
            if sum(isinstance(bar, Bar) for bar in heard.values()) < count:
                self._heard[timeframe, start] = heard
                self._suspect = True
                return None
            self._seen[timeframe] = start
            bars += sorted(heard.values(), key=_within_closing)
        self.settled = max(self.settled, clock.market_time)
        while len(self._heard) > self.KEPT:
            del self._heard[next(iter(self._heard))]
        if not bars and not clock.step:
            return None
        return Closing(clock.market_time, clock.noticed_ns, bars, clock.step)

    async def _from_record(self) -> list[Closing]:
        """Everything since the last closing, as stored."""
        session = await sessions.current(self._database)
        if session is None or session.session_id != self._session.session_id:
            self.finished = True
            self._suspect = False
            return []
        frames = list(self._seen)
        lengths = [TIMEFRAMES[f] for f in frames]
        bars = await market.bars_between(
            self._database, session.venue, frames, lengths, [self._seen[f] for f in frames], session.market_time - session.grace_ns
        )
        if session.market_time > self._recorded:  # a clock that stands still is not heard: it goes stale
            self._recorded = session.market_time
            self.market.hear(session.market_time, 0.0 if session.lockstep else session.speed)
        self._suspect = False
        self.settled = max(self.settled, session.market_time)
        grouped: defaultdict[int, list[BarEvent]] = defaultdict(list)
        for bar in bars:
            self._seen[bar.timeframe] = max(self._seen[bar.timeframe], bar.start)
            self._heard.pop((bar.timeframe, bar.start), None)
            grouped[bar.start + TIMEFRAMES[bar.timeframe] + session.grace_ns].append(bar)
        return [Closing(at, 0, known, 0) for at, known in sorted(grouped.items())]


def _within_closing(bar: BarEvent) -> tuple[int, str, bool]:
    return (TIMEFRAMES[bar.timeframe], bar.symbol, isinstance(bar, Bar))
