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
from libs.common.envelope import genuine, opened
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
        self.start_from(session.market_time - 1 if session.lockstep else session.market_time)
        self._suspect = True  # something may have been missed: read the record before going on
        self._clock_seq = self._recorded_time = 0
        self._step = 0  # the step under way is taken in once more: who has dealt with it knows
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
            genuine(envelope, self._session.key)
            if channel == CLOCK.address:
                self._hear_clock(_clock.decode(envelope.payload), envelope.seq)
            else:
                self._hear_events(_events.decode(envelope.payload))

    def _hear_clock(self, clock: Clock, seq: int) -> None:
        if seq != self._clock_seq + 1:
            self._suspect = True
            metrics.MARKET_GAPS.labels(service=self._name).inc()
        if seq < self._clock_seq:
            self._seqs.clear()  # the collector has been restarted and counts anew
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

        In lockstep a closing for every step, with or without bars; a step that is said again comes again, empty.

        Raises:
            Unreachable: bells were missed and the record cannot be read.
        """
        if not self._clocks and (not self._suspect or self._session.lockstep):
            await self._bell.wait(timeout_s)
            if self.market.silent_for() > self.SILENCE_S:
                self._suspect = True
        if self._session.lockstep:
            return await self._steps()
        if self._suspect:
            return await self._from_record()
        found: list[Closing] = []
        while self._clocks:
            clock = self._clocks.popleft()
            bars = self._bars_of(clock)
            if bars is None:
                self._suspect = True
                return found + await self._from_record()
            self.settled = max(self.settled, clock.market_time)
            if bars:
                found.append(Closing(clock.market_time, clock.noticed_ns, bars, 0))
        return found

    async def _steps(self) -> list[Closing]:
        """Lockstep: bars only ever with the clock of their own step and phase, from the record where a bell was missed."""
        found: list[Closing] = []
        while self._clocks:
            clock = self._clocks[0]
            bars: Sequence[BarEvent] = ()
            if clock.step > self._step:
                heard = None if self._suspect else self._bars_of(clock)
                bars = heard if heard is not None else await self._recorded(clock.market_time)
                self._suspect = False
                self._step, self._step_events = clock.step, 0
            self.settled = max(self.settled, clock.market_time)
            found.append(Closing(clock.market_time, clock.noticed_ns, bars, clock.step))
            self._clocks.popleft()
        if not found and self._suspect:
            await self._still_running()
        return found

    def _bars_of(self, clock: Clock) -> list[BarEvent] | None:
        """The bars a clock message announces and that are new here; None when one of them was not heard."""
        if clock.state == "finished":
            self.finished = True
        closed = [(timeframe, start, count) for timeframe, start, count in clock.closed if start > self._seen[timeframe]]
        if any(len(self._heard.get((timeframe, start), ())) < count for timeframe, start, count in closed):
            return None
        bars: list[BarEvent] = []
        for timeframe, start, _ in closed:
            self._seen[timeframe] = start
            bars += sorted(self._heard.pop((timeframe, start)).values(), key=_within_closing)
        while len(self._heard) > self.KEPT:
            del self._heard[next(iter(self._heard))]
        return bars

    async def _still_running(self) -> Session | None:
        session = await sessions.current(self._database)
        if session is None or session.session_id != self._session.session_id:
            self.finished = True
            return None
        if session.market_time > self._recorded_time:  # a clock that stands still is not heard: it goes stale
            self._recorded_time = session.market_time
            self.market.hear(session.market_time, 0.0 if session.lockstep else session.speed)
        return session

    async def _recorded(self, market_time: int) -> list[BarEvent]:
        """Bars stored since the last closing and known by `market_time`, in the order in which they became known."""
        frames = list(self._seen)
        known_by = market_time - self._session.grace_ns
        seen = [self._seen[f] for f in frames]
        bars = await market.bars_between(self._database, self._session.venue, frames, [TIMEFRAMES[f] for f in frames], seen, known_by)
        for bar in bars:
            self._seen[bar.timeframe] = max(self._seen[bar.timeframe], bar.start)
            self._heard.pop((bar.timeframe, bar.start), None)
        return bars

    async def _from_record(self) -> list[Closing]:
        """Everything since the last closing, as stored."""
        self._clocks.clear()
        session = await self._still_running()
        self._suspect = False
        if session is None:
            return []
        grouped: defaultdict[int, list[BarEvent]] = defaultdict(list)
        for bar in await self._recorded(session.market_time):
            grouped[bar.start + TIMEFRAMES[bar.timeframe] + self._session.grace_ns].append(bar)
        self.settled = max(self.settled, session.market_time)
        return [Closing(at, 0, known, 0) for at, known in sorted(grouped.items())]


def _within_closing(bar: BarEvent) -> tuple[int, str, bool]:
    return (TIMEFRAMES[bar.timeframe], bar.symbol, isinstance(bar, Bar))
