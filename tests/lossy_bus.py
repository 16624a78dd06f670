"""A bus in this process that loses what a test tells it to lose, and a market that plays on it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from libs.common.bus import MemoryBus
from libs.common.clocks import HostClock
from libs.common.database import Database
from libs.common.envelope import Sealer
from libs.domain.market import Bar, Clock, Phase, Quote, TradeTick
from libs.domain.names import TIMEFRAMES
from libs.store.sessions import Session
from services.data_collector.publish import Publisher
from tests.scenes import record

CLOCK: Final = "market_data.clock"


def _known(frame: tuple[str, int]) -> tuple[int, int]:
    return frame[1] + TIMEFRAMES[frame[0]], TIMEFRAMES[frame[0]]


class LossyBus(MemoryBus):
    """What `loses` says yes to (channel) is gone; the publisher does not notice, as with the real one."""

    def __init__(self) -> None:
        super().__init__()
        self.loses: Callable[[str], bool] = lambda channel: False

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        return await super().publish([message for message in messages if not self.loses(message[0])])


class Market:
    """The collector's part of the conversation: bars into the record, then ticks, bars and clock on the bus."""

    def __init__(self, database: Database, bus: LossyBus, session: Session, host: HostClock) -> None:
        self.bus = bus
        self._database = database
        self._session = session
        sealer = Sealer("data_collector", host)
        sealer.session_id, sealer.key = session.session_id, session.key
        self.publisher = Publisher(bus, sealer, host, session.session_id, session.speed)

    async def close(self, *bars: Bar, ticks: Sequence[Quote | TradeTick] = (), loses: Callable[[str], bool] | None = None) -> int:
        """Bars that close together; the market time at which they do."""
        known = await record(self._database, bars, self._session)
        for tick in ticks:
            self.publisher.add(tick)
        frames = {(bar.timeframe, bar.start) for bar in bars}
        closed = [
            (frame, start, sum((b.timeframe, b.start) == (frame, start) for b in bars)) for frame, start in sorted(frames, key=_known)
        ]
        self.bus.loses = loses or (lambda channel: False)
        await self.publisher.send(known, bars, self.publisher.clock(known, closed, noticed_ns=1))
        self.bus.loses = lambda channel: False
        return known

    async def step(self, n: int, time: int, phase: Phase, *bars: Bar, ticks: Sequence[Quote | TradeTick] = ()) -> None:
        """A phase of a lockstep step, said once."""
        if bars:
            await record(self._database, bars, self._session, n)
        for tick in ticks:
            self.publisher.add(tick)
        closed = [(bar.timeframe, bar.start, 1) for bar in bars]
        clock = self.publisher.clock(time, closed, noticed_ns=1, step=n, events=len(bars) + len(ticks), phase=phase)
        await self.publisher.send(time, bars, clock)

    async def end(self, time: int) -> None:
        """The session is over."""
        await self.publisher.send(time, clock=self.publisher.clock(time, finished=True))

    async def tell(self, time: int) -> Clock:
        """A clock that announces nothing."""
        clock = self.publisher.clock(time)
        await self.publisher.send(time, clock=clock)
        return clock


async def joined(*listeners: asyncio.Task[None]) -> None:
    """Lets tasks that listen on a bus of this process begin."""
    for _ in listeners:
        await asyncio.sleep(0)
