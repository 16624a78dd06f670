"""The fleet as an operator starts it, in a state folder of its own: `fleet run`, observed from outside."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.scratch import free_offset, scratch
from fleet import running
from fleet.servers import Servers
from fleet.wiping import wipe
from libs.domain.fleet import PORTS

ROOT: Final = Path(__file__).parents[1]
CONFIG: Final = ROOT / "benchmarks" / "config"
READY_WITHIN_S: Final = 90.0
LEAVES_WITHIN_S: Final = 40.0


class Failed(Exception):
    """A fleet or a peer process did not do what it was started for; the message says what it said last."""


class Fleet:
    """A running fleet."""

    def __init__(self, process: subprocess.Popen[str], state: Path, port_offset: int, began: float) -> None:
        self._process = process
        self.state = state
        self.ports = running.offset(PORTS, port_offset)
        self.began = began  # monotonic, when it was started
        found = running.find(state, "", "", port_offset)
        self.database_url, self.redis_url = found.database_url, found.redis_url

    def ask(self, service: str, page: str) -> Any:
        """A service's JSON page, such as /info."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[service]}/{page}", timeout=5) as answer:
            return json.load(answer)

    def pids(self) -> Mapping[str, int]:
        """The services' processes."""
        return {service: self.ask(service, "info")["pid"] for service in self.ports}

    def stop(self) -> Mapping[str, Any]:
        """Stops it in order; what its `--json` line says.

        Raises:
            Failed: it did not end in time, or was not healthy.
        """
        self._process.send_signal(signal.SIGINT)
        try:
            out, _ = self._process.communicate(timeout=LEAVES_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"the fleet did not leave within {LEAVES_WITHIN_S:g} s") from None
        said: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
        if not said["healthy"]:
            raise Failed(f"the fleet was not healthy: {said['faults']}")
        return said


@contextmanager
def fleet(*arguments: str, config: Path = CONFIG, market: Mapping[str, str] | None = None) -> Iterator[Fleet]:
    """A fleet with a new record, once all its services are ready; `arguments` are those of `fleet run`,
    `market` more of its environment.

    Raises:
        Failed: it does not become ready.
    """
    with scratch() as state:
        offset = free_offset()
        command = [sys.executable, "-m", "fleet.cli", "run", "--json", "--fresh", *arguments]
        given = {"STATE_DIR": str(state), "CONFIG_DIR": str(config), "PORT_OFFSET": str(offset), **(market or {})}
        clean = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
        began = time.monotonic()
        with (state / "run.err").open("w") as said:
            process = subprocess.Popen(command, env=clean | given, stdout=subprocess.PIPE, stderr=said, text=True, cwd=ROOT)
        try:
            _await_ready(process, state)
            yield Fleet(process, state, offset, began)
        finally:
            _end(process)
            with running.alone(state):
                wipe(state, Servers(state, "", "", lambda text: None))


def _await_ready(process: subprocess.Popen[str], state: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while "all services are ready" not in (state / "run.err").read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            last = "; ".join((state / "run.err").read_text().strip().splitlines()[-5:])
            raise Failed(f"the fleet did not become ready: {last}")
        time.sleep(0.05)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(LEAVES_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()  # its services are tied to its life
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
