"""What the monitor answers besides what all answer: the state, the page, the runbooks; and it takes alerts."""

from collections.abc import Callable, Sequence

import msgspec
from aiohttp import web

from libs.common.http import page_of
from services.monitor.app import Monitor
from services.monitor.page import document, page
from services.monitor.receiving import answer, must_be_allowed
from services.monitor.runbooks import INDEX, runbook


def routes(monitor: Callable[[], Monitor], token: str) -> Sequence[web.RouteDef]:
    """`monitor` raises LookupError until it has begun."""

    def begun() -> Monitor:
        try:
            return monitor()
        except LookupError:
            raise web.HTTPServiceUnavailable(text="the monitor is starting", headers={"Retry-After": "1"}) from None

    async def status(_: web.Request) -> web.Response:
        return web.Response(
            body=msgspec.json.encode(begun().board.status()), content_type="application/json", headers={"Cache-Control": "no-store"}
        )

    async def front(_: web.Request) -> web.Response:
        return page_of(page(begun().board.status()).encode())

    async def one_runbook(request: web.Request) -> web.Response:
        found = runbook(request.match_info.get("slug", INDEX))
        if found is None:
            raise web.HTTPNotFound(text="there is no such runbook; /runbooks lists them")
        title, body = found
        links = '<p class="soft"><a href="/">State</a> · <a href="/runbooks">Runbooks</a></p>'
        return page_of(document(f"{title} - Tradewinds", f"{links}\n{body}").encode())

    async def alertmanager(request: web.Request) -> web.Response:
        must_be_allowed(request, token)
        found = begun()
        found.received(await answer(request, found.receiver, found.watch.faults.firing))
        return web.json_response({"ok": True})

    return [
        web.get("/", front),
        web.get("/status", status),
        web.get("/runbooks", one_runbook),
        web.get("/runbooks/", one_runbook),
        web.get("/runbooks/{slug}", one_runbook),
        web.post("/alertmanager", alertmanager),
    ]
