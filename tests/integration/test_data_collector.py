import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from math import nan
from pathlib import Path

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from libs.common.bus import Bus, MemoryBus, RedisBus
from libs.common.clocks import SECOND
from libs.common.database import CopyWriter, Database
from libs.common.envelope import Sealer, opened
from libs.common.runner import Context
from libs.common.settings import from_toml
from libs.domain.configuration import SystemConfig
from libs.domain.market import BadRow, Bar, Clock, Quote, QuoteBar, TradeTick
from libs.quant.bars import BarBuilder
from libs.quant.fills import terms_of
from libs.store import actions, lockstep, market, sessions
from libs.store.sessions import Session
from libs.venues.feed import FeedStep, MarketDataFeed
from libs.venues.merged import VenuesFeed
from libs.venues.pace import Pace
from services.data_collector import app
from services.data_collector.collect import Collector
from services.data_collector.lockstep import Lockstep
from services.data_collector.publish import Publisher
from services.data_collector.settings import CollectorSettings
from tests.factories import NOON
from tests.fleets import configuration
from tests.scenes import SESSION, a_bar, begin, clear
from tests.scripted_broker import a_split
from tests.scripted_feed import Crash, PassingTime, ScriptedFeed, a_spread, a_trade, at, trades
from tests.scripted_live import two_venues

MINUTE = 60 * SECOND
PLAYED = replace(SESSION, speed=10.0)
Seen = tuple[str, int, float, float, float, float, float]


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, "bars")
    await clear(database)
    await begin(database, PLAYED)
    yield database
    await database.close()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> PassingTime:
    """An hour takes no time."""
    clock = PassingTime()
    monkeypatch.setattr(Pace, "rest", lambda _, seconds: clock.rest(seconds))
    return clock


class Heard:
    """A bus that remembers what went over it."""

    def __init__(self) -> None:
        self.bus = MemoryBus()
        self.clocks: list[Clock] = []
        self.ticks: list[Quote | TradeTick] = []
        self.bars: list[Bar | QuoteBar] = []

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        for channel, payload in messages:
            self.hear(channel, payload)
        return await self.bus.publish(messages)

    async def listen(self, patterns: Sequence[str], hear: object, joined: object) -> None:
        raise NotImplementedError

    def hear(self, channel: str, payload: bytes) -> None:
        for envelope in opened(payload):
            if channel == "market_data.clock":
                self.clocks.append(msgspec.json.decode(envelope.payload, type=Clock))
                continue
            for event in msgspec.json.decode(envelope.payload, type=list[Quote | TradeTick | Bar | QuoteBar]):
                if isinstance(event, Bar | QuoteBar):
                    self.bars.append(event)
                else:
                    self.ticks.append(event)


async def play(
    database: Database, url: str, feed: MarketDataFeed, time: PassingTime, bus: Bus | None = None, stopping: asyncio.Event | None = None
) -> bool:
    """One life of the collector on the running session; True when the data have ended."""
    session = await sessions.current(database)
    assert session is not None
    copying = Database(url, "ticks")
    ticks = CopyWriter(copying, "market_quotes", market.QUOTE_COLUMNS, market.QUOTE_TYPES)
    publisher = Publisher(bus or MemoryBus(), Sealer("data_collector", time), time, session.session_id, session.speed)
    collector = Collector(feed, session, database, ticks, publisher, time)
    try:
        ended = await collector.run(stopping or asyncio.Event())
        if not ended:
            await collector.rest()
        return ended
    finally:
        await ticks.flush()
        await copying.close()


async def stored(database: Database) -> list[Seen]:
    rows = await database.fetch(
        "select timeframe, ns_of(timestamp), open_price, high_price, low_price, close_price, volume from market_ohlcv order by 1, 2, symbol"
    )
    return [tuple(row) for row in rows]


