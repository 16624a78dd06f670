"""One active, one in reserve, on a real Postgres. Its clock is moved by writing the row; ours by hand."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from libs.common.bus import MemoryBus
from libs.common.database import Database, LeaseLost, StaleCursor, Write
from libs.common.journal import Cursor, Hop, Move, PostgresJournal, owned
from libs.common.leases import Lease
from tests.factories import HandClock
from tests.waiting import until

STREAMS = ("orders.updates", "signals")
NAME = "risk:paper"


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """For one holder; the others have the name `rival`."""
    made = Database(url, "test")
    await made.write([Write("truncate leases, cursors", ())])
    yield made
    await made.close()


@pytest.fixture
async def second(url: str) -> AsyncIterator[Database]:
    made = Database(url, "test")
    yield made
    await made.close()


def lease(database: Database, holder: str, clock: HandClock | None = None) -> Lease:
    return Lease(database, NAME, holder, clock or HandClock())


async def taken(candidate: Lease) -> bool:
    async with asyncio.timeout(10):
        return await candidate.acquire(STREAMS, asyncio.Event())


async def takes_it_now(database: Database, holder: str) -> bool:
    """Whether one question is enough."""
    [found] = await database.fetch(
        "select holder from lease_take(%s, %s, %s, %s, %b::text[])", (NAME, holder, Lease.TTL_S, Lease.SEND_DEADLINE_S, list(STREAMS))
    )
    return bool(found[0] == holder)


async def row(database: Database) -> tuple[str, int, bool]:
    [found] = await database.fetch("select holder, epoch, released from leases where name = %s", (NAME,))
    return found[0], found[1], found[2]


async def epochs(database: Database) -> list[int]:
    rows = await database.fetch("select epoch from cursors where consumer = %s order by stream", (NAME,))
    return [r[0] for r in rows]


async def expired(database: Database, seconds: float) -> None:
    """The lease ran out so long ago, by the database's clock."""
    await database.write([Write("update leases set expires_at = clock_timestamp() - make_interval(secs => %s)", (seconds,))])


async def test_a_free_lease_is_taken_at_once_and_raises_every_cursors_epoch(database: Database) -> None:
    first = lease(database, "one")
    assert not first.held()
    assert await taken(first)
    assert first.held()
    assert await row(database) == ("one", first.epoch, False)
    assert await epochs(database) == [first.epoch, first.epoch]


async def test_a_holder_is_good_for_four_seconds_of_its_own_clock(database: Database) -> None:
    clock = HandClock()
    first = lease(database, "one", clock)
    await taken(first)
    clock.move(3.999)
    assert first.held()
    clock.move(0.001)
    assert not first.held()


async def test_a_rival_waits_for_the_expiry_and_the_send_deadline(database: Database, second: Database) -> None:
    first = lease(database, "one")
    await taken(first)
    assert not await takes_it_now(second, "two")
    await expired(database, Lease.SEND_DEADLINE_S - 0.5)
    assert not await takes_it_now(second, "two")
    assert await row(database) == ("one", first.epoch, False)
    await expired(database, Lease.SEND_DEADLINE_S + 0.001)
    assert await takes_it_now(second, "two")
    assert await row(database) == ("two", first.epoch + 1, False)


async def test_a_waiting_rival_takes_over_as_soon_as_it_may(database: Database, second: Database) -> None:
    first, rival = lease(database, "one"), lease(second, "two")
    await taken(first)
    waiting = asyncio.create_task(taken(rival))
    await expired(database, Lease.SEND_DEADLINE_S - 0.2)
    assert await waiting
    assert rival.epoch == first.epoch + 1


async def test_a_released_lease_is_taken_at_once(database: Database, second: Database) -> None:
    first = lease(database, "one")
    await taken(first)
    await first.release()
    assert not first.held()
    assert await takes_it_now(second, "two")


async def test_releasing_what_a_successor_holds_changes_nothing(database: Database, second: Database) -> None:
    first, rival = lease(database, "one"), lease(second, "two")
    await taken(first)
    await expired(database, 60)
    await taken(rival)
    await first.release()
    assert await row(database) == ("two", rival.epoch, False)


async def test_who_is_asked_to_stop_waits_no_longer(database: Database, second: Database) -> None:
    await taken(lease(database, "one"))
    stopping = asyncio.Event()
    waiting = asyncio.create_task(lease(second, "two").acquire(STREAMS, stopping))
    stopping.set()
    async with asyncio.timeout(10):
        assert not await waiting


async def test_lease_and_cursors_get_their_epoch_in_one_transaction(database: Database) -> None:
    await taken(lease(database, "one"))
    rows = await database.fetch(
        "select count(distinct x) from (select xmin::text from leases where name = %s"
        " union all select xmin::text from cursors where consumer = %s) w(x)",
        (NAME, NAME),
    )
    assert rows == [(1,)]


