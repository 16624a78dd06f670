"""The journal: gapless streams of messages in Postgres, written with the rows they speak of and read by cursor.

A hop reads, decides, and writes in one transaction: cursor first, rows, messages last. After the commit it rings once.
A bell is a hint: messages are read from the record. See docs/adr/0001-record-and-bell.md.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from libs.common import metrics
from libs.common.bus import Bus
from libs.common.clocks import HostClock
from libs.common.crash_points import CrashPoint, reached
from libs.common.database import Database, LeaseLost, Rejected, StaleCursor, Write
from libs.common.envelope import array, numbered

log = logging.getLogger(__name__)

BATCH: Final = 256
MAX_BODY: Final = 7_000  # bytes: a larger row would leave its page


class Cursor(NamedTuple):
    """How far a consumer has come in a stream, and the lease epoch it may write under."""

    no: int
    epoch: int


class Entry(NamedTuple):
    """One message of a stream."""

    no: int
    body: bytes


class Outgoing(NamedTuple):
    """A message to append: its stream, the channel its bell rings on, the row it speaks of, and its sealed body."""

    stream: str
    channel: str
    key: UUID | None
    body: bytes


class Move(NamedTuple):
    """A cursor on its way: refused unless it still stands at `start` under `epoch`."""

    consumer: str
    stream: str
    start: int
    end: int
    epoch: int


@dataclass
class Hop:
    """What one transaction will do."""

    moves: list[Move] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    out: list[Outgoing] = field(default_factory=list)
    committed_ns: int = 0  # host time at which the commit was answered
    then: Callable[[], None] | None = None  # called once it is durable: what need not wait for the bells
    within: CrashPoint | None = None  # the moment that its transaction is, and the one right after it
    after: CrashPoint | None = None


class Journal(Protocol):
    """The record's side of the order path."""

    async def cursors(self, consumer: str, streams: Sequence[str]) -> dict[str, Cursor]:
        """Where the consumer stands; at 0 in a stream it has never read.

        Raises:
            LookupError: messages after the cursor are gone (trimmed): starting there would skip them.
        """
        ...

    async def read(self, stream: str, after: int, limit: int = BATCH) -> list[Entry]:
        """Messages beyond a number, in order."""
        ...

    async def commit(self, hop: Hop) -> None:
        """Writes the hop in one transaction, then rings.

        Raises:
            StaleCursor, LeaseLost, Conflict: nothing was written.
            Rejected: nothing was written; the data or the code is at fault.
            Unreachable: it may have been written; read the cursor again.
        """
        ...

    async def ring_last(self, streams: Mapping[str, str]) -> None:
        """Rings the newest message of each own stream (stream: channel) again: a crash may have swallowed its bell."""
        ...


class PostgresJournal:
    """The journal in Postgres, its bell on the bus."""

    def __init__(self, database: Database, bus: Bus, clock: HostClock) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock

    async def cursors(self, consumer: str, streams: Sequence[str]) -> dict[str, Cursor]:
        rows = await self._database.fetch("select * from cursor_open(%s, %b::text[])", (consumer, list(streams)))
        found = {stream: Cursor(no, epoch) for stream, no, epoch, _ in rows}
        for stream, no, _, oldest in rows:
            if oldest > no + 1:
                raise LookupError(f"{consumer} stands at {no} of {stream}, whose oldest message is {oldest}: {oldest - no - 1} are gone")
        return found

    async def read(self, stream: str, after: int, limit: int = BATCH) -> list[Entry]:
        rows = await self._database.fetch(
            "select no, body from journal where stream = %s and no > %s order by no limit %s", (stream, after, limit)
        )
        return [Entry(no, body.encode()) for no, body in rows]

    async def commit(self, hop: Hop) -> None:
        streams = sorted({out.stream for out in hop.out})  # always in one order: no deadlock between stages
        by_stream = {name: [out for out in hop.out if out.stream == name] for name in streams}
        statements = [Write("select cursor_move(%s, %s, %s, %s, %s)", (m.consumer, m.stream, m.start, m.end, m.epoch)) for m in hop.moves]
        statements += hop.writes
        for name, outs in by_stream.items():
            statements.append(Write("select journal_append(%s, %s::uuid[], %b::text[])", _appended(name, outs)))
        started = self._clock.monotonic()
        results = await self._database.write(statements, hop.within)
        hop.committed_ns = self._clock.now_ns()
        if hop.after is not None:
            reached(hop.after)
        reached("CP03")
        if hop.then is not None:
            hop.then()
        consumer = hop.moves[0].consumer if hop.moves else "-"
        metrics.JOURNAL_HOPS.labels(consumer=consumer).observe(self._clock.monotonic() - started)
        bells: defaultdict[str, list[bytes]] = defaultdict(list)
        for (name, outs), rows in zip(by_stream.items(), results[len(results) - len(by_stream) :], strict=True):
            first = rows[0][0]
            metrics.JOURNAL_MESSAGES.labels(stream=name).inc(len(outs))
            for n, out in enumerate(outs):
                bells[out.channel].append(numbered(out.body, first + n))
        await self._bus.publish([(channel, array(bodies)) for channel, bodies in bells.items()])

    async def ring_last(self, streams: Mapping[str, str]) -> None:
        rows = await self._database.fetch(
            "select j.stream, j.no, j.body from journal_counters c join journal j on j.stream = c.stream and j.no = c.last_no"
            " where c.stream = any(%b::text[])",
            (list(streams),),
        )
        await self._bus.publish([(streams[stream], array([numbered(body.encode(), no)])) for stream, no, body in rows])


