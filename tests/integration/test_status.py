"""`fleet status`: its verdict, and that it names what is wrong."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fleet.running import Running
from fleet.status import Status, status
from libs.common.database import Database, Write
from tests.scenes import begin, clear

ALERT = "insert into alerts values (%s, 'direct', %s, 'title', 'body', 'link', now(), null)"


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, "test")
    await clear(database)
    await begin(database)
    yield database
    await database.close()


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """A fleet of one service, which is ready."""
    app = web.Application()
    app.router.add_get("/ready", _ready)
    async with TestServer(app) as server:
        assert server.port is not None
        yield Running(pid=None, since="", database_url="", redis_url="", ports={"trade_executor": server.port})


async def _ready(_: web.Request) -> web.Response:
    return web.json_response({"ready": True, "checks": {}})


async def test_a_fleet_whose_services_are_ready_is_healthy_beside_a_warning(database: Database, running: Running) -> None:
    await database.write([Write(ALERT, ("disk", "warning"))])
    assert (await status(running, database)).text().startswith("fleet      healthy\n")


async def test_a_critical_alert_is_not_healthy_and_named(database: Database, running: Running) -> None:
    await database.write([Write(ALERT, ("feed_stale", "critical"))])
    found = await status(running, database)
    assert (found.healthy, found.critical) == (False, ["feed_stale"])
    assert found.text().startswith("fleet      NOT healthy: critical: feed_stale (`fleet alerts`)\n")


def test_unknown_orders_are_counted_in_the_verdict() -> None:
    services = {"trade_executor": "healthy", "portfolio": "down"}
    found = Status(
        healthy=False,
        pid=None,
        since="",
        services=services,
        venues={},
        unknown_orders=2,
        critical=[],
        session=None,
        paused="",
        killed=[],
        halts=[],
        looser=[],
        differences=[],
    )
    verdict = "fleet      NOT healthy: 1 of 2 services not ready; 2 UNKNOWN orders (docs/runbooks/unknown-order.md)"
    assert found.text().splitlines()[0] == verdict
