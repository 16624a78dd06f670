import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.crash_points import CrashPoint
from libs.common.database import Database, Unreachable, Write
from libs.common.envelope import Sealer
from libs.common.settings import ConfigError
from libs.domain.configuration import AccountConfig, StrategyConfig, SystemConfig
from libs.store import strategies
from libs.store.market_reader import MarketReader
from libs.store.sessions import Session, current
from services.strategy_engine.app import Engine
from tests.factories import NOON, SECOND, HandClock
from tests.lossy_bus import LossyBus, Market, joined
from tests.scenes import GRACE, LOCKSTEP, SESSION, a_bar, begin, clear
from tests.scripted_feed import Crash

UP, DOWN = [10.0, 11.0, 12.0], [9.0, 8.0]
SYSTEM = SystemConfig(account=[AccountConfig(name="paper", base_currency="USD", deposit=Decimal(100_000))])
FAST = StrategyConfig(
    id="fast", class_name="sma_cross", symbols=["ALFA"], account="paper", allocation=0.5, params={"fast": 1, "slow": 3}, timeframe="1s"
)
SHARED = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, "test")
    await clear(database)
    await begin(database)
    yield database
    await database.close()


class Mortal(Database):
    """Fails at one of its writes, with or without having committed it."""

    def __init__(self, url: str, at: int, error: Callable[[], Exception], *, committed: bool) -> None:
        super().__init__(url, "mortal")
        self._left = at
        self._error = error
        self._committed = committed

    async def write(self, statements: Iterable[Write], within: CrashPoint | None = None) -> list[list[tuple[Any, ...]]]:
        self._left -= 1
        if self._left == 0 and not self._committed:
            raise self._error()
        rows = await super().write(statements, within)
        if self._left == 0 and self._committed:
            raise self._error()
        return rows


class OneLook(asyncio.Event):
    """A wish to stop that comes after one round."""

    def is_set(self) -> bool:
        was = super().is_set()
        self.set()
        return was


class Scene:
    """An engine on a market."""

    def __init__(self, database: Database, engine: Engine, market: Market) -> None:
        self.database = database
        self.engine = engine
        self.market = market

    async def turn(self) -> None:
        """The engine takes in what has been said, then stops in order."""
        await self.engine.run(OneLook())

    async def look(self) -> None:
        """The switches have been looked at again."""
        self.engine.look_at_switches()
        await self.market.tell(NOON)
        await self.turn()

    async def closes(self, *prices: float, first: int = 0) -> None:
        """One bar of ALFA each second, each taken in by itself."""
        for n, price in enumerate(prices, first):
            await self.market.close(a_bar(NOON + n * SECOND, price))
            await self.turn()


@asynccontextmanager
async def engine_on(
    database: Database, url: str, *configs: StrategyConfig, dies: Mortal | None = None, session: Session = SESSION
) -> AsyncIterator[Scene]:
    """A fresh process, prepared: it reads the session as the record has it."""
    bus, host, reading = LossyBus(), HandClock(), Database(url, "reader")
    playing = await current(database) or session
    reader = MarketReader("strategy_engine", reading, bus, host, playing, "decide")
    sealer = Sealer("strategy_engine", host)
    engine = Engine(bus, sealer, dies or database, playing, reader, host)
    listening = asyncio.create_task(reader.listen())
    try:
        await joined(listening)
        await engine.prepare(configs or [FAST], SYSTEM)
        yield Scene(database, engine, Market(database, bus, playing, host))
    finally:
        listening.cancel()
        await reading.close()
        if dies is not None:
            await dies.close()


async def said(database: Database) -> list[tuple[Any, ...]]:
    """Every signal, without the host time it was triggered at."""
    rows = await database.fetch(
        "select signal_id, account_id, strategy_id, symbol, timeframe, (ns_of(bar_time) - %s) / 1000000000, ns_of(decided_at), target,"
        " reference_price, ns_of(valid_until), reason from signals order by bar_time, strategy_id, symbol",
        (NOON,),
    )
    return [tuple(row) for row in rows]


async def targets(database: Database) -> list[tuple[int, float]]:
    return [(second, target) for _, _, _, _, _, second, _, target, *_ in await said(database)]


async def states(database: Database) -> list[tuple[Any, ...]]:
    rows = await database.fetch("select strategy_id, symbol, ns_of(bar_time), state from strategy_states order by 1, 2")
    return [tuple(row) for row in rows]


# --- what is said


async def test_a_signal_goes_out_only_when_the_target_changes(database: Database, url: str) -> None:
    async with engine_on(database, url) as scene:
        await scene.closes(*UP, 13.0, 14.0, *DOWN, 15.0, 15.0, 15.0)
    assert await targets(database) == [(2, 1.0), (5, 0.0), (7, 1.0)]


