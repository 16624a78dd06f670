"""A hundred secrets go in by the environment and by errors; none comes out on any page, stream, log or notification."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from libs.common import secrets
from libs.common.clocks import SystemClock
from libs.common.http import Readiness, application
from libs.common.settings import Settings, from_environment
from libs.store.notifications import notification
from tests.fleets import configuration

SEEDED = [f"s3cr3t-{n:03}-{'aZ~_%'[n % 5]}{'x' * (n % 7)}" for n in range(100)]
NAMED = {f"VENUE_{n}_{('API_KEY', 'SECRET', 'TOKEN', 'PASSWORD')[n % 4]}": secret for n, secret in enumerate(SEEDED[1:])}
ENVIRONMENT = {
    "DATABASE_URL": f"postgresql://fleet:{SEEDED[0].replace('%', '%25')}@127.0.0.1:1/fleet?connect_timeout=2",
    "REDIS_URL": "redis://127.0.0.1:1",
    **NAMED,
}


def leaked(text: str) -> list[str]:
    return [secret for secret in SEEDED if secret in text]


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_known", ())
    from_environment(Settings, ENVIRONMENT)


@pytest_asyncio.fixture
async def client() -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """A service whose every answer quotes every secret."""
    readiness = Readiness("postgres")
    readiness.set("postgres", False, f"cannot connect: {SEEDED}")

    async def refuse(_: web.Request) -> web.Response:
        raise web.HTTPBadRequest(text=f"not with {SEEDED}")

    app = application("one", readiness, lambda: {"config": SEEDED})
    app.router.add_get("/refused", refuse)
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize("page", ["/info", "/ready", "/refused"])
async def test_no_page_shows_one(client: TestClient[web.Request, web.Application], page: str) -> None:
    text = await (await client.get(page)).text()
    assert leaked(text) == []
    assert text.count("***") >= 100


def test_no_notification_tells_one() -> None:
    told = notification(SystemClock(), "system", "info", f"title {SEEDED}", f"body {SEEDED}", link=f"http://x/{SEEDED[3]}")
    assert leaked(f"{told}") == []


SERVICE = """
import sys, warnings
from libs.common import runner
from libs.common.settings import ConfigError, Settings, from_environment
import os, logging
async def work(context):
    log = logging.getLogger("work")
    given = [v for k, v in os.environ.items() if k.startswith("VENUE_")] + [os.environ["DATABASE_URL"]]
    log.warning("all of them: %s", given, extra={"labels": {"one": given[0]}})
    warnings.warn(f"with {given[1]}")
    print("printed", given, file=sys.stderr)
    raise {kind}(f"ends with {given}")
runner.run("one", {port}, lambda: from_environment(Settings, os.environ), work)
"""


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": ".", **ENVIRONMENT, **environment}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=env, timeout=60)


@pytest.mark.parametrize(("kind", "code"), [("ValueError", 1), ("ConfigError", 2)])
def test_no_service_writes_one_whether_it_crashes_or_refuses_its_configuration(unused_tcp_port: int, kind: str, code: int) -> None:
    ended = run("-c", SERVICE.replace("{kind}", kind).replace("{port}", str(unused_tcp_port)))
    assert ended.returncode == code
    assert leaked(ended.stdout + ended.stderr) == []
    assert "all of them: ['***'" in ended.stdout
    assert "printed ['***'" in ended.stderr
    assert "***" in (ended.stderr if code == 2 else ended.stdout).rpartition("ends with")[2]


def test_a_wrong_setting_is_named_without_one(unused_tcp_port: int) -> None:
    wrong = SERVICE.replace("{kind}", "ValueError").replace("{port}", str(unused_tcp_port))
    ended = run("-c", wrong, PORT_OFFSET=SEEDED[4])
    assert ended.returncode == 2
    assert "PORT_OFFSET" in ended.stderr
    assert leaked(ended.stdout + ended.stderr) == []


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["diagnose", "--json"],
        ["explain", SEEDED[5]],
        ["logs", "--grep", "of them"],
    ],
    ids=" ".join,
)
def test_no_command_prints_one(tmp_path: Path, command: list[str]) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "one.log").write_text(f"all of them: {SEEDED}\n")
    ended = run("-m", "fleet.cli", *command, STATE_DIR=str(tmp_path), CONFIG_DIR=str(configuration(tmp_path / "config")))
    assert ended.stdout + ended.stderr
    assert leaked(ended.stdout + ended.stderr) == []
