"""The REST front: a request's text to a call, an answer to JSON with the headers of limits, an error to the venue's own words."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import web

from services.sim_venue.binance.desk import Call, Desk
from services.sim_venue.binance.endpoints import ENDPOINTS, Endpoint
from services.sim_venue.binance.errors import VenueError, of_status
from services.sim_venue.binance.figures import NS_PER_MS
from services.sim_venue.binance.parameters import Parameters
from services.sim_venue.binance.signatures import Sent, check, known, of_form
from services.sim_venue.kinds import NUMBER, serves

Headers = dict[str, str]
_MINUTE_S: Final = 60
_SENT: Final = web.RequestKey("sent", Sent)
_CLIENT_IDS: Final = ("newClientOrderId", "origClientOrderId", "cancelOrigClientOrderId", "listClientOrderId")


def routes(desk: Desk) -> list[web.RouteDef]:
    """A route for each endpoint."""
    return [web.route(endpoint.verb, endpoint.path, _handler(desk, endpoint)) for endpoint in ENDPOINTS]


def _handler(desk: Desk, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    @serves(endpoint.what)
    async def answer(request: web.Request) -> web.StreamResponse:
        headers: Headers = {}
        try:
            return _json(await _answer(desk, endpoint, request, headers), 200, headers)
        except VenueError as error:
            return refused(error, headers)

    return answer


async def _answer(desk: Desk, endpoint: Endpoint, request: web.Request, headers: Headers) -> object:
    sent = await read(request)
    limits, now = desk.limits, desk.host.wire_time_ns()
    key = request.headers.get("X-MBX-APIKEY", "")
    used = desk.meter.request(desk.asker(key, request.remote), endpoint.weight_of(sent.parameters), limits, now)
    headers[limits[0].header] = headers["X-MBX-USED-WEIGHT"] = str(used)
    account = ""
    if endpoint.security != "none":
        credential = known(key, desk.host.credential)
        account = credential.account
        if endpoint.security == "signed":
            check(sent, credential.secret, now)
    if endpoint.orders:
        counted = desk.meter.orders(account, endpoint.orders, limits, now)
        headers |= {window.header: str(number) for window, number in counted}
    return await endpoint.handler(desk, Call(sent.parameters, account, request[NUMBER]))


async def read(request: web.Request) -> Sent:
    """What a request carries, from its target and its body exactly as they came. Read once: the doors ask before the handler."""
    if _SENT not in request:
        request[_SENT] = of_form(request.raw_path.partition("?")[2], await request.read())
    return request[_SENT]


async def client_order_id(request: web.Request) -> str:
    """The client's id of the order that a request is about; "" when it names none or cannot be read."""
    try:
        parameters = (await read(request)).parameters
    except VenueError:
        return ""
    return client_order_id_of(parameters)


def client_order_id_of(parameters: Parameters) -> str:
    """The same of what has been read."""
    return next((parameters.text(name) or "" for name in _CLIENT_IDS if name in parameters), "")


def _json(answer: object, status: int, headers: Headers) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), status=status, content_type="application/json", headers=headers)


def refused(error: VenueError, headers: Headers | None = None) -> web.Response:
    """The venue's answer to what it does not do."""
    wait = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else {}
    return _json(error.body, error.status, (headers or {}) | wait)


def with_status(status: int, wire_time_ns: int) -> web.Response:
    """The venue's answer with a status and nothing else to say; 429 and 418 tell when to come back."""
    error = of_status(status)
    if status in (418, 429):
        error.retry_after_s = _MINUTE_S - wire_time_ns // NS_PER_MS // 1000 % _MINUTE_S
    return refused(error)
