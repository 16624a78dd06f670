"""A storm of orders, sensible and not, at a venue of either liquidity: what the stream told, what can be read and the money agree."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any, Final

import pytest
from msgspec.structs import replace

from services.sim_venue.listings import by_hand
from tests.binance_client import Answer, Desk, Socket, a_desk

D = Decimal
REQUESTS: Final = 600
SYMBOLS: Final = ("BTCUSD", "ETHUSD")
SHARES: Final = (0.9, 0.99, 0.999, 1.0, 1.001, 1.01, 1.1)
QUANTITIES: Final = ("0.01", "0.1", "0.002", "0.0001", "1", "50", "0.00001", "abc", "")
ORDER: Final = "/api/v3/order"


class Storm:
    """Requests drawn from a seed."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self._desk = desk
        self._random = Random(seed)
        self._prices = {"BTCUSD": 50_000.0, "ETHUSD": 3_000.0}
        self._sent = 0

    async def blow(self) -> None:
        """All of it; no answer is a failure of the venue."""
        kinds: list[Callable[[str], Any]] = (
            [self._order] * 11 + [self._cancel, self._replace, self._pair, self._bracket, self._all] + [self._move] * 4
        )
        for _ in range(REQUESTS):
            answer = await self._random.choice(kinds)(self._random.choice((*SYMBOLS, "BTCUSD", "NOPE")))
            self._sent += 1
            assert answer is None or answer.status in (200, 400, 409), answer

    def _near(self, symbol: str) -> str:
        return f"{self._prices.get(symbol, 1.0) * self._random.choice(SHARES):.2f}"

    def _some_order(self) -> int:
        return self._random.randrange(1, max(2, self._sent))

    async def _order(self, symbol: str) -> Answer:
        draw = self._random
        kind = draw.choice(("LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT"))
        sent: dict[str, object] = {
            "symbol": symbol,
            "side": draw.choice(("BUY", "SELL")),
            "type": kind,
            "quantity": draw.choice(QUANTITIES),
        }
        if kind in ("LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT"):
            sent["price"] = self._near(symbol)
        if kind in ("LIMIT", "STOP_LOSS_LIMIT"):
            sent["timeInForce"] = draw.choice(("GTC", "IOC", "FOK"))
        if kind.startswith("STOP_LOSS"):
            sent |= {"trailingDelta": "100"} if draw.random() < 0.2 else {"stopPrice": self._near(symbol)}
        if draw.random() < 0.2:
            sent["selfTradePreventionMode"] = draw.choice(("NONE", "EXPIRE_TAKER", "EXPIRE_BOTH", "?"))
        if draw.random() < 0.1:
            del sent[draw.choice(list(sent))]
        return await self._desk.client.signed("POST", ORDER, **sent)

    async def _cancel(self, symbol: str) -> Answer:
        return await self._desk.client.signed("DELETE", ORDER, symbol=symbol, orderId=self._some_order())

    async def _replace(self, symbol: str) -> Answer:
        new = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": self._near(symbol), "quantity": "0.01"}
        mode = self._random.choice(("STOP_ON_FAILURE", "ALLOW_FAILURE"))
        return await self._desk.client.signed(
            "POST", f"{ORDER}/cancelReplace", **new, cancelOrderId=self._some_order(), cancelReplaceMode=mode
        )

    async def _pair(self, symbol: str) -> Answer:
        price = self._prices.get(symbol, 1.0)
        high, low = f"{price * 1.01:.2f}", f"{price * 0.99:.2f}"
        sell = {"side": "SELL", "aboveType": "LIMIT_MAKER", "abovePrice": high, "belowType": "STOP_LOSS", "belowStopPrice": low}
        buy = {"side": "BUY", "aboveType": "STOP_LOSS", "aboveStopPrice": high, "belowType": "LIMIT_MAKER", "belowPrice": low}
        sent = self._random.choice((sell, buy))
        return await self._desk.client.signed("POST", "/api/v3/orderList/oco", symbol=symbol, quantity="0.01", **sent)

    async def _bracket(self, symbol: str) -> Answer:
        price = self._prices.get(symbol, 1.0)
        working = {"workingType": "LIMIT", "workingSide": "BUY", "workingTimeInForce": "GTC", "workingQuantity": "0.01"}
        pending = {"pendingSide": "SELL", "pendingQuantity": "0.01", "pendingAboveType": "LIMIT_MAKER", "pendingBelowType": "STOP_LOSS"}
        prices = {"pendingAbovePrice": f"{price * 1.05:.2f}", "pendingBelowStopPrice": f"{price * 0.95:.2f}"}
        sent = {"workingPrice": self._near(symbol), **working, **pending, **prices}
        return await self._desk.client.signed("POST", "/api/v3/orderList/otoco", symbol=symbol, **sent)

    async def _all(self, symbol: str) -> Answer:
        return await self._desk.client.signed("DELETE", "/api/v3/openOrders", symbol=symbol)

    async def _move(self, _: str) -> None:
        symbol = self._random.choice(SYMBOLS)
        price = self._prices[symbol] = self._prices[symbol] * (1 + self._random.uniform(-0.01, 0.01))
        await self._desk.venue.quote(
            f"{symbol[:3]}/USD", round(price, 2), round(price + 0.1, 2), size=self._random.choice((0.01, 0.1, 5.0))
        )


