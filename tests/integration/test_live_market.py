"""The collector on live venues that a test lets speak, on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from libs.common.bus import MemoryBus
from libs.common.clocks import SECOND, SystemClock
from libs.common.database import CopyWriter, Database
from libs.common.envelope import Sealer
from libs.domain.market import TradeTick
from libs.quant.bars import BarBuilder
from libs.store import market, sessions
from libs.venues.feed import FeedStep
from libs.venues.merged import VenuesFeed
from services.data_collector import frontier, live
from services.data_collector.collect import Collector
from services.data_collector.live import Live
from services.data_collector.progress import complete_to
from services.data_collector.publish import Publisher
from tests.factories import NOON
from tests.paper import a_quote
from tests.scenes import SESSION, begin, clear
from tests.scripted_feed import Crash, a_trade, at
from tests.scripted_live import ScriptedVenue, two_venues
from tests.waiting import until

Seen = tuple[str, str, int, float, float, float, float, float]
PLAYED = replace(SESSION, speed=10.0)
STOCKS = [at(n * 0.7, a_trade(n * 0.7, 100.0 + n % 7, seq=n)) for n in range(1, 300)]
CRYPTO = [at(n * 0.5 + 0.01, a_trade(n * 0.5 + 0.01, 5000.0 + n % 5, symbol="BTC/USD", seq=n)) for n in range(1, 420)]


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, "bars")
    await clear(database)
    await begin(database, PLAYED)
    yield database
    await database.close()


class Playing:
    """One life of the collector."""

    def __init__(self, task: "asyncio.Task[bool]", stopping: asyncio.Event, collector: Collector, said: list[tuple[bool, str]]) -> None:
        self.task = task
        self.collector = collector
        self.said = said  # of its readiness
        self._stopping = stopping

    async def stop(self) -> None:
        self._stopping.set()
        await self.task
        await self.collector.rest()

    async def kill(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def reaches(self, seconds: float) -> None:
        """The market time has come so far."""
        await until(lambda: self.collector.market_time >= NOON + round(seconds * SECOND))


@asynccontextmanager
async def playing(database: Database, url: str, feed: VenuesFeed) -> AsyncIterator[Playing]:
    session = await sessions.current(database)
    assert session is not None
    host, copying = SystemClock(), Database(url, "ticks")
    ticks = CopyWriter(copying, "market_quotes", market.QUOTE_COLUMNS, market.QUOTE_TYPES)
    publisher = Publisher(MemoryBus(), Sealer("data_collector", host), host, session.session_id, session.speed)
    told = await complete_to(database, session, feed) if session.horizon else None
    collector, stopping, said = Collector(feed, session, database, ticks, publisher, host, told), asyncio.Event(), list[tuple[bool, str]]()
    task = asyncio.create_task(Live(feed, collector, host, 2.0, lambda ok, detail: said.append((ok, detail))).run(stopping))
    try:
        yield Playing(task, stopping, collector, said)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await ticks.flush()
        await copying.close()


async def stored(database: Database, timeframe: str = "%") -> list[Seen]:
    rows = await database.fetch(
        "select symbol, timeframe, ns_of(timestamp), open_price, high_price, low_price, close_price, volume from market_ohlcv"
        " where timeframe like %s order by 1, 2, 3",
        (timeframe,),
    )
    return [tuple(row) for row in rows]


def built(symbol: str, script: Sequence[FeedStep], known_by: float, timeframe: str = "") -> list[Seen]:
    """What the trades make, by the pure builder."""
    builder = BarBuilder("TEST", symbol, ("1s", "1m"))
    for step in script:
        for event in step.events:
            assert isinstance(event, TradeTick)
            builder.add(event)
    bars = builder.close(NOON + round(known_by * SECOND))
    return sorted(
        (b.symbol, b.timeframe, b.start, b.open, b.high, b.low, b.close, b.volume) for b in bars if timeframe in ("", b.timeframe)
    )


def both(known_by: float, timeframe: str = "") -> list[Seen]:
    return built("ALFA", STOCKS, known_by, timeframe) + built("BTC/USD", CRYPTO, known_by, timeframe)


async def speak(venues: Sequence[ScriptedVenue], playing: Playing, to: float, since: float = 0.0, every: float = 5.0) -> None:
    """The venues speak up to a market time, in pieces, each of which is taken in before the next."""
    reached = since
    while reached < to:
        reached = min(to, reached + every)
        for venue in venues:
            venue.pass_to(reached)
        await playing.reaches(reached - 1.0)


async def test_bars_are_those_of_the_trades_at_both_venues(database: Database, url: str) -> None:
    feed, *venues = two_venues(STOCKS, CRYPTO)
    async with playing(database, url, feed) as life:
        await speak(venues, life, 130.0)
        await life.stop()
    assert await stored(database, "1m") == both(125.0, "1m")


async def test_killed_in_the_middle_and_started_again_it_stores_the_bars_of_a_run_without_a_stop(database: Database, url: str) -> None:
    feed, *venues = two_venues(STOCKS, CRYPTO)
    async with playing(database, url, feed) as life:
        await speak(venues, life, 83.3)
        await life.kill()
    for venue in venues:
        venue.pass_to(100.0)  # what happens while nobody listens
    async with playing(database, url, feed) as life:
        await speak(venues, life, 190.0, since=100.0)
        await life.stop()
    assert await stored(database, "1m") == both(185.0, "1m")
    assert await stored(database) == both((life.collector.market_time - NOON) / SECOND)
    ticks = await database.fetch("select symbol, price, timestamp, count(*) from market_quotes group by 1, 2, 3 having count(*) > 1")
    assert ticks == [], "a trade was stored twice"


async def test_what_a_lost_venue_could_not_tell_is_in_its_bars_and_no_bar_of_it_is_closed_before(database: Database, url: str) -> None:
    feed, stocks, crypto = two_venues(STOCKS, CRYPTO)
    async with playing(database, url, feed) as life:
        await speak([stocks, crypto], life, 40.0)
        stocks.cut()
        stocks.pass_to(75.0)
        crypto.pass_to(75.0)
        await until(lambda: life.collector.events > 200)
        assert life.collector.market_time < NOON + 41 * SECOND, "the market waits for the lost venue"
        stocks.mend()
        await speak([stocks, crypto], life, 130.0, since=75.0)
        await life.stop()
    assert await stored(database, "1m") == both(125.0, "1m")


async def test_a_venue_that_stays_away_is_left_behind_and_its_bars_are_whole_when_it_is_back(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontier, "HOLD_S", 0.1)
    monkeypatch.setattr(live, "_NOT_READY_AFTER_S", 0.1)
    feed, stocks, crypto = two_venues(STOCKS, CRYPTO)
    async with playing(database, url, feed) as life:
        await speak([stocks, crypto], life, 40.0)
        stocks.cut()
        await speak([crypto], life, 100.0, since=40.0)
        assert await stored(database, "1m") == built("BTC/USD", CRYPTO, 65.0, "1m")
        assert life.said[-1] == (False, "waits for stocks: cut off by the test")
        stocks.pass_to(100.0)
        stocks.mend()
        await speak([stocks, crypto], life, 130.0, since=100.0)
        await life.stop()
    assert await stored(database, "1m") == both(125.0, "1m")
    assert life.said[-1][0]


async def killed_with_the_stocks_left_behind(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[VenuesFeed, ScriptedVenue, ScriptedVenue]:
    """A first life, in which the stocks fall silent after 40 s and the market goes on without them to 130 s."""
    feed, stocks, crypto = two_venues(STOCKS, CRYPTO)
    with monkeypatch.context() as patch:
        patch.setattr(frontier, "HOLD_S", 0.1)
        async with playing(database, url, feed) as life:
            await speak([stocks, crypto], life, 40.0)
            stocks.cut()
            await speak([crypto], life, 130.0, since=40.0)
            await life.kill()
    return feed, stocks, crypto


async def test_killed_while_a_venue_is_left_behind_it_asks_for_all_that_the_venue_could_not_tell(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, stocks, crypto = await killed_with_the_stocks_left_behind(database, url, monkeypatch)
    stocks.pass_to(130.0)
    stocks.mend()
    async with playing(database, url, feed) as life:
        await speak([stocks, crypto], life, 190.0, since=130.0)
        await life.stop()
    assert await stored(database, "1m") == both(185.0, "1m")


async def test_the_bars_of_a_venue_left_behind_before_a_restart_stay_open_until_it_has_caught_up(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, stocks, crypto = await killed_with_the_stocks_left_behind(database, url, monkeypatch)
    monkeypatch.setattr(frontier, "HOLD_S", 60.0)
    monkeypatch.setattr(frontier, "BACK_S", 60.0)
    monkeypatch.setattr(live, "_NOT_READY_AFTER_S", 0.1)
    async with playing(database, url, feed) as life:
        await until(lambda: bool(life.said) and not life.said[-1][0])
        stocks.pass_to(70.0)
        stocks.mend()  # and gives what it could not tell piece by piece
        await until(lambda: life.said[-1][0])
        stocks.pass_to(130.0)
        await speak([stocks, crypto], life, 190.0, since=130.0)
        await life.stop()
    assert await stored(database, "1m") == both(185.0, "1m")


async def test_how_far_a_venue_had_told_is_not_read_from_quotes_that_it_gave_no_time(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontier, "HOLD_S", 0.1)
    guessed = at(39.95, a_quote(NOON + 100 * SECOND))
    feed, stocks, crypto = two_venues(sorted([*STOCKS, guessed]), CRYPTO)
    stocks.times_quotes = False
    async with playing(database, url, feed) as life:
        await speak([stocks, crypto], life, 40.0)
        stocks.cut()
        await speak([crypto], life, 130.0, since=40.0)
        await life.kill()
    session = await sessions.current(database)
    assert session is not None
    assert (await complete_to(database, session, feed))["ALFA"] < NOON + 40 * SECOND


async def test_one_wrong_time_does_not_carry_the_clock_away(database: Database, url: str) -> None:
    wrong = at(1e9, a_trade(1e9, 100.0))
    feed, *venues = two_venues([*STOCKS[:40], wrong, *STOCKS[40:]], CRYPTO)
    async with playing(database, url, feed) as life:
        await speak(venues, life, 130.0)
        await life.stop()
        assert life.collector.market_time < NOON + 140 * SECOND
    assert await stored(database, "1m") == both(125.0, "1m")
    rows = await database.fetch("select split_part(reason, ':', 1), symbol from data_quarantine")
    assert rows == [("from_the_future", "ALFA")]


async def test_quotes_that_a_venue_gave_no_time_do_not_carry_the_clock_away(database: Database, url: str) -> None:
    await clear(database)
    await begin(database, replace(PLAYED, speed=1.0))
    guessed = at(20.02, a_quote(NOON + 28 * SECOND, symbol="BTC/USD"))  # as after an outage through which the market stood still
    feed, stocks, crypto = two_venues(STOCKS, sorted([*CRYPTO, guessed]), speed=1.0)
    crypto.times_quotes = False
    async with playing(database, url, feed) as life:
        await speak([stocks, crypto], life, 20.1)
        await life.reaches(21.5)  # as host time has it: no event tells of it
        assert life.collector.market_time < NOON + 27 * SECOND
        await speak([stocks, crypto], life, 130.0, since=20.1)
        await life.stop()
    assert await stored(database, "1m") == both(125.0, "1m")


async def test_bars_close_when_they_are_due_though_no_event_comes(database: Database, url: str) -> None:
    feed, *venues = two_venues(STOCKS[:2], CRYPTO[:3])
    async with playing(database, url, feed) as life:
        for venue in venues:
            venue.pass_to(2.0)
        await life.reaches(2.3)  # of which no event tells
        await life.stop()
    assert await stored(database, "1s") == built("ALFA", STOCKS[:2], 2.25) + built("BTC/USD", CRYPTO[:3], 2.25)


async def test_the_event_that_says_that_a_bar_is_complete_closes_it_without_any_rest(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK_S", 60.0)
    monkeypatch.setattr(live, "CLOCK_EVERY_S", 60.0)
    await clear(database)
    await begin(database, replace(PLAYED, speed=0.001))  # so that host time says nothing of the kind
    feed, *venues = two_venues(STOCKS, CRYPTO, speed=0.0)
    async with playing(database, url, feed) as life:
        await until(lambda: bool(life.said))
        for venue in venues:
            venue.pass_to(3.0)
        await life.reaches(2.25)
    assert await stored(database, "1s") == both(2.25, "1s")


async def test_the_clock_is_silent_while_no_venue_is_connected_and_readiness_says_what_is_waited_for(database: Database, url: str) -> None:
    feed, *venues = two_venues(STOCKS, CRYPTO)
    for venue in venues:
        venue.cut()
    async with playing(database, url, feed) as life:
        await until(lambda: bool(life.said))
        assert life.said == [(False, "waits for stocks: cut off by the test; crypto: cut off by the test")]
        assert life.collector.publisher.clock_due_s(0.0) == float("-inf"), "a clock was told"
        for venue in venues:
            venue.mend()
            venue.pass_to(5.0)
        await life.reaches(4.0)
        await life.stop()
    assert life.said[-1] == (True, "playing scripted")


async def test_a_venue_whose_adapter_fails_ends_the_collector_which_is_then_started_again(database: Database, url: str) -> None:
    class Failing(ScriptedVenue):
        async def steps(self, after: int) -> AsyncIterator[FeedStep]:
            raise Crash
            yield

    feed, *_ = two_venues([], [])
    feed.feeds = {"stocks": Failing(feed.feeds["stocks"].instruments[0]), "crypto": feed.feeds["crypto"]}
    async with playing(database, url, feed) as life:
        with pytest.raises(Crash):
            await life.task
