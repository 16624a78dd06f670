"""The loop around a stage: batches, bad messages, rivals, and what it does when the ground moves."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from libs.common import metrics
from libs.common.bus import MemoryBus
from libs.common.clocks import SystemClock
from libs.common.consumer import Bell, Consumer
from libs.common.database import Database, LeaseLost, Unreachable, Write
from libs.common.journal import BATCH, Cursor, Entry, Hop, Journal, MemoryJournal, Move, Outgoing, PostgresJournal

NAME = "risk:paper"
SIGNALS = "signals"


class Recorder:
    """A stage that writes down what it has read; a message whose body says so makes it fail."""

    streams = (SIGNALS,)
    again = False

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._taken: list[Entry] = []
        self.batches: list[int] = []
        self.effects: list[int] = []
        self.aside: list[tuple[int, str]] = []

    async def hop(self, cursors: Mapping[str, Cursor], limit: int) -> Hop | None:
        at = cursors[SIGNALS]
        self._taken = await self._journal.read(SIGNALS, at.no, limit)
        if not self._taken:
            return None
        for entry in self._taken:
            if entry.body == b"poison":
                raise ValueError("cannot be handled")
        writes = [Write("insert into effects (no, consumer) values (%s, %s)", (entry.no, id(self))) for entry in self._taken]
        return Hop(moves=[Move(NAME, SIGNALS, at.no, self._taken[-1].no, at.epoch)], writes=writes)

    async def committed(self, hop: Hop) -> None:
        self.batches.append(len(self._taken))
        self.effects += [entry.no for entry in self._taken]

    def put_aside(self, entry: Entry, error: str) -> Hop:
        self.aside.append((entry.no, error))
        return Hop(writes=[Write("select 'left behind'", ())])


def messages(bodies: Sequence[bytes]) -> Hop:
    return Hop(out=[Outgoing(SIGNALS, "signals.fast", None, body) for body in bodies])


async def queued(*bodies: bytes, epoch: int = 1) -> tuple[MemoryJournal, Recorder, Consumer]:
    journal = MemoryJournal(MemoryBus(), [SIGNALS])
    await journal.commit(messages(bodies))
    stage = Recorder(journal)
    return journal, stage, Consumer(journal, NAME, stage, Bell(), lambda: epoch)


async def test_all_that_is_queued_is_one_batch_up_to_the_largest() -> None:
    _, stage, consumer = await queued(*[b"{}"] * (BATCH + 44))
    await consumer.drain()
    assert stage.batches == [BATCH, 44]
    assert stage.effects == list(range(1, BATCH + 45))


async def test_nothing_to_do_is_no_hop() -> None:
    journal, stage, consumer = await queued()
    assert await consumer.step(wait=False) is False
    assert (stage.batches, journal.writes) == ([], [])


async def test_a_bell_wakes_a_waiting_consumer_before_its_silence_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Consumer, "SILENCE_S", 60.0)
    journal, bell = MemoryJournal(MemoryBus(), [SIGNALS]), Bell()
    stage = Recorder(journal)
    consumer = Consumer(journal, NAME, stage, bell, lambda: 1)
    waiting = asyncio.create_task(consumer.step())
    await journal.commit(messages([b"{}"]))
    bell.ring()
    async with asyncio.timeout(5):
        await waiting
        await consumer.step()
    assert stage.effects == [1]


async def test_without_a_bell_a_consumer_looks_after_its_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Consumer, "SILENCE_S", 0.01)
    _, stage, consumer = await queued()
    assert await consumer.step() is False


async def test_a_bell_rung_while_nobody_waits_is_not_lost() -> None:
    bell = Bell()
    bell.ring()
    async with asyncio.timeout(5):
        await bell.wait(60.0)


async def test_a_poison_message_is_put_aside_after_three_failures_and_the_rest_flows() -> None:
    journal, stage, consumer = await queued(b"a", b"b", b"poison", b"c", b"d")
    await consumer.drain()
    assert stage.effects == [1, 2, 4, 5]
    assert stage.aside == [(3, "cannot be handled")]
    [row] = [write for write in journal.writes if "quarantine" in write.sql]
    assert row.params == (NAME, SIGNALS, 3, "poison", "cannot be handled")
    assert Write("select 'left behind'", ()) in journal.writes


async def test_each_of_several_poison_messages_is_put_aside() -> None:
    _, stage, consumer = await queued(b"poison", b"a", b"poison", b"poison", b"b")
    await consumer.drain()
    assert (stage.effects, [no for no, _ in stage.aside]) == ([2, 5], [1, 3, 4])


async def test_the_batch_halves_until_the_bad_message_stands_alone_and_then_grows_again() -> None:
    _, stage, consumer = await queued(*[b"{}"] * 5, b"poison", *[b"{}"] * 1000)
    await consumer.drain()
    at = stage.effects.index(7)
    sizes = stage.batches
    while at:  # batches before message 7
        at -= sizes[0]
        sizes = sizes[1:]
    assert sizes[:9] == [1, 2, 4, 8, 16, 32, 64, 128, 256]


async def test_a_message_that_fails_twice_and_then_goes_through_is_not_put_aside() -> None:
    journal, stage, consumer = await queued(b"{}")
    failing = FailingJournal(journal, [ValueError("once")] * 10)  # eight halvings of 256, then twice alone
    consumer._journal = failing
    await consumer.drain()
    assert (stage.effects, stage.aside) == ([1], [])


class FailingJournal:
    """A journal whose first commits fail so, before or after they were written."""

    def __init__(self, journal: Journal, errors: list[Exception], *, after: bool = False) -> None:
        self._journal = journal
        self._errors = errors
        self._after = after
        self.read, self.ring_last = journal.read, journal.ring_last
        self.opened = 0

    async def cursors(self, consumer: str, streams: Sequence[str]) -> dict[str, Cursor]:
        self.opened += 1
        return await self._journal.cursors(consumer, streams)

    async def commit(self, hop: Hop) -> None:
        error = self._errors.pop(0) if self._errors else None
        if error is None or self._after:
            await self._journal.commit(hop)
        if error is not None:
            raise error


@pytest.mark.parametrize("after", [False, True])
async def test_when_the_database_was_away_the_cursor_is_read_again_and_no_effect_is_doubled(after: bool) -> None:
    journal, stage, consumer = await queued(b"a", b"b")
    failing = FailingJournal(journal, [Unreachable("gone")], after=after)
    consumer._journal = failing
    await consumer.drain()
    assert failing.opened == 2
    assert [write.params[0] for write in journal.writes] == [1, 2]
    assert stage.effects == ([] if after else [1, 2])


async def test_a_database_that_goes_away_while_a_message_is_put_aside_is_waited_for() -> None:
    journal, stage, consumer = await queued(b"poison", b"a")
    consumer._journal = FailingJournal(journal, [Unreachable("gone")])
    await consumer.drain()
    assert stage.effects == [2]
    assert len([write for write in journal.writes if "quarantine" in write.sql]) == 1


async def test_a_lost_lease_ends_the_loop() -> None:
    journal, _, consumer = await queued(b"a")
    consumer._journal = FailingJournal(journal, [LeaseLost("another holds it", "TW002")])
    with pytest.raises(LeaseLost):
        await consumer.run(asyncio.Event())


async def test_a_cursor_of_another_epoch_than_the_lease_is_a_lost_lease() -> None:
    _, stage, consumer = await queued(b"a", epoch=7)
    with pytest.raises(LeaseLost, match="risk:paper holds epoch 7, its cursor of signals is at 1"):
        await consumer.drain()
    assert stage.effects == []


async def test_messages_that_are_gone_stop_the_loop_instead_of_being_skipped() -> None:
    _, stage, consumer = await queued(b"a")

    async def gone(consumer: str, streams: Sequence[str]) -> dict[str, Cursor]:
        raise LookupError("3 are gone")

    consumer._journal.cursors = gone  # type: ignore[method-assign]
    with pytest.raises(LookupError, match="3 are gone"):
        await consumer.run(asyncio.Event())
    assert stage.effects == []


async def test_an_error_after_the_commit_is_no_fault_of_the_next_message() -> None:
    _, stage, consumer = await queued(b"a")

    async def broken(hop: Hop) -> None:
        raise RuntimeError("cannot send")

    stage.committed = broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="cannot send"):
        await consumer.drain()
    assert stage.aside == []


async def test_a_stop_ends_the_loop_after_the_hop_in_progress() -> None:
    _, stage, consumer = await queued(*[b"{}"] * (BATCH + 1))
    stopping = asyncio.Event()
    wrapped = stage.committed

    async def stop_at_once(hop: Hop) -> None:
        await wrapped(hop)
        stopping.set()

    stage.committed = stop_at_once  # type: ignore[method-assign]
    async with asyncio.timeout(5):
        await consumer.run(stopping)
    assert stage.batches == [BATCH]


@pytest.fixture
async def databases(url: str) -> AsyncIterator[list[Database]]:
    made = [Database(url, f"rival-{n}") for n in range(3)]
    await made[0].write([Write("create table if not exists effects (no bigint, consumer bigint)", ()), Write("truncate effects", ())])
    yield made
    await asyncio.gather(*(database.close() for database in made))


def rival(database: Database, meeting: asyncio.Barrier | None = None) -> Consumer:
    journal = PostgresJournal(database, MemoryBus(), SystemClock())
    return Consumer(journal, NAME, Punctual(journal, meeting) if meeting else Recorder(journal), Bell(), lambda: 1)


class Punctual(Recorder):
    """Its first hop is decided when its rival's is."""

    def __init__(self, journal: Journal, meeting: asyncio.Barrier) -> None:
        super().__init__(journal)
        self._meeting: asyncio.Barrier | None = meeting

    async def hop(self, cursors: Mapping[str, Cursor], limit: int) -> Hop | None:
        hop = await super().hop(cursors, limit)
        if self._meeting is not None:
            await self._meeting.wait()
            self._meeting = None
        return hop


