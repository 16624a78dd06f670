"""Market data on its way out: what has been taken in goes to the bus in batches, bars only once they are stored."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from libs.common import metrics
from libs.common.bus import Bus
from libs.common.clocks import HostClock
from libs.common.envelope import Sealer, array, numbered
from libs.domain.market import Clock, MarketEvent, Phase, Quote, TradeTick
from libs.domain.streams import CLOCK, MARKET_DATA
from libs.store.market import BarEvent

LINGER_S: Final = 0.002
MOST: Final = 500  # events of one flush


class Publisher:
    """One session's market data on the bus."""

    def __init__(self, bus: Bus, sealer: Sealer, host: HostClock, session_id: str, speed: float) -> None:
        self._bus = bus
        self._sealer = sealer
        self._host = host
        self._session_id = session_id
        self._speed = speed
        self._pending: defaultdict[str, list[MarketEvent]] = defaultdict(list)
        self._since = 0.0
        self._seqs: defaultdict[str, int] = defaultdict(int)
        self._clock_seq = 0
        self._last_clock = float("-inf")
        self.count = 0
        self._sending = asyncio.Lock()  # numbers go out in their order, whoever sends

    def add(self, event: Quote | TradeTick) -> None:
        """Takes a tick to be sent with the next flush."""
        if not self.count:
            self._since = self._host.monotonic()
        self._pending[event.symbol].append(event)
        self.count += 1

    def take(self) -> list[Quote | TradeTick]:
        """Everything that waits, given back instead of sent."""
        taken = [event for events in self._pending.values() for event in events if isinstance(event, Quote | TradeTick)]
        self._pending.clear()
        self.count = 0
        return taken

    def linger_s(self) -> float:
        """Host seconds until a flush is due; infinite when nothing waits."""
        return LINGER_S - (self._host.monotonic() - self._since) if self.count else float("inf")

    def clock_due_s(self, every_s: float) -> float:
        """Host seconds until the clock has to be said again."""
        return every_s - (self._host.monotonic() - self._last_clock)

    async def send(self, market_time: int, bars: Sequence[BarEvent] = (), clock: Clock | None = None) -> None:
        """Everything that waits, then `bars` (stored already), then the clock, in this order, in one round trip."""
        async with self._sending:
            await self._send(market_time, bars, clock)

    async def _send(self, market_time: int, bars: Sequence[BarEvent], clock: Clock | None) -> None:
        messages = []
        ticks = self.count
        for bar in bars:
            self._pending[bar.symbol].append(bar)
        for symbol, events in self._pending.items():
            messages.append(self._message(MARKET_DATA.of(symbol), events, market_time))
        self._pending.clear()
        self.count = 0
        if clock is not None:
            self._clock_seq += 1
            sealed = self._sealer.seal(CLOCK.address, clock, ts_event_ns=market_time)
            messages.append((CLOCK.address, array([numbered(sealed, self._clock_seq)])))
            self._last_clock = self._host.monotonic()
            metrics.MARKET_TIME.set(market_time / 1e9)
        if messages:
            await self._bus.publish(messages)
        metrics.TICKS.labels(venue="all").inc(ticks)

    def _message(self, channel: str, events: list[MarketEvent], market_time: int) -> tuple[str, bytes]:
        self._seqs[channel] += 1
        return channel, array([numbered(self._sealer.seal(channel, events, ts_event_ns=market_time), self._seqs[channel])])

    def clock(
        self,
        market_time: int,
        closed: Sequence[tuple[str, int, int]] = (),
        *,
        noticed_ns: int = 0,
        step: int = 0,
        events: int = 0,
        phase: Phase = "free",
        finished: bool = False,
    ) -> Clock:
        """A clock message of this session."""
        return Clock(
            session_id=self._session_id,
            market_time=market_time,
            speed=self._speed,
            closed=list(closed),
            noticed_ns=noticed_ns,
            events=events,
            step=step,
            phase=phase,
            state="finished" if finished else "running",
        )
