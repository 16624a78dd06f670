"""The venue's own dead man's switch: asked of a Kraken that answers as Kraken does, through the real ccxt adapter."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from libs.common.clocks import SystemClock
from libs.domain.configuration import OnDisconnect
from libs.store.sessions import Account
from libs.venues.ccxt_venue.broker import CcxtBroker
from libs.venues.endpoint import Endpoint
from services.trade_executor import dead_man
from tests.ccxt_venues import a_venue
from tests.waiting import until

ACCOUNT = Account("crypto", "crypto", "kraken", "USD", False, Decimal(1))
SECRET = "a3Jha2VuIHdhbnRzIGJhc2U2NA=="


class Kraken:
    """What of it the switch needs: no market, a balance, and the switch."""

    def __init__(self) -> None:
        self.asked: list[str] = []  # seconds, of each request
        self.refuses = False
        self.url = ""

    async def listed(self, _: web.Request) -> web.Response:
        return web.json_response({"error": [], "result": {}})

    async def time(self, _: web.Request) -> web.Response:
        return web.json_response({"error": [], "result": {"unixtime": time.time_ns() // 1_000_000_000, "rfc1123": ""}})

    async def switch(self, request: web.Request) -> web.Response:
        self.asked += parse_qs((await request.read()).decode())["timeout"]
        if self.refuses:
            return web.json_response({"error": ["EGeneral:Permission denied"]})
        return web.json_response({"error": [], "result": {"currentTime": "2026-01-01T00:00:00Z", "triggerTime": "0"}})


@pytest.fixture
async def kraken() -> AsyncIterator[Kraken]:
    found, app = Kraken(), web.Application()
    app.add_routes([web.get("/0/public/Time", found.time)])
    for path in ("/0/public/Assets", "/0/public/AssetPairs"):
        app.add_routes([web.get(path, found.listed)])
    app.add_routes([web.post("/0/private/Balance", found.listed), web.post("/0/private/BalanceEx", found.listed)])
    app.add_routes([web.post("/0/private/CancelAllOrdersAfter", found.switch)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def broker(kraken: Kraken) -> AsyncIterator[CcxtBroker]:
    venue = a_venue(name="kraken", exchange="kraken")
    found = CcxtBroker(venue, Endpoint(kraken.url, "key", SECRET, "paper"), {}, clock=SystemClock(), listens=False)
    await found.connect()
    yield found
    await found.disconnect()


async def armed(broker: CcxtBroker, kraken: Kraken, count: int) -> None:
    """Until it was asked so often."""
    keeping = asyncio.create_task(dead_man.keep_armed(broker, ACCOUNT))
    await until(lambda: len(kraken.asked) >= count)
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping


@pytest.mark.parametrize(("policy", "asked"), [("keep", ["60", "0"]), ("cancel", ["60"])])
async def test_it_is_armed_at_once_and_left_as_the_account_wants_it(
    broker: CcxtBroker, kraken: Kraken, policy: OnDisconnect, asked: list[str]
) -> None:
    await armed(broker, kraken, 1)
    await dead_man.leave(broker, ACCOUNT, policy)
    assert kraken.asked == asked


async def test_a_refusal_is_told_once_and_asked_for_again(
    broker: CcxtBroker, kraken: Kraken, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dead_man, "REFRESH_S", 0.01)
    kraken.refuses = True
    await armed(broker, kraken, 3)
    assert [record.getMessage()[:52] for record in caplog.records if record.levelname == "ERROR"] == [
        "the dead man's switch of venue kraken is not armed: "
    ]
