"""The monitor while Postgres is away or hangs, and over its own restarts: each takes some seconds of real time."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from libs.common.database import Database, Write
from libs.store import sessions
from tests.chaos.proxy import a_proxy, through
from tests.factories import NOON, SECOND
from tests.gotify import Gotify, a_gotify
from tests.monitors import Rig, delivered, ready_services, written
from tests.records import a_record
from tests.scenes import SESSION, begin
from tests.waiting import until


@pytest.fixture
def url(database_url: str) -> Iterator[str]:
    with a_record(database_url) as found:
        yield found


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, "test")
    yield database
    await database.close()


@pytest.fixture
async def gotify() -> AsyncIterator[Gotify]:
    async with a_gotify() as server:
        yield server


@pytest.fixture
async def rig(url: str, redis_url: str, gotify: Gotify, tmp_path: Path) -> AsyncIterator[Rig]:
    async with ready_services() as offset:
        yield Rig(url, redis_url, gotify, offset, tmp_path)


async def test_without_postgres_it_still_tells_and_the_rows_follow(rig: Rig, gotify: Gotify, url: str, database: Database) -> None:
    async with a_proxy(url) as line, rig.monitor(database_url=through(url, line.port)) as monitor:
        await line.cut()
        assert await gotify.until(1, within_s=10) == ["Postgres does not answer"]
        assert await delivered(database) == []
        assert monitor.board.status().servers["postgres"].state == "away"
        await line.mend()
        assert await gotify.until(2) == ["Postgres does not answer", "Postgres answers again"]
        await written(database, [("Postgres does not answer", "sent"), ("Postgres answers again", "sent")])
    assert len(gotify.messages) == 2


async def test_a_postgres_that_hangs_is_told_too(rig: Rig, gotify: Gotify, url: str, database: Database) -> None:
    async with a_proxy(url) as line, rig.monitor(database_url=through(url, line.port)):
        line.turn(blackhole=True)
        assert await gotify.until(1, within_s=10) == ["Postgres does not answer"]
        await line.mend()
        await gotify.until(2)


async def test_a_fault_that_was_told_is_not_told_again_by_the_next_monitor(rig: Rig, gotify: Gotify, database: Database) -> None:
    kill = Write("insert into kill_switch (scope, key, active, reason, set_by) values ('fleet', '', true, 'why', 'me')", ())
    await database.write([kill])
    async with rig.monitor():
        await gotify.until(1)
    async with rig.monitor() as second:
        await until(lambda: len(second.watch.faults.firing) == 1)
        await database.write([Write("update kill_switch set active = false", ())])
        await gotify.until(2)
    assert gotify.titles == ["Kill switch on: fleet", "Kill switch off: fleet"]


async def test_a_market_that_stands_still_is_told_within_ten_seconds_and_so_is_that_it_moves_again(
    rig: Rig, gotify: Gotify, database: Database
) -> None:
    """The collector answers all the while: only the record's clock says it."""
    await begin(database)
    async with rig.monitor():
        await until(lambda: "The market stands still" in gotify.titles)  # ten seconds at most
        told = next(message for message in gotify.messages if message["title"] == "The market stands still")
        assert "nothing new is ordered" in told["message"]
        assert told["priority"] == 8
        await database.write([sessions.advanced(SESSION.session_id, NOON + SECOND, NOON + SECOND, 0)])
        await until(lambda: "The market moves again" in gotify.titles)