async def _told(socket: Socket, last: int) -> list[Any]:
    """Everything the stream says, up to the report of the order that was sent last."""
    events: list[Any] = []
    while True:
        frame = await socket.next()
        if "event" in frame:
            events.append(frame["event"])
            if events[-1]["e"] == "outboundAccountPosition" and any(e.get("i") == last for e in events[-3:-1]):
                return events


@pytest.mark.parametrize("liquidity", ["model", "book"])
@pytest.mark.parametrize("seed", range(4))
async def test_stream_answers_and_money_agree_after_a_storm(seed: int, liquidity: Any) -> None:
    listings = [replace(listing, liquidity=liquidity) for listing in by_hand() if listing.base]
    async with a_desk(listings=listings) as desk:
        client = desk.client
        await desk.venue.weather(requests_per_minute=10_000_000)
        await desk.venue.quote("ETH/USD", 3_000.0, 3_000.1, size=5.0)
        socket = await desk.socket("/ws-api/v3")
        await socket.ask(id=1, method="userDataStream.subscribe.signature", params=client.ws_params())
        await Storm(desk, seed).blow()
        await client.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSD")
        last = (await client.order(symbol="BTCUSDT", price="10", quantity="1")).body["orderId"]
        async with asyncio.timeout(30):
            events = await _told(socket, last)

        reports = [event for event in events if event["e"] == "executionReport"]
        orders = [o for s in (*SYMBOLS, "BTCUSDT") for o in (await client.signed("GET", "/api/v3/allOrders", symbol=s, limit=1000)).body]
        trades = [t for s in SYMBOLS for t in (await client.signed("GET", "/api/v3/myTrades", symbol=s, limit=1000)).body]
        ended = {event["i"]: (event["X"], event["z"], event["Z"]) for event in reports}
        assert ended == {o["orderId"]: (o["status"], o["executedQty"], o["cummulativeQuoteQty"]) for o in orders}
        told = {(e["t"], e["i"], e["L"], e["l"], e["n"], e["N"], e["m"]) for e in reports if e["x"] == "TRADE"}
        names = ("id", "orderId", "price", "qty", "commission", "commissionAsset", "isMaker")
        assert len(trades) > 10
        assert told == {tuple(trade[name] for name in names) for trade in trades}

        balances = {b["asset"]: (b["free"], b["locked"]) for b in (await client.signed("GET", "/api/v3/account")).body["balances"]}
        positions = {b["a"]: (b["f"], b["l"]) for e in events if e["e"] == "outboundAccountPosition" for b in e["B"]}
        assert positions.items() <= balances.items()
        spent = sum((1 if t["isBuyer"] else -1) * D(t["quoteQty"]) + D(t["commission"]) for t in trades)
        assert sum(map(D, balances["USD"])) == 100_000 - spent
        for base in ("BTC", "ETH"):
            held = sum((1 if t["isBuyer"] else -1) * D(t["qty"]) for t in trades if t["symbol"].startswith(base))
            assert sum(map(D, balances[base])) == held >= 0