async def test_two_rivals_on_one_cursor_make_every_effect_once(databases: list[Database]) -> None:
    writer = PostgresJournal(databases[0], MemoryBus(), SystemClock())
    await writer.commit(messages([b"{}"]))
    meeting = asyncio.Barrier(2)
    rivals = [rival(databases[1], meeting), rival(databases[2], meeting)]
    lost = metrics.JOURNAL_STALE.labels(consumer=NAME)
    before = lost._value.get()

    async def write() -> None:
        for n in range(40):
            await writer.commit(messages([b"%d" % n, b"{}"]))

    async def consume(consumer: Consumer) -> None:
        while not writing.done():
            await consumer.step(wait=False)
        await consumer.drain()

    writing = asyncio.create_task(write())
    async with asyncio.timeout(30):
        await asyncio.gather(writing, *(consume(r) for r in rivals))
    rows = await databases[0].fetch("select no from effects order by no")
    assert [row[0] for row in rows] == list(range(1, 82))
    assert lost._value.get() > before


async def test_a_quarantined_message_its_rows_and_its_cursor_go_in_one_transaction(databases: list[Database]) -> None:
    journal = PostgresJournal(databases[0], MemoryBus(), SystemClock())
    await journal.commit(messages([b"poison", b"{}"]))
    consumer = rival(databases[1])
    await consumer.drain()
    rows = await databases[0].fetch(
        "select q.stream, q.body, q.error, c.no - q.no from quarantine q join cursors c using (consumer, stream)"
    )
    assert rows == [(SIGNALS, "poison", "cannot be handled", 1)]
