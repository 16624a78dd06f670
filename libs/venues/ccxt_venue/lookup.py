"""Orders by the id that we gave them, at venues that can be asked for it and at venues that cannot."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from libs.domain.identity import is_ours
from libs.domain.orders import VenueOrder
from libs.venues.broker import OutcomeUnknown, Refused
from libs.venues.ccxt_venue.calls import is_not_there
from libs.venues.ccxt_venue.history import PAGE, ClientIds, Read
from libs.venues.ccxt_venue.mapping import NAMELESS, Unreadable, name_of, venue_order

log = logging.getLogger(__name__)

ASKED_BY_CLIENT_ID: Final = frozenset(
    {
        *("apex", "aster", "binance", "binanceus", "bitget", "bithumb", "bitrue", "coinbaseexchange", "coinsph", "extended"),
        *("grvt", "kraken", "mexc", "modetrade", "myokx", "okx", "okxus", "paradex", "phemex", "weex", "woo", "woofipro"),
    }
)
"""Whose `fetch_order` and `cancel_order` both read `params["clientOrderId"]` in ccxt 4.5.90; ccxt does not declare it."""

_CAPABILITY: Final = {
    "fetch_open_orders": "fetchOpenOrders",
    "fetch_closed_orders": "fetchClosedOrders",
    "fetch_canceled_orders": "fetchCanceledOrders",
}


class Lookup:
    """Of one account."""

    def __init__(self, exchange: Any, read: Read, ids: ClientIds) -> None:
        self._exchange = exchange
        self._read = read
        self._ids = ids
        self._by_symbol = False  # the venue lists open orders of one market only
        self.by_client_id = exchange.id in ASKED_BY_CLIENT_ID

    def named(self, client_id: str, symbol: str) -> tuple[str, str, Mapping[str, str]]:
        """The arguments with which ccxt's `fetch_order` and `cancel_order` are told which order is meant."""
        if client_id.startswith(NAMELESS):
            return client_id.removeprefix(NAMELESS), symbol, {}
        if self.by_client_id:
            return "", symbol, {"clientOrderId": client_id}
        return self._ids.venue_id(client_id) or "", symbol, {}

    async def find(self, client_id: str, symbols: Sequence[str]) -> VenueOrder | None:
        """The order; None when no listing and no question brought it up. As `shown`."""
        order = await self.shown(client_id, symbols)
        return None if order is None else venue_order(order)

    async def shown(self, client_id: str, symbols: Sequence[str]) -> Mapping[str, Any] | None:
        """The order as ccxt unifies it.

        Args:
            symbols: where it may be, when we do not know.

        Raises:
            OutcomeUnknown, Unreadable.
        """
        known = self._ids.symbol(client_id)
        for symbol in [known] if known else symbols:
            found = await self._in_market(client_id, symbol)
            if found is not None:
                self._ids.learn(found)
                return found
        return None

    async def open_orders(self, symbols: Sequence[str]) -> list[VenueOrder]:
        """All of them, with one request where the venue allows it.

        One that cannot be read, and is none of ours, is left out and told of: it must not hide the others.

        Raises:
            OutcomeUnknown, Unreadable.
        """
        listed = await self._listed("fetch_open_orders", symbols)
        for order in listed:
            self._ids.learn(order)
        return [seen for order in listed if order.get("symbol") in symbols and (seen := self._readable(order))]

    def _readable(self, order: Mapping[str, Any]) -> VenueOrder | None:
        known = self._ids.of(str(order.get("id")))  # not every venue repeats our id in a listing
        try:
            return venue_order({**order, "clientOrderId": order.get("clientOrderId") or known})
        except Unreadable as error:
            if is_ours(str(order.get("clientOrderId"))):
                raise
            log.warning("%s lists an order that is not ours and cannot be read: %s", self._exchange.id, error)
            return None

    async def _in_market(self, client_id: str, symbol: str) -> Mapping[str, Any] | None:
        if self.by_client_id or client_id.startswith(NAMELESS) or self._ids.venue_id(client_id):
            try:
                return self._meant(client_id, await self._read(lambda: self._exchange.fetch_order(*self.named(client_id, symbol))))
            except Refused as refused:
                if is_not_there(refused):
                    return None
                raise OutcomeUnknown(str(refused)) from refused
        for method in ("fetch_open_orders", "fetch_closed_orders", "fetch_canceled_orders"):
            if self._exchange.has.get(_CAPABILITY[method]):
                for order in await self._read(partial(getattr(self._exchange, method), symbol, None, PAGE)):
                    if name_of(order) == client_id:
                        return order  # type: ignore[no-any-return]
        return None

    def _meant(self, client_id: str, order: object) -> Mapping[str, Any]:
        """The order, if it is the one. A venue that was asked by its own id need not know ours."""
        if not isinstance(order, dict):
            raise Unreadable(f"asked for {client_id}, {self._exchange.id} answered with no order: {str(order)[:200]}")
        if client_id.startswith(NAMELESS) or order.get("clientOrderId") in (None, "", client_id):
            return {**order, "clientOrderId": client_id}
        raise OutcomeUnknown(f"asked for {client_id}, {self._exchange.id} answered with {order.get('clientOrderId')}")

    async def _listed(self, method: str, symbols: Sequence[str]) -> list[Mapping[str, Any]]:
        if not self._by_symbol:
            try:
                return await self._read(getattr(self._exchange, method))  # type: ignore[no-any-return]
            except OutcomeUnknown as error:
                if "ArgumentsRequired" not in str(error):
                    raise
                self._by_symbol = True
        return [order for symbol in symbols for order in await self._read(partial(getattr(self._exchange, method), symbol))]