def _appended(name: str, outs: Sequence[Outgoing]) -> tuple[str, list[UUID | None], list[str]]:
    for out in outs:
        if len(out.body) > MAX_BODY:
            raise ValueError(f"a message for {name} has {len(out.body)} bytes, expected at most {MAX_BODY}")
    return name, [out.key for out in outs], [out.body.decode() for out in outs]


class MemoryJournal:
    """The journal inside one process, with the same refusals. Writes are kept as given: nothing executes them."""

    def __init__(self, bus: Bus, streams: Sequence[str]) -> None:
        self._bus = bus
        self._streams: dict[str, list[bytes]] = {name: [] for name in streams}
        self._cursors: dict[tuple[str, str], Cursor] = {}
        self.writes: list[Write] = []

    async def cursors(self, consumer: str, streams: Sequence[str]) -> dict[str, Cursor]:
        return {name: self._cursors.setdefault((consumer, name), Cursor(0, 1)) for name in streams}

    async def read(self, stream: str, after: int, limit: int = BATCH) -> list[Entry]:
        bodies = self._streams[stream][after : after + limit]
        return [Entry(after + 1 + n, body) for n, body in enumerate(bodies)]

    async def commit(self, hop: Hop) -> None:
        for move in hop.moves:
            if self._cursors.get((move.consumer, move.stream)) != Cursor(move.start, move.epoch):
                raise StaleCursor(f"stale cursor {move.consumer} {move.stream} {move.start}", "TW001")
        for out in hop.out:
            if out.stream not in self._streams:
                raise Rejected(f"unknown stream {out.stream}", "TW003")
            _appended(out.stream, [out])
        for move in hop.moves:
            self._cursors[move.consumer, move.stream] = Cursor(move.end, move.epoch)
        self.writes += hop.writes
        if hop.then is not None:
            hop.then()
        bells: defaultdict[str, list[bytes]] = defaultdict(list)
        for out in sorted(hop.out, key=lambda o: o.stream):
            self._streams[out.stream].append(out.body)
            bells[out.channel].append(numbered(out.body, len(self._streams[out.stream])))
        await self._bus.publish([(channel, array(bodies)) for channel, bodies in bells.items()])

    async def ring_last(self, streams: Mapping[str, str]) -> None:
        for name, channel in streams.items():
            if bodies := self._streams[name]:
                await self._bus.publish([(channel, array([numbered(bodies[-1], len(bodies))]))])


def owned(cursors: Mapping[str, Cursor], epoch: int, consumer: str) -> Mapping[str, Cursor]:
    """The cursors, when they are ours to move.

    Raises:
        LeaseLost: a successor has raised their epoch.
    """
    for stream, cursor in cursors.items():
        if cursor.epoch != epoch:
            raise LeaseLost(f"{consumer} holds epoch {epoch}, its cursor of {stream} is at {cursor.epoch}", "TW002")
    return cursors
