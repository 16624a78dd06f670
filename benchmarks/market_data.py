"""Market data at 10,000 ticks/s for half a minute: checked, built into bars, stored, and delivered to one subscriber.

data_collector alone, as it is started in a fleet. A run counts only when not one tick was lost on either way.
"""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import msgspec
import psycopg

from benchmarks.figures import Figure, middle, quantile
from benchmarks.fleet import CONFIG, ROOT, Failed
from benchmarks.record import Urls, record
from benchmarks.scratch import free_offset, scratch
from benchmarks.subscriber import Received, subscribe

FIGURES: Final = ("market_data_sustained_ticks_per_s", "market_data_p99_ms", "market_data_lost_ticks")
RUNS: Final = 3
TARGET: Final = 10_000  # ticks a second, over 20 stocks
ASKED: Final = 10_200  # a little more, so that the ends of a run do not hide that the target is met
SECONDS: Final = 30.0
STARTS_WITHIN_S: Final = 20.0
LEAVES_WITHIN_S: Final = 20.0
SETTLE_S: Final = 1.0


class Run(NamedTuple):
    """One run on a new record."""

    rate: float  # ticks/s delivered and stored
    p99_ms: float  # sealed to heard
    lost: int


def measure() -> dict[str, Figure]:
    """Three runs."""
    runs = [_run() for _ in range(RUNS)]
    return {
        "market_data_sustained_ticks_per_s": Figure(
            value=middle([run.rate for run in runs], 0),
            unit="ticks/s",
            target=TARGET,
            better="higher",
            anchor=50_000,
            runs=[run.rate for run in runs],
            limit=f"the market that is played: it has {ASKED:,} ticks/s, and the collector keeps up with it or falls behind",
        ),
        "market_data_p99_ms": Figure(
            value=middle([run.p99_ms for run in runs]),
            unit="ms",
            target=10.0,
            anchor=1.7,
            runs=[run.p99_ms for run in runs],
            limit="one core that draws, checks, seals and copies every tick: a burst waits for the one before it",
        ),
        "market_data_lost_ticks": Figure(
            value=max(run.lost for run in runs), unit="ticks", target=0, runs=[run.lost for run in runs], limit="nothing may be lost"
        ),
    }


def _run() -> Run:
    """One run.

    Raises:
        Failed: a process did not start or end.
    """
    spawn = multiprocessing.get_context("spawn")
    joined, stop = spawn.Event(), spawn.Event()
    receiving, sending = spawn.Pipe(duplex=False)
    with record() as urls:
        subscriber = spawn.Process(target=subscribe, args=(urls.redis, joined, stop, sending), daemon=True)
        subscriber.start()
        try:
            if not joined.wait(STARTS_WITHIN_S):
                raise Failed("the subscriber did not start")
            with _collector(urls):
                _await_ticks(urls)
                time.sleep(SECONDS)
            time.sleep(SETTLE_S)
            stop.set()
            if not receiving.poll(STARTS_WITHIN_S):
                raise Failed("the subscriber did not answer")
            received = msgspec.msgpack.decode(receiving.recv_bytes(), type=Received)
        finally:
            stop.set()
            subscriber.join(5)
            subscriber.kill()
        with psycopg.connect(urls.database) as connection:
            row = connection.execute("select count(*) from market_quotes").fetchone()
    stored = row[0] if row else 0
    seconds = (received.last_ns - received.first_ns) / 1e9
    lost = received.missed + abs(stored - received.ticks)
    return Run(round(min(stored, received.ticks) / seconds), round(quantile(received.late_ms, 0.99), 3), lost)


@contextmanager
def _collector(urls: Urls) -> Iterator[None]:
    with scratch() as state, (state / "collector.log").open("w") as log:
        given = {
            "DATABASE_URL": urls.database,
            "REDIS_URL": urls.redis,
            "STATE_DIR": str(state),
            "CONFIG_DIR": str(CONFIG),
            "PORT_OFFSET": str(free_offset()),
            "STOCKS": "20",
            "TICKS_PER_S": str(ASKED),
            "SPEED": "1",
        }
        command = [sys.executable, "-m", "services.data_collector"]
        process = subprocess.Popen(command, env=os.environ | given, stdout=log, stderr=log, cwd=ROOT)
        try:
            yield
            process.terminate()
            if process.wait(LEAVES_WITHIN_S) != 0:
                raise Failed(f"data_collector ended with {process.returncode}: {(state / 'collector.log').read_text()[-500:]}")
        finally:
            process.kill()
            process.wait()


def _await_ticks(urls: Urls) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    with psycopg.connect(urls.database, autocommit=True) as connection:
        while connection.execute("select from market_quotes limit 1").fetchone() is None:
            if time.monotonic() > deadline:
                raise Failed("data_collector stored no tick")
            time.sleep(0.1)
