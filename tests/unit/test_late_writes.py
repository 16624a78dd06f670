"""A process that was stopped between asking for leave and its first byte writes nothing when it wakes up."""

from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import web

from libs.common import crash_points
from libs.venues.alpaca.requests import Requests
from libs.venues.broker import NotSent
from libs.venues.budget import Budget
from libs.venues.ccxt_venue.wire import Wire
from libs.venues.endpoint import Endpoint
from tests.factories import HandClock


class Server:
    """Counts the requests that reach it."""

    def __init__(self) -> None:
        self.came = 0
        self.url = ""

    async def order(self, request: web.Request) -> web.Response:
        await request.read()
        self.came += 1
        return web.json_response({})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    app = web.Application()
    app.add_routes([web.post("/order", found.order)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/order"
    yield found
    await runner.cleanup()


@pytest.fixture
def clock() -> Iterator[HandClock]:
    """It jumps by a minute at the moment at which the connection stands and nothing is written: CP09."""
    found = HandClock()

    def sleep(point: crash_points.CrashPoint) -> None:
        if point == "CP09":
            found.move(60.0)

    crash_points.install(sleep)
    yield found
    crash_points.install(None)


async def test_at_alpaca(server: Server, clock: HandClock) -> None:
    requests = Requests(Endpoint("", "key", "secret", "paper"), Budget(100, clock=clock), clock)
    with pytest.raises(NotSent):
        await requests.send("order", "POST", server.url, deadline=clock.monotonic() + 3, body=b"{}")
    await requests.close()
    assert server.came == 0


async def test_under_ccxt(server: Server, clock: HandClock) -> None:
    wire = Wire(clock, Budget(100, clock=clock))
    async with wire.open() as session, wire.sending(clock.monotonic() + 3) as sending:
        with pytest.raises(Exception, match="the time to send it had passed"):
            await session.post(server.url, data=b"{}")
        assert not sending.answered().written
    assert server.came == 0
