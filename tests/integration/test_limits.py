"""Limits on record: what a change does, by whose clock, and that nothing of it is ever lost. Real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest

from libs.common.bus import MemoryBus
from libs.common.database import Database, Rejected
from libs.common.journal import PostgresJournal
from libs.domain.configuration import UNITS, LimitScope, LimitUnit
from libs.domain.limits import Change, LimitRow, first, must_be_sound, withdrawal
from libs.store import limits
from libs.store.control import Control
from libs.store.limits import LimitsInForce
from tests.factories import HandClock, a_limit
from tests.scenes import begin, clear

COOL_OFF = 300.0
COLLAR = Change("order", "*", "price_collar", "fraction", None)
DAILY = Change("account", "*", "max_daily_loss", "fraction", None)
FILE = [a_limit("price_collar", 0.02, scope="order", unit="fraction"), a_limit("max_daily_loss", 0.03, unit="fraction")]


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, "test")
    await clear(database)
    await begin(database)
    await limits.begin(database, FILE, "test")
    yield database
    await database.close()


@pytest.fixture
def control(database: Database) -> Control:
    return Control(database, PostgresJournal(database, MemoryBus(), HandClock()), HandClock())


async def ask(control: Control, *changes: Change, cool_off: float = COOL_OFF) -> list[LimitRow]:
    return await control.limit(changes, "because", "ann", cool_off)


async def daily(database: Database) -> float | None:
    row = (await limits.now(database)).holds(DAILY.identity)
    return None if row is None else row.value


async def test_a_new_record_begins_with_the_file_and_keeps_its_own_limits_from_then_on(database: Database) -> None:
    assert not await limits.begin(database, [a_limit("max_daily_loss", 0.5, unit="fraction")], "test")
    assert (await daily(database), (await limits.now(database)).newest) == (0.03, 2)


async def test_a_tighter_limit_holds_at_once(database: Database, control: Control) -> None:
    (row,) = await ask(control, DAILY._replace(value=0.02))
    assert (row.version, row.effective_at, row.by, row.reason) == (3, row.at, "ann", "because")
    assert await daily(database) == 0.02


async def test_a_looser_limit_waits_and_then_holds(database: Database, control: Control) -> None:
    (row,) = await ask(control, DAILY._replace(value=0.05))
    assert (row.effective_at - row.at, row.held, await daily(database)) == (int(COOL_OFF * 1e9), 2, 0.03)
    await ask(control, DAILY._replace(value=0.06), cool_off=0.0)
    assert await daily(database) == 0.06


async def test_taking_a_limit_away_waits_too(database: Database, control: Control) -> None:
    await ask(control, DAILY)
    assert (await daily(database), [row.value for row in (await limits.now(database)).pending]) == (0.03, [None])


async def test_a_limit_that_was_tightened_meanwhile_is_not_loosened_by_what_waited(database: Database, control: Control) -> None:
    await ask(control, DAILY._replace(value=0.05))
    await ask(control, DAILY._replace(value=0.01))
    found = await limits.now(database)
    assert (await daily(database), found.pending) == (0.01, ())


async def test_a_second_loosening_waits_anew_and_the_first_never_holds(database: Database, control: Control) -> None:
    await ask(control, DAILY._replace(value=0.05))
    (second,) = await ask(control, DAILY._replace(value=0.04))
    found = await limits.now(database)
    assert (second.held, await daily(database), [row.version for row in found.pending]) == (2, 0.03, [second.version])


async def test_a_looser_limit_is_withdrawn_by_what_held(database: Database, control: Control) -> None:
    await ask(control, DAILY._replace(value=0.05))
    await ask(control, DAILY._replace(value=0.03))
    found = await limits.now(database)
    assert (await daily(database), found.pending, found.version) == (0.03, (), 4)


async def test_of_two_operators_at_once_the_second_is_measured_by_what_the_first_did(url: str, database: Database) -> None:
    others = [Database(url, f"operator {n}") for n in range(2)]
    both = [Control(other, PostgresJournal(other, MemoryBus(), HandClock()), HandClock()) for other in others]
    rows = await asyncio.gather(*(ask(control, DAILY._replace(value=value)) for control, value in zip(both, (0.01, 0.02), strict=True)))
    earlier, later = sorted((row for asked in rows for row in asked), key=lambda row: row.version)
    assert (later.held, later.effective_at > later.at) == (earlier.version, later.value == 0.02)
    assert await daily(database) == 0.01
    for other in others:
        await other.close()


async def test_changes_of_one_command_are_all_made_or_none(database: Database, control: Control) -> None:
    with pytest.raises(ValueError, match="max_daily_loss of account is 0.03 fraction already"):
        await ask(control, COLLAR._replace(value=0.01), DAILY._replace(value=0.03))
    assert (await limits.now(database)).newest == 2


async def test_of_allowed_symbols_the_first_holds_at_once_and_each_further_one_waits(database: Database, control: Control) -> None:
    alfa, coin = (Change("symbol", symbol, "allowed", "count", 1.0) for symbol in ("ALFA", "BTC/USD"))
    for change in (alfa, coin):
        await ask(control, change)
    assert [row.effective_at > row.at for row in await limits.history(database)][2:] == [False, True]
    (gone,) = await ask(control, withdrawal(4, await limits.now(database)))
    assert (gone.effective_at, (await limits.now(database)).pending) == (gone.at, ())
    await ask(control, coin, cool_off=0.0)
    (first,) = await ask(control, alfa._replace(value=None))
    (last,) = await ask(control, coin._replace(value=None))
    assert (first.effective_at > first.at, last.effective_at > last.at) == (False, True)


ALFA, COIN = (Change("symbol", symbol, "allowed", "count", 1.0) for symbol in ("ALFA", "BTC/USD"))


async def allowed(database: Database) -> list[str]:
    return [row.key for row in (await limits.now(database)).holding if row.name == "allowed"]


async def moments(control: Control, *changes: Change) -> list[bool]:
    """Of one command: which of its changes wait."""
    before = (await limits.now(control._database)).newest
    await ask(control, *changes)
    return [row.effective_at > row.at for row in await limits.history(control._database) if row.version > before]


async def test_a_list_that_one_command_begins_holds_whole_and_at_once(database: Database, control: Control) -> None:
    assert await moments(control, ALFA, COIN) == [False, False]
    assert await allowed(database) == ["ALFA", "BTC/USD"]


@pytest.mark.parametrize("changes", [(ALFA, COIN), (COIN, ALFA)])
async def test_one_command_that_takes_every_symbol_off_the_list_lets_everything_in_only_after_the_cool_off(
    database: Database, control: Control, changes: tuple[Change, ...]
) -> None:
    await ask(control, ALFA, COIN)
    assert await moments(control, *(change._replace(value=None) for change in changes)) == [False, True]
    assert await allowed(database) == [changes[1].key]


@pytest.mark.parametrize("adds_first", [True, False])
async def test_a_list_that_is_exchanged_for_another_is_never_empty_between(database: Database, control: Control, adds_first: bool) -> None:
    await ask(control, ALFA)
    changes = [COIN, ALFA._replace(value=None)]
    assert await moments(control, *(changes if adds_first else reversed(changes))) == [True, True]
    pending = (await limits.now(database)).pending
    assert (len({row.effective_at for row in pending}), await allowed(database)) == (1, ["ALFA"])


async def test_a_person_is_told_of_a_list_as_the_record_takes_it(database: Database, control: Control) -> None:
    await ask(control, ALFA, COIN)
    await ask(control, ALFA._replace(value=None), COIN._replace(value=None))
    told = [body for (body,) in await database.fetch("select body from notifications order by created_at, id")]
    assert told == [
        "- allowed of symbol:ALFA: none -> 1 count, now\n- allowed of symbol:BTC/USD: none -> 1 count, now\n\nbecause",
        "- allowed of symbol:ALFA: 1 count -> none, now\n\nbecause",  # what waits is told for as long as it does
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (DAILY._replace(value=float("nan")), "got nan"),
        (DAILY._replace(value=float("inf")), "got inf"),
        (DAILY._replace(value=-0.01), "got -0.01"),
        (DAILY._replace(value=1.01), "at most 1"),
        (DAILY._replace(value=0.01, unit="equity"), "Expected unit fraction of max_daily_loss"),
        (COLLAR._replace(value=0.01, unit="currency"), "Expected unit fraction of price_collar"),
        (COLLAR._replace(value=0.01, key="IBM"), "with scope order"),
    ],
)
async def test_what_can_be_no_limit_is_refused_with_the_reason(control: Control, change: Change, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        await ask(control, change)


async def test_a_limit_for_what_is_not_there_and_one_without_a_reason_are_refused(control: Control) -> None:
    with pytest.raises(LookupError, match="no account is configured as 'papper'; there are: paper"):
        await ask(control, DAILY._replace(key="papper", value=0.01))
    with pytest.raises(LookupError, match="there is no max_drawdown of account to take away"):
        await ask(control, DAILY._replace(name="max_drawdown"))
    with pytest.raises(ValueError, match="say with --reason why"):
        await control.limit([DAILY._replace(value=0.01)], " ", "ann", COOL_OFF)


async def test_the_record_refuses_what_the_code_refuses(database: Database) -> None:
    cases: list[tuple[Any, ...]] = [
        (scope, key, name, unit, value)
        for scope in get_args(LimitScope)
        for key in ("*", "paper", "")
        for name in UNITS
        for unit in get_args(LimitUnit)
        for value in (0.0, 0.5, 1.0, 2.0, 1e15, -1.0, 2e15, float("nan"), float("inf"))
    ]
    columns = [list(column) for column in zip(*cases, strict=True)]
    rows = await database.fetch(
        "select limit_fault(s, k, n, u, v) is null from unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::float8[])"
        " with ordinality w(s, k, n, u, v, i) order by i",
        columns,
    )
    differ = [case for case, (sound,) in zip(cases, rows, strict=True) if sound != is_sound(Change(*case))]
    assert differ == []


def is_sound(change: Change) -> bool:
    try:
        must_be_sound(change)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("statement", ["update risk_limits set value = 1", "delete from risk_limits", "truncate risk_limits"])
async def test_what_was_written_is_never_changed(database: Database, statement: Any) -> None:
    with pytest.raises(Rejected, match="never changed or deleted"):
        await database.fetch(statement)


@pytest.mark.parametrize(
    "values",
    ["'max_daily_loss', 'NaN', 'fraction', 'ann'", "'max_daily_loss', -1, 'fraction', 'ann'", "'max_daily_loss', 0.5, 'fraction', ''"],
)
async def test_not_even_by_hand_is_an_unsound_limit_written(database: Database, values: str) -> None:
    statement: Any = (
        f"insert into risk_limits (version, scope, key, name, value, unit, by, reason) values (9, 'account', '*', {values}, 'x')"
    )
    with pytest.raises(Rejected, match="ck_risk_limits"):
        await database.fetch(statement)


async def test_every_change_is_audited_with_its_command(database: Database, control: Control) -> None:
    await ask(control, DAILY._replace(value=0.02))
    rows = await database.fetch(
        'select c.command, c.scope, c.reason, c."by", l.version from commands c join risk_limits l on l.command_id = c.id'
    )
    assert rows == [("limits", "account", "because", "ann", 3)]
    assert [row.version for row in await limits.history(database)] == [1, 2, 3]


async def test_who_follows_them_hears_of_new_ones_and_of_cool_offs_that_are_over(database: Database, control: Control) -> None:
    host = HandClock()
    kept = LimitsInForce(database, host)
    assert await kept.follow(2)
    assert not await kept.follow(2)
    (row,) = await ask(control, DAILY._replace(value=0.05), cool_off=0.05)
    assert (await kept.follow(row.version), kept.standing.stamp) == (False, "version 2, 3 waits")
    async with asyncio.timeout(5):
        while not await kept.follow(row.version):
            host.move(0.05)
    assert kept.standing.stamp == "version 3"
    assert [limit.value for limit in kept.limits if limit.name == "max_daily_loss"] == [0.05]


async def test_a_record_without_limits_is_followed_too(database: Database) -> None:
    await clear(database)
    kept = LimitsInForce(database, HandClock())
    assert (await kept.follow(0), kept.standing.holding) == (True, ())


def test_a_file_that_names_a_limit_twice_means_the_tighter() -> None:
    twice = [a_limit("max_daily_loss", value, unit="fraction") for value in (0.05, 0.02)]
    assert list(first(twice).values()) == [0.02]
