"""The websocket API: the same requests as by REST, signed one by one, and user data streams on the same connection."""

import logging
from typing import Final, NamedTuple

import msgspec
from aiohttp import WSMsgType, web

from services.sim_venue.binance.account_feed import AccountFeed
from services.sim_venue.binance.desk import Call, Desk
from services.sim_venue.binance.endpoints import ENDPOINTS, Endpoint
from services.sim_venue.binance.errors import VenueError, of_status
from services.sim_venue.binance.order_answers import encoded
from services.sim_venue.binance.request_faults import Dropped, Passage
from services.sim_venue.binance.rest import client_order_id_of
from services.sim_venue.binance.signatures import MOST_PARAMETERS, Sent, check, known, of_mapping
from services.sim_venue.host import Failed
from services.sim_venue.lines import Line

log = logging.getLogger(__name__)

METHODS: Final = {endpoint.method: endpoint for endpoint in ENDPOINTS if endpoint.method}
SUBSCRIBE: Final = "userDataStream.subscribe.signature"
UNSUBSCRIBE: Final = "userDataStream.unsubscribe"
SUBSCRIPTIONS: Final = "session.subscriptions"
OWN_METHODS: Final = (SUBSCRIBE, UNSUBSCRIBE, SUBSCRIPTIONS)
_WEIGHT: Final = 2


class Asked(msgspec.Struct):
    """One request."""

    id: str | int | None
    method: str
    params: dict[str, object] = {}


class Answer(NamedTuple):
    """Status and result of one request."""

    status: int
    body: dict[str, object]


class ApiSocket:
    """One connection. Its requests are answered in the order in which they came."""

    def __init__(self, desk: Desk, socket: web.WebSocketResponse, line: Line, address: str) -> None:
        self._desk = desk
        self._socket = socket
        self._address = self._asker = address
        self._line = line
        self._users: dict[int, AccountFeed] = {}
        self._next = 0

    async def serve(self) -> None:
        """Until the client leaves."""
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await self._hear(message.data)
                elif message.type is WSMsgType.BINARY:
                    await self._hear(message.data.decode(errors="replace"))
        except Dropped:
            pass
        finally:
            for user in self._users.values():
                user.close()

    async def _hear(self, text: str) -> None:
        number, hide = None, False
        try:
            asked = msgspec.json.decode(text, type=Asked)
            number, hide = asked.id, asked.params.get("returnRateLimits") in (False, "false")
            answer = Answer(200, {"result": await self._do(asked)})
        except (msgspec.DecodeError, UnicodeError, RecursionError):  # ValidationError is one
            answer = _refused(VenueError(-1135, "JSON Request Invalid."))
        except VenueError as error:
            answer = _refused(error)
        except Failed:
            answer = _refused(of_status(503))
        except Dropped:
            raise
        except Exception:
            log.exception("a request of the websocket API failed")
            answer = _refused(of_status(500))
        limits = {} if hide else {"rateLimits": self._rate_limits()}
        body = {"id": number, "status": answer.status, **answer.body, **limits}
        self._line.send(encoded(body))

    def _rate_limits(self) -> list[dict[str, object]]:
        limits, now = self._desk.limits, self._desk.host.wire_time_ns()
        return [limits[0].described() | {"count": self._desk.meter.weight_used(self._asker, limits, now)}]

    async def _do(self, asked: Asked) -> object:
        endpoint = METHODS.get(asked.method)
        if endpoint is None and asked.method not in OWN_METHODS:
            raise VenueError(-1099, f"Unknown method '{asked.method[:60]}'.", 404)
        sent = of_mapping(_texts(asked.params))
        weight = endpoint.weight_of(sent.parameters) if endpoint is not None else _WEIGHT
        self._asker = self._desk.asker(sent.parameters.text("apiKey") or "", self._address)
        self._desk.meter.request(self._asker, weight, self._desk.limits, self._desk.host.wire_time_ns())
        if endpoint is None:
            return self._own(asked.method, sent)
        return await self._request(endpoint, sent)

    async def _request(self, endpoint: Endpoint, sent: Sent) -> object:
        host = self._desk.host
        if host.faults.weather.maintenance or not host.open:
            raise of_status(503)
        account = "" if endpoint.security == "none" else self._account(sent, endpoint.security == "signed")
        if endpoint.orders:
            self._desk.meter.orders(account, endpoint.orders, self._desk.limits, host.wire_time_ns())
        passage = Passage(host, endpoint.what, client_order_id_of(sent.parameters))
        await passage.enter()
        answer = await endpoint.handler(self._desk, Call(sent.parameters, account, passage.number))
        await passage.leave()
        return answer

    def _account(self, sent: Sent, signed: bool) -> str:
        credential = known(sent.parameters.text("apiKey"), self._desk.host.credential)
        if signed:
            check(sent, credential.secret, self._desk.host.wire_time_ns())
        return credential.account

    def _own(self, method: str, sent: Sent) -> object:
        if method == SUBSCRIPTIONS:
            return [{"subscriptionId": number} for number in self._users]
        if method == UNSUBSCRIBE:
            number = sent.parameters.integer("subscriptionId")
            for one in [number] if number is not None else list(self._users):
                user = self._users.pop(one, None)
                if user is not None:
                    user.close()
            return {}
        account = self._account(sent, signed=True)
        number, self._next = self._next, self._next + 1
        self._users[number] = AccountFeed(
            self._desk, account, self._line, lambda event: encoded({"subscriptionId": number, "event": event})
        )
        return {"subscriptionId": number}


def _refused(error: VenueError) -> Answer:
    return Answer(error.status, {"error": error.body})


def _texts(params: dict[str, object]) -> dict[str, str]:
    """Parameters as their signature spells them: JSON's words for what is no text."""
    if len(params) > MOST_PARAMETERS:
        raise VenueError(-1101, "Too many parameters sent for this endpoint.")
    return {name: _text(value) for name, value in params.items() if value is not None}


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(msgspec.json.encode(value), "utf-8")
