import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from libs.common.database import Database
from libs.domain.market import Phase, Quote, TradeTick
from libs.store import sessions
from libs.store.market_reader import Closing, MarketReader
from libs.store.sessions import Session
from tests.factories import NOON, SECOND, HandClock
from tests.lossy_bus import CLOCK, LossyBus, Market, joined
from tests.scenes import GRACE, LOCKSTEP, SESSION, a_bar, begin, clear
from tests.scripted_feed import a_spread

ALFA = "market_data.ALFA"
STEPPED = replace(LOCKSTEP, grace_ns=0)


class Scene:
    """A market and somebody who reads it."""

    def __init__(self, database: Database, session: Session, phase: Phase) -> None:
        self.host = HandClock()
        self.ticks: list[Quote | TradeTick] = []
        self.market = Market(database, LossyBus(), session, self.host)
        self.reader = MarketReader("test", database, self.market.bus, self.host, session, phase, self.ticks.extend)

    async def closings(self) -> list[Closing]:
        return await self.reader.closings(0.01)


@asynccontextmanager
async def reading(database: Database, session: Session = SESSION, phase: Phase = "decide") -> AsyncIterator[Scene]:
    """Someone who has joined, and has read in the record that there is nothing yet."""
    await begin(database, session)
    scene = Scene(database, session, phase)
    listening = asyncio.create_task(scene.reader.listen())
    await joined(listening)
    assert await scene.closings() == []
    try:
        yield scene
    finally:
        listening.cancel()