async def test_a_signal_says_what_it_was_decided_on_and_how_long_it_holds(database: Database, url: str) -> None:
    async with engine_on(database, url) as scene:
        await scene.closes(*UP)
    ((_, account, strategy, symbol, timeframe, second, decided_at, target, price, valid_until, reason),) = await said(database)
    assert (account, strategy, symbol, timeframe, second, target, price) == ("paper", "fast", "ALFA", "1s", 2, 1.0, 12.0)
    assert decided_at == NOON + 3 * SECOND + GRACE
    assert valid_until == NOON + 3 * SECOND + 5 * SECOND
    assert reason == "sma_cross: target none -> 1"


async def test_a_strategy_that_fails_is_stopped_and_on_record_while_the_others_go_on(database: Database, url: str) -> None:
    def fails(*_: Any) -> tuple[Any, float]:
        raise ZeroDivisionError("by nothing")

    async with engine_on(database, url, FAST, msgspec.structs.replace(FAST, id="bad")) as scene:
        bad = next(fold for fold in scene.engine.folds if fold.strategy_id == "bad")
        bad.strategy = replace(bad.strategy, step=fails)
        await scene.closes(*UP, *DOWN)
        why = await strategies.failed(database)
    assert list(why) == ["bad"]
    assert "failed on the bar of ALFA that starts at 2025-01-06T12:00:00Z: ZeroDivisionError: by nothing" in why["bad"]
    assert {strategy for _, _, strategy, *_ in await said(database)} == {"fast"}
    async with engine_on(database, url, FAST, msgspec.structs.replace(FAST, id="bad")):
        assert await strategies.failed(database) == {}


async def test_every_signal_has_its_message_and_its_bell(database: Database, url: str) -> None:
    bells: list[str] = []
    async with engine_on(database, url) as scene:
        listening = asyncio.create_task(scene.market.bus.listen(["signals.*"], lambda channel, _: bells.append(channel), lambda: None))
        await joined(listening)
        await scene.closes(*UP, *DOWN)
        listening.cancel()
    rows = await database.fetch("select j.no, s.target from journal j join signals s on s.signal_id = j.key order by j.no")
    assert rows == [(1, 1.0), (2, 0.0)]
    assert bells == ["signals.fast"] * 2


async def test_a_signal_and_the_state_it_came_from_are_one_transaction(database: Database, url: str) -> None:
    dies = Mortal(url, 2, Crash, committed=True)  # its first write registers the strategies
    async with engine_on(database, url, dies=dies) as scene:
        for n, price in enumerate(UP):
            await scene.market.close(a_bar(NOON + n * SECOND, price))
        with pytest.raises(Crash):
            await scene.turn()
    rows = await database.fetch(
        "select s.xmin::text = t.xmin::text and s.xmin::text = j.xmin::text, t.bar_time = s.bar_time, t.state = s.state from signals s"
        " join strategy_states t using (strategy_id, symbol) join journal j on j.key = s.signal_id"
    )
    assert rows == [(True, True, True)]


# --- going on


@pytest.fixture(scope="module")
def walk() -> list[float]:
    """Prices that cross often."""
    return [10.0, 11.0, 12.0, 9.0, 8.0, 13.0, 7.0, 7.5, 12.5, 12.5, 12.5, 6.0, 14.0, 3.0, 15.0]


async def uninterrupted(database: Database, url: str, prices: Sequence[float]) -> tuple[list[Any], list[Any]]:
    await clear(database)
    await begin(database)
    async with engine_on(database, url) as scene:
        await scene.closes(*prices)
    return await said(database), await states(database)


@SHARED
@given(stop=st.integers(1, 14), at=st.integers(2, 20), committed=st.booleans())
async def test_a_restart_anywhere_gives_the_signals_of_no_restart(
    database: Database, url: str, walk: list[float], stop: int, at: int, committed: bool
) -> None:
    expected = await uninterrupted(database, url, walk)
    await clear(database)
    await begin(database)
    async with engine_on(database, url, dies=Mortal(url, at, Crash, committed=committed)) as scene:
        alive = True
        for n, price in enumerate(walk[:stop]):  # the market goes on without an engine
            await scene.market.close(a_bar(NOON + n * SECOND, price))
            try:
                if alive:
                    await scene.turn()
            except Crash:
                alive = False
    async with engine_on(database, url) as scene:
        await scene.closes(*walk[stop:], first=stop)
    assert (await said(database), await states(database)) == expected


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
async def test_an_answer_that_was_lost_neither_loses_nor_doubles_a_signal(
    database: Database, url: str, walk: list[float], committed: bool
) -> None:
    expected = await uninterrupted(database, url, walk)
    await clear(database)
    await begin(database)
    lost = Mortal(url, 4, lambda: Unreachable("the answer was lost"), committed=committed)
    async with engine_on(database, url, dies=lost) as scene:
        await scene.closes(*walk)
    assert (await said(database), await states(database)) == expected


async def test_what_a_rival_has_said_already_is_not_said_again(database: Database, url: str, walk: list[float]) -> None:
    expected = await uninterrupted(database, url, walk)
    await clear(database)
    await begin(database)
    async with engine_on(database, url) as scene, engine_on(database, url) as rival:
        for n, price in enumerate(walk):
            bar = a_bar(NOON + n * SECOND, price)
            await scene.market.close(bar)
            await rival.market.close(bar)
            first, second = (scene, rival) if n % 2 else (rival, scene)
            await first.turn()
            await second.turn()
    assert (await said(database), await states(database)) == expected


