"""Brokers and feeds of the ccxt adapter for tests, at any address."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from libs.common.clocks import SystemClock
from libs.domain.configuration import VenueConfig
from libs.domain.instruments import Instrument
from libs.domain.orders import Order
from libs.venues.ccxt_venue.broker import CcxtBroker
from libs.venues.ccxt_venue.feed import CcxtFeed
from libs.venues.endpoint import Endpoint
from tests.waiting import until

CLIENT_ID = "TWNDAAAAAAAAAAAAAAAAAAAAAAAAAA1"
BITCOIN = Instrument(symbol="BTC/USDT", venue="crypto", asset_class="crypto", currency="USDT", tick=Decimal("0.01"), lot=Decimal("0.00001"))


def a_venue(**terms: Any) -> VenueConfig:
    """A `[[venue]]` that is Binance."""
    return VenueConfig(
        **{
            "name": "crypto",
            "adapter": "ccxt",
            "exchange": "binance",
            "asset_classes": ("crypto",),
            "requests_per_minute": 100_000,
            **terms,
        }
    )


def an_order(client_order_id: str = CLIENT_ID, **terms: Any) -> Order:
    """0.005 bitcoins for at most 42,000.10 each."""
    usual: Mapping[str, Any] = {
        "order_id": UUID(int=1),
        "account_id": "main",
        "venue": "crypto",
        "session_id": "s",
        "strategy_id": "sma",
        "symbol": BITCOIN.symbol,
        "signal_id": UUID(int=2),
        "leg": 0,
        "side": "buy",
        "order_type": "limit",
        "quantity": Decimal("0.005"),
        "price": Decimal("42000.1"),
        "time_in_force": "GTD",
        "decided_at": 0,
        "valid_until": 0,
        "expires_at": 0,
    }
    return Order(client_order_id=client_order_id, **{**usual, **terms})


def soon(seconds: float = 3.0) -> float:
    """A deadline."""
    return SystemClock().monotonic() + seconds


@contextlib.asynccontextmanager
async def a_broker(
    url: str, *instruments: Instrument, key: str = "key", secret: str = "secret", options: Mapping[str, bool] | None = None, **pace: Any
) -> AsyncIterator[CcxtBroker]:
    """One that is connected, its stream too."""
    traded = {instrument.symbol: instrument for instrument in instruments or (BITCOIN,)}
    broker = CcxtBroker(a_venue(options=dict(options or {})), Endpoint(url, key, secret, "paper"), traded, clock=SystemClock(), **pace)
    try:
        await broker.connect()
        await until(lambda: broker.link().up)
        yield broker
    finally:
        await broker.disconnect()


@contextlib.asynccontextmanager
async def a_feed(url: str, *symbols: str, options: Mapping[str, bool] | None = None, **terms: Any) -> AsyncIterator[CcxtFeed]:
    """One that is open."""
    venue = a_venue(symbols=symbols or (BITCOIN.symbol,), options=dict(options or {}))
    feed = await CcxtFeed.open(venue, Endpoint(url, "key", "secret", "paper"), clock=SystemClock(), **terms)
    try:
        yield feed
    finally:
        await feed.close()