async def test_a_takeover_keeps_the_place_of_every_cursor(database: Database, second: Database) -> None:
    first = lease(database, "one")
    await taken(first)
    await database.write([Write("update cursors set no = 42 where stream = 'signals'", ())])
    await first.release()
    rival = lease(second, "two")
    await taken(rival)
    cursors = await PostgresJournal(second, MemoryBus(), HandClock()).cursors(NAME, ["signals"])
    assert cursors == {"signals": Cursor(42, rival.epoch)}


async def test_an_old_holders_hop_fails_and_it_learns_that_its_lease_is_gone(database: Database, second: Database) -> None:
    first, rival = lease(database, "one"), lease(second, "two")
    await taken(first)
    await expired(database, 60)
    await taken(rival)
    journal = PostgresJournal(database, MemoryBus(), HandClock())
    with pytest.raises(StaleCursor) as error:
        await journal.commit(Hop(moves=[Move(NAME, "signals", 0, 1, first.epoch)]))
    assert error.value.sqlstate == "TW001"
    with pytest.raises(LeaseLost):
        owned(await journal.cursors(NAME, ["signals"]), first.epoch, NAME)
    await journal.commit(Hop(moves=[Move(NAME, "signals", 0, 1, rival.epoch)]))


async def test_a_guarded_write_needs_the_lease_of_its_epoch(database: Database) -> None:
    first = lease(database, "one")
    await taken(first)
    await database.write([Write("select lease_guard(%s, %s)", (NAME, first.epoch))])
    with pytest.raises(LeaseLost) as error:
        await database.write([Write("select lease_guard(%s, %s)", (NAME, first.epoch - 1))])
    assert error.value.sqlstate == "TW002"
    await first.release()
    with pytest.raises(LeaseLost):
        await database.write([Write("select lease_guard(%s, %s)", (NAME, first.epoch))])


async def test_a_takeover_waits_for_a_guarded_write_in_progress(database: Database, second: Database, url: str) -> None:
    first, rival = lease(database, "one"), lease(second, "two")
    await taken(first)
    await expired(database, 60)
    connection = await database.connection()
    async with connection.transaction():
        await connection.execute("select lease_guard(%s, %s)", (NAME, first.epoch))
        waiting = asyncio.create_task(taken(rival))
        with psycopg.connect(url, autocommit=True) as watcher:
            blocked = "select exists (select from pg_locks where not granted)"
            await until(lambda: watcher.execute(blocked).fetchone() == (True,))
        assert not waiting.done()
    assert await waiting


async def test_renewing_keeps_the_lease_on_both_clocks(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lease, "RENEW_S", 0.01)
    clock, lost = HandClock(), asyncio.Queue[str]()
    first = lease(database, "one", clock)
    await taken(first)
    await expired(database, 1)
    keeping = asyncio.create_task(first.keep(lost.put_nowait))
    clock.move(3.9)
    await until(lambda: first.valid_until >= clock.monotonic() + Lease.TTL_S)
    keeping.cancel()
    assert lost.empty()
    assert await database.fetch("select expires_at > clock_timestamp() + interval '3 seconds' from leases") == [(True,)]


async def test_a_holder_that_finds_a_successor_says_so_once_and_stops_acting(
    database: Database, second: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lease, "RENEW_S", 0.01)
    first, rival = lease(database, "one"), lease(second, "two")
    await taken(first)
    await expired(database, 60)
    await taken(rival)
    lost = asyncio.Queue[str]()
    async with asyncio.timeout(10):
        await first.keep(lost.put_nowait)
    assert "no longer held by one" in lost.get_nowait()
    assert lost.empty()
    assert not first.held()


async def test_a_database_that_is_away_makes_a_holder_run_out_and_not_live_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lease, "RENEW_S", 0.01)
    clock = HandClock()
    away = lease(Database("postgresql://nobody@127.0.0.1:1/none", "test"), "one", clock)
    away.epoch, away.valid_until = 1, clock.monotonic() + Lease.TTL_S
    keeping = asyncio.create_task(away.keep(lambda reason: None))
    await asyncio.sleep(0.1)
    assert away.held()
    clock.move(Lease.TTL_S)
    assert not away.held()
    keeping.cancel()


async def test_a_lease_that_ran_out_and_that_nobody_took_is_renewed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lease, "RENEW_S", 0.01)
    clock = HandClock()
    first = lease(database, "one", clock)
    await taken(first)
    clock.move(60)
    await expired(database, 56)
    assert not first.held()
    keeping = asyncio.create_task(first.keep(lambda reason: None))
    await until(first.held)
    keeping.cancel()


async def test_the_same_holder_takes_its_own_lease_again_under_a_new_epoch(database: Database) -> None:
    first = lease(database, "one")
    await taken(first)
    epoch = first.epoch
    assert await taken(first)
    assert first.epoch == epoch + 1
