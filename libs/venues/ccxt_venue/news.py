"""The stream of an account's reports: in a venue's own frames where we can read them, else as ccxt unifies them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from libs.domain.orders import Evidence, VenueStatus
from libs.venues.broker import OrderReport, Report
from libs.venues.ccxt_venue import binance
from libs.venues.ccxt_venue.history import ClientIds
from libs.venues.ccxt_venue.mapping import Unreadable, time_of, venue_order
from libs.venues.freshness import Freshness, Mute

SUBSCRIBED_AFTER_S: Final = 3.0  # surely

Tell = Callable[[Report], None]
Ring = Callable[[str], None]
"""There is news of a symbol that its history has to be asked for."""

ENDS: Final[Mapping[VenueStatus, Evidence]] = {
    "canceled": Evidence.CANCELED,
    "expired": Evidence.EXPIRED,
    "rejected": Evidence.REJECTED,
}


class Stream(Protocol):
    """One account's news over one connection."""

    def tap(self, message: object, url: str) -> bool:
        """See `exact.Hooks.tap`."""
        ...

    async def subscribe(self) -> None:
        """Returns when the venue has said that news will come, where it says so."""
        ...

    async def listen(self) -> None:
        """Until the connection is lost: raises whatever says so."""
        ...


class BinanceStream:
    """executionReports over the socket of the WebSocket API."""

    def __init__(
        self, exchange: Any, symbols: Mapping[str, str], quotes: Mapping[str, str], freshness: Freshness, tell: Tell, probe_s: float
    ) -> None:
        """
        Args:
            symbols: ours, by Binance's.
            quotes: the currency of a symbol's prices.
            probe_s: host seconds of silence after which we ask over the socket whether anybody is there. A user stream
                is silent for hours when nothing is traded, and pongs come from a front end.
        """
        self._exchange = exchange
        self._symbols = symbols
        self._quotes = quotes
        self._freshness = freshness
        self._tell = tell
        self._probe_s = probe_s

    def tap(self, message: object, url: str) -> bool:
        self._freshness.heard()
        if isinstance(message, dict) and message.get("id") == binance.PING["id"]:
            return True
        event = binance.event_of(message)
        if event is None:
            return False
        if event.get("e") == "eventStreamTerminated":
            raise Unreadable("Binance has ended the user stream")
        if report := binance.report_of(event, self._symbols, self._quotes):
            self._tell(report)
        return True  # ccxt would keep every order and balance in memory, and nobody would ask it for them

    async def subscribe(self) -> None:
        await self._exchange.authenticate({"type": "spot"})
        self._freshness.heard()

    async def listen(self) -> None:
        url = self._exchange.urls["api"]["ws"]["ws-api"]["spot"]
        while True:
            await asyncio.sleep(min(self._probe_s, self._freshness.left_s()))
            if self._freshness.left_s() == 0:
                raise Mute(f"nothing heard for {self._freshness.silent_s():.0f} s, and our question was not answered")
            if (self._freshness.silent_s() or 0) >= self._probe_s:
                await self._exchange.client(url).send(binance.PING)


class UnifiedStream:
    """What ccxt makes of any venue's streams: a bell. Trades and sums are then read from the history, where they are exact."""

    def __init__(self, exchange: Any, symbols: Iterable[str], ids: ClientIds, freshness: Freshness, tell: Tell, ring: Ring) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._ids = ids
        self._freshness = freshness
        self._tell = tell
        self._ring = ring

    def tap(self, message: object, url: str) -> bool:
        self._freshness.heard()
        return False

    async def subscribe(self) -> None:
        """Nobody says when a subscription holds: `listen` rings for what came before it."""

    async def listen(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._exchange.has.get("watchOrders"):
                tasks.create_task(self._orders())
            if self._exchange.has.get("watchMyTrades"):
                tasks.create_task(self._trades())
            await asyncio.sleep(SUBSCRIBED_AFTER_S)
            self._ring_all()

    def _ring_all(self) -> None:
        """For what happened after the history was asked and before the subscriptions held."""
        for symbol in self._symbols:
            self._ring(symbol)

    async def _orders(self) -> None:
        while True:
            for order in await self._exchange.watch_orders():
                self._take_order(order)

    def _take_order(self, order: Mapping[str, Any]) -> None:
        self._ids.learn(order)
        with suppress(Unreadable):  # what an order lacks here, its history has
            seen = venue_order(order)
            if evidence := ENDS.get(seen.status):
                self._tell(OrderReport(seen.client_order_id, evidence, seen.filled, time_of(order), seen.status))
        if order.get("symbol"):
            self._ring(order["symbol"])

    async def _trades(self) -> None:
        while True:
            for trade in await self._exchange.watch_my_trades():
                if trade.get("symbol"):
                    self._ring(trade["symbol"])
