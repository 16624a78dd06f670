"""The real fleet on a record of its own, played to where a test wants it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from fleet.embedded.ports import free_port
from fleet.embedded.server import wait_until
from libs.domain.fleet import PORTS
from tests.roles import a_record_for_roles

STOPS_WITHIN_S = 60
STANDS_STILL_S = 60
LOOK_EVERY_S = 0.2  # each look is a connection, and the fleet needs the processors


class Fleet:
    """A fleet that plays until it is stopped. Its record outlives it by the test."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, offset: int, environment: Mapping[str, str], heard: Path) -> None:
        self.url = url
        self._process = process
        self.environment = environment
        self._heard = heard
        self.offset = offset

    def ask(self, query: str) -> Any:
        """The one value that a query of the record gives; None without a row."""
        with psycopg.connect(self.url) as record:
            row = record.execute(query.encode()).fetchone()
        return row[0] if row else None

    def play_until_traded(self, trades: int) -> None:
        """Until that many trades are booked."""
        self._play_until(f"select count(*) >= {trades} from trades")

    def play_to_its_end(self) -> None:
        """Until the market's data have ended."""
        self._play_until("select exists (select from sessions where state = 'finished')")

    def _play_until(self, query: str) -> None:
        """Until a query gives true, however long that takes on this machine, as long as the market moves."""
        seen, moved = None, time.monotonic()
        while not self.ask(query):
            now = self.ask("select max(market_time) from sessions")
            if now != seen:
                seen, moved = now, time.monotonic()
            assert time.monotonic() - moved < STANDS_STILL_S, f"the market has stood still for {STANDS_STILL_S} s: {self.said}"
            time.sleep(LOOK_EVERY_S)

    def until(self, query: str, limit_s: float) -> Any:
        """The value of a query, once it is something."""
        deadline = time.monotonic() + limit_s
        while not (value := self.ask(query)):
            assert time.monotonic() < deadline, f"{query} gives nothing in {limit_s} s: {self.said}"
            time.sleep(LOOK_EVERY_S)
        return value

    def kill(self, service: str) -> None:
        """Ends a service as the kernel would; trade_executor not between an intent and its request: an order that did not leave then
        never leaves, and no backtest knows of that. Those moments are the chaos harness's."""
        with urllib.request.urlopen(f"http://127.0.0.1:{PORTS[service] + self.offset}/info", timeout=5) as answer:
            pid = int(json.load(answer)["pid"])
        if service == "trade_executor":
            assert wait_until(lambda: self._stands_still_at_rest(pid), 30), "an intent is always on its way"
        os.kill(pid, signal.SIGKILL)

    def _stands_still_at_rest(self, pid: int) -> bool:
        """Freezes it; False, and it goes on, where an order of it is on its way to the venue."""
        os.kill(pid, signal.SIGSTOP)
        self.ask("select pg_sleep(0.05)")  # until a commit that was under way is over
        if self.ask("select count(*) from orders where status = 'SUBMITTING'") == 0:
            return True
        os.kill(pid, signal.SIGCONT)
        return False

    def operate(self, *command: str) -> str:
        """What an operator's command answers; it must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "fleet.cli", *command], env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self, restarts: int = 0) -> None:
        """Stops it as an operator would; it must then report itself healthy."""
        self._process.terminate()
        out, _ = self._process.communicate(timeout=STOPS_WITHIN_S)
        assert self._process.returncode == 0, self.said
        assert json.loads(out.splitlines()[-1])["restarts"] == restarts, self.said

    @property
    def said(self) -> str:
        """The last of what it told a person."""
        return self._heard.read_text()[-4000:]


@contextmanager
def a_fleet(
    folder: Path, database_url: str, redis_url: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[Fleet]:
    """`fleet run --json` with these arguments, on a new record, each service with a database role of its own."""
    with a_record_for_roles(database_url) as url:
        offset = free_port() - min(PORTS.values())
        state: dict[str, str] = {"STATE_DIR": str(folder), "PORT_OFFSET": str(offset), "DATABASE_URL": url, "REDIS_URL": redis_url}
        state["DATABASE_ROLES"] = "each"
        whole = {**os.environ, **state, **(environment or {})}
        heard = folder.with_name(f"{folder.name}.said")  # a file: nobody reads along, and a pipe that is full would hold it up
        with (
            heard.open("w") as saying,
            subprocess.Popen(
                [sys.executable, "-c", "from fleet.cli import main; main()", "run", "--json", *arguments],
                env=whole,
                stdout=subprocess.PIPE,
                stderr=saying,
                text=True,
            ) as process,
        ):
            try:
                yield Fleet(process, url, offset, whole, heard)
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.communicate(timeout=STOPS_WITHIN_S)
