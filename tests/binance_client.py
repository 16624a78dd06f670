"""A client of the Binance API written from its public documentation: it signs, sends, and gives back what came."""

import asyncio
import contextlib
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType
from yarl import URL

from libs.quant.sim_venue.listings import Listing
from tests.sim_venues import SimVenue, a_sim_venue

KEY, SECRET = "demo-binance-key", "demo-binance-secret"


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def error(self) -> tuple[int, int, str]:
        """(HTTP status, code, msg)."""
        return self.status, self.body["code"], self.body["msg"]


class BinanceClient:
    """One API key. Parameters go in the query, but for POST and PUT, where they are the form."""

    def __init__(self, http: ClientSession, url: str, key: str = KEY, secret: str = SECRET) -> None:
        self.http = http
        self.url = f"{url}/binance"
        self.key = key
        self.secret = secret

    async def public(self, path: str, **parameters: object) -> Answer:
        """A GET that nobody signs."""
        return await self.send("GET", path, urlencode(parameters))

    async def signed(self, verb: str, path: str, **parameters: object) -> Answer:
        """A request with time and signature."""
        query = urlencode({"timestamp": now_ms(), **parameters})
        return await self.send(verb, path, f"{query}&signature={self.signature(query)}")

    def signature(self, text: str) -> str:
        """HMAC-SHA256 of what is sent."""
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def ws_params(self, **parameters: object) -> dict[str, object]:
        """The signed parameters of a request of the websocket API."""
        params = {"apiKey": self.key, "timestamp": now_ms(), **parameters}
        return params | {"signature": self.signature("&".join(f"{name}={params[name]}" for name in sorted(params)))}

    async def send(self, verb: str, path: str, text: str = "", body: str | bytes | BytesIO | None = None, **headers: str) -> Answer:
        """Exactly this text, in the query or in the form."""
        form = body if body is not None else text if verb in ("POST", "PUT") else None
        url = f"{self.url}{path}" + (f"?{text}" if text and (form is None or body is not None) else "")
        heads = {"X-MBX-APIKEY": self.key, "Content-Type": "application/x-www-form-urlencoded"} | headers
        async with self.http.request(verb, URL(url, encoded=True), data=form, headers=heads) as answer:
            return Answer(answer.status, msgspec.json.decode(await answer.read()), answer.headers)

    async def order(self, **parameters: object) -> Answer:
        """A limit order to buy BTC for USD, but for what is said."""
        given = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "49000.00"}
        wanted = {name: value for name, value in (given | parameters).items() if value is not None}
        return await self.signed("POST", "/api/v3/order", **wanted)


def now_ms() -> int:
    """This machine's time."""
    return time.time_ns() // 1_000_000


class Desk(NamedTuple):
    """A venue and a client of it."""

    venue: SimVenue
    client: BinanceClient

    async def socket(self, path: str) -> "Socket":
        """A websocket at a path under /binance."""
        return Socket(await self.client.http.ws_connect(f"{self.client.url}{path}".replace("http", "ws", 1)))


class Socket(NamedTuple):
    """One websocket."""

    ws: ClientWebSocketResponse

    async def ask(self, **message: object) -> Any:
        """Sends, and gives the next frame that has the message's id."""
        await self.ws.send_str(msgspec.json.encode(message).decode())
        return await self.next("id", message.get("id"))

    async def next(self, name: str = "", value: object = None) -> Any:
        """The next frame, or the next that has this value of this name."""
        async with asyncio.timeout(10):
            while True:
                frame = await self.ws.receive()
                assert frame.type is WSMsgType.TEXT, frame
                body = msgspec.json.decode(frame.data)
                if not name or (isinstance(body, dict) and body.get(name) == value):
                    return body

    async def event(self, kind: str) -> Any:
        """The next event of a kind on a user stream of the websocket API."""
        async with asyncio.timeout(10):
            while True:
                event = (await self.next())["event"]
                if event["e"] == kind:
                    return event


@contextlib.asynccontextmanager
async def a_desk(listings: Sequence[Listing] | None = None) -> AsyncIterator[Desk]:
    """A venue with a quote of BTC/USD, and a client of its demo account."""
    async with a_sim_venue(listings=listings) as venue, ClientSession() as http:
        await venue.quote("BTC/USD", 50_000.0, 50_000.1, size=2.0)
        yield Desk(venue, BinanceClient(http, venue.url))