def starts(closings: Sequence[Closing]) -> list[tuple[str, int]]:
    return [(bar.symbol, (bar.start - NOON) // SECOND) for closing in closings for bar in closing.bars]


async def test_bars_are_complete_by_bell_alone(database: Database) -> None:
    async with reading(database) as scene:
        known = await scene.market.close(a_bar(NOON, 100.0), a_bar(NOON, 5.0, "BTC/USD"))
        await clear(database)  # what it does not need it cannot miss
        (closing,) = await scene.closings()
        assert (closing.market_time, closing.noticed_ns, closing.step) == (known, 1, 0)
        assert [(bar.symbol, bar.start) for bar in closing.bars] == [("ALFA", NOON), ("BTC/USD", NOON)]
        assert scene.reader.settled == known


async def test_bars_of_one_moment_come_finest_first_and_then_by_symbol(database: Database) -> None:
    async with reading(database) as scene:
        last = NOON + 59 * SECOND
        await scene.market.close(a_bar(NOON, 1.0, timeframe="1m"), a_bar(last, 5.0, "BTC/USD"), a_bar(last, 1.0))
        (closing,) = await scene.closings()
        assert sorted((bar.timeframe, bar.symbol) for bar in closing.bars) == [("1m", "ALFA"), ("1s", "ALFA"), ("1s", "BTC/USD")]
        assert [bar.timeframe for bar in closing.bars] == ["1s", "1s", "1m"]
        assert [bar.symbol for bar in closing.bars[:2]] == ["ALFA", "BTC/USD"]


@pytest.mark.parametrize("lost", [ALFA, CLOCK], ids=["the bars", "the clock"])
async def test_what_the_bus_lost_comes_from_the_record_in_order_and_once(database: Database, lost: str) -> None:
    async with reading(database) as scene:
        await scene.market.close(a_bar(NOON, 100.0))
        await scene.market.close(a_bar(NOON + SECOND, 101.0), loses=lambda channel: channel == lost)
        await scene.market.close(a_bar(NOON + 2 * SECOND, 102.0))
        heard = await scene.closings() + await scene.closings()
        assert starts(heard) == [("ALFA", 0), ("ALFA", 1), ("ALFA", 2)]
        assert [closing.market_time for closing in heard] == [NOON + n * SECOND + GRACE for n in (1, 2, 3)]
        assert await scene.closings() == []


async def test_half_a_second_of_silence_sends_it_to_the_record(database: Database) -> None:
    async with reading(database) as scene:
        await scene.market.close(a_bar(NOON, 100.0))
        assert starts(await scene.closings()) == [("ALFA", 0)]
        await scene.market.close(a_bar(NOON + SECOND, 101.0), loses=lambda channel: True)
        assert await scene.closings() == []
        scene.host.move(0.6)
        assert starts(await scene.closings()) == [("ALFA", 1)]
        assert scene.reader.market.now() == NOON + 2 * SECOND + GRACE


async def test_a_clock_that_stands_still_in_the_record_goes_stale(database: Database) -> None:
    async with reading(database) as scene:
        await scene.market.close(a_bar(NOON, 100.0))
        await scene.closings()
        for _ in range(6):
            scene.host.move(0.6)
            assert await scene.closings() == []
        assert scene.reader.market.stale()


async def test_a_reader_that_joins_late_is_given_what_was_stored_since_it_was_born(database: Database) -> None:
    await begin(database)
    scene = Scene(database, SESSION, "decide")
    await scene.market.close(a_bar(NOON, 100.0))
    listening = asyncio.create_task(scene.reader.listen())
    await joined(listening)
    assert starts(await scene.closings()) == [("ALFA", 0)]
    listening.cancel()


async def test_bars_known_already_are_not_wanted_again(database: Database) -> None:
    async with reading(database) as scene:
        scene.reader.start_from(NOON + SECOND + GRACE)
        await scene.market.close(a_bar(NOON, 100.0))
        await scene.market.close(a_bar(NOON + SECOND, 101.0))
        assert starts(await scene.closings()) == [("ALFA", 1)]


async def test_ticks_are_handed_over_at_once(database: Database) -> None:
    async with reading(database) as scene:
        scene.market.publisher.add(a_spread(0.5, 99.0, 100.0))
        await scene.market.publisher.send(NOON)
        assert [tick.ts for tick in scene.ticks] == [NOON + SECOND // 2]


async def test_ticks_of_another_session_are_not_its_business(database: Database) -> None:
    async with reading(database) as scene:
        other = Market(database, scene.market.bus, replace(SESSION, session_id="other"), scene.host)
        other.publisher.add(a_spread(0.5, 99.0, 100.0))
        await other.publisher.send(NOON)
        sealer = scene.market.publisher
        sealer.add(a_spread(0.6, 99.0, 100.0, seq=2))
        await sealer.send(NOON)
        assert [tick.ts for tick in scene.ticks] == [NOON + SECOND * 6 // 10]


async def test_a_session_that_says_it_is_over_is(database: Database) -> None:
    async with reading(database) as scene:
        await scene.market.end(NOON + SECOND)
        await scene.closings()
        assert scene.reader.finished


async def test_a_session_that_another_has_taken_the_place_of_is_over_without_a_word(database: Database) -> None:
    async with reading(database) as scene:
        await database.write([sessions.suspend()])
        scene.host.move(0.6)
        assert await scene.closings() == []
        assert scene.reader.finished


# --- lockstep


async def test_a_step_said_twice_is_taken_once_and_closes_twice(database: Database) -> None:
    async with reading(database, STEPPED, "decide") as scene:
        for _ in range(2):
            await scene.market.step(1, NOON + SECOND, "decide", a_bar(NOON, 100.0), ticks=[a_spread(1.0, 99.0, 100.0)])
        assert [(closing.step, len(closing.bars)) for closing in await scene.closings()] == [(1, 1), (1, 0)]
        assert len(scene.ticks) == 1


async def test_only_its_own_phase_closes_a_step(database: Database) -> None:
    async with reading(database, STEPPED, "venue") as scene:
        await scene.market.step(1, NOON + SECOND, "decide", a_bar(NOON, 100.0))
        assert await scene.closings() == []
        await scene.market.step(1, NOON + SECOND, "venue", a_bar(NOON, 100.0))
        assert starts(await scene.closings()) == [("ALFA", 0)]


async def test_a_step_without_bars_closes_too(database: Database) -> None:
    async with reading(database, STEPPED, "decide") as scene:
        await scene.market.step(1, NOON + SECOND, "decide", ticks=[a_spread(1.0, 99.0, 100.0)])
        assert [(closing.step, closing.market_time, len(closing.bars)) for closing in await scene.closings()] == [(1, NOON + SECOND, 0)]


async def test_a_step_that_arrived_in_part_waits_until_it_is_said_again(database: Database) -> None:
    async with reading(database, STEPPED, "decide") as scene:
        scene.market.bus.loses = lambda channel: channel == ALFA
        await scene.market.step(1, NOON + SECOND, "decide", a_bar(NOON, 100.0))
        assert await scene.closings() == []
        scene.market.bus.loses = lambda channel: False
        await scene.market.step(1, NOON + SECOND, "decide", a_bar(NOON, 100.0))
        assert starts(await scene.closings()) == [("ALFA", 0)]


async def test_a_collector_that_counts_anew_is_heard(database: Database) -> None:
    async with reading(database, STEPPED, "decide") as scene:
        await scene.market.step(1, NOON + SECOND, "venue", a_bar(NOON, 100.0, seq=7))
        await scene.market.step(1, NOON + SECOND, "decide", a_bar(NOON, 100.0, seq=7))
        assert starts(await scene.closings()) == [("ALFA", 0)]
        scene.market = Market(database, scene.market.bus, STEPPED, scene.host)  # it has been restarted
        for _ in range(2):  # said again after a second, as nobody acknowledges
            await scene.market.step(2, NOON + 2 * SECOND, "decide", a_bar(NOON + SECOND, 101.0, seq=3))
        assert ("ALFA", 1) in starts(await scene.closings())
