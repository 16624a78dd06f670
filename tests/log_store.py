"""A server on loopback that answers as Elasticsearch 9 does: the product's header, search by point in time, faults on demand."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
TYPE = "application/vnd.elasticsearch+json"


def document(
    n: int, message: str = "", *, service: str = "trade_executor", level: str = "info", signal: str = "", **labels: str
) -> dict[str, Any]:
    """A record as Filebeat stores it, n milliseconds into the day."""
    return {
        "@timestamp": f"2026-03-01T00:00:{n // 1000:02}.{n % 1000:03}Z",
        "message": message or f"line {n}",
        "log": {"level": level},
        "service": {"name": service},
        **({"trace": {"id": signal}} if signal else {}),
        "labels": labels | ({"signal_id": signal} if signal else {}),
    }


class Store:
    """The server's side. Sorts and pages like the real one; of queries it knows those that `fleet logs` may send, and no other."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.faults: list[int] = []  # answers before the next proper one; 0: the connection is cut
        self.headers: Mapping[str, str] = PRODUCT
        self.key = ""
        self.put: dict[str, Any] = {}
        self.searches: list[dict[str, Any]] = []
        self.open_moments = 0
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.faults:
            fault = self.faults.pop(0)
            if fault == 0:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            return self._json({"error": {"type": "a_fault", "reason": f"fault {fault}"}, "status": fault}, fault)
        if self.key and request.headers.get("Authorization") != f"ApiKey {self.key}":
            return self._json({"error": {"type": "security_exception", "reason": "unable to authenticate"}, "status": 401}, 401)
        body = json.loads(await request.text() or "null")
        match request.method, request.path:
            case "GET", "/":
                return self._json({"version": {"number": "9.5.0"}, "tagline": "You Know, for Search"})
            case "PUT", path:
                self.put[path] = body
                return self._json({"acknowledged": True})
            case "POST", "/logs-fleet-*/_pit":
                self.open_moments += 1
                return self._json({"id": f"moment-{len(self.documents)}"})
            case "DELETE", "/_pit":
                self.open_moments -= 1
                return self._json({"succeeded": True, "num_freed": 1})
            case "POST", "/_search" | "/logs-fleet-*/_search":
                self.searches.append(body)
                return self._json({"hits": {"hits": self._hits(body)}, "pit_id": body.get("pit", {}).get("id")})
        raise web.HTTPNotFound

    def _hits(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        until = int(body["pit"]["id"].removeprefix("moment-")) if "pit" in body else len(self.documents)
        found = [(d["@timestamp"], n, d) for n, d in enumerate(self.documents[:until]) if matches(body["query"], d)]
        if "collapse" in body:
            assert body["collapse"] == {"field": "trace.id"}
            found = list({d["trace"]["id"]: (at, n, d) for at, n, d in found}.values())
        downwards = body.get("sort", [{"@timestamp": {"order": "asc"}}])[0]["@timestamp"]["order"] == "desc"
        found.sort(key=lambda hit: hit[:2], reverse=downwards)
        if after := body.get("search_after"):
            found = [h for h in found if (list(h[:2]) < after if downwards else list(h[:2]) > after)]
        return [{"_id": str(n), "_source": d, "sort": [at, n]} for at, n, d in found[: body["size"]]]

    def _json(self, body: object, status: int = 200) -> web.Response:
        return web.Response(status=status, text=json.dumps(body), headers={**self.headers, "Content-Type": TYPE})


def matches(query: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether a document is found; KeyError for a query that the real server would not understand."""
    ((kind, what),) = query.items()
    match kind:
        case "match_all":
            return True
        case "bool":
            should = [matches(q, document) for q in what.get("should", [])]
            return all(matches(q, document) for q in what.get("filter", [])) and (not should or any(should))
        case "exists":
            return _field(document, what["field"]) is not None
        case "range":
            return str(document["@timestamp"]).replace("Z", "+00:00") >= str(what["@timestamp"]["gte"])
    ((name, value),) = what.items()
    found = str(_field(document, name) or "")
    return bool({"term": found == value, "terms": found in value, "prefix": found.startswith(str(value))}[kind])


def _field(document: dict[str, Any], name: str) -> Any:
    first, _, rest = name.partition(".")
    found = document.get(first)
    return _field(found, rest) if rest and isinstance(found, dict) else found


@asynccontextmanager
async def a_store() -> AsyncIterator[Store]:
    """The server, listening."""
    store = Store()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", store.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = site._server
    assert isinstance(server, asyncio.Server)
    store.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield store
    finally:
        await runner.cleanup()
