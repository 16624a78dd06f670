"""A real fleet as its operator sees it: an order's story from the logs alone, a checklist that passes, a service that stands still."""

import json
import os
import signal
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fleet.cli import app
from fleet.embedded.server import wait_until
from libs.domain.fleet import PORTS
from tests.verify.running import a_fleet

LIMIT_S = 90


def ask(*command: str) -> Result:
    return CliRunner().invoke(app, list(command))


def pid_of(service: str, offset: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORTS[service] + offset}/info", timeout=5) as answer:
        return int(json.load(answer)["pid"])


@pytest.mark.timeout(600)
def test_an_operator_sees_what_is_and_what_was(tmp_path: Path, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "ELASTICSEARCH_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    with a_fleet(tmp_path, database_url, redis_url, []) as fleet:
        fleet.play_until_traded(3)
        order, client = fleet.ask("select array[o.id::text, client_order_id] from trades t join orders o on o.id = t.order_id limit 1")
        assert wait_until(lambda: ask("checklist", "pre-market").exit_code == 0, LIMIT_S), ask("checklist", "pre-market").output
        assert ask("diagnose").exit_code == 0
        running = ask("logs", "--order", order)
        run = json.loads((tmp_path / "run.json").read_text())
        stopped = pid_of("risk_manager", run["ports"]["risk_manager"] - PORTS["risk_manager"])
        os.kill(stopped, signal.SIGSTOP)
        try:
            assert wait_until(lambda: "nobody holds the lease risk:stocks" in ask("diagnose").output, LIMIT_S)
            page = ask("diagnose")
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert page.exit_code == 1
        assert "CRITICAL  risk_manager: does not answer" in page.output
        fleet.stop()
    from_files = ask("logs", "--order", client[:12])
    assert from_files.output == running.output
    services = [line.split()[2] for line in from_files.output.splitlines() if line[2:3] == ":"]
    assert services[:2] == ["strategy_engine", "risk_manager"]
    assert services[2:].count("trade_executor") >= 3
    assert "FILLED: " in from_files.output or "PARTIAL: " in from_files.output
    assert max(map(len, from_files.output.splitlines())) <= 100
