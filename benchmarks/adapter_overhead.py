"""What our adapters cost per order, beside the same request by aiohttp alone and by ccxt alone. The venue is a process of its own.

Blocks of the two take turns, one order at a time, so that both meet the same machine. CPU of this process is compared, as most
of an order's time passes at the venue; the runs hold that time too. No target: the figure says what an adapter's checks (deadline,
budget, outcome, exact numbers) and its stream cost next to a request that has none of them.
"""

import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

import aiohttp
import ccxt.pro
import msgspec
import uvloop

from benchmarks.figures import Figure, middle
from libs.common.clocks import SystemClock
from libs.domain.configuration import VenueConfig
from libs.domain.identity import client_order_id
from libs.domain.instruments import Instrument
from libs.domain.orders import Order
from libs.venues.alpaca.broker import AlpacaBroker
from libs.venues.broker import Broker
from libs.venues.budget import Budget
from libs.venues.ccxt_venue.broker import CcxtBroker
from libs.venues.ccxt_venue.client import moved
from libs.venues.endpoint import Endpoint
from services.sim_venue.credentials import DEMO
from services.sim_venue.listings import BY_HAND
from tests.paper import D, an_order
from tests.sim_venue_process import BinanceClient, a_process

RUNS: Final = 5
BLOCK: Final = 200  # orders
PLENTY: Final = 10_000_000
CLOCK: Final = SystemClock()
INSTRUMENTS: Final = {instrument.symbol: instrument for instrument in BY_HAND}

Send = Callable[[Order], Awaitable[None]]


class Pair(NamedTuple):
    """The same order in two ways, or three."""

    adapter: Broker
    raw: Send
    order: Order  # that rests; each is sent under an id of its own
    library: Send | None = None  # by the library beneath the adapter, as its users call it


def measure() -> dict[str, Figure]:
    """Five runs of each adapter."""
    with tempfile.TemporaryDirectory() as folder, a_process(Path(folder), SIM_MARKET="manual", LOG_LEVEL="WARNING") as venue:
        return uvloop.run(_figures(venue.url))


async def _figures(url: str) -> dict[str, Figure]:
    async with BinanceClient.connected(url) as client:
        await client.until_open()
        await client.control("PUT", "weather", {"requests_per_minute": PLENTY})
        quotes = [{"symbol": "AAPL", "bid": 100.0, "ask": 100.1}, {"symbol": "BTC/USD", "bid": 60_000.0, "ask": 60_001.0}]
        await client.control("POST", "market", {"quotes": quotes})
        return {f"{name}_order_us": _figure(await _runs(pair(url, client))) for name, pair in PAIRS.items()}


def _figure(runs: list[dict[str, float]]) -> Figure:
    return Figure(
        value=middle([run["adapter_cpu_us"] for run in runs], 0),
        unit="us of CPU an order; anchor: aiohttp alone",
        anchor=middle([run["raw_cpu_us"] for run in runs], 0),
        runs=runs,
        limit="aiohttp itself; of the difference, our checks, the two frames that the stream tells of each order, and ccxt's own parsing",
    )


async def _runs(opening: AbstractAsyncContextManager[Pair]) -> list[dict[str, float]]:
    async with opening as pair:
        deadline = CLOCK.monotonic() + 3600

        async def adapter(order: Order) -> None:
            await pair.adapter.submit(order, deadline)

        numbers = iter(range(1, PLENTY))
        found = []
        for run in range(RUNS + 1):
            taken: dict[str, float] = {}
            ways: list[tuple[str, Send]] = [("adapter", adapter), ("raw", pair.raw)]
            if pair.library is not None:
                ways.append(("library", pair.library))
            for name, send in ways if run % 2 else reversed(ways):
                taken |= await _block(name, send, [_numbered(pair.order, next(numbers)) for _ in range(BLOCK)])
                await pair.adapter.cancel_all()
            found.append(taken)
        return found[1:]  # the first opens connections and warms up


