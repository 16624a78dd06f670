"""The real fleet in lockstep: whatever happens to its processes, the market decides what is traded."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from fleet.embedded.ports import free_port
from fleet.embedded.server import wait_until
from fleet.running import PORTS
from tests.records import a_record

ENOUGH = 8  # trades
LIMIT_S = 60
STORIES = {
    "signals": (
        "select strategy_id, symbol, timeframe, bar_time, target, reference_price, valid_until from signals where decided_at < {until}"
        " order by decided_at, strategy_id, symbol"
    ),
    "orders": (
        "select strategy_id, symbol, side, quantity, price, decided_at, expires_at from orders where decided_at < {until}"
        " order by decided_at, strategy_id, symbol"
    ),
    "trades": (
        "select strategy_id, symbol, side, quantity, executed_price, executed_at, commission, pnl from trades where executed_at < {until}"
        " order by executed_at, strategy_id, symbol"
    ),
}


class Played(NamedTuple):
    """What a run left in its record, up to a market time."""

    market_time: int
    url: str

    def story(self, until: int) -> dict[str, list[Any]]:
        with psycopg.connect(self.url) as record:
            return {name: record.execute(query.format(until=f"at_ns({until})")).fetchall() for name, query in STORIES.items()}


@pytest.fixture(scope="module")
def replay() -> list[str]:
    """A recorded market where there is one, else the synthetic."""
    return ["--replay", "equities"] if os.environ.get("MARKET_DATA_DIR") else []


@contextmanager
def a_run(folder: Path, database_url: str, redis_url: str, replay: Sequence[str], *, kill: str | None = None) -> Iterator[Played]:
    """Plays until enough is traded, on a record of its own. `kill` names a service to be killed in the middle."""
    with a_record(database_url) as url:
        offset = free_port() - min(PORTS.values())
        state = {"STATE_DIR": str(folder), "PORT_OFFSET": str(offset), "DATABASE_URL": url, "REDIS_URL": redis_url}
        arguments = ["run", "--lockstep", "--json", *replay]
        with subprocess.Popen(
            [sys.executable, "-c", "from fleet.cli import main; main()", *arguments],
            env={**os.environ, **state},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as fleet:
            try:
                if kill is not None:
                    assert wait_until(lambda: trades(url) >= ENOUGH // 2, LIMIT_S)
                    os.kill(pid_of(PORTS[kill] + offset), signal.SIGKILL)
                assert wait_until(lambda: trades(url) >= ENOUGH, LIMIT_S)
                fleet.terminate()
                out, said = fleet.communicate(timeout=LIMIT_S)
            finally:
                fleet.terminate()
        report = json.loads(out.splitlines()[-1])
        assert fleet.returncode == 0, said
        assert report["restarts"] == (0 if kill is None else 1), said
        with psycopg.connect(url) as record:
            row = record.execute("select market_time from sessions").fetchone()
        assert row is not None
        yield Played(row[0], url)


def trades(url: str) -> int:
    with psycopg.connect(url) as record:
        row = record.execute("select count(*) from trades").fetchone()
    return row[0] if row else 0


def pid_of(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/info", timeout=5) as answer:
        return int(json.load(answer)["pid"])


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory, database_url: str, redis_url: str, replay: list[str]) -> Iterator[Played]:
    with a_run(tmp_path_factory.mktemp("steady"), database_url, redis_url, replay) as played:
        yield played


@pytest.mark.parametrize("kill", [None, *PORTS], ids=["nothing happens", *(f"{name} is killed" for name in PORTS)])
def test_a_market_played_again_gives_the_same_signals_orders_and_trades(
    tmp_path: Path, database_url: str, redis_url: str, replay: list[str], steady: Played, kill: str | None
) -> None:
    with a_run(tmp_path / "state", database_url, redis_url, replay, kill=kill) as again:
        until = min(steady.market_time, again.market_time)
        first, second = steady.story(until), again.story(until)
    assert len(first["trades"]) >= ENOUGH // 2
    assert first == second