def built(script: Sequence[FeedStep]) -> list[Seen]:
    """What the script's ALFA trades make, by the pure builder."""
    builder = BarBuilder("TEST", "ALFA", ("1s", "1m"))
    for step in script:
        for event in step.events:
            assert isinstance(event, TradeTick)
            builder.add(event)
    bars = builder.close(NOON + 10**15)
    return sorted((b.timeframe, b.start, b.open, b.high, b.low, b.close, b.volume) for b in bars)


# --- what is believed


async def test_bad_rows_are_put_aside_with_their_reasons_and_the_rest_flows(database: Database, url: str, time: PassingTime) -> None:
    script = [
        at(0.1, a_trade(0.1, 100.0)),
        at(0.2, a_trade(0.2, nan)),
        at(0.3, a_spread(0.3, bid=101.0, ask=100.0)),
        at(0.4, a_trade(0.4, 100.0, symbol="NOPE")),
        at(0.5, a_trade(0.05, 100.0)),
        at(0.6, a_trade(0.6, 200.0)),
        at(0.65, BadRow(venue="TEST", symbol="ALFA", ts=NOON, reason="unreadable: expected a number, got 'x'", raw="x")),
        at(0.7, a_trade(0.7, 101.0)),
    ]
    assert await play(database, url, ScriptedFeed(script), time)
    rows = await database.fetch("select reason, symbol from data_quarantine order by id")
    assert [(reason.split(":")[0], symbol) for reason, symbol in rows] == [
        ("not_finite", "ALFA"),
        ("crossed", "ALFA"),
        ("unknown_symbol", "NOPE"),
        ("out_of_order", "ALFA"),
        ("jump", "ALFA"),
        ("unreadable", "ALFA"),
    ]
    expected = (100.0, 101.0, 100.0, 101.0, 2.0)
    assert await stored(database) == [("1m", NOON, *expected), ("1s", NOON, *expected)]
    assert await database.fetch("select price from market_quotes order by timestamp") == [(100.0,), (101.0,)]


async def test_a_late_tick_is_counted_and_rewrites_no_bar(database: Database, url: str, time: PassingTime) -> None:
    script = [at(0.1, a_trade(0.1, 100.0)), at(5.0, a_trade(0.9, 105.0)), at(5.1, a_trade(5.1, 104.0))]
    before = REGISTRY.get_sample_value("tradewinds_late_ticks_total", {"venue": "TEST"}) or 0.0
    await play(database, url, ScriptedFeed(script), time)
    assert REGISTRY.get_sample_value("tradewinds_late_ticks_total", {"venue": "TEST"}) == before + 1
    assert ("1s", NOON, 100.0, 100.0, 100.0, 100.0, 1.0) in await stored(database)


async def test_a_price_after_a_split_is_believed_and_one_that_has_not_followed_is_not(
    database: Database, url: str, time: PassingTime
) -> None:
    feed = ScriptedFeed(trades((0.1, 700.0), (1.0, 100.0), (1.1, 690.0), (1.2, 101.0)))
    feed.actions = [a_split(NOON + SECOND)]
    assert await play(database, url, feed, time)
    assert await database.fetch("select reason from data_quarantine") == [("jump: expected a price within 50% of 100.0, got 690.0",)]


# --- what is said


async def test_a_bar_is_in_the_record_before_anybody_hears_of_it(database: Database, url: str, time: PassingTime) -> None:
    missing: list[Bar | QuoteBar] = []

    class Look(Heard):
        def hear(self, channel: str, payload: bytes) -> None:
            known = len(self.bars)
            super().hear(channel, payload)
            with psycopg.connect(url) as look:
                for bar in self.bars[known:]:
                    query = "select from market_ohlcv where symbol = %s and timeframe = %s and timestamp = at_ns(%s)"
                    if look.execute(query, (bar.symbol, bar.timeframe, bar.start)).fetchone() is None:
                        missing.append(bar)

    heard = Look()
    await play(database, url, ScriptedFeed(trades((0.1, 100.0), (0.6, 101.0), (1.5, 102.0))), time, heard)
    assert [(b.timeframe, b.start) for b in heard.bars] == [("1s", NOON), ("1s", NOON + SECOND), ("1m", NOON)]
    assert missing == []


