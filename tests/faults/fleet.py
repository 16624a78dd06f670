"""A real fleet in a folder of its own: started, watched, wounded in chosen places, and ended for certain."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
import redis

from fleet import running
from fleet.embedded import ports
from fleet.embedded.postgres import EmbeddedPostgres
from fleet.embedded.processes import children, command_line, is_running
from fleet.embedded.server import wait_until
from libs.domain.fleet import PORTS

SERVICES: Final = tuple(PORTS)
MARKS: Final = {"postgres": "/postgres -D ", "valkey": "/valkey-server "}
LIMIT_S: Final = 60.0
ROOT: Final = Path(__file__).parents[2]


class Ended(NamedTuple):
    """How a fleet ended: its exit code, its one JSON line ({} when it gave none), and all it said."""

    code: int
    report: dict[str, Any]
    said: str


def free_offset() -> int:
    """A PORT_OFFSET at which every port of a fleet is free."""
    wanted = random.sample(range(11_000, 20_000, 10), 100)
    return next(offset for offset in wanted if all(ports.is_free(port + offset) for port in PORTS.values()))


class Fleet:
    """`fleet run --json` on servers of its own, traded at venue paper. What it says goes to a file,
    so that nobody has to read along."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.state = folder / "state"
        self._heard = folder / "said.log"
        self._answer = folder / "answer.json"
        self._begins = self._heard.stat().st_size if self._heard.exists() else 0
        ours = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "MARKET_DATA_DIR")}
        self.environment = {**ours, "STATE_DIR": str(self.state), "PORT_OFFSET": str(free_offset()), **environment}
        with self._heard.open("ab") as heard, self._answer.open("wb") as answer:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fleet.cli", "run", "--json", "--venue", "paper", *arguments],
                env=self.environment,
                stdout=answer,
                stderr=heard,
                cwd=ROOT,
            )

    # --- what it does

    @property
    def said(self) -> str:
        """Its lines so far."""
        return self._heard.read_bytes()[self._begins :].decode(errors="replace")

    def until(self, condition: Callable[[], bool], what: str, within_s: float = LIMIT_S) -> None:
        """Waits for something to become true of it; a fleet that ends or is too slow fails the test."""
        met = wait_until(lambda: self.process.poll() is not None or condition(), within_s)
        assert met, f"not within {within_s:g} s: {what}\n{self.said[-4000:]}"
        assert self.process.poll() is None, f"it ended before: {what}\n{self.said[-4000:]}"

    def until_said(self, text: str) -> None:
        """Until it has said this."""
        self.until(lambda: text in self.said, f"it says {text!r}")

    def until_more_trades(self, than: int, within_s: float = 25.0) -> int:
        """Until more trades are booked; how many."""
        self.until(lambda: self.trades() > than, f"more than {than} trades", within_s)
        return self.trades()

    def ended(self) -> Ended:
        """Waits for its end."""
        code = self.process.wait(LIMIT_S)
        lines = self._answer.read_text().splitlines()
        return Ended(code, json.loads(lines[-1]) if lines else {}, self.said)

    def stop(self) -> Ended:
        """Asks it to stop, as Ctrl-C would."""
        self.process.terminate()
        return self.ended()

    # --- its processes

    def pid(self, name: str) -> int:
        """The process of a service, of `postgres` or of `valkey`. Waits while it is being started again."""
        mark = MARKS.get(name, f"-m services.{name}")
        found: list[int] = []

        def seen() -> bool:
            found[:] = [pid for pid in children(self.process.pid) if mark in command_line(pid) + " " and is_running(pid)]
            return bool(found)

        self.until(seen, f"{name} runs")
        return found[0]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Sends a signal to a service or server; its pid."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    # --- its servers

    @property
    def running(self) -> running.Running:
        """Where its servers are."""
        return running.find(self.state, "", "", 0)

    @property
    def owner_url(self) -> str:
        """Where the owner of the record may do what no service may."""
        return EmbeddedPostgres(self.state / "postgres").url

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Asks its Postgres, again while it is away."""
        answer: list[tuple[Any, ...]] = []

        def asked() -> bool:
            try:
                with psycopg.connect(self.owner_url, autocommit=True, connect_timeout=2) as connection:
                    found = connection.execute(query.encode(), values)
                    answer[:] = found.fetchall() if found.description else []
            except psycopg.OperationalError:
                return False
            return True

        self.until(asked, "Postgres answers")
        return answer

    def trades(self) -> int:
        """Fills in its books."""
        return int(self.rows("select count(*) from trades")[0][0])

    def bus(self) -> "redis.Redis":
        """A client of its Valkey."""
        return redis.Redis.from_url(self.running.redis_url, socket_timeout=5)

    def log(self, service: str) -> str:
        """What a service has logged."""
        return (self.state / "logs" / f"{service}.log").read_text(errors="replace")

    def end(self) -> None:
        """Ends it whatever state it is in."""
        if self.process.poll() is None:
            for name in SERVICES:  # a stopped process would not hear the rest
                for pid in children(self.process.pid):
                    if f"-m services.{name}" in command_line(pid):
                        os.kill(pid, signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextmanager
def a_fleet(folder: Path, *arguments: str, **environment: str) -> Iterator[Fleet]:
    """A fleet that trades; ended afterwards."""
    fleet = Fleet(folder, *arguments, **environment)
    try:
        fleet.until_said("all services are ready")
        yield fleet
    finally:
        fleet.end()


@contextmanager
def record_of(state: Path) -> Iterator[psycopg.Connection[Any]]:
    """The record of a fleet that has ended: its Postgres is started once more."""
    server = EmbeddedPostgres(state / "postgres")
    server.start()
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            yield connection
    finally:
        server.stop()


def refused(folder: Path, *arguments: str, **environment: str) -> Ended:
    """A start that is to fail."""
    fleet = Fleet(folder, *arguments, **environment)
    try:
        return fleet.ended()
    finally:
        fleet.end()
