"""The stages of the bare journal chain, each the whole of its process: tick -> signal -> approved order -> submitted."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Final
from uuid import UUID

import msgspec
import uvloop

from benchmarks.record import Urls
from libs.common.bus import RedisBus
from libs.common.clocks import SystemClock
from libs.common.consumer import Bell, Consumer
from libs.common.database import Database, Write
from libs.common.envelope import Sealer, opened
from libs.common.ids import uuid7
from libs.common.journal import BATCH, Cursor, Entry, Hop, Journal, Move, Outgoing, PostgresJournal

TICKS: Final = "bench.ticks"
FIRST, SECOND = "signals", "orders.approved"
CREATE: Final = "create table if not exists bench_rows (stage text, key uuid, sent_ns bigint, primary key (stage, key))"
LOOK_S: Final = 0.1


class Message(msgspec.Struct, frozen=True):
    """A body of the usual size; `sent_ns` is when its tick was sent."""

    key: UUID
    sent_ns: int
    pad: str = "x" * 150


class _Body(msgspec.Struct):
    payload: Message


_decode: Final = msgspec.json.Decoder(_Body).decode


class Source:
    """The first hop: its input is live market data, so it has no cursor."""

    def __init__(self, journal: Journal, sealer: Sealer, clock: SystemClock) -> None:
        self._journal = journal
        self._sealer = sealer
        self._clock = clock
        self._ticks: list[int] = []
        self._bell = Bell()

    def hear(self, channel: str, payload: bytes) -> None:
        """Ticks that came together."""
        self._ticks += [envelope.ts_event_ns for envelope in opened(payload)]
        self._bell.ring()

    async def step(self) -> None:
        """One hop, of all that is queued."""
        if not self._ticks:
            await self._bell.wait(LOOK_S)
        ticks, self._ticks = self._ticks[:BATCH], self._ticks[BATCH:]
        if ticks:
            messages = [Message(uuid7(self._clock), sent_ns) for sent_ns in ticks]
            await self._journal.commit(Hop(writes=[_row("signal", messages)], out=_out(FIRST, messages, self._sealer)))


class Relay:
    """A later hop: what it reads by its cursor goes on to `target`, or ends here and is timed."""

    def __init__(self, journal: Journal, sealer: Sealer, name: str, stream: str, target: str | None) -> None:
        self.streams = (stream,)
        self.again = False
        self.samples: list[tuple[int, int]] = []  # (sent, committed), host ns
        self._journal = journal
        self._sealer = sealer
        self._name = name
        self._target = target
        self._messages: list[Message] = []

    async def hop(self, cursors: Mapping[str, Cursor], limit: int) -> Hop | None:
        """Reads what is queued, from the record."""
        (stream,) = self.streams
        cursor = cursors[stream]
        queued = await self._journal.read(stream, cursor.no, limit)
        if not queued:
            return None
        self._messages = [_decode(entry.body).payload for entry in queued]
        out = _out(self._target, self._messages, self._sealer) if self._target else []
        move = Move(self._name, stream, cursor.no, queued[-1].no, cursor.epoch)
        return Hop([move], [_row(self._name, self._messages)], out)

    async def committed(self, hop: Hop) -> None:
        """At the end of the chain every message has its time."""
        if self._target is None:
            self.samples += [(message.sent_ns, hop.committed_ns) for message in self._messages]

    def put_aside(self, entry: Entry, error: str) -> Hop:
        """Nothing may fail in a measurement."""
        raise RuntimeError(f"message {entry.no} failed: {error}")


def source(urls: Urls, started: Event, stop: Event) -> None:
    """Process of the first stage."""

    async def work(bus: RedisBus, journal: PostgresJournal, sealer: Sealer) -> None:
        stage = Source(journal, sealer, SystemClock())
        listening = asyncio.create_task(bus.listen([TICKS], stage.hear, started.set))
        while not stop.is_set():
            await stage.step()
        listening.cancel()

    _serve(urls, "source", work)


def relay(urls: Urls, name: str, stream: str, target: str | None, started: Event, stop: Event, samples: Connection | None) -> None:
    """Process of a later stage; the last one sends its samples at the end."""

    async def work(bus: RedisBus, journal: PostgresJournal, sealer: Sealer) -> None:
        stage, bell = Relay(journal, sealer, name, stream, target), Bell()

        def joined() -> None:
            started.set()
            bell.ring()

        listening = asyncio.create_task(bus.listen([stream], lambda channel, payload: bell.ring(), joined))
        consumer = Consumer(journal, name, stage, bell, lambda: 1)
        while not stop.is_set():
            await consumer.step()
        listening.cancel()
        if samples is not None:
            samples.send(stage.samples)

    _serve(urls, name, work)


def _serve(urls: Urls, name: str, work: Callable[[RedisBus, PostgresJournal, Sealer], Awaitable[None]]) -> None:
    async def main() -> None:
        clock = SystemClock()
        database, bus = Database(urls.database, name), RedisBus(urls.redis)
        await work(bus, PostgresJournal(database, bus, clock), Sealer(name, clock))
        await database.close()
        await bus.close()

    uvloop.run(main())


def _row(stage: str, messages: list[Message]) -> Write:
    return Write(
        "insert into bench_rows select %s, k, s from unnest(%b::uuid[], %b::int8[]) u(k, s)",
        (stage, [m.key for m in messages], [m.sent_ns for m in messages]),
    )


def _out(stream: str, messages: list[Message], sealer: Sealer) -> list[Outgoing]:
    return [Outgoing(stream, stream, m.key, sealer.seal(stream, m, ts_event_ns=m.sent_ns)) for m in messages]
