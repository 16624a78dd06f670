"""A Gotify server on loopback, as far as a sender sees it: `POST /message`, `GET /health`, its 401 and 400, tokens of 2.x and 3.x.

`python -m tests.gotify PORT [TOKEN]` prints what it is given, and does as `PUT /behaviour` says: ok, hang, or a status to answer.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

OLD_TOKEN = "AqL7Xb9.2kP-f_Q"  # 2.x: A and 14 more characters
NEW_TOKEN = "gtfya.0J3b7o9Jm2nX4cVqz5hR8tWkY1uEaSdFgLpQxCvBnM1"  # 3.x: gtfya. and 43 more


class Gotify:
    """What it was given, and how it is to behave."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = set(tokens or (OLD_TOKEN, NEW_TOKEN))
        self.messages: list[dict[str, Any]] = []
        self.refused = 0  # requests that were not taken
        self.answers: list[int] = []  # the next requests are answered so; then it behaves again
        self.status = 200  # what every request is answered with; 0 hangs
        self.retry_after: str | None = None
        self.url = ""
        self.heard = asyncio.Event()

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]

    async def until(self, count: int, within_s: float = 10.0) -> list[str]:
        """The titles, once there are so many."""
        async with asyncio.timeout(within_s):
            while len(self.messages) < count:
                self.heard.clear()
                await self.heard.wait()
        return self.titles

    async def message(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("X-Gotify-Key") or request.query.get("token", "")
        status = self.answers.pop(0) if self.answers else self.status
        if status == 0:
            await asyncio.sleep(3600)
        if status != 200:
            self.refused += 1
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.json_response({"error": "out of order", "errorCode": status}, status=status, headers=headers)
        if token not in self.tokens:
            return _fault(401, "Unauthorized", "you need to provide a valid access token or user credentials to access this api")
        try:
            given = json.loads(await request.read())
            text = given["message"]
        except (ValueError, KeyError, TypeError):
            return _fault(400, "Bad Request", "Field 'message' is required")
        if not isinstance(text, str) or not text:
            return _fault(400, "Bad Request", "Field 'message' is required")
        self.messages.append({"title": given.get("title", ""), "priority": given.get("priority", 0), **given})
        self.heard.set()
        return web.json_response({"id": len(self.messages), "appid": 1, "date": datetime.now(UTC).isoformat(), **given})

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({"health": "green", "database": "green"})

    async def behaviour(self, request: web.Request) -> web.Response:
        word = (await request.text()).strip()
        self.status = {"ok": 200, "hang": 0}.get(word) if word in ("ok", "hang") else int(word)  # type: ignore[assignment]
        return web.Response(text=f"{word}\n")

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/message", self.message), web.get("/health", self.health), web.put("/behaviour", self.behaviour)])
        return app


def _fault(status: int, error: str, description: str) -> web.Response:
    return web.json_response({"error": error, "errorCode": status, "errorDescription": description}, status=status)


@asynccontextmanager
async def a_gotify(*tokens: str, port: int = 0) -> AsyncIterator[Gotify]:
    """A server until the end of the block; any free port unless one is given."""
    server = Gotify(*tokens)
    async with serving(server.application(), port) as server.url:
        yield server


@asynccontextmanager
async def serving(app: web.Application, port: int = 0) -> AsyncIterator[str]:
    """The address of an application on loopback."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def main() -> None:
    tokens = sys.argv[2:]
    async with a_gotify(*tokens, port=int(sys.argv[1])) as server:
        print(f"GOTIFY_URL={server.url} GOTIFY_TOKEN={next(iter(tokens), OLD_TOKEN)}", flush=True)
        shown = 0
        while True:
            server.heard.clear()
            for message in server.messages[shown:]:
                link = message.get("extras", {}).get("client::notification", {}).get("click", {}).get("url", "")
                print(
                    f"{datetime.now(UTC):%H:%M:%S.%f} [{message['priority']}] {message['title']} | {message['message']!r} {link}",
                    flush=True,
                )
            shown = len(server.messages)
            await server.heard.wait()


if __name__ == "__main__":
    asyncio.run(main())
