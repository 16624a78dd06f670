"""What every journal must do: the one inside a process as well as the one in Postgres. And what only a real one can show."""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.bus import MemoryBus
from libs.common.clocks import SystemClock
from libs.common.consumer import Bell, Consumer
from libs.common.crash_points import CrashPoint
from libs.common.database import Database, Rejected, StaleCursor, Unreachable, Write
from libs.common.envelope import Sealer, numbered, opened
from libs.common.journal import BATCH, MAX_BODY, Cursor, Entry, Hop, Journal, MemoryJournal, Move, Outgoing, PostgresJournal
from tests.factories import HandClock
from tests.records import a_record
from tests.waiting import until

STREAMS = ("orders.approved", "orders.updates", "signals")
SEALER = Sealer("test", HandClock())


def out(text: str, stream: str = "signals", channel: str | None = None) -> Outgoing:
    return Outgoing(stream, channel or stream, None, SEALER.seal(stream, text, ts_event_ns=0))


def of_size(size: int) -> Outgoing:
    small = out("")
    return small._replace(body=small.body[:-2] + b"x" * (size - len(small.body)) + b'"}')


@dataclass
class Rig:
    """A journal, and what its bells said: (channel, numbers of one array)."""

    journal: Journal
    bus: MemoryBus
    consumer: str = field(default_factory=lambda: f"c{uuid4().hex[:8]}")
    rung: list[tuple[str, list[int]]] = field(default_factory=list)

    def hear(self, channel: str, payload: bytes) -> None:
        self.rung.append((channel, [e.seq for e in opened(payload)]))

    async def at(self, *streams: str) -> list[Cursor]:
        found = await self.journal.cursors(self.consumer, streams or ("signals",))
        return [found[name] for name in streams or ("signals",)]

    async def end(self, stream: str = "signals") -> int:
        """The stream's last number."""
        last = 0
        while entries := await self.journal.read(stream, last):
            last = entries[-1].no
        return last

    def move(self, start: int, end: int, epoch: int = 1) -> Move:
        return Move(self.consumer, "signals", start, end, epoch)


@pytest.fixture(scope="module")
def record(database_url: str) -> Iterator[str]:
    with a_record(database_url) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create table effects (what text primary key)")
        yield url


@pytest.fixture
async def database(record: str) -> AsyncIterator[Database]:
    made = Database(record, "test")
    yield made
    await made.close()


def postgres_rig(database: Database) -> Rig:
    bus = MemoryBus()
    return Rig(PostgresJournal(database, bus, SystemClock()), bus)


@pytest.fixture(params=["memory", "postgres"])
async def rig(request: pytest.FixtureRequest, record: str) -> AsyncIterator[Rig]:
    database = Database(record, "test")
    made = postgres_rig(database)
    if request.param == "memory":
        made.journal = MemoryJournal(made.bus, STREAMS)
    listening = asyncio.create_task(made.bus.listen(["*"], made.hear, lambda: None))
    await asyncio.sleep(0)
    yield made
    listening.cancel()
    await database.close()


@pytest.fixture
def pg(database: Database) -> Rig:
    return postgres_rig(database)


async def test_numbers_are_gapless_in_each_stream_and_in_order(rig: Rig) -> None:
    signals, updates = await rig.end(), await rig.end("orders.updates")
    a, b, c, x = out("a"), out("b"), out("c"), out("x", "orders.updates")
    await rig.journal.commit(Hop(out=[a, x, b]))
    await rig.journal.commit(Hop(out=[c]))
    assert await rig.journal.read("signals", signals) == [Entry(signals + n, m.body) for n, m in enumerate((a, b, c), start=1)]
    assert await rig.journal.read("orders.updates", updates) == [Entry(updates + 1, x.body)]


async def test_a_read_begins_after_its_number_and_ends_at_its_limit(rig: Rig) -> None:
    last = await rig.end()
    await rig.journal.commit(Hop(out=[out(str(n)) for n in range(BATCH + 5)]))
    assert [e.no for e in await rig.journal.read("signals", last + 2, limit=3)] == [last + 3, last + 4, last + 5]
    assert len(await rig.journal.read("signals", last)) == BATCH


