from collections.abc import AsyncIterator, Sequence

import pytest

from libs.common.bus import MemoryBus
from libs.common.clocks import SystemClock
from libs.common.database import Database, Write
from libs.common.journal import PostgresJournal
from libs.common.wire import Row
from libs.domain.kill import FileKill, Mode
from libs.store import control, halts
from libs.store.control import Control


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A record with one running session and one strategy."""
    database = Database(url, "test")
    await database.write(
        [
            Write("truncate sessions, strategies, kill_switch, commands, notifications, journal cascade", ()),
            Write(
                "insert into sessions (session_id, feed, seed, mode, speed, venue, timeframes, grace_ns, start_time, fills, market_time,"
                " horizon, step, state) values ('s', 'synthetic', 1, 'free', 10, 'SYNTH-1', '{1s}', 0, 0, '{}', 0, 0, 0, 'running')",
                (),
            ),
            Write(
                "insert into strategies (strategy_id, class_name, symbols, timeframe, account, allocation, params, enabled,"
                " configured_enabled) values ('fast', 'sma_cross', '{*}', 'auto', 'main', 0.5, '{}', true, true)",
                (),
            ),
        ]
    )
    yield database
    await database.close()


@pytest.fixture
def bells() -> list[str]:
    return []


@pytest.fixture
def operator(database: Database, bells: list[str]) -> Control:
    class Bus(MemoryBus):
        async def publish(self, messages: Sequence[tuple[str, bytes]]) -> bool:
            bells.extend(channel for channel, _ in messages)
            return True

    return Control(database, PostgresJournal(database, Bus(), SystemClock()), SystemClock(), cool_off_s=0.0)


async def commands(database: Database) -> list[Row]:
    return await database.fetch('select command, scope, reason, "by" from commands order by at')


async def test_a_kill_is_recorded_and_heard_by_those_who_obey(operator: Control, database: Database, bells: list[str]) -> None:
    await operator.kill("fleet", "", "halt", "too hot", "ann")
    assert [(k.scope, k.key, k.reason, k.by) for k in await control.killed(database)] == [("fleet", "", "too hot", "ann")]
    assert await commands(database) == [("kill", "fleet", "too hot", "ann")]
    assert bells == ["control.risk_manager", "control.trade_executor"]
    assert await database.fetch("select count(*) from journal where stream = 'commands'") == [(2,)]


async def test_a_rearm_undoes_the_kill_of_its_own_scope_only(operator: Control, database: Database) -> None:
    await operator.kill("fleet", "", "halt", "x", "ann")
    await operator.kill("strategy", "fast", "halt", "y", "ann")
    await operator.rearm("fleet", "", "calm", "bob")
    assert [(k.scope, k.key) for k in await control.killed(database)] == [("strategy", "fast")]


async def test_a_kill_of_something_unknown_is_refused_and_names_what_there_is(operator: Control, database: Database) -> None:
    with pytest.raises(LookupError, match="no strategy is called 'fats'; there are: fast"):
        await operator.kill("strategy", "fats", "halt", "x", "ann")
    assert await commands(database) == []


async def test_a_rearm_of_what_is_not_killed_is_refused(operator: Control) -> None:
    await operator.kill("strategy", "fast", "halt", "x", "ann")
    with pytest.raises(LookupError, match="nothing is stopped in fleet; what is stopped: strategy:fast"):
        await operator.rearm("fleet", "", "calm", "ann")


async def test_a_kill_switch_cools_off_by_the_records_clock_before_it_is_lifted(database: Database, operator: Control) -> None:
    await operator.kill("fleet", "", "halt", "x", "ann")
    slow = Control(database, PostgresJournal(database, MemoryBus(), SystemClock()), SystemClock(), cool_off_s=60.0)
    with pytest.raises(control.CoolingOff, match="can be re-armed in (60|59) s"):
        await slow.rearm("fleet", "", "calm", "ann")
    await database.fetch("update kill_switch set set_at = set_at - interval '61 seconds'")
    assert (await slow.rearm("fleet", "", "calm", "ann")).killed


async def test_re_arming_needs_a_reason(operator: Control) -> None:
    await operator.kill("fleet", "", "halt", "x", "ann")
    with pytest.raises(ValueError, match="fleet is stopped by a kill switch: say with --reason why it may go on"):
        await operator.rearm("fleet", "", " ", "ann")


async def test_a_weaker_kill_takes_no_stricter_ones_place(operator: Control, database: Database) -> None:
    await operator.kill("fleet", "", "halt", "x", "ann")
    with pytest.raises(ValueError, match="reduce-only would be weaker"):
        await operator.kill("fleet", "", "reduce_only", "y", "ann")
    await operator.kill("fleet", "", "flatten", "close it", "ann")
    assert [k.mode for k in await control.killed(database)] == ["flatten"]


async def test_a_strategy_is_switched_off_and_on(operator: Control, database: Database, bells: list[str]) -> None:
    await operator.enable_strategy("fast", False, "ann")
    assert [s.enabled for s in await control.strategies(database)] == [False]
    await operator.enable_strategy("fast", True, "ann")
    assert [s.enabled for s in await control.strategies(database)] == [True]
    assert await commands(database) == [("reload", "strategy:fast", "disabled", "ann"), ("reload", "strategy:fast", "enabled", "ann")]
    assert set(bells) == {"control.strategy_engine"}


async def test_the_running_session_is_paused_and_resumed(operator: Control, database: Database) -> None:
    await operator.set_paused(True, "ann")
    assert await database.fetch("select paused from sessions") == [(True,)]
    last = await control.last_pause(database)
    assert last is not None
    assert last[1] == "ann"
    await operator.set_paused(False, "ann")
    assert await database.fetch("select paused from sessions") == [(False,)]


async def test_without_a_session_there_is_nothing_to_pause(operator: Control, database: Database) -> None:
    await database.write([Write("update sessions set state = 'finished'", ())])
    with pytest.raises(LookupError, match="no session is running"):
        await operator.set_paused(True, "ann")


# --- halts


async def a_halt(database: Database, account_id: str = "main-2", limit: str = "max_drawdown") -> None:
    """In force on the account `main` of the session that runs; an earlier session had an account of that name too."""
    await database.fetch(
        "insert into sessions (session_id, feed, seed, mode, speed, venue, timeframes, grace_ns, start_time, fills, market_time, horizon,"
        " step, state, played_at) values ('old', 'synthetic', 1, 'free', 10, 'SYNTH-1', '{1s}', 0, 0, '{}', 0, 0, 0, 'finished',"
        " 'epoch') on conflict do nothing"
    )
    for session, account in (("old", "main"), ("s", "main-2")):
        await database.fetch(
            "insert into accounts (account_id, session_id, name, venue, base_currency, kind, allow_short, deposit, day_starts_at, day_tz)"
            " values (%s, %s, 'main', 'paper', 'USD', 'cash', false, 1, '00:00', 'UTC') on conflict do nothing",
            (account, session),
        )
    await database.fetch(
        "insert into risk_halts (account_id, limit_name, halted_at, equity, reference, limit_value, seen)"
        " values (%s, %s, at_ns(7000), 80, 100, 0.1, 0.2)",
        (account_id, limit),
    )


@pytest.mark.parametrize("called", ["main", "main-2"], ids=["by its name", "by its id"])
async def test_a_halted_account_is_re_armed_with_a_reason_and_everybody_hears(
    operator: Control, database: Database, bells: list[str], called: str
) -> None:
    await a_halt(database)
    done = await operator.rearm("account", called, "a bad print", "ann")
    assert (done.killed, [(halt.account_id, halt.limit, halt.seen) for halt in done.halts]) == (False, [("main-2", "max_drawdown", 0.2)])
    assert await halts.in_force(database) == []
    assert await database.fetch("select active, rebased, rearmed_by, reason from risk_halts") == [(False, False, "ann", "a bad print")]
    assert await commands(database) == [("rearm", f"account:{called}", "a bad print", "ann")]
    assert await database.fetch("select state, key from notifications") == [("resolved", "loss_limit:main-2:max_drawdown")]
    assert bells == ["control.risk_manager", "control.trade_executor"]


async def test_a_halt_is_not_lifted_without_a_reason(operator: Control, database: Database) -> None:
    await a_halt(database)
    with pytest.raises(ValueError, match="account:main is halted by max_drawdown: say with --reason why it may go on"):
        await operator.rearm("account", "main", "  ", "ann")
    assert len(await halts.in_force(database)) == 1


async def test_re_arming_an_account_lifts_its_kill_switch_as_well(operator: Control, database: Database) -> None:
    await a_halt(database)
    await operator.kill("account", "main", "halt", "x", "ann")
    assert (await operator.rearm("account", "main", "found", "ann")).killed
    assert (await control.killed(database), await halts.in_force(database)) == ([], [])


async def test_re_arming_the_fleet_lifts_no_halt_and_says_what_is_stopped(operator: Control, database: Database) -> None:
    await a_halt(database)
    with pytest.raises(LookupError, match=r"nothing is stopped in fleet; what is stopped: account:main-2 \(max_drawdown\)"):
        await operator.rearm("fleet", "", "x", "ann")


async def test_the_account_of_an_earlier_session_is_nobodys_business(operator: Control, database: Database) -> None:
    await a_halt(database, "main")
    assert await halts.in_force(database) == []
    with pytest.raises(LookupError, match="what is stopped: nothing"):
        await operator.rearm("account", "main", "x", "ann")


async def test_a_line_of_the_kill_file_never_takes_the_place_of_a_stricter_kill(database: Database, operator: Control) -> None:
    modes: Sequence[Mode] = ("reduce_only", "halt", "reduce_only", "flatten")
    for mode in modes:
        await operator.record(FileKill("fleet", "", mode, "two lines of one scope"))
    assert [killed.mode for killed in await control.killed(database)] == ["halt"]