# --- switches


async def switch(scene: Scene, sql: str) -> None:
    await scene.database.fetch(sql)
    await scene.look()


@pytest.mark.parametrize(
    ("off", "on"),
    [
        ("update strategies set enabled = false", "update strategies set enabled = true"),
        ("update sessions set paused = true", "update sessions set paused = false"),
    ],
    ids=["disabled", "paused"],
)
async def test_switched_off_it_says_nothing_goes_on_folding_and_speaks_again(database: Database, url: str, off: str, on: str) -> None:
    prices = [*UP, *DOWN, 13.0, 14.0, 2.0]
    _, folded = await uninterrupted(database, url, prices)
    await clear(database)
    await begin(database)
    async with engine_on(database, url) as scene:
        await scene.closes(*UP)
        await switch(scene, off)
        await scene.closes(*DOWN, 13.0, first=3)
        assert await targets(database) == [(2, 1.0)]
        await switch(scene, on)
        await scene.closes(14.0, 2.0, first=6)
    assert await targets(database) == [(2, 1.0), (7, 0.0)]
    assert await states(database) == folded


async def test_one_that_was_switched_off_at_run_time_stays_off_after_a_restart(database: Database, url: str) -> None:
    async with engine_on(database, url) as scene:
        await switch(scene, "update strategies set enabled = false")
    async with engine_on(database, url) as scene:
        await scene.closes(*UP)
    assert await targets(database) == []


# --- configuration


async def test_changed_parameters_start_afresh_and_speak_of_what_comes(database: Database, url: str) -> None:
    async with engine_on(database, url) as scene:
        await scene.closes(*UP, *DOWN)
    assert await targets(database) == [(2, 1.0), (3, 0.0)]
    quicker = msgspec.structs.replace(FAST, params={"fast": 1, "slow": 2})
    async with engine_on(database, url, quicker) as scene:
        assert await targets(database) == [(2, 1.0), (3, 0.0)]
        await scene.closes(7.0, 8.0, first=5)
    assert await targets(database) == [(2, 1.0), (3, 0.0), (5, 0.0), (6, 1.0)]


async def test_a_symbol_that_becomes_part_of_a_panel_and_back_is_not_spoken_of_again(database: Database, url: str) -> None:
    panel = msgspec.structs.replace(
        FAST, class_name="momentum_panel", symbols=["*"], params={"lookback": 1, "skip": 0, "every": 1, "top": 1}
    )
    async with engine_on(database, url) as scene:
        await scene.closes(*UP, *DOWN)
    before = await targets(database)
    async with engine_on(database, url, panel) as scene:
        assert await targets(database) == before
        await scene.closes(7.0, 8.0, first=5)
    between = await targets(database)
    async with engine_on(database, url):
        assert await targets(database) == between != before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"class_name": "sma_croß"}, "no strategy class 'sma_croß'; there are: breakout, "),
        ({"params": {"quick": 3}}, "sma_cross has no parameter 'quick'; it has: fast, slow"),
        ({"params": {"fast": 9, "slow": 3}}, "expected 1 <= fast < slow"),
        ({"account": "papre"}, "strategy fast: no account 'papre'; there are: paper"),
    ],
    ids=["class", "parameter", "value", "account"],
)
async def test_what_cannot_be_built_is_refused_by_name(database: Database, url: str, changed: dict[str, Any], message: str) -> None:
    config = msgspec.structs.replace(FAST, **changed)
    with pytest.raises(ConfigError, match="strategies.toml") as refused:
        async with engine_on(database, url, config):
            pass
    assert message in str(refused.value)


async def test_a_star_is_every_symbol_and_auto_the_finest_bar(database: Database, url: str) -> None:
    everything = StrategyConfig(id="all", class_name="sma_cross", symbols=["*"], account="paper", allocation=0.5)
    async with engine_on(database, url, everything) as scene:
        assert [(fold.symbol, fold.timeframe) for fold in scene.engine.folds] == [("ALFA", "1s"), ("BTC/USD", "1s")]


# --- lockstep


async def test_a_step_is_acknowledged_with_its_signals_and_again_when_it_is_said_again(database: Database, url: str) -> None:
    await clear(database)
    await begin(database, LOCKSTEP)
    async with engine_on(database, url) as scene:
        for n, price in enumerate(UP, 1):
            for _ in range(2):
                await scene.market.step(n, NOON + n * SECOND + GRACE, "decide", a_bar(NOON + (n - 1) * SECOND, price, seq=n))
                await scene.turn()
    assert await targets(database) == [(2, 1.0)]
    rows = await database.fetch("select consumer, phase, step, c.xmin::text = s.xmin::text from clock_acks c, signals s")
    assert rows == [("strategy_engine", "decide", 3, False)]  # the second saying wrote it anew
