import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fleet.cli import app
from fleet.embedded.ports import free_port
from fleet.embedded.postgres import EmbeddedPostgres
from fleet.embedded.processes import children, is_running
from fleet.embedded.server import wait_until
from libs.domain.fleet import PORTS
from tests.fleets import configuration
from tests.records import a_record

LIMIT_S = 60
HEALTHY = ["healthy"] * len(PORTS)


@pytest.fixture
def servers(database_url: str, redis_url: str) -> Iterator[dict[str, str]]:
    """The environment of a fleet on a record of its own."""
    with a_record(database_url) as url:
        yield {**os.environ, "DATABASE_URL": url, "REDIS_URL": redis_url}


class Fleet:
    """A fleet of fake services in a process of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], seconds: float, *behaviours: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fake_fleet", str(folder), str(seconds), *behaviours],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = ""

    def until(self, text: str) -> str:
        """Its lines up to the one with `text`."""
        assert self.process.stderr is not None
        while text not in self.said:
            line = self.process.stderr.readline()
            assert line, f"it ended without saying {text!r}: {self.said}"
            self.said += line
        return self.said

    def ended(self) -> tuple[int, str, str]:
        """Exit code, stdout, and all it said."""
        out, said = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, out, self.said + said

    def services(self) -> list[int]:
        """Its children, oldest first."""
        return sorted(children(self.process.pid))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """For fleets; what a failed test leaves running is ended by its own pid."""
    yield tmp_path
    lock = tmp_path / "state" / "run.lock"
    pid = int(lock.read_text()) if lock.exists() else 0
    if pid and is_running(pid):
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not is_running(pid), LIMIT_S)
    EmbeddedPostgres(tmp_path / "state" / "postgres").wipe()  # as root its data lie elsewhere


def test_a_run_ends_with_its_report_on_the_last_line(folder: Path, servers: dict[str, str]) -> None:
    code, out, said = Fleet(folder, servers, 1, "steady", "steady", "once", "steady").ended()
    report = json.loads(out.splitlines()[-1])
    assert code == 0, said
    assert list(report["services"].values()) == HEALTHY
    assert {k: report[k] for k in ("healthy", "seconds", "ticks", "bars", "ledger_balanced", "restarts", "tick_to_order_ms")} == {
        "healthy": True,
        "seconds": 1,
        "ticks": 42,
        "bars": 7,
        "ledger_balanced": True,
        "restarts": 1,
        "tick_to_order_ms": {"p50": 2.5, "p99": 9.0},
    }


def test_a_run_without_all_its_services_is_not_healthy(folder: Path, servers: dict[str, str]) -> None:
    code, out, said = Fleet(folder, servers, 1, "steady", "crashes", "steady", "steady").ended()
    assert code == 1
    assert "ALERT: strategy_engine is given up after 3 restarts" in said
    assert "given up" in json.loads(out.splitlines()[-1])["services"]["strategy_engine"]


def test_a_service_that_refuses_its_configuration_ends_the_run(folder: Path, servers: dict[str, str]) -> None:
    code, out, said = Fleet(folder, servers, 1, "steady", "steady", "refuses", "steady").ended()
    assert (code, out) == (2, "")
    assert said.splitlines()[-1] == 'fleet: fake: LOTS must be a number, got "many"'


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_in_order_when_asked(folder: Path, servers: dict[str, str], number: signal.Signals) -> None:
    fleet = Fleet(folder, servers, 0)
    fleet.until("all services are ready")
    services = fleet.services()
    fleet.process.send_signal(number)
    code, out, said = fleet.ended()
    assert code == 0, said
    assert json.loads(out)["healthy"]
    assert not any(map(is_running, services))


def test_it_leaves_nothing_running_when_nobody_reads_it_any_more(folder: Path, servers: dict[str, str]) -> None:
    fleet = Fleet(folder, servers, 0)
    fleet.until("all services are ready")
    services = fleet.services()
    assert fleet.process.stderr is not None
    assert fleet.process.stdout is not None
    fleet.process.stderr.close()
    fleet.process.stdout.close()
    os.kill(services[0], signal.SIGKILL)  # which it wants to tell
    assert fleet.process.wait(LIMIT_S) == 0
    assert not any(map(is_running, services))


def test_a_second_start_is_refused_and_says_who_runs(folder: Path, servers: dict[str, str]) -> None:
    first = Fleet(folder, servers, 0)
    first.until("all services are ready")
    code, _, said = Fleet(folder, servers, 1).ended()
    first.process.terminate()
    assert first.ended()[0] == 0
    assert code == 2
    assert f"already (process {first.process.pid})" in said


def test_servers_that_are_killed_are_started_again_and_leave_no_trace_in_the_books(folder: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
    fleet = Fleet(folder, environment, 0)
    fleet.until("all services are ready")
    for pid in fleet.services()[:2]:  # the servers are started first
        os.kill(pid, signal.SIGKILL)
    fleet.until("Postgres is back")
    fleet.until("Valkey is back")
    fleet.process.terminate()
    code, out, said = fleet.ended()
    assert (code, json.loads(out)["restarts"], json.loads(out)["healthy"]) == (0, 2, True), said


def cli(*arguments: str, **environment: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, arguments, env=environment)
    return done.exit_code, done.stdout, done.stderr


def test_a_taken_port_is_named_with_its_service(tmp_path: Path) -> None:
    config = configuration(tmp_path / "config")
    port = free_port()  # not one that the kernel hands out: its neighbours would be taken now and then
    with socket.create_server(("127.0.0.1", port)):
        code, _, said = cli("run", STATE_DIR=str(tmp_path / "state"), CONFIG_DIR=str(config), PORT_OFFSET=str(port - 9103))
    assert code == 2
    assert f"port {port} of risk_manager is taken" in said
    assert "PORT_OFFSET" in said


def test_fresh_does_not_wipe_a_database_that_is_the_operators(tmp_path: Path, servers: dict[str, str]) -> None:
    config = configuration(tmp_path / "config")
    given = {name: servers[name] for name in ("DATABASE_URL", "REDIS_URL")}
    code, _, said = cli("run", "--fresh", STATE_DIR=str(tmp_path / "state"), CONFIG_DIR=str(config), PORT_OFFSET="11000", **given)
    assert code == 2
    assert "not ours to wipe" in said


def test_commands_say_when_nothing_runs(tmp_path: Path) -> None:
    code, out, _ = cli("pause", "--json", STATE_DIR=str(tmp_path), DATABASE_URL="")
    assert code == 3
    assert "no fleet is running" in json.loads(out)["error"]


def test_status_of_a_fleet_whose_services_are_down_is_not_healthy(tmp_path: Path, servers: dict[str, str]) -> None:
    given = {name: servers[name] for name in ("DATABASE_URL", "REDIS_URL")}
    code, out, _ = cli("status", "--json", STATE_DIR=str(tmp_path), PORT_OFFSET="11000", **given)
    assert code == 1
    assert set(json.loads(out)["services"].values()) == {"down"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties the life of a process to its parent's")
def test_no_service_outlives_a_supervisor_that_was_killed(folder: Path, servers: dict[str, str]) -> None:
    fleet = Fleet(folder, servers, 0)
    fleet.until("all services are ready")
    services = fleet.services()
    fleet.process.kill()
    fleet.ended()
    assert wait_until(lambda: not any(map(is_running, services)), LIMIT_S)


def test_status_says_what_is_stopped_since_when_and_how_to_go_on(tmp_path: Path, servers: dict[str, str]) -> None:
    given = {name: servers[name] for name in ("DATABASE_URL", "REDIS_URL")} | {"STATE_DIR": str(tmp_path), "PORT_OFFSET": "11000"}
    given["CONFIG_DIR"] = str(configuration(tmp_path / "config"))
    assert cli("risk", "kill", "--reason", "too hot", **given)[0] == 0
    _, said, _ = cli("status", **given)
    assert "fleet is stopped (halt) since" in said
    assert "STOPPED by the kill switch (halt)" in said
    assert "rearm with `fleet risk rearm --scope fleet --reason" in said
    assert cli("risk", "rearm", **given)[0] == 2, "no reason"
    assert cli("risk", "rearm", "--reason", "calm", **given)[0] == 0
    assert cli("risk", "rearm", "--reason", "calm", **given)[0] == 1
