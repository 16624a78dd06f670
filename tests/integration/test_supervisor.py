import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from fleet import tied
from fleet.embedded.processes import is_running
from fleet.embedded.server import wait_until
from fleet.leases import Undertaker
from fleet.service_process import Service
from fleet.supervisor import Supervisor
from libs.common.clocks import SystemClock
from libs.common.database import Database
from libs.common.leases import Lease
from libs.common.settings import ConfigError
from tests.fleets import fake
from tests.records import a_record

LIMIT_S = 20


class Lines:
    """What was said, to be waited for."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self._news = asyncio.Event()

    def say(self, text: str) -> None:
        self.said.append(text)
        self._news.set()

    async def until(self, text: str) -> str:
        async with asyncio.timeout(LIMIT_S):
            while not (found := [line for line in self.said if text in line]):
                await self._news.wait()
                self._news.clear()
        return found[0]


@asynccontextmanager
async def supervised(
    services: list[Service], folder: Path, lines: Lines, reaped: Callable[[str], None] = lambda holder: None
) -> AsyncIterator[tuple[Supervisor, asyncio.Task[None]]]:
    async with aiohttp.ClientSession() as http:
        supervisor = Supervisor(services, dict(os.environ), folder / "logs", lines.say, reaped, SystemClock(), http)
        task = asyncio.create_task(supervisor.run())
        try:
            yield supervisor, task
        finally:
            task.cancel()
            await asyncio.wait({task})


def pid_of(supervisor: Supervisor, name: str) -> int:
    process = supervisor.services[name].process
    assert process is not None
    return process.pid


async def test_a_service_that_was_killed_comes_back(tmp_path: Path) -> None:
    lines = Lines()
    async with supervised([fake("a", "steady", tmp_path)], tmp_path, lines) as (supervisor, _):
        assert await supervisor.all_ready(LIMIT_S)
        os.kill(pid_of(supervisor, "a"), signal.SIGKILL)
        assert await lines.until("a ended") == "a ended (killed by SIGKILL); starting it again in 0.1 s"
        await lines.until("a is ready again")
        assert (supervisor.states, supervisor.restarts) == ({"a": "healthy"}, 1)


async def test_a_service_that_keeps_crashing_is_tried_three_times_and_then_named_loudly(tmp_path: Path) -> None:
    lines = Lines()
    async with supervised([fake("a", "crashes", tmp_path), fake("b", "steady", tmp_path)], tmp_path, lines) as (supervisor, _):
        alert = await lines.until("ALERT")
        assert str(tmp_path / "logs" / "a.log") in alert
        assert "fake: out of luck" in await lines.until("out of luck")
        assert [line.split("again in ")[1] for line in lines.said if "starting it again" in line] == ["0.1 s", "1 s", "3 s"]
        assert not await supervisor.all_ready(LIMIT_S)
        assert supervisor.states["b"] == "healthy"


async def test_a_service_that_refuses_its_configuration_stops_the_run_with_its_own_words(tmp_path: Path) -> None:
    services = [fake("a", "steady", tmp_path), fake("b", "refuses", tmp_path)]
    async with supervised(services, tmp_path, Lines()) as (supervisor, task):
        await asyncio.wait({task}, timeout=LIMIT_S)
        with pytest.raises(ExceptionGroup) as refused:
            task.result()
    assert refused.group_contains(ConfigError, match='fake: LOTS must be a number, got "many"')
    assert supervisor.services["a"].process is None
    assert supervisor.restarts == 0


async def test_a_service_that_is_not_ready_says_why(tmp_path: Path) -> None:
    async with supervised([fake("a", "unready", tmp_path)], tmp_path, Lines()) as (supervisor, _):
        assert await wait_for(lambda: supervisor.states["a"] == "market: no clock yet")
        assert not await supervisor.all_ready(0)


async def test_leaving_is_orderly_and_final(tmp_path: Path) -> None:
    lines = Lines()
    async with supervised([fake("a", "steady", tmp_path)], tmp_path, lines) as (supervisor, task):
        assert await supervisor.all_ready(LIMIT_S)
        pid = pid_of(supervisor, "a")
        await supervisor.leave("a")
        await asyncio.wait({task}, timeout=LIMIT_S)
    assert not is_running(pid)
    assert (supervisor.states, lines.said) == ({"a": "stopped"}, [])


async def test_a_log_that_has_grown_too_long_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.service_process.LOG_LIMIT", 10)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text("a long story")
    async with supervised([fake("a", "steady", tmp_path)], tmp_path, Lines()) as (supervisor, _):
        assert await supervisor.all_ready(LIMIT_S)
    assert (tmp_path / "logs" / "a.log.1").read_text() == "a long story"


async def test_the_lease_of_a_killed_holder_is_free_at_once(tmp_path: Path, database_url: str) -> None:
    with a_record(database_url) as url:
        lines, mine, theirs = Lines(), Database(url, "mine"), Database(url, "theirs")
        undertaker = Undertaker(Database(url, "undertaker"), lines.say)
        burying = asyncio.create_task(undertaker.run())
        async with supervised([fake("a", "steady", tmp_path)], tmp_path, lines, undertaker.bury) as (supervisor, _):
            assert await supervisor.all_ready(LIMIT_S)
            process = supervisor.services["a"].process
            assert process is not None
            await Lease(theirs, "risk:main", process.holder, SystemClock()).acquire(["signals"], asyncio.Event())
            process.kill()
            assert await lines.until("released") == "released what a dead process held: risk:main"
            waited = await mine.fetch("select wait_s, epoch from lease_take('risk:main', 'next', 4, 3, %b::text[])", (["signals"],))
        burying.cancel()
        await asyncio.wait({burying})
        await mine.close()
        await theirs.close()
    assert waited == [(0.0, 2)]


async def test_leases_of_processes_that_died_with_their_supervisor_are_released_at_the_start(database_url: str) -> None:
    with a_record(database_url) as url:
        lines, database = Lines(), Database(url, "test")
        alive = SystemClock()
        await Lease(database, "risk:main", "an-earlier-boot:4:5", alive).acquire([], asyncio.Event())
        undertaker = Undertaker(Database(url, "undertaker"), lines.say)
        await undertaker.bury_the_dead()
        burying = asyncio.create_task(undertaker.run())
        await lines.until("risk:main")
        burying.cancel()
        await asyncio.wait({burying})
        await database.close()


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process that starts a tied child, prints its pid, and waits to be killed."""
    code = (
        "import os, subprocess, sys; child = subprocess.Popen([sys.executable, sys.argv[1], str(os.getpid()), sys.executable, '-c',"
        " 'import time; print(1, flush=True); time.sleep(60)'], stdout=subprocess.PIPE); child.stdout.readline();"
        " print(child.pid, flush=True); child.wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", code, tied.__file__], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties the life of a process to its parent's")
def test_a_service_does_not_outlive_a_killed_supervisor(parent: subprocess.Popen[str]) -> None:
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_running(child)
    parent.kill()
    assert wait_until(lambda: not is_running(child), LIMIT_S)


async def wait_for(condition: Callable[[], bool]) -> bool:
    return await asyncio.to_thread(wait_until, condition, LIMIT_S)
