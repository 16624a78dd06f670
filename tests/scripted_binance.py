"""A Binance that says what a test tells it to: real HTTP and WebSocket, answers from `tests/payloads/binance` or from the test.

The payloads are written after the public documentation of Binance Spot; they are what its servers are documented to say,
also where our simulated venue is kinder.
"""

import asyncio
import contextlib
import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiohttp import WSCloseCode, web

PAYLOADS: Final = Path(__file__).parent / "payloads" / "binance"

_USUAL: Final = {
    "GET /api/v3/exchangeInfo": "exchange_info.json",
    "GET /api/v3/account": "account.json",
    "POST /api/v3/order": "order_new.json",
    "DELETE /api/v3/order": "canceled.json",
    "GET /api/v3/order": "order.json",
    "GET /api/v3/myTrades": "my_trades.json",
    "GET /api/v3/aggTrades": "agg_trades.json",
    "GET /sapi/v1/account/apiRestrictions": "api_restrictions.json",
}


def payload(name: str) -> str:
    """The text of a payload."""
    return (PAYLOADS / name).read_text()


class Said(NamedTuple):
    """One answer."""

    body: str
    status: int = 200
    headers: Mapping[str, str] = {}
    cut: bool = False  # the connection ends without it


class Asked(NamedTuple):
    """One request as it arrived."""

    what: str  # "POST /api/v3/order"
    parameters: Mapping[str, str]


class ScriptedBinance:
    """Its clock is that of this machine unless `clock_ms` says otherwise."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.subscribed = asyncio.Event()
        self.says_nothing = False  # on its streams, to no question either
        self.clock_ms = 1764280000123
        self._next: dict[str, deque[Said]] = {}
        self._usual: dict[str, Said] = {what: Said(payload(name)) for what, name in _USUAL.items()}
        self._usual["GET /api/v3/openOrders"] = Said("[]")
        self._usual["DELETE /api/v3/openOrders"] = Said("[]")
        self.url = ""

    def answers(self, what: str, *said: Said) -> None:
        """What it says to the next requests of a kind, before it goes back to the usual."""
        self._next.setdefault(what, deque()).extend(said)

    def always(self, what: str, body: str, status: int = 200) -> None:
        """What it usually says."""
        self._usual[what] = Said(body, status)

    def count(self, what: str) -> int:
        """How often it was asked."""
        return Counter(asked.what for asked in self.asked)[what]

    async def push(self, event: str) -> None:
        """To everybody who has subscribed."""
        for socket in self.sockets:
            if not socket.closed:
                await socket.send_str(event)

    async def hang_up(self) -> None:
        """Ends all stream connections."""
        sockets, self.sockets = self.sockets, []
        self.subscribed.clear()
        for socket in sockets:
            await socket.close(code=WSCloseCode.GOING_AWAY)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        path = request.path.removeprefix("/binance")
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._stream(request)
        parameters = dict(request.query) | dict(part.split("=", 1) for part in text.split("&") if "=" in part)
        what = f"{request.method} {path}"
        self.asked.append(Asked(what, parameters))
        if path == "/api/v3/time":
            return web.json_response({"serverTime": self.clock_ms})
        said = self._next[what].popleft() if self._next.get(what) else self._usual[what]
        if said.cut:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(text=said.body, status=said.status, headers={"Content-Type": "application/json", **said.headers})

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            asked = json.loads(message.data)
            if self.says_nothing:
                continue
            self.asked.append(Asked(asked["method"], asked.get("params") or {}))
            await socket.send_json(self._reply(request.path, asked))
            if asked["method"] not in ("ping", "LIST_SUBSCRIPTIONS"):
                self.sockets.append(socket)
                self.subscribed.set()
        return socket

    def _reply(self, path: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        if not path.endswith("/ws-api/v3"):
            return {"result": None, "id": asked["id"]}
        return {"id": asked["id"], "status": 200, "result": {} if asked["method"] == "ping" else {"subscriptionId": 0}, "rateLimits": []}


@contextlib.asynccontextmanager
async def a_scripted_binance() -> AsyncIterator[ScriptedBinance]:
    """One that answers at `url`."""
    venue = ScriptedBinance()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", venue.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    venue.url = f"http://127.0.0.1:{runner.addresses[0][1]}/binance"
    try:
        yield venue
    finally:
        await venue.hang_up()
        await runner.cleanup()
