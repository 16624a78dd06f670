"""The record in memory answers and refuses as Postgres does: a real one is asked all that whole simulations asked."""

from collections.abc import AsyncIterator, Sequence

import pytest

from libs.common.database import Database, Rejected, Write
from tests.chaos.simulation.replaying import Asked, asked, comparable, hangs_on_the_clock
from tests.chaos.simulation.run import quiet
from tests.chaos.simulation.world import ACCOUNT_ROW, SESSION
from tests.scenes import clear


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    made = Database(url, "test")
    await clear(made)
    yield made
    await made.close()


async def prepared(database: Database) -> None:
    """What other services have written before."""
    await database.write(
        [
            Write(
                "insert into sessions (session_id, feed, seed, mode, speed, venue, timeframes, grace_ns, start_time, fills, market_time,"
                " horizon, step, state) values (%s, 'scripted', 1, 'free', 1.0, 'TEST', '{1m}', 0, 0, '{}'::jsonb, 0, 0, 0, 'running')",
                (SESSION.session_id,),
            ),
            Write(
                "insert into accounts (account_id, session_id, name, venue, base_currency, kind, allow_short, deposit, day_starts_at,"
                " day_tz) values (%s, %s, %s, 'TEST', 'USD', 'cash', true, %s, '00:00', 'UTC')",
                (ACCOUNT_ROW.account_id, SESSION.session_id, ACCOUNT_ROW.name, ACCOUNT_ROW.deposit),
            ),
        ]
    )


async def answer(database: Database, transaction: Asked) -> tuple[object, str]:
    """What the real one makes of it: comparable rows, or the SQLSTATE of its refusal."""
    writes = [Write(sql, params) for sql, params in transaction.statements]
    try:
        rows = await database.write(writes)
    except Rejected as error:
        return [], error.sqlstate or ""
    return [comparable(found) for found in rows], ""


@pytest.mark.parametrize("seed", [1, 13])
async def test_a_real_postgres_says_the_same(database: Database, seed: int) -> None:
    await prepared(database)
    with quiet():
        transactions = asked(seed)
    checked, thrown = 0, list[tuple[str, str, str]]()
    for transaction in transactions:
        if transaction.thrown != thrown:
            thrown = transaction.thrown
            await throw(database, thrown)
        if any(hangs_on_the_clock(sql) for sql, _ in transaction.statements):
            await follow(database, transaction)
            continue
        wanted = [comparable(rows) for rows in transaction.rows], transaction.refused
        assert await answer(database, transaction) == wanted, transaction.statements
        checked += 1
    assert checked > 100


async def throw(database: Database, switches: Sequence[tuple[str, str, str]]) -> None:
    """Exactly these kill switches are on."""
    on = [
        Write("insert into kill_switch (scope, key, active, mode, reason, set_by) values (%s, %s, true, %s, '', '')", switch)
        for switch in switches
    ]
    await database.write([Write("delete from kill_switch", ()), *on])


async def follow(database: Database, transaction: Asked) -> None:
    """What hangs on the clock is not asked; a lease that was taken then is taken now."""
    sql, params = transaction.statements[0]
    if "lease_take" in sql and transaction.rows and transaction.rows[0][0][1] == params[1]:
        await database.write([Write("update leases set released = true where name = %s", (params[0],)), Write(sql, params)])
