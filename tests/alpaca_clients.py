"""alpaca-py as its users have it, and a raw client of the public API, against a venue of the test."""

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import msgspec
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from services.sim_venue.alpaca.dialect import AlpacaDialect
from tests.sim_venues import SimVenue, a_sim_venue

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py imports websockets.legacy
    from alpaca.common.exceptions import APIError
    from alpaca.data import requests as ask_data
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.live import StockDataStream
    from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
    from alpaca.trading import enums
    from alpaca.trading import requests as ask
    from alpaca.trading.client import TradingClient
    from alpaca.trading.stream import TradingStream


__all__ = [
    "APIError",
    "Alpaca",
    "HEADERS",
    "KEY",
    "SECRET",
    "TimeFrame",
    "TimeFrameUnit",
    "an_alpaca",
    "ask",
    "ask_data",
    "data_stream",
    "enums",
    "running",
    "trading_stream",
]

KEY, SECRET = "PKDEMO0000000000DEMO", "demo-secret"
HEADERS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
T = TypeVar("T")


class Answer(NamedTuple):
    """What a raw client got."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Alpaca:
    """The demo account at a venue: `trading` and `data` are alpaca-py's clients, which block, so `call` runs them in a thread."""

    def __init__(self, venue: SimVenue, http: ClientSession) -> None:
        self.venue = venue
        self.url = f"{venue.url}/alpaca"
        self.trading: Any = TradingClient(KEY, SECRET, paper=True, url_override=self.url)
        self.trading._retry = 0
        self.data: Any = StockHistoricalDataClient(KEY, SECRET, url_override=self.url)
        self._http = http

    async def call(self, function: Callable[..., Any], *arguments: object, **named: object) -> Any:
        """What a blocking method answers."""
        return await asyncio.to_thread(partial(function, *arguments, **named))

    async def raw(self, method: str, path: str, *, headers: Mapping[str, str] = HEADERS, **more: Any) -> Answer:
        """Any request under /alpaca; its JSON, or None of an empty body."""
        async with self._http.request(method, self.url + path, headers=headers, **more) as answer:
            body = await answer.read()
            return Answer(answer.status, msgspec.json.decode(body) if body else None, dict(answer.headers))

    async def send(self, **order: object) -> Any:
        """The order that POST /v2/orders made."""
        answer = await self.raw("POST", "/v2/orders", json={"symbol": "AAPL", "side": "buy", "time_in_force": "day", **order})
        assert answer.status == 200, answer
        return answer.body

    async def order(self, order_id: str, query: str = "") -> Any:
        """An order as it is now."""
        return (await self.raw("GET", f"/v2/orders/{order_id}{query}")).body

    async def bought(self, qty: int = 10, bid: float = 100.0, ask: float = 100.02) -> Any:
        """A market order that has filled at `ask`."""
        await self.venue.quote("AAPL", bid, ask)
        sent = await self.send(type="market", qty=qty)
        await self.venue.quote("AAPL", bid, ask)
        return await self.order(sent["id"])

    @contextlib.asynccontextmanager
    async def socket(self, path: str, headers: Mapping[str, str] | None = None) -> AsyncIterator["Socket"]:
        """A raw websocket."""
        async with self._http.ws_connect(self.url.replace("http", "ws") + path, headers=headers) as socket:
            yield Socket(socket)

    @contextlib.asynccontextmanager
    async def updates(self) -> AsyncIterator["Socket"]:
        """The raw trading stream, listening."""
        async with self.socket("/stream") as socket:
            await socket.say({"action": "authenticate", "data": {"key_id": KEY, "secret_key": SECRET}})
            assert (await socket.next())["data"]["status"] == "authorized"
            await socket.say({"action": "listen", "data": {"streams": ["trade_updates"]}})
            assert (await socket.next())["data"] == {"streams": ["trade_updates"]}
            yield socket


class Socket:
    """A raw websocket that speaks JSON. Every wait is bounded."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self.binary: list[bool] = []  # of the frames that came

    async def say(self, message: object) -> None:
        await self._socket.send_str(message if isinstance(message, str) else msgspec.json.encode(message).decode())

    async def next(self) -> Any:
        """The next frame; None when the venue has hung up."""
        frame = await self._socket.receive(5)
        if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return None
        self.binary.append(frame.type is WSMsgType.BINARY)
        return msgspec.json.decode(frame.data)

    async def events(self, count: int) -> list[Any]:
        """The next trade updates."""
        return [(await self.next())["data"] for _ in range(count)]


@contextlib.asynccontextmanager
async def an_alpaca(**options: Any) -> AsyncIterator[Alpaca]:
    """A manual venue that speaks Alpaca alone; AAPL is quoted at 100.00 / 100.02."""
    dialects = options.pop("dialects", [AlpacaDialect])
    async with a_sim_venue(dialects=dialects, **options) as venue, ClientSession() as http:
        await venue.quote("AAPL", 100.0, 100.02)
        yield Alpaca(venue, http)


@contextlib.asynccontextmanager
async def running(stream: Any) -> AsyncIterator[None]:
    """One of alpaca-py's streams in this loop; its own `run` would start another."""
    task = asyncio.create_task(stream._run_forever())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stream.close()


def trading_stream(alpaca: Alpaca) -> Any:
    """alpaca-py's own."""
    return TradingStream(KEY, SECRET, paper=True, url_override=alpaca.url.replace("http", "ws") + "/stream")


def data_stream(alpaca: Alpaca, feed: str = "iex") -> Any:
    """alpaca-py's own."""
    return StockDataStream(KEY, SECRET, url_override=alpaca.url.replace("http", "ws") + f"/v2/{feed}")
