"""What every service shows on its port: /health, /ready, /metrics, /info; faults as problem+json (RFC 9457)."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.common.secrets import mask


class Check(NamedTuple):
    """One dependency, as last seen."""

    ok: bool
    latency_ms: float | None
    detail: str


class Readiness:
    """Named checks; a service is ready when all of them are well."""

    def __init__(self, *names: str) -> None:
        self._checks = {name: Check(False, None, "not looked at yet") for name in names}

    def set(self, name: str, ok: bool, detail: str = "", latency_ms: float | None = None) -> None:
        """Record how a dependency is."""
        self._checks[name] = Check(ok, latency_ms, detail)

    def ok(self, name: str) -> bool:
        """How a dependency was when last seen."""
        return self._checks[name].ok

    @property
    def ready(self) -> bool:
        return all(check.ok for check in self._checks.values())

    def shown(self) -> dict[str, dict[str, object]]:
        return {
            name: {"status": "ok" if c.ok else "failing", "latency_ms": c.latency_ms, "detail": c.detail}
            for name, c in self._checks.items()
        }


class CheckAnswer(msgspec.Struct):
    """One dependency, as /ready shows it."""

    status: str = ""
    detail: str = ""


class ReadyAnswer(msgspec.Struct):
    """What /ready answers, for whoever asks a service."""

    ready: bool = False
    checks: dict[str, CheckAnswer] = {}


Info = Callable[[], Mapping[str, object]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PROBLEM: Final = "application/problem+json"
STYLED: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""Policy of a page that has its style in itself, and no script."""


def page_of(html: bytes, policy: str = STYLED) -> web.Response:
    """A page that loads what its policy names, sits in no frame of another, and is kept by nobody on the way."""
    headers = {
        "Content-Security-Policy": f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return web.Response(body=html, content_type="text/html", charset="utf-8", headers=headers)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every fault in one shape, without inner details; a handler's own text is its `detail`."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        body = {"type": "about:blank", "title": error.reason, "status": error.status, "instance": request.path}
        if error.text and error.text != f"{error.status}: {error.reason}":
            body["detail"] = error.text
        kept = {name: error.headers[name] for name in ("Retry-After", "WWW-Authenticate") if name in error.headers}
        return web.Response(status=error.status, text=mask(json.dumps(body)), content_type=PROBLEM, headers=kept)


def _masked(answer: Mapping[str, object], status: int = 200) -> web.Response:
    """Details may quote the text of an error, and that the URL which failed."""
    return web.json_response(text=mask(json.dumps(answer)), status=status)


def application(name: str, readiness: Readiness, info: Info) -> web.Application:
    """The routes that all services share."""

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"service": name, "status": "alive"})

    async def ready(_: web.Request) -> web.Response:
        status = 200 if readiness.ready else 503
        return _masked({"service": name, "ready": readiness.ready, "checks": readiness.shown()}, status)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def about(_: web.Request) -> web.Response:
        return _masked({"name": name, **info()})

    app = web.Application(middlewares=[problems], client_max_size=64 * 1024)
    app.add_routes([web.get("/health", health), web.get("/ready", ready), web.get("/metrics", metrics), web.get("/info", about)])
    return app
