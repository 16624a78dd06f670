"""`fleet notify test` and `fleet alerts`, against a monitor that runs beside."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fleet.cli import app
from fleet.embedded.ports import free_port
from libs.common.database import Database
from libs.common.http import Readiness, application
from libs.domain.faults import Fault
from libs.domain.fleet import PORTS
from libs.store import alerts
from services.monitor.routes import routes
from tests.gotify import Gotify, a_gotify, serving
from tests.monitors import Rig


@pytest.fixture
async def gotify() -> AsyncIterator[Gotify]:
    async with a_gotify() as server:
        yield server


@pytest.fixture
def rig(url: str, redis_url: str, gotify: Gotify, tmp_path: Path, database: Database) -> Rig:
    return Rig(url, redis_url, gotify, 40_000, tmp_path)


class Hands:
    """An operator beside a monitor."""

    def __init__(self, rig: Rig, port: int) -> None:
        self._environment = {
            "DATABASE_URL": rig.settings.database_url,
            "REDIS_URL": rig.settings.redis_url,
            "STATE_DIR": rig.settings.state_dir,
            "PORT_OFFSET": str(port - PORTS["monitor"]),
        }

    async def types(self, *words: str) -> Result:
        """A command in a thread, so that the monitor goes on."""
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, words, env=self._environment))


async def typed(rig: Rig, *words: str, **changed: Any) -> Result:
    async with rig.monitor(**changed) as monitor:
        answering = application("monitor", Readiness(), dict)
        answering.add_routes(routes(lambda: monitor, ""))
        async with serving(answering) as base:
            return await Hands(rig, int(base.rpartition(":")[2])).types(*words)


async def test_a_test_that_arrives_is_sent_whatever_the_channel_wants(rig: Rig, gotify: Gotify) -> None:
    done = await typed(rig, "notify", "test", "--severity", "critical")
    assert (done.exit_code, done.stdout) == (0, "gotify   sent\n")
    assert [(m["title"], m["priority"]) for m in gotify.messages] == [("A test of Tradewinds", 8)]


async def test_a_test_that_does_not_arrive_says_why(rig: Rig, gotify: Gotify) -> None:
    done = await typed(rig, "notify", "test", "--channel", "gotify", "--json", gotify_token="wrong")
    assert done.exit_code == 1
    (tried,) = json.loads(done.stdout)["channels"]
    assert (tried["channel"], tried["result"]) == ("gotify", "failed")
    assert "answered 401" in tried["detail"]


async def test_without_a_channel_it_says_how_to_set_one_up(rig: Rig) -> None:
    done = await typed(rig, "notify", "test", gotify_token="")
    assert done.exit_code == 1
    assert "gotify   off: set GOTIFY_TOKEN" in done.stderr
    assert "docs/monitoring.md" in done.stderr


async def test_a_channel_that_there_is_not_is_named(rig: Rig) -> None:
    done = await typed(rig, "notify", "test", "--channel", "pigeon")
    assert done.exit_code == 1
    assert "no channel is called 'pigeon'; there are: gotify, email, slack, discord" in done.stderr


async def test_without_a_monitor_it_says_what_that_means(rig: Rig) -> None:
    done = await Hands(rig, free_port()).types("notify", "test")
    assert done.exit_code == 1
    assert "the monitor does not answer" in done.stderr


async def test_alerts_are_listed_by_what_fires_and_what_is_over(rig: Rig, database: Database) -> None:
    noon = datetime(2025, 1, 6, 12, tzinfo=UTC)
    firing_, over_ = (Fault(key, "critical", title, "", "", noon) for key, title in [("a", "Postgres does not answer"), ("b", "The disk")])
    ended = alerts.ended("b", "direct", noon + timedelta(minutes=1))
    await database.write([alerts.began(firing_, "direct"), alerts.began(over_, "direct"), ended])
    hands = Hands(rig, PORTS["monitor"])
    said = (await hands.types("alerts")).stdout
    firing, over = said.split("\n\n")
    assert "Postgres does not answer  2025-01-06 12:00:00" in firing
    assert "The disk  2025-01-06 12:00:00  60 s" in over
    found = json.loads((await hands.types("alerts", "--json")).stdout)
    assert ([one["key"] for one in found["firing"]], [one["key"] for one in found["over"]]) == (["a"], ["b"])