async def test_a_new_consumer_stands_at_zero_in_each_stream(rig: Rig) -> None:
    assert await rig.at("signals", "orders.updates") == [Cursor(0, 1), Cursor(0, 1)]


async def test_a_cursor_moves_with_its_hop(rig: Rig) -> None:
    await rig.at("signals", "orders.updates")
    await rig.journal.commit(Hop(moves=[rig.move(0, 5), Move(rig.consumer, "orders.updates", 0, 2, 1)]))
    await rig.journal.commit(Hop(moves=[rig.move(5, 6)]))
    assert await rig.at("signals", "orders.updates") == [Cursor(6, 1), Cursor(2, 1)]


@pytest.mark.parametrize(
    ("start", "epoch"),
    [
        pytest.param(0, 1, id="moved meanwhile"),
        pytest.param(7, 1, id="never there"),
        pytest.param(5, 0, id="older epoch"),
        pytest.param(5, 2, id="newer epoch"),
    ],
)
async def test_a_stale_cursor_is_refused_and_nothing_is_written(rig: Rig, start: int, epoch: int) -> None:
    await rig.at("signals", "orders.updates")
    await rig.journal.commit(Hop(moves=[rig.move(0, 5)]))
    last, rung = await rig.end(), len(rig.rung)
    with pytest.raises(StaleCursor):
        await rig.journal.commit(Hop(moves=[Move(rig.consumer, "orders.updates", 0, 3, 1), rig.move(start, 9, epoch)], out=[out("no")]))
    assert await rig.at("signals", "orders.updates") == [Cursor(5, 1), Cursor(0, 1)]
    assert (await rig.end(), len(rig.rung)) == (last, rung)


async def test_a_cursor_never_opened_cannot_be_moved(rig: Rig) -> None:
    with pytest.raises(StaleCursor):
        await rig.journal.commit(Hop(moves=[rig.move(0, 1)]))


async def test_an_unknown_stream_is_refused_and_nothing_is_written(rig: Rig) -> None:
    await rig.at()
    last, rung = await rig.end(), len(rig.rung)
    with pytest.raises(Rejected, match="unknown stream singals") as error:
        await rig.journal.commit(Hop(moves=[rig.move(0, 1)], out=[out("a"), out("b", "singals")]))
    assert error.value.sqlstate == "TW003"
    assert (await rig.at(), await rig.end(), len(rig.rung)) == ([Cursor(0, 1)], last, rung)


async def test_a_body_of_the_largest_size_is_taken_and_a_byte_more_is_refused(rig: Rig) -> None:
    await rig.at()
    await rig.journal.commit(Hop(out=[of_size(MAX_BODY)]))
    last = await rig.end()
    with pytest.raises(ValueError, match=f"a message for signals has {MAX_BODY + 1} bytes, expected at most {MAX_BODY}"):
        await rig.journal.commit(Hop(moves=[rig.move(0, 1)], out=[out("a"), of_size(MAX_BODY + 1)]))
    assert (await rig.at(), await rig.end()) == ([Cursor(0, 1)], last)


async def test_bells_carry_the_numbers_in_one_array_per_channel(rig: Rig) -> None:
    signals, updates = await rig.end(), await rig.end("orders.updates")
    fast, slow = "signals.fast", "signals.slow"
    await rig.journal.commit(Hop(out=[out("a", channel=fast), out("b", channel=slow), out("x", "orders.updates"), out("c", channel=fast)]))
    assert sorted(rig.rung) == [("orders.updates", [updates + 1]), (fast, [signals + 1, signals + 3]), (slow, [signals + 2])]


async def test_a_hop_without_messages_rings_nothing(rig: Rig) -> None:
    await rig.at()
    await rig.journal.commit(Hop(moves=[rig.move(0, 1)]))
    assert rig.rung == []


async def test_the_last_message_of_a_stream_can_be_rung_again(rig: Rig) -> None:
    await rig.journal.commit(Hop(out=[out("a"), out("b")]))
    rig.rung.clear()
    await rig.journal.ring_last({"signals": "signals.fast"})
    assert rig.rung == [("signals.fast", [await rig.end()])]


