"""An HTTP and WebSocket server that says what a test has written down for it, on a free port. What reaches it is kept.

It knows nothing of orders: it is for answers that no venue should give. How a venue behaves is tested against sim_venue.
"""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import WSMsgType, web

from libs.venues.endpoint import Endpoint, Mode

PAYLOADS = Path(__file__).parent / "payloads" / "alpaca"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def payload(name: str, **changed: Any) -> Any:
    """A written-down payload, with some of its fields changed."""
    said = json.loads((PAYLOADS / f"{name}.json").read_text())
    return said | changed if changed else said


class Seen(NamedTuple):
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


class ScriptedAlpaca:
    """Answers each "METHOD /path" with the next that is written down for it, the last one for ever; 404 where nothing is."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[Seen] = []
        self._answers: defaultdict[str, deque[Handler]] = defaultdict(deque)
        self.frames: asyncio.Queue[Any] = asyncio.Queue()  # what the streams say after the handshake; None: hang up
        self.said: list[Any] = []  # what clients said on the streams
        self.connections = 0
        self.mute = False  # streams answer nothing any more
        self.binary = True
        self.answer("GET /v2/account", payload("account"))
        self.answer("GET /v2/clock", payload("clock"))
        self.answer("GET /v2/orders", [])
        self.answer("GET /v2/positions", [])
        self.answer("GET /v2/account/activities/FILL", [])

    def endpoint(self, mode: Mode = "paper", key: str = "PKTEST") -> Endpoint:
        return Endpoint(self.url, key, "secret", mode)

    def answer(self, what: str, body: Any, status: int = 200, headers: dict[str, str] | None = None, *, then: bool = False) -> None:
        """`body` as JSON; text or bytes as they are. `then`: after what is written down already, not instead of it."""

        async def respond(_: web.Request) -> web.StreamResponse:
            if isinstance(body, str | bytes):
                return web.Response(status=status, body=body, headers=headers, content_type="text/html")
            return web.json_response(body, status=status, headers=headers)

        self.handle(what, respond, then=then)

    def handle(self, what: str, handler: Handler, *, then: bool = False) -> None:
        if not then:
            self._answers[what].clear()
        self._answers[what].append(handler)

    def count(self, what: str) -> int:
        return sum(f"{seen.method} {seen.path}" == what for seen in self.seen)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._stream(request)
        raw = await request.read()
        self.seen.append(Seen(request.method, request.path, dict(request.query), json.loads(raw) if raw else None))
        answers = self._answers[f"{request.method} {request.path}"]
        if not answers:
            return web.json_response({"code": 40410000, "message": f"{request.path} not found"}, status=404)
        return await (answers.popleft() if len(answers) > 1 else answers[0])(request)

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        self.mute = False
        trading = request.path == "/stream"
        if not trading:
            await self._say(socket, [{"T": "success", "msg": "connected"}])
        listening = asyncio.Event()
        pushing = asyncio.create_task(self._push(socket, listening))
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY) and not self.mute:
                    heard = json.loads(message.data)
                    self.said.append(heard)
                    await self._say(socket, _handshake(heard) if trading else _data_handshake(heard))
                    if heard["action"] in ("listen", "subscribe"):
                        listening.set()
        finally:
            pushing.cancel()
        return socket

    async def _push(self, socket: web.WebSocketResponse, listening: asyncio.Event) -> None:
        await listening.wait()
        while True:
            frame = await self.frames.get()
            if frame is None:
                await socket.close()
                return
            await self._say(socket, frame)

    async def _say(self, socket: web.WebSocketResponse, frame: Any) -> None:
        data = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
        await (socket.send_bytes(data) if self.binary else socket.send_str(data.decode()))

    def push(self, event: str, order: dict[str, Any], **fields: Any) -> None:
        """A frame of `trade_updates`."""
        said = payload("update_fill")
        data = {"event": event, "timestamp": said["data"]["timestamp"], "order": order} | fields
        self.frames.put_nowait({"stream": "trade_updates", "data": data})


def _handshake(heard: Any) -> Any:
    if heard["action"] == "listen":
        return {"stream": "listening", "data": heard["data"]}
    authorized = heard["data"]["secret_key"] == "secret"
    return {"stream": "authorization", "data": {"status": "authorized" if authorized else "unauthorized", "action": "authenticate"}}


def _data_handshake(heard: Any) -> Any:
    if heard["action"] == "subscribe":
        return [{"T": "subscription", "trades": heard["trades"], "quotes": heard["quotes"], "bars": []}]
    authorized = heard["secret"] == "secret"
    return [{"T": "success", "msg": "authenticated"}] if authorized else [{"T": "error", "code": 402, "msg": "auth failed"}]


@asynccontextmanager
async def scripted() -> AsyncIterator[ScriptedAlpaca]:
    venue = ScriptedAlpaca()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", venue.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    venue.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield venue
    await runner.cleanup()
