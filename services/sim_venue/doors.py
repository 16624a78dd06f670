"""Where requests of a dialect come in: counted, bounded in size and time, through the faults, and never answered by a stack trace."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Final

from aiohttp import web

from libs.common import metrics
from services.sim_venue.faults import Fault
from services.sim_venue.host import Dialect, Failed, Host
from services.sim_venue.kinds import CHANGES, NUMBER, What, naming, served_by
from services.sim_venue.log import Arrived, Fate

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Middleware = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]

_REQUESTS: Final = cache(metrics.SIM_REQUESTS.labels)

BODY_WITHIN_S: Final = 10.0
MOST_BODY: Final = 1024 * 1024
MINUTE_NS: Final = 60 * 1_000_000_000
BANS: Final = frozenset({"binance"})  # venues that answer 418 to who goes on after 429
KEYS: Final = ("X-MBX-APIKEY", "APCA-API-KEY-ID")  # headers that name one
NAMES_AN_ORDER: Final = CHANGES | {"order_read"}


def mounted(host: Host, dialect: Dialect) -> web.Application:
    """The dialect behind its doors, to be mounted at its prefix."""
    app = web.Application(middlewares=[Doors(host, dialect).pass_through], client_max_size=MOST_BODY)
    app.add_routes(dialect.routes())
    return app


class Doors:
    """Of one dialect."""

    def __init__(self, host: Host, dialect: Dialect) -> None:
        self._host = host
        self._dialect = dialect
        self._seconds = metrics.SIM_REQUEST_SECONDS.labels(dialect=dialect.name)
        self._minute = 0
        self._in_minute: Counter[str] = Counter()

    @web.middleware
    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What every request of the dialect goes through."""
        started = self._host.clock.monotonic()
        request[NUMBER] = self._host.requests.next()
        what = served_by(request.match_info.handler)
        try:
            response = await self._answer(request, handler, what)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            response = self._dialect.fault_answer(error.status)
        except Failed:
            response = self._dialect.fault_answer(503)
        except ConnectionError:
            raise  # the client has gone: there is nobody to answer
        except Exception:
            log.exception("a request of %s failed: %s %s", self._dialect.name, request.method, request.path)
            metrics.SIM_ERRORS.labels(dialect=self._dialect.name).inc()
            response = self._dialect.fault_answer(500)
        _REQUESTS(dialect=self._dialect.name, what=what, status=response.status).inc()
        self._seconds.observe(self._host.clock.monotonic() - started)
        return response

    async def _answer(self, request: web.Request, handler: Handler, what: What) -> web.StreamResponse:
        await _body(request)
        client_order_id = naming(await self._dialect.client_order_id(request)) if what in NAMES_AN_ORDER else ""
        arrived = Arrived(request=request[NUMBER], dialect=self._dialect.name, what=what, client_order_id=client_order_id)
        refused = self._shut(request)
        faults = () if refused else self._host.faults.of_request(self._dialect.name, what, client_order_id)
        for fault in faults:
            metrics.SIM_FAULTS.labels(kind=fault.kind).inc()
            if fault.kind == "latency":
                await self._host.pause(fault.seconds)
        last = faults[-1] if faults else None
        if last is not None and last.kind == "status_before":
            refused = last.status
        if refused:
            await self._write(arrived, "answered", refused)
            return self._dialect.fault_answer(refused)
        if last is not None and last.kind == "drop_before":
            await self._write(arrived, "dropped", 0)
            return _cut(request)
        noted = self._host.note(arrived) if what in CHANGES and self._host.open else None
        if noted is None and client_order_id:
            self._host.requests.count(what, client_order_id)
        response = await handler(request)
        if noted is not None:
            await noted  # a request that was refused is on disk as well before it is answered
        return response if last is None else await self._spoilt(request, response, last)

    def _shut(self, request: web.Request) -> int:
        """The status for a request that nobody looks at; 0 when somebody does."""
        weather = self._host.faults.weather
        if weather.maintenance or not self._host.open:
            return 503
        if not weather.requests_per_minute:
            return 0
        minute = self._host.wire_time_ns() // MINUTE_NS
        if minute != self._minute:
            self._minute, self._in_minute = minute, Counter()
        asker = self._asker(request)
        self._in_minute[asker] += 1
        if self._in_minute[asker] <= weather.requests_per_minute:
            return 0
        return 418 if self._dialect.name in BANS and self._in_minute[asker] > 2 * weather.requests_per_minute else 429

    def _asker(self, request: web.Request) -> str:
        """The key that a request names, or where it came from: who floods the venue without a key takes nothing from who has one."""
        key = next((request.headers[name] for name in KEYS if name in request.headers), "")
        return key if self._host.credential(key) is not None else request.remote or ""

    async def _write(self, arrived: Arrived, fate: Fate, status: int) -> None:
        """A request that is not done. The log has those that would have changed something."""
        if arrived.what in CHANGES and self._host.open:
            told = {**{name: getattr(arrived, name) for name in ("request", "dialect", "what", "client_order_id")}}
            await self._host.take(Arrived(**told, fate=fate, status=status))
        elif arrived.client_order_id:
            self._host.requests.count(arrived.what, arrived.client_order_id)

    async def _spoilt(self, request: web.Request, response: web.StreamResponse, fault: Fault) -> web.StreamResponse:
        """What the client gets of an answer to what was done."""
        match fault.kind:
            case "drop_after":
                return _cut(request)
            case "status_after":
                return self._dialect.fault_answer(fault.status)
            case "late_answer":
                await self._host.pause(fault.seconds)
            case "half":
                return await _half(request, response)
            case _:
                pass
        return response


async def _body(request: web.Request) -> None:
    """Reads it: one that does not come in time, or is too large, is refused before anything else is asked of it."""
    if not request.can_read_body:
        return
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def _cut(request: web.Request) -> web.Response:
    """The connection ends, and the answer goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _half(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """The head of an answer and half of its body."""
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes | bytearray) or response.prepared:
        return _cut(request)
    told = web.StreamResponse(status=response.status, headers=response.headers)
    told.content_length = len(response.body)
    await told.prepare(request)
    await told.write(bytes(response.body[: len(response.body) // 2]))
    if request.transport is not None:
        request.transport.close()  # what was written still goes out
    return told
