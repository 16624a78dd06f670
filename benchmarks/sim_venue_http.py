"""What sim_venue carries over its wires: signed Binance orders over HTTP, each durable before its answer, and frames to its streams.

The venue is its own process. Orders: two raw clients, each sends its next order when the last is answered. Frames: trades of a
manual market, which the control API is told in batches, to four clients that subscribe to them.
"""

import asyncio
import hashlib
import hmac
import tempfile
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import aiohttp
import uvloop

from benchmarks.figures import Figure, middle
from benchmarks.fleet import Failed
from services.sim_venue.credentials import DEMO
from tests.sim_venue_process import BinanceClient, a_process

FIGURES: Final = ("sim_venue_http_orders_per_s", "sim_venue_stream_deliveries_per_s")
RUNS: Final = 5
SECONDS: Final = 2.0
ORDER_CLIENTS: Final = 2
STREAM_CLIENTS: Final = 4
BATCH: Final = 500  # trades the market is told at once
BATCHES: Final = 40
KEY: Final = next(demo.credential for demo in DEMO if demo.credential.dialect == "binance")


def measure() -> dict[str, Figure]:
    """Five runs of each on one venue."""
    with tempfile.TemporaryDirectory() as folder, a_process(Path(folder), SIM_MARKET="manual", LOG_LEVEL="WARNING") as venue:
        orders, frames = uvloop.run(_rates(venue.url))
    return {
        "sim_venue_http_orders_per_s": Figure(
            value=middle(orders, 0),
            unit=f"orders/s, {ORDER_CLIENTS} raw clients",
            target=1_500,
            better="higher",
            runs=orders,
            limit="Python on one core: aiohttp, the dialect, the core and the log line of each order; a flush is shared by those that wait",
        ),
        "sim_venue_stream_deliveries_per_s": Figure(
            value=middle(frames, 0),
            unit=f"frames/s in all, {STREAM_CLIENTS} clients",
            target=20_000,
            better="higher",
            runs=frames,
            limit="Python on one core: a send for each frame and client; a frame is made once for all of them",
        ),
    }


async def _rates(url: str) -> tuple[list[float], list[float]]:
    async with BinanceClient.connected(url) as control:
        await control.until_open()
        await control.control("PUT", "weather", {"requests_per_minute": 100_000_000})
        quote = {"symbol": "BTC/USD", "bid": 60_000.0, "ask": 60_001.0}
        await control.control("POST", "market", {"quotes": [quote]})
        await control.control("POST", "transfer", {"account": KEY.account, "currency": "USD", "amount": "1000000000"})
        orders = [await _orders(url, run) for run in range(RUNS)]
        frames = [await _frames(url, control) for _ in range(RUNS)]
    return orders, frames


async def _orders(url: str, run: int) -> float:
    host, _, port = url.removeprefix("http://").partition(":")
    began = time.perf_counter()
    done = await asyncio.gather(*(_client(host, int(port), f"r{run}c{n}", began + SECONDS) for n in range(ORDER_CLIENTS)))
    return sum(done) / (time.perf_counter() - began)


async def _client(host: str, port: int, name: str, until: float) -> int:
    """One connection; every fifth order fills, the others rest."""
    reader, writer = await asyncio.open_connection(host, port)
    number = 0
    while time.perf_counter() < until:
        number += 1
        writer.write(_request(f"{name}n{number}", "61000.00" if number % 5 == 0 else "50000.00"))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        body = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise Failed(f"an order was not taken: {body.decode()}")
    writer.close()
    return number


def _request(client_order_id: str, price: str) -> bytes:
    order = {
        "symbol": "BTCUSD",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.00100",
        "price": price,
        "newClientOrderId": client_order_id,
        "timestamp": time.time_ns() // 1_000_000,
    }
    query = urlencode(order)
    signature = hmac.new(KEY.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    return (
        f"POST /binance/api/v3/order?{query}&signature={signature} HTTP/1.1\r\nHost: venue\r\n"
        f"X-MBX-APIKEY: {KEY.key}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


async def _frames(url: str, control: BinanceClient) -> float:
    ready, told = asyncio.Barrier(STREAM_CLIENTS + 1), BATCH * BATCHES
    async with asyncio.TaskGroup() as group:
        for _ in range(STREAM_CLIENTS):
            group.create_task(_listen(url, told, ready))
        await ready.wait()
        began = time.perf_counter()
        trades = [{"symbol": "BTC/USD", "price": 60_000.5, "size": 0.01} for _ in range(BATCH)]
        for _ in range(BATCHES):
            await control.control("POST", "market", {"trades": trades})
    return STREAM_CLIENTS * told / (time.perf_counter() - began)


async def _listen(url: str, frames: int, ready: asyncio.Barrier) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/binance/ws/btcusd@trade") as socket:
        await ready.wait()
        for _ in range(frames):
            message = await socket.receive(timeout=30)
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise Failed(f"a stream ended: {message}")