async def test_the_clock_says_which_bars_have_closed_and_how_many(database: Database, url: str, time: PassingTime) -> None:
    script = [at(0.1, a_trade(0.1, 100.0), a_trade(0.1, 50_000.0, symbol="BTC/USD")), at(59.2, a_trade(59.2, 101.0))]
    heard = Heard()
    await play(database, url, ScriptedFeed(script), time, heard)
    closed = [(clock.market_time, clock.closed) for clock in heard.clocks if clock.closed]
    assert closed == [
        (NOON + SECOND * 5 // 4, [("1s", NOON, 2)]),
        (NOON + MINUTE + SECOND // 4, [("1s", NOON + 59 * SECOND, 1), ("1m", NOON, 2)]),
    ]


async def test_recorded_bars_are_stored_and_announced_whole(database: Database, url: str, time: PassingTime) -> None:
    feed = ScriptedFeed([at(60, a_bar(NOON, 100.0, timeframe="1m"), a_bar(NOON, 5.0, "BTC/USD", timeframe="1m"))])
    feed.recorded_bars = True
    heard = Heard()
    await play(database, url, feed, time, heard)
    assert [row[:2] for row in await stored(database)] == [("1m", NOON), ("1m", NOON)]
    assert [clock.closed for clock in heard.clocks if clock.closed] == [[("1m", NOON, 2)]]


async def test_the_market_time_never_goes_back_and_is_never_ahead_of_the_record(database: Database, url: str, time: PassingTime) -> None:
    heard = Heard()
    await play(database, url, ScriptedFeed(trades(*((n * 0.7, 100.0) for n in range(100)))), time, heard)
    times = [clock.market_time for clock in heard.clocks]
    assert times == sorted(times)
    session = await sessions.current(database)
    assert session is not None
    assert session.market_time == times[-1] <= session.horizon


async def test_a_quiet_stretch_is_skipped(database: Database, url: str, time: PassingTime) -> None:
    began = time.monotonic()
    await play(database, url, ScriptedFeed(trades((1, 100.0), (17.5 * 3600, 101.0))), time)
    assert time.monotonic() - began < 30  # host seconds; at ten times the night alone would be 6,300
    assert len(await stored(database)) == 4


# --- stopping, crashing, going on

SCRIPTS = st.lists(st.tuples(st.floats(0.05, 12.0), st.integers(95, 105)), min_size=2, max_size=40).map(
    lambda steps: trades(*((round(sum(gap for gap, _ in steps[: n + 1]), 3), float(price)) for n, (_, price) in enumerate(steps)))
)
SHARED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SHARED
@given(script=SCRIPTS, where=st.floats(0, 1))
async def test_bars_after_a_crash_anywhere_are_those_of_a_day_without_one(
    database: Database, url: str, time: PassingTime, script: list[FeedStep], where: float
) -> None:
    await clear(database)
    await begin(database, PLAYED)
    first, second = Heard(), Heard()
    with pytest.raises(Crash):
        await play(database, url, ScriptedFeed(script, crash_after=int(where * (len(script) - 1))), time, first)
    assert await play(database, url, ScriptedFeed(script), time, second)
    assert await stored(database) == built(script)
    assert {(b.timeframe, b.start) for b in first.bars + second.bars} == {row[:2] for row in built(script)}
    said = [tick.seq for tick in first.ticks + second.ticks]
    assert len(said) == len(set(said)), "a tick was published twice"


@SHARED
@given(script=SCRIPTS, where=st.floats(0, 1))
async def test_an_orderly_stop_goes_on_without_a_gap_or_a_repeat(
    database: Database, url: str, time: PassingTime, script: list[FeedStep], where: float
) -> None:
    await clear(database)
    await begin(database, PLAYED)
    heard, stopping = Heard(), asyncio.Event()

    class Stopping(ScriptedFeed):
        async def steps(self, after: int) -> AsyncIterator[FeedStep]:
            async for step in super().steps(after):
                if len(self.taken) > where * len(script):
                    stopping.set()
                yield step

    await play(database, url, Stopping(script), time, heard, stopping)
    assert await play(database, url, ScriptedFeed(script), time, heard)
    assert [tick.seq for tick in heard.ticks] == [n for n, _ in enumerate(script, 1)]
    assert await stored(database) == built(script)


async def test_a_crash_that_has_looked_past_the_minute_loses_no_bar_of_it(database: Database, url: str, time: PassingTime) -> None:
    script = trades((50, 100.0), (58, 101.0), (59, 102.0), (62, 103.0))
    with pytest.raises(Crash):
        await play(database, url, ScriptedFeed(script, crash_after=3), time)
    assert await play(database, url, ScriptedFeed(script), time)
    assert await stored(database) == built(script)


async def test_a_resumed_market_does_not_stand_still_over_what_it_has_closed(database: Database, url: str, time: PassingTime) -> None:
    script = trades(*((n + 0.5, 100.0) for n in range(60)))
    with pytest.raises(Crash):
        await play(database, url, ScriptedFeed(script, crash_after=55), time)
    heard, resumed = Heard(), time.monotonic()
    await play(database, url, ScriptedFeed(script), time, heard)
    assert time.monotonic() - resumed < 3  # host seconds: 50 market seconds are closed already, and 10 are left
    assert min(bar.start for bar in heard.bars if bar.timeframe == "1s") > NOON + 45 * SECOND


async def test_asked_to_stop_while_the_last_bars_wait_it_stops_and_goes_on_with_them(
    database: Database, url: str, time: PassingTime
) -> None:
    stopping = asyncio.Event()
    script = trades((0.5, 100.0))

    class LastWords(ScriptedFeed):
        async def steps(self, after: int) -> AsyncIterator[FeedStep]:
            async for step in super().steps(after):
                yield step
            stopping.set()

    assert not await play(database, url, LastWords(script), time, stopping=stopping)
    assert await stored(database) == []
    assert await play(database, url, ScriptedFeed(script), time)
    assert await stored(database) == built(script)


async def test_a_database_that_goes_away_again_and_again_loses_nothing(database: Database, url: str, time: PassingTime) -> None:
    script = trades((0.5, 100.0), (1.5, 101.0), (2.5, 102.0))

    class Cut(ScriptedFeed):
        async def steps(self, after: int) -> AsyncIterator[FeedStep]:
            async for step in super().steps(after):
                with psycopg.connect(url) as killer:
                    killer.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'bars'")
                yield step

    heard = Heard()
    assert await play(database, url, Cut(script), time, heard)
    assert await stored(database) == built(script)
    assert len(heard.bars) == len(built(script))


# --- sessions


SYSTEM = (
    '[[account]]\nname = "main"\nbase_currency = "USD"\ndeposit = "100000"\n'
    '[[account]]\nname = "remote"\nbase_currency = "USD"\ndeposit = "100000"\nvenue = "binance"\n'
    '[[venue]]\nname = "binance"\nadapter = "ccxt"\nexchange = "binance"\nasset_classes = ["crypto"]\n'
)


class Life:
    """The whole service in this process, on a feed that the test brings."""

    def __init__(self, url: str, redis_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config = self.config_dir = configuration(folder / "config", system=SYSTEM)
        self._settings = CollectorSettings(database_url=url, redis_url=redis_url, config_dir=str(config), speed=1000.0)
        self._monkeypatch = monkeypatch

    async def live(self, feed: MarketDataFeed, until: str) -> None:
        """Starts, and stops once readiness says `until`."""
        self._monkeypatch.setattr(app, "chosen", lambda _: feed)
        context = Context("data_collector", self._settings)
        seen = context.readiness.set

        def watch(name: str, ok: bool, detail: str = "", latency_ms: float | None = None) -> None:
            seen(name, ok, detail, latency_ms)
            if until in detail:
                context.stopping.set()

        self._monkeypatch.setattr(context.readiness, "set", watch)
        try:
            async with asyncio.timeout(20):
                await app.work(context, self._settings, lambda _: "")
        finally:
            await context.close()


@pytest.fixture
def service(url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Life:
    return Life(url, redis_url, tmp_path, monkeypatch)


@pytest.fixture
async def blank(database: Database) -> Database:
    await clear(database)
    return database


async def states(database: Database) -> list[tuple[str, ...]]:
    rows = await database.fetch(
        "select s.feed || s.seed, s.state, a.account_id from sessions s join accounts a using (session_id) order by a.account_id"
    )
    return [tuple(row) for row in rows]


async def test_where_the_data_end_the_session_is_finished_and_the_next_start_opens_another(service: Life, blank: Database) -> None:
    await service.live(ScriptedFeed(trades((0.5, 100.0))), "played to its end")
    assert len(await stored(blank)) == 2
    await service.live(ScriptedFeed(trades((0.5, 100.0))), "playing")
    assert await states(blank) == [("scripted1", "finished", "main"), ("scripted1", "running", "main-2")]


async def test_a_session_opens_with_its_corporate_actions_and_fill_terms_on_record(service: Life, blank: Database) -> None:
    feed = ScriptedFeed(trades((0.5, 100.0)))
    feed.actions = [a_split(NOON + MINUTE, "0.333333333334"), a_split(NOON + 2 * MINUTE)]
    await service.live(feed, "playing")
    await service.live(feed, "playing")
    assert [(a.effective, a.ratio) for a in await actions.of_venue(blank, "TEST")] == [(a.effective, a.ratio) for a in feed.actions]
    session = await sessions.current(blank)
    assert session is not None
    system = from_toml(SystemConfig, service.config_dir, "system", "")
    assert terms_of(session.fills["terms"]) == terms_of(msgspec.structs.asdict(system.paper))


async def test_another_feed_suspends_the_first_which_goes_on_when_it_is_asked_for_again(service: Life, blank: Database) -> None:
    first, second = ScriptedFeed(trades((0.5, 100.0))), ScriptedFeed(trades((0.5, 100.0)), seed=2)
    await service.live(first, "playing")
    before = await sessions.current(blank)
    await service.live(second, "playing")
    assert await states(blank) == [("scripted1", "suspended", "main"), ("scripted2", "running", "main-2")]
    await service.live(first, "playing")
    assert await states(blank) == [("scripted1", "running", "main"), ("scripted2", "suspended", "main-2")]
    after = await sessions.current(blank)
    assert isinstance(before, Session)
    assert isinstance(after, Session)
    assert after.session_id == before.session_id


async def test_a_live_session_goes_on_until_its_venues_have_begun_anew_or_play_another_market(service: Life, blank: Database) -> None:
    def venues(start: int, seed: int = 1) -> VenuesFeed:
        return two_venues([], [], start=start, seed=seed)[0]

    for start in (NOON, NOON + MINUTE, NOON - MINUTE // 2):
        await service.live(venues(start), "playing")
    assert len(await states(blank)) == 1
    await blank.fetch("update sessions set market_time = %s", (NOON + 10 * MINUTE,))
    await service.live(venues(NOON), "playing")
    assert [row[:2] for row in await states(blank)] == [("venues1", "finished"), ("venues1", "running")]
    other = two_venues([], [], venue="SIM-other-1")[0]
    await service.live(other, "playing")
    assert [row[1] for row in await states(blank)] == ["finished", "finished", "running"]


async def test_new_accounts_are_not_concerned_with_what_was_said_before_them(service: Life, blank: Database) -> None:
    await blank.fetch("select journal_append('signals', array[null::uuid], array['{}'])")
    await service.live(ScriptedFeed(trades((0.5, 100.0))), "playing")
    assert await blank.fetch("select stream, no from cursors where consumer = 'risk:main' order by 1") == [
        ("orders.updates", 0),
        ("signals", 1),
    ]


# --- lockstep


async def a_lockstep(database: Database, time: PassingTime, heard: Heard, feed: ScriptedFeed) -> Lockstep:
    played = await sessions.current(database)
    assert played is not None
    session = replace(played, mode="lockstep")
    publisher = Publisher(heard, Sealer("data_collector", time), time, session.session_id, 0.0)
    ticks = CopyWriter(database, "market_quotes", market.QUOTE_COLUMNS, market.QUOTE_TYPES)
    return Lockstep(feed, Collector(feed, session, database, ticks, publisher, time), database, time)


async def test_no_phase_of_a_step_is_over_before_all_that_it_set_in_motion_is_at_rest(
    database: Database, url: str, time: PassingTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, looked, missed = Heard(), list[str](), list[str]()
    late = ["risk:paper", "strategy_engine", "executor:paper"]  # one after another, each after a look that misses it

    async def acknowledged(_: object, __: str, phase: str) -> dict[str, int]:
        deciding = {"strategy_engine", "risk:paper"} if phase == "decide" else {"executor:paper"}
        if late and late[-1] in deciding:
            missed.append(late.pop())
            deciding -= {missed[-1]}
        return dict.fromkeys(deciding, 1)

    async def at_rest(*_: object) -> bool:
        looked.append(heard.clocks[-1].phase)
        return len(looked) % 2 == 0

    monkeypatch.setattr(lockstep, "acknowledged", acknowledged)
    monkeypatch.setattr(lockstep, "at_rest", at_rest)
    playing = await a_lockstep(database, time, heard, ScriptedFeed([at(1, a_spread(1, 99.0, 101.0))]))
    assert await playing.run(asyncio.Event())
    assert looked == ["venue", "venue", "decide", "decide"]
    assert missed == ["executor:paper", "strategy_engine", "risk:paper"]


@pytest.mark.parametrize(("answering", "phases"), [(True, ["venue", "decide"]), (False, ["venue"])])
async def test_a_stop_comes_after_the_step_that_is_played_unless_nobody_deals_with_it_any_more(
    database: Database, url: str, time: PassingTime, monkeypatch: pytest.MonkeyPatch, answering: bool, phases: list[str]
) -> None:
    heard, stopping = Heard(), asyncio.Event()

    async def missing(*_: object) -> list[str]:
        stopping.set()
        return [] if answering else ["executor:paper"]

    monkeypatch.setattr(lockstep, "missing", missing)
    monkeypatch.setattr("services.data_collector.lockstep.FINISH_S", 0.0)  # of a time that stands still
    feed = ScriptedFeed([at(1, a_spread(1, 99.0, 101.0)), at(2, a_spread(2, 99.0, 101.0))])
    assert not await (await a_lockstep(database, time, heard, feed)).run(stopping)
    assert list(dict.fromkeys(clock.phase for clock in heard.clocks)) == phases
    assert {clock.step for clock in heard.clocks} == {1}


async def test_a_subscriber_on_the_real_bus_hears_the_ticks(database: Database, url: str, redis_url: str, time: PassingTime) -> None:
    bus, heard, joined, done = RedisBus(redis_url), Heard(), asyncio.Event(), asyncio.Event()

    def hear(channel: str, payload: bytes) -> None:
        heard.hear(channel, payload)
        if len(heard.bars) == 3:
            done.set()

    listening = asyncio.create_task(bus.listen(["market_data.*"], hear, joined.set))
    await joined.wait()
    await play(database, url, ScriptedFeed(trades((0.1, 100.0), (1.5, 102.0))), time, bus)
    async with asyncio.timeout(5):
        await done.wait()
    listening.cancel()
    await bus.close()
    assert [tick.seq for tick in heard.ticks] == [1, 2]
