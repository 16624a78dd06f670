"""Stream sockets: `/ws`, `/ws/<name>`, `/stream?streams=`; what a client asks of them, and the events that leave."""

from collections.abc import Iterable
from typing import Final

import msgspec
from aiohttp import WSMsgType, web

from services.sim_venue.binance.account_feed import AccountFeed
from services.sim_venue.binance.desk import DIALECT, Desk
from services.sim_venue.binance.market_streams import MarketStreams
from services.sim_venue.binance.order_answers import encoded
from services.sim_venue.binance.topics import topic
from services.sim_venue.lines import Line

MOST_STREAMS: Final = 1024
_METHODS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class Asked(msgspec.Struct):
    """One message of a client."""

    method: str
    params: object = None
    id: object = None


class Complaint(Exception):
    """What is wrong with a message."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class StreamSocket:
    """One connection."""

    def __init__(self, desk: Desk, streams: MarketStreams, socket: web.WebSocketResponse, line: Line, combined: bool) -> None:
        self._desk = desk
        self._streams = streams
        self._socket = socket
        self._combined = combined
        self._line = line
        self._orders: Line | None = None
        self._names: dict[str, None] = {}
        self._users: dict[str, AccountFeed] = {}

    async def serve(self, names: Iterable[str]) -> None:
        """Until the client leaves. Names that are no stream are passed over, as the venue does."""
        for name in names:
            self._subscribe(name)
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._line.send(self._answer(message.data))
                elif message.type is WSMsgType.BINARY:
                    self._line.send(self._answer(message.data.decode(errors="replace")))
        finally:
            for name in list(self._names):
                self._unsubscribe(name)
            if self._orders is not None:
                await self._orders.close()

    def _answer(self, text: str) -> str:
        asked = Asked("")
        try:
            asked = msgspec.json.decode(text, type=Asked)
            answer: dict[str, object] = {"result": self._do(asked), "id": asked.id}
        except msgspec.ValidationError as error:
            answer = _complaint(Complaint(2, f"Invalid request: {error}"), None)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            answer = _complaint(Complaint(3, f"Invalid JSON: {error}"), None)
        except Complaint as complaint:
            answer = _complaint(complaint, asked.id)
        return encoded(answer)

    def _do(self, asked: Asked) -> object:
        if asked.method not in _METHODS:
            expected = ", ".join(f"`{name}`" for name in _METHODS)
            raise Complaint(2, f"Invalid request: unknown variant `{asked.method[:40]}`, expected one of {expected}")
        if asked.id is not None and not isinstance(asked.id, str) and (not isinstance(asked.id, int) or asked.id < 0):
            raise Complaint(2, "Invalid request: request ID must be an unsigned integer")
        if asked.method == "LIST_SUBSCRIPTIONS":
            return list(self._names)
        if asked.method.endswith("PROPERTY"):
            return self._property(asked)
        names = _names_of(asked.params)
        if asked.method == "UNSUBSCRIBE":
            for name in names:
                self._unsubscribe(name)
            return None
        if len({*self._names, *names}) > MOST_STREAMS:
            raise Complaint(2, f"Invalid request: too many streams, at most {MOST_STREAMS} on one connection")
        unknown = [name for name in names if not self._subscribe(name)]
        if unknown:
            raise Complaint(2, "Invalid request: invalid stream")
        return None

    def _property(self, asked: Asked) -> object:
        params = asked.params if isinstance(asked.params, list) else []
        if not params or params[0] != "combined":
            raise Complaint(0, "Unknown property")
        if asked.method == "GET_PROPERTY":
            return self._combined
        if len(params) != 2 or not isinstance(params[1], bool):
            raise Complaint(1, "Invalid value type: expected Boolean")
        self._combined = params[1]
        return None

    def _subscribe(self, name: str) -> bool:
        if name in self._names:
            return True
        account = self._desk.keys.account(name, self._desk.host.wire_time_ns())
        found = topic(name, self._desk.symbols)
        if account is not None:
            self._orders = self._orders or self._desk.host.lines.open(self._socket, DIALECT, "orders")
            self._users[name] = AccountFeed(self._desk, account, self._orders, lambda event: self._spelled(name, encoded(event)))
        elif found is not None:
            self._streams.add(found, self._tell)
        else:
            return False
        self._names[name] = None
        return True

    def _unsubscribe(self, name: str) -> None:
        if self._names.pop(name, True) is True:
            return
        user = self._users.pop(name, None)
        if user is not None:
            user.close()
        else:
            self._streams.remove(name, self._tell)

    def _tell(self, name: str, event: str, symbol: str) -> None:
        self._line.send(self._spelled(name, event), symbol)

    def _spelled(self, name: str, event: str) -> str:
        return f'{{"stream":"{name}","data":{event}}}' if self._combined else event


def _complaint(complaint: Complaint, number: object) -> dict[str, object]:
    return {"error": {"code": complaint.code, "msg": str(complaint)}, "id": number}


def _names_of(params: object) -> list[str]:
    if not isinstance(params, list) or not params or not all(isinstance(name, str) for name in params):
        raise Complaint(2, "Invalid request: params must be an array of stream names")
    return list(dict.fromkeys(params))
