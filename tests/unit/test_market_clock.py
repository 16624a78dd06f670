"""The market's clock for whoever needs no market data."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from libs.common.bus import MemoryBus
from libs.common.database import Database
from libs.common.envelope import Sealer, array, numbered
from libs.domain.market import Clock
from libs.domain.streams import CLOCK
from libs.store.market_clock import ClockKeeper
from tests.factories import NOON, SECOND, HandClock
from tests.scenes import SESSION

KEYED = replace(SESSION, key=b"key")


class Listener:
    """A keeper that listens, and what it passed on."""

    def __init__(self) -> None:
        self.bus = MemoryBus()
        self.heard: list[Clock] = []
        self.keeper = ClockKeeper(Database("nowhere", "test"), self.bus, HandClock(), KEYED, self.heard.append)

    async def say(self, market_time: int, *, key: bytes = b"key", session_id: str = "session", **changed: object) -> None:
        sealer = Sealer("data_collector", HandClock())
        sealer.session_id, sealer.key = session_id, key
        clock = Clock(session_id=session_id, market_time=market_time, speed=0.0, closed=[], noticed_ns=0, events=0, step=0, **changed)  # type: ignore[arg-type]
        sealed = sealer.seal(CLOCK.address, clock, ts_event_ns=market_time)
        await self.bus.publish([(CLOCK.address, array([numbered(sealed, 1)]))])


@asynccontextmanager
async def a_listener() -> AsyncIterator[Listener]:
    listener = Listener()
    listening = asyncio.create_task(listener.keeper.listen())
    await asyncio.sleep(0)  # it listens from its first step on
    try:
        yield listener
    finally:
        listening.cancel()


async def test_a_clock_is_passed_on_once_it_is_taken_in() -> None:
    async with a_listener() as listener:
        await listener.say(NOON + SECOND, state="finished")
        assert [clock.market_time for clock in listener.heard] == [listener.keeper.market.now()] == [NOON + SECOND]
        assert listener.keeper.over.is_set()


async def test_a_clock_of_another_session_or_without_its_signature_is_not() -> None:
    async with a_listener() as listener:
        await listener.say(NOON + SECOND, session_id="other")
        await listener.say(NOON + 2 * SECOND, key=b"stolen")
        await listener.say(NOON + 3 * SECOND)
        assert [clock.market_time for clock in listener.heard] == [NOON + 3 * SECOND]
