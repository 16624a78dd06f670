"""The market's clock for a consumer that needs no market data: by bell, and from the record when bells are missing."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from libs.common.bus import Bus
from libs.common.clocks import HostClock, MarketClock
from libs.common.database import Database, Unreachable
from libs.common.envelope import genuine, opened
from libs.common.logs import about
from libs.domain.market import Clock
from libs.domain.streams import CLOCK
from libs.store import sessions
from libs.store.sessions import Session

log = logging.getLogger(__name__)

_decode: Final = msgspec.json.Decoder(Clock).decode


class ClockKeeper:
    """Keeps a `MarketClock` right, and notices when its session is over."""

    LOOK_EVERY_S: Final = 0.5

    def __init__(
        self, database: Database, bus: Bus, host: HostClock, session: Session, on_clock: Callable[[Clock], None] = lambda clock: None
    ) -> None:
        """`on_clock` is called with every clock message that is heard: a bell, so some may be missing."""
        self.market = MarketClock(host)
        # The record was read just now: without its word a restart would refuse, as stale, whatever is queued already.
        self.market.hear(session.market_time, 0.0 if session.lockstep else session.speed)
        self.over = asyncio.Event()
        self._database = database
        self._bus = bus
        self._session = session
        self._on_clock = on_clock

    async def listen(self) -> None:
        """Hears until cancelled."""
        await self._bus.listen([CLOCK.address], self._hear, lambda: None)

    def _hear(self, channel: str, payload: bytes) -> None:
        for envelope in opened(payload):
            if envelope.session_id == self._session.session_id:
                clock = _decode(genuine(envelope, self._session.key).payload)
                self.market.hear(clock.market_time, clock.speed)
                if clock.state == "finished":
                    self.over.set()
                self._on_clock(clock)

    async def watch(self) -> None:
        """Looks at the record while nothing is heard, until the session is over."""
        recorded = 0
        while not self.over.is_set():
            try:
                async with asyncio.timeout(self.LOOK_EVERY_S):
                    await self.over.wait()
            except TimeoutError:
                pass
            if self.market.silent_for() < self.LOOK_EVERY_S:
                continue
            try:
                session = await sessions.current(self._database)
            except Unreachable as error:
                log.warning("neither bell nor record tell the market time: %s", error, extra=about("database_lost", "failure"))
                continue
            if session is None or session.session_id != self._session.session_id:
                self.over.set()
            elif session.market_time > recorded:  # a clock that stands still is not heard: it goes stale
                recorded = session.market_time
                self.market.hear(session.market_time, 0.0 if session.lockstep else session.speed)
