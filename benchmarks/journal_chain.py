"""The bare journal at 500 messages/s: three durable hops in three processes, from the tick to the last commit.

The first hop hears the tick; the two others are woken by bells and read their messages from the record. Each writes one
row of its own. Nothing is decided: this is the floor under every order.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from typing import Final

import psycopg
import uvloop

from benchmarks import chain_stage
from benchmarks.chain_stage import CREATE, FIRST, SECOND, TICKS
from benchmarks.figures import Figure, middle, quantile
from benchmarks.fleet import Failed
from benchmarks.record import Urls, record
from libs.common.bus import RedisBus
from libs.common.clocks import SystemClock
from libs.common.envelope import Sealer, array, numbered

FIGURES: Final = ("journal_chain_500_p50_ms", "journal_chain_500_p99_ms")
RUNS: Final = 5
RATE: Final = 500  # messages a second, one at a time
WARM_S: Final = 1.0  # connections, prepared statements
SECONDS: Final = 10.0
STARTS_WITHIN_S: Final = 20.0
DRAINS_WITHIN_S: Final = 5.0


def measure() -> dict[str, Figure]:
    """Five runs on one record, each with new processes."""
    with record() as urls:
        with psycopg.connect(urls.database) as connection:
            connection.execute(CREATE)
        runs = [_run(urls) for _ in range(RUNS)]
    return {
        f"journal_chain_500_{name}_ms": Figure(
            value=middle([quantile(run, q) for run in runs]),
            unit="ms",
            target=target,
            anchor=anchor,
            runs=[round(quantile(run, q), 3) for run in runs],
            limit=limit,
        )
        for name, q, target, anchor, limit in (
            ("p50", 0.5, 3.0, 2.2, "three commits with a read each, and four wake-ups, on few cores"),
            ("p99", 0.99, None, 3.9, "the scheduler: a queue forms behind whoever waits for a core"),
        )
    }


def _run(urls: Urls) -> list[float]:
    """Milliseconds of every message sent after warming up.

    Raises:
        Failed: a stage did not start, or messages are missing at the end.
    """
    spawn = multiprocessing.get_context("spawn")
    started, stop = [spawn.Event() for _ in range(3)], spawn.Event()
    samples, sending = spawn.Pipe(duplex=False)
    processes = [
        spawn.Process(target=chain_stage.source, args=(urls, started[0], stop), daemon=True),
        spawn.Process(target=chain_stage.relay, args=(urls, "order", FIRST, SECOND, started[1], stop, None), daemon=True),
        spawn.Process(target=chain_stage.relay, args=(urls, "submit", SECOND, None, started[2], stop, sending), daemon=True),
    ]
    try:
        for process in processes:
            process.start()
        if not all(event.wait(STARTS_WITHIN_S) for event in started):
            raise Failed("a stage of the chain did not start")
        since, sent = uvloop.run(_send(urls))
        time.sleep(1.0)
        stop.set()
        if not samples.poll(DRAINS_WITHIN_S):
            raise Failed("the last stage of the chain did not end")
        found: list[tuple[int, int]] = samples.recv()
        if len(found) != sent:
            raise Failed(f"{sent} messages went in, {len(found)} came out")
        return [(committed - at) / 1e6 for at, committed in found if at >= since]
    finally:
        _end(processes, stop.set)


async def _send(urls: Urls) -> tuple[int, int]:
    """Ticks at a steady rate; when the measured part began (host ns), and how many there were in all."""
    clock = SystemClock()
    bus, sealer = RedisBus(urls.redis), Sealer("bench", clock)
    began = clock.monotonic()
    count = int(RATE * (WARM_S + SECONDS))
    since = 0
    for n in range(count):
        if (early := began + n / RATE - clock.monotonic()) > 0:
            await asyncio.sleep(early)
        now = clock.now_ns()
        since = since or (now if n >= RATE * WARM_S else 0)
        await bus.publish([(TICKS, array([numbered(sealer.seal(TICKS, None, ts_event_ns=now), n + 1)]))])
    await bus.close()
    return since, count


def _end(processes: list[SpawnProcess], stop: Callable[[], None]) -> None:
    stop()
    for process in processes:
        process.join(3)
        if process.is_alive():
            process.kill()
            process.join()
