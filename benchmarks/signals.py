"""Signals through the journal: 5,000 a second for ten seconds, committed durably by one process and read, cursor and all, by another.

The writer commits as strategy_engine does, its signals and their messages in one transaction, 100 each 20 ms; the reader
is woken by the bell, reads messages by its cursor and commits having read them. Nothing is judged: risk_decisions_per_s does that.
"""

import asyncio
import multiprocessing
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Final
from uuid import UUID

import msgspec
import uvloop

from benchmarks.figures import Figure, middle, quantile
from benchmarks.fleet import Failed
from benchmarks.record import Urls, record
from libs.common.bus import RedisBus
from libs.common.clocks import SystemClock
from libs.common.consumer import Bell, Consumer
from libs.common.database import Database
from libs.common.envelope import Sealer
from libs.common.journal import Cursor, Entry, Hop, Journal, Move, Outgoing, PostgresJournal
from libs.domain.messages import Signal
from libs.domain.streams import SIGNALS
from libs.store import strategies

FIGURES: Final = ("signals_per_s", "signals_p99_ms")
RUNS: Final = 5
RATE: Final = 5_000
SECONDS: Final = 10.0
BEAT_S: Final = 0.02
READS_WITHIN_S: Final = 30.0
STREAM: Final = SIGNALS.stream or ""


class _Body(msgspec.Struct):
    payload: Signal


_decode: Final = msgspec.json.Decoder(_Body).decode


def measure() -> dict[str, Figure]:
    """Five runs on one record, each with a new reader."""
    with record() as urls:
        runs = [_run(urls, n) for n in range(RUNS)]
    limit = "Python on one core: sealing and encoding each signal, and its row and message in Postgres on the other"
    return {
        "signals_per_s": Figure(
            value=middle([rate for rate, _ in runs], 0),
            unit=f"signals/s through the journal for {SECONDS:g} s",
            target=RATE,
            better="higher",
            runs=[rate for rate, _ in runs],
            limit=limit,
        ),
        "signals_p99_ms": Figure(
            value=middle([p99 for _, p99 in runs]),
            unit=f"ms from a signal to its reader's commit, at {RATE}/s",
            target=20.0,
            runs=[p99 for _, p99 in runs],
            limit="a hop of up to 256, and whoever waits for a core",
        ),
    }


def _run(urls: Urls, run: int) -> tuple[float, float]:
    """Signals a second from the first to the last one read, and the 99th percentile of their way in milliseconds."""
    spawn = multiprocessing.get_context("spawn")
    started, samples, sending = spawn.Event(), *spawn.Pipe(duplex=False)
    count = int(RATE * SECONDS)
    reader = spawn.Process(target=read, args=(urls, f"reader{run}", count, started, sending), daemon=True)
    reader.start()
    try:
        if not started.wait(READS_WITHIN_S):
            raise Failed("the reader did not start")
        uvloop.run(_write(urls, run, count))
        if not samples.poll(READS_WITHIN_S):
            raise Failed(f"not all of {count} signals were read")
        found: list[tuple[int, int]] = samples.recv()
    finally:
        reader.join(3)
        if reader.is_alive():
            reader.kill()
    seconds = (max(read for _, read in found) - min(said for said, _ in found)) / 1e9
    return round(count / seconds), round(quantile([(read - said) / 1e6 for said, read in found], 0.99), 3)


async def _write(urls: Urls, run: int, count: int) -> None:
    clock, bus, database = SystemClock(), RedisBus(urls.redis), Database(urls.database, "bench:writer")
    journal, sealer = PostgresJournal(database, bus, clock), Sealer("strategy_engine", clock)
    each, began = int(RATE * BEAT_S), clock.monotonic()
    for first in range(0, count, each):
        if (early := began + first / RATE - clock.monotonic()) > 0:
            await asyncio.sleep(early)
        now = clock.now_ns()
        signals = [_signal(run, first + n, now) for n in range(each)]
        out = [Outgoing(STREAM, SIGNALS.of("bench"), s.signal_id, sealer.seal(STREAM, s, ts_event_ns=now)) for s in signals]
        await journal.commit(Hop(writes=[strategies.store_signals([(signal, b"") for signal in signals])], out=out))
    await database.close()
    await bus.close()


def _signal(run: int, n: int, now: int) -> Signal:
    return Signal(
        signal_id=UUID(int=run << 64 | n + 1),
        session_id=f"bench{run}",
        account_id="paper",
        strategy_id="bench",
        symbol=f"S{n % 500:03}",
        timeframe="1s",
        bar_time=n * 1_000_000,
        decided_at=now,
        target=1.0,
        confidence=1.0,
        reference_price=100.0,
        valid_until=now,
        reason="sma_cross: target 0 -> 1",
        triggered_ns=now,
    )


def read(urls: Urls, name: str, count: int, started: Event, sending: Connection) -> None:
    """Process of the reader; at the end it sends when each signal was said and when it was read, host ns."""

    async def work() -> None:
        clock, bus, database = SystemClock(), RedisBus(urls.redis), Database(urls.database, "bench:reader")
        journal, bell = PostgresJournal(database, bus, clock), Bell()
        stage = Reader(journal, name)
        consumer = Consumer(journal, name, stage, bell, lambda: 1)
        await consumer.drain()  # what earlier runs have left
        stage.samples.clear()
        listening = asyncio.create_task(bus.listen([SIGNALS.pattern], lambda *_: bell.ring(), started.set))
        while len(stage.samples) < count:
            await consumer.step()
        listening.cancel()
        await database.close()
        await bus.close()
        sending.send(stage.samples)

    uvloop.run(work())


class Reader:
    """Reads signals from the record, and commits that it has."""

    streams = (STREAM,)
    again = False

    def __init__(self, journal: Journal, name: str) -> None:
        self.samples: list[tuple[int, int]] = []
        self._journal = journal
        self._name = name
        self._said: list[int] = []

    async def hop(self, cursors: Mapping[str, Cursor], limit: int) -> Hop | None:
        """All that is queued."""
        cursor = cursors[STREAM]
        queued = await self._journal.read(STREAM, cursor.no, limit)
        self._said = [_decode(entry.body).payload.triggered_ns for entry in queued]
        return Hop([Move(self._name, STREAM, cursor.no, queued[-1].no, cursor.epoch)]) if queued else None

    async def committed(self, hop: Hop) -> None:
        """They are read."""
        self.samples += [(said, hop.committed_ns) for said in self._said]

    def put_aside(self, entry: Entry, error: str) -> Hop:
        """Nothing may fail in a measurement."""
        raise RuntimeError(f"message {entry.no} failed: {error}")
