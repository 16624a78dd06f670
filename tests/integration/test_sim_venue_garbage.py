"""Garbage at every door of every dialect: the venue's own error, no defect of ours, and a venue that goes on."""

import json
from decimal import Decimal
from random import Random
from typing import Any

from aiohttp import ClientSession, web

from libs.quant.sim_venue.commands import Transfer
from services.sim_venue.credentials import DEMO
from services.sim_venue.host import Origin
from tests.sim_venues import SimVenue, a_sim_venue

KEYS = {demo.credential.dialect: demo.credential for demo in DEMO}
WORDS = ["", "NaN", "-1", "0", "1e400", "9" * 400, "AAPL", "BTCUSD", "null", "\u2603", "a b&c=d", "%00", "2021-13-45", "true", "[]"]
NAMES = ["symbol", "qty", "side", "type", "time_in_force", "limit", "start", "end", "page_token", "timestamp", "signature", "quantity"]


def bodies(draw: Random) -> list[bytes]:
    """What somebody may send instead of an order."""
    pairs: dict[str, object] = {draw.choice(NAMES): draw.choice([*WORDS, None, [], {}, 10**400, -0.0, True]) for _ in range(6)}
    return [b"", b"\x00\xff" * 50, b"[" * 5_000, b"null", b"[1,2]", b'"x"', json.dumps(pairs).encode(), b"{" + b'"a":1,' * 1000]


def query(draw: Random) -> dict[str, str]:
    return {draw.choice(NAMES): draw.choice(WORDS) for _ in range(4)}


def filled(path: str, draw: Random) -> str:
    """A path with something odd for each of its variables."""
    parts = [draw.choice(["x", "9" * 50, "%00", "AAPL", "-1"]) if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts)


async def send_all(venue: SimVenue, dialect: Any, draw: Random) -> list[tuple[str, str, int, bytes]]:
    """Garbage to every route; what came back."""
    credential = KEYS[dialect.name]
    headers = {"X-MBX-APIKEY": credential.key, "APCA-API-KEY-ID": credential.key, "APCA-API-SECRET-KEY": credential.secret}
    got = []
    async with ClientSession(headers=headers) as http:
        for route in dialect.routes():
            assert isinstance(route, web.RouteDef)
            for body in bodies(draw):
                method = "POST" if route.method == "*" else route.method
                url = venue.url + dialect.prefix + filled(route.path, draw)
                async with http.request(method, url, params=query(draw), data=body) as answer:
                    got.append((method, route.path, answer.status, await answer.read()))
    return got


async def test_garbage_gets_the_venues_own_error_and_stops_nobody() -> None:
    async with a_sim_venue() as venue:
        await venue.weather(requests_per_minute=1_000_000)
        await venue.quote("AAPL", 100.0, 100.1)
        await venue.quote("BTC/USD", 60_000.0, 60_001.0)
        for dialect in venue.venue.dialects:
            got = await send_all(venue, dialect, Random(1))
            assert [answer for answer in got if answer[2] >= 500] == []
            assert len(got) > 100
        for demo in DEMO:
            paid = Transfer(account=demo.credential.account, currency="USD", amount=Decimal(1))
            assert (await venue.host.execute(paid, Origin("control", 0))).refusal is None