class Collector:
    """A stage whose effect is what it read. It can only know it from the record: the bell says nothing to it."""

    streams = ("signals",)
    again = False

    def __init__(self, journal: Journal, consumer: str) -> None:
        self._journal = journal
        self._consumer = consumer
        self._taken: list[Entry] = []
        self.effects: list[Entry] = []

    async def hop(self, cursors: Mapping[str, Cursor], limit: int) -> Hop | None:
        at = cursors["signals"]
        self._taken = await self._journal.read("signals", at.no, limit)
        return Hop(moves=[Move(self._consumer, "signals", at.no, self._taken[-1].no, at.epoch)]) if self._taken else None

    async def committed(self, hop: Hop) -> None:
        self.effects += self._taken

    def put_aside(self, entry: Entry, error: str) -> Hop:
        raise AssertionError(error)


class UnreliableBus(MemoryBus):
    """Keeps every bell until told to deliver it: once, again, later than others, or never."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[str, bytes]] = []

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        self.kept += messages
        return True

    async def deliver(self, channel: str, payload: bytes) -> None:
        await super().publish([(channel, payload)])


forged = st.one_of(
    st.binary(max_size=20),
    st.integers(-5, 10**6).map(lambda no: b"[" + numbered(SEALER.seal("signals", "forged", ts_event_ns=0), no) + b"]"),
    st.integers(1, 5).map(lambda no: b"[" + numbered(SEALER.seal("orders.updates", "other", ts_event_ns=0), no) + b"]"),
)
happenings = st.lists(
    st.one_of(
        st.integers(1, 4).map(lambda n: ("append", n)),
        st.integers(0, 50).map(lambda n: ("deliver", n)),
        forged.map(lambda body: ("forge", body)),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(script=happenings)
def test_whatever_becomes_of_bells_the_effects_are_the_journal(script: Sequence[tuple[str, int | bytes]]) -> None:
    asyncio.run(play(script))


async def play(script: Sequence[tuple[str, int | bytes]]) -> None:
    bus, bell = UnreliableBus(), Bell()
    journal = MemoryJournal(bus, STREAMS)
    stage = Collector(journal, "c")
    consumer = Consumer(journal, "c", stage, bell, lambda: 1)
    listening = asyncio.create_task(bus.listen(["signals.*"], lambda channel, payload: bell.ring(), bell.ring))
    await asyncio.sleep(0)
    for what, value in script:
        if what == "append" and isinstance(value, int):
            await journal.commit(Hop(out=[out(str(n), channel="signals.fast") for n in range(value)]))
        elif what == "deliver" and isinstance(value, int) and bus.kept:
            await bus.deliver(*bus.kept[value % len(bus.kept)])
            await consumer.drain()
        elif what == "forge" and isinstance(value, bytes):
            await bus.deliver("signals.fast", value)
            await consumer.drain()
    await consumer.drain()  # half a second without a bell
    listening.cancel()
    assert stage.effects == await journal.read("signals", 0, limit=10_000)


# Only a real database can show the rest.


def effect(what: str) -> Write:
    return Write("insert into effects values (%s)", (what,))


BROKEN = Write("select 1 / 0", ())


async def effects(database: Database) -> set[str]:
    return {row[0] for row in await database.fetch("select what from effects")}


@pytest.mark.parametrize("position", range(4))
async def test_an_error_in_any_position_undoes_the_whole_hop(pg: Rig, database: Database, position: int) -> None:
    await pg.at()
    last, before = await pg.end(), await effects(database)
    writes = [effect(f"{pg.consumer} {n}") for n in range(3)]
    writes.insert(position, BROKEN)
    with pytest.raises(Rejected, match="division by zero"):
        await pg.journal.commit(Hop(moves=[pg.move(0, 1)], writes=writes, out=[out("a"), out("x", "orders.updates")]))
    assert (await pg.at(), await pg.end(), await effects(database)) == ([Cursor(0, 1)], last, before)
    await pg.journal.commit(Hop(moves=[pg.move(0, 1)], writes=[effect(pg.consumer)], out=[out("a")]))
    assert (await pg.at(), await pg.end()) == ([Cursor(1, 1)], last + 1)


async def test_a_statement_that_a_failed_hop_never_reached_can_be_used_afterwards(pg: Rig, database: Database) -> None:
    # The driver prepares a statement at its second use, and takes it for prepared although the server skipped it.
    statement = Write("select 'used before, in and after a failed hop', %s", (1,))
    slow = Write("select 1 / 0 from pg_sleep(0.05)", ())  # still busy when the statement is sent
    await pg.journal.commit(Hop(writes=[statement]))
    with pytest.raises(Rejected, match="division by zero"):
        await pg.journal.commit(Hop(writes=[slow, statement]))
    await pg.journal.commit(Hop(writes=[statement]))


@pytest.mark.parametrize(
    "value", [pytest.param("a\0b", id="a character that no text can hold"), pytest.param(object(), id="a type that no column has")]
)
async def test_a_value_the_driver_refuses_is_a_fault_of_the_data_and_not_of_the_connection(
    pg: Rig, database: Database, value: object
) -> None:
    await pg.at()
    with pytest.raises(Rejected):
        await pg.journal.commit(Hop(moves=[pg.move(0, 1)], writes=[Write("select %s", (value,))]))
    assert await pg.at() == [Cursor(0, 1)]
    await pg.journal.commit(Hop(moves=[pg.move(0, 1)], writes=[effect(pg.consumer)]))


@pytest.mark.parametrize("fault", ["stale cursor", "unknown stream"])
async def test_a_fault_at_either_end_undoes_the_rows_between(pg: Rig, database: Database, fault: str) -> None:
    await pg.at()
    before = await effects(database)
    move = pg.move(3 if fault == "stale cursor" else 0, 4)
    stream = "zzz" if fault == "unknown stream" else "signals"
    with pytest.raises(Rejected):
        await pg.journal.commit(Hop(moves=[move], writes=[effect(pg.consumer)], out=[out("a"), out("b", stream)]))
    assert (await pg.at(), await effects(database)) == ([Cursor(0, 1)], before)


async def test_a_hop_is_one_transaction_and_one_round_trip(pg: Rig, database: Database) -> None:
    await pg.at()
    connection = await database.connection()
    with tempfile.TemporaryFile("w+") as trace:
        connection.pgconn.trace(trace.fileno())
        hop = Hop(
            moves=[pg.move(0, 1)], writes=[effect(pg.consumer), effect(f"{pg.consumer}'")], out=[out("a"), out("x", "orders.updates")]
        )
        await pg.journal.commit(hop)
        connection.pgconn.untrace()
        trace.seek(0)
        said = trace.read()
    assert len(re.findall(r"\tF\t\d+\tSync", said)) == 1
    assert not re.search(r'"(begin|commit)"', said, re.IGNORECASE)
    rows = await database.fetch(
        "select count(distinct x) from (select xmin::text from cursors where consumer = %s union all select xmin::text from effects"
        " where what like %s union all select xmin::text from journal_counters where stream in ('signals', 'orders.updates')) w(x)",
        (pg.consumer, f"{pg.consumer}%"),
    )
    assert rows == [(1,)]


@pytest.mark.parametrize("yields", range(10))
async def test_a_cancelled_commit_is_whole_or_not_at_all_and_the_cursor_tells(pg: Rig, database: Database, yields: int) -> None:
    await pg.at()
    last = await pg.end()
    task = asyncio.create_task(pg.journal.commit(Hop(moves=[pg.move(0, 1)], writes=[effect(pg.consumer)], out=[out("a")])))
    for _ in range(yields):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    [cursor] = await pg.at()
    committed = yields > 0  # once begun it is carried through
    assert cursor.no == committed
    assert await pg.end() == last + committed
    assert (pg.consumer in await effects(database)) is committed


def terminate(record: str, name: str) -> int:
    """Ends the connections of that application name, as an administrator or a restart does; how many there were."""
    with psycopg.connect(record, autocommit=True) as admin:
        query = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = %s and datname = current_database()"
        return len(admin.execute(query, (name,)).fetchall())


async def test_a_connection_killed_before_the_commit_wrote_nothing(pg: Rig, database: Database, record: str) -> None:
    await pg.at()
    last = await pg.end()
    assert terminate(record, "test") >= 1
    hop = Hop(moves=[pg.move(0, 1)], writes=[effect(pg.consumer)], out=[out("a")])
    with pytest.raises(Unreachable):
        await pg.journal.commit(hop)
    assert (await pg.at(), await pg.end()) == ([Cursor(0, 1)], last)
    await pg.journal.commit(hop)
    assert (await pg.at(), await pg.end()) == ([Cursor(1, 1)], last + 1)


async def test_a_connection_killed_in_the_middle_of_a_hop_wrote_nothing(pg: Rig, database: Database, record: str) -> None:
    await pg.at()
    last = await pg.end()
    waits = Write("select pg_advisory_xact_lock(7)", ())
    with psycopg.connect(record, autocommit=True) as other:
        other.execute("select pg_advisory_lock(7)")
        task = asyncio.create_task(pg.journal.commit(Hop(moves=[pg.move(0, 1)], writes=[effect(pg.consumer), waits], out=[out("a")])))
        blocked = "select exists (select from pg_locks where locktype = 'advisory' and not granted)"
        await until(lambda: other.execute(blocked).fetchone() == (True,))
        await asyncio.to_thread(terminate, record, "test")
        with pytest.raises(Unreachable):
            await task
    assert (await pg.at(), await pg.end()) == ([Cursor(0, 1)], last)
    assert pg.consumer not in await effects(database)


class LostAnswer(Database):
    """Every write is committed, and the first time nobody hears of it."""

    lost = False

    async def write(self, statements: Iterable[Write], within: CrashPoint | None = None) -> list[list[tuple[Any, ...]]]:
        found = await super().write(statements, within)
        if not self.lost:
            self.lost = True
            await self.close()
            raise Unreachable("server closed the connection unexpectedly")
        return found


async def test_an_answer_lost_after_the_commit_is_found_at_the_cursor(record: str) -> None:
    database = LostAnswer(record, "test")
    rig = postgres_rig(database)
    await rig.at()
    hop = Hop(moves=[rig.move(0, 1)], writes=[effect(rig.consumer)], out=[out("a")])
    with pytest.raises(Unreachable):
        await rig.journal.commit(hop)
    assert await rig.at() == [Cursor(1, 1)]
    with pytest.raises(StaleCursor):
        await rig.journal.commit(hop)
    await database.close()


async def test_a_consumer_below_the_oldest_message_refuses_to_start(pg: Rig, database: Database) -> None:
    last = await pg.end("orders.approved")
    await pg.journal.commit(Hop(out=[out(str(n), "orders.approved") for n in range(5)]))
    await database.write([Write("delete from journal where stream = 'orders.approved' and no <= %s", (last + 3,))])
    with pytest.raises(LookupError, match=rf"{pg.consumer} stands at 0 of orders.approved, whose oldest message is {last + 4}"):
        await pg.at("orders.approved")
    await database.write([Write("update cursors set no = %s where consumer = %s", (last + 3, pg.consumer))])
    assert await pg.at("orders.approved") == [Cursor(last + 3, 1)]


async def test_a_body_keeps_every_character_and_its_key(pg: Rig, database: Database) -> None:
    text, key = "quotes \" ' \\ {},ü€\U0001f680 \n", UUID(int=77)
    message = out(text)._replace(key=key)
    await pg.journal.commit(Hop(out=[message]))
    last = await pg.end()
    assert (await pg.journal.read("signals", last - 1))[0].body == message.body
    assert await database.fetch("select key from journal where stream = 'signals' and no = %s", (last,)) == [(key,)]


async def test_hops_of_many_writers_at_once_leave_no_gap(record: str) -> None:
    databases = [Database(record, "test") for _ in range(4)]
    rigs = [postgres_rig(database) for database in databases]
    before = await rigs[0].end()

    async def write(rig: Rig) -> None:
        for n in range(20):
            await rig.journal.commit(Hop(out=[out(str(n)), out(str(n), "orders.updates")]))

    await asyncio.gather(*(write(rig) for rig in rigs))
    entries = await rigs[0].journal.read("signals", before)
    assert [e.no for e in entries] == list(range(before + 1, before + 81))
    await asyncio.gather(*(database.close() for database in databases))