async def _block(name: str, send: Send, orders: list[Order]) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    for order in orders:
        await send(order)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {f"{name}_us": round(wall / BLOCK * 1e6, 1), f"{name}_cpu_us": round(cpu / BLOCK * 1e6, 1)}


def _numbered(order: Order, number: int) -> Order:
    id_ = UUID(int=number)
    return msgspec.structs.replace(order, order_id=id_, client_order_id=client_order_id("BNCH", id_, 1))


# --- the pairs


@asynccontextmanager
async def _alpaca(url: str, _: BinanceClient) -> AsyncIterator[Pair]:
    endpoint, instrument = _demo(url, "alpaca"), INSTRUMENTS["AAPL"]
    broker = AlpacaBroker(endpoint, {"AAPL": instrument}, clock=CLOCK, budget=Budget(PLENTY, clock=CLOCK))
    headers = {"APCA-API-KEY-ID": endpoint.key, "APCA-API-SECRET-KEY": endpoint.secret, "Content-Type": "application/json"}
    order = _resting(instrument, price="1.00", quantity="1")
    body = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "limit", "time_in_force": "gtc", "limit_price": "1.00"}

    async with aiohttp.ClientSession(headers=headers) as http:

        async def raw(order: Order) -> None:
            data = msgspec.json.encode({**body, "client_order_id": order.client_order_id})
            async with http.post(f"{endpoint.url}/v2/orders", data=data) as answer:
                assert answer.status == 200, await answer.text()
                msgspec.json.decode(await answer.read())

        await broker.connect()
        yield Pair(broker, raw, order)
    await broker.disconnect()


@asynccontextmanager
async def _ccxt(url: str, client: BinanceClient) -> AsyncIterator[Pair]:
    endpoint, instrument = _demo(url, "binance"), INSTRUMENTS["BTC/USD"]
    venue = VenueConfig(name="bench", adapter="ccxt", exchange="binance", asset_classes=("crypto",), requests_per_minute=PLENTY)
    broker = CcxtBroker(venue, endpoint, {"BTC/USD": instrument}, clock=CLOCK)
    order = _resting(instrument, price="10000.00", quantity="0.001")
    body: dict[str, str | int] = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}

    async def raw(order: Order) -> None:
        price, quantity = f"{order.price:f}", f"{order.quantity:f}"
        status, said = await client.signed("POST", "order", **body, price=price, quantity=quantity, newClientOrderId=order.client_order_id)
        assert status == 200, said

    library = ccxt.pro.binance({"apiKey": endpoint.key, "secret": endpoint.secret, "enableRateLimit": False})
    library.urls["api"] = moved(library.urls["api"], endpoint.url)
    library.options |= {"fetchMargins": False, "fetchCurrencies": False, "fetchMarkets": {"types": ["spot"]}}

    async def by_ccxt(order: Order) -> None:
        assert order.price is not None
        params = {"clientOrderId": order.client_order_id}
        await library.create_order("BTC/USD", "limit", "buy", float(order.quantity), float(order.price), params)

    await broker.connect()
    await library.load_markets()
    yield Pair(broker, raw, order, by_ccxt)
    await library.close()
    await broker.disconnect()


def _demo(url: str, dialect: str) -> Endpoint:
    demo = next(demo.credential for demo in DEMO if demo.credential.dialect == dialect)
    return Endpoint(f"{url}/{dialect}", demo.key, demo.secret, "paper")


def _resting(instrument: Instrument, price: str, quantity: str) -> Order:
    order = an_order(symbol=instrument.symbol, price=D(price), quantity=D(quantity), time_in_force="GTC")
    return msgspec.structs.replace(order, decided_at=CLOCK.now_ns())


PAIRS: Final = {"alpaca_adapter": _alpaca, "ccxt_adapter": _ccxt}
FIGURES: Final = tuple(f"{name}_order_us" for name in PAIRS)
