"""A real fleet with a process of another release in it, then with risk_manager standing still."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.embedded.ports import free_port
from fleet.embedded.server import wait_until
from libs.domain.fleet import PORTS
from tests.verify.running import Fleet, a_fleet

LIMIT_S = 90
ORDERED = "select count(*) from orders where purpose = 'signal'"
TOLD = "select exists (select from alerts where key like 'disarmed:%' and severity = 'critical' and resolved_at is null)"
ENTERED = "select count(*) from orders where purpose = 'signal' and not reduce_only and status not in ('APPROVED', 'EXPIRED', 'DENIED')"


@contextmanager
def another_risk_manager(fleet: Fleet, folder: Path, release: str) -> Iterator[None]:
    """A second one, which gets no lease: the first holds it."""
    own = {"RELEASE": release, "PORT_OFFSET": str(free_port() - PORTS["risk_manager"]), "STATE_DIR": str(folder)}
    environment = {**fleet.environment, **own}
    command = [sys.executable, "-m", "services.risk_manager"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def pid_of(service: str, fleet: Fleet) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORTS[service] + fleet.offset}/info", timeout=5) as answer:
        return int(json.load(answer)["pid"])


@pytest.mark.timeout(300)
def test_a_process_of_another_release_disarms_the_fleet_and_is_told_within_five_seconds(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    market = ["--market", "synthetic", "--speed", "20"]
    with a_fleet(tmp_path / "state", database_url, redis_url, market) as fleet:
        fleet.play_until_traded(3)
        with another_risk_manager(fleet, tmp_path / "other", "9.9.9"):
            fleet.until("select exists (select from builds where release = '9.9.9')", LIMIT_S)
            began = time.monotonic()
            fleet.until(
                "select exists (select from alerts where key like 'disarmed:%' and severity = 'critical' and resolved_at is null)", 5
            )
            assert time.monotonic() - began < 5
            entered = fleet.ask(ENTERED)
            fleet.until("select exists (select from risk_assessments where code = 'RC-REL')", LIMIT_S)
            assert fleet.ask(ENTERED) == entered
            assert fleet.ask("select text from disarmed").startswith("risk_manager runs release 9.9.9")
        fleet.until("select not exists (select from disarmed)", LIMIT_S)
        assert wait_until(lambda: fleet.ask(ENTERED) > entered, LIMIT_S)
        stopped = pid_of("risk_manager", fleet)
        os.kill(stopped, signal.SIGSTOP)
        try:
            ordered, signals = fleet.ask(ORDERED), fleet.ask("select count(*) from signals")
            fleet.until(f"select count(*) > {signals + 5} from signals", LIMIT_S)
            assert fleet.ask(ORDERED) == ordered
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert wait_until(lambda: fleet.ask(ORDERED) > ordered, LIMIT_S)
