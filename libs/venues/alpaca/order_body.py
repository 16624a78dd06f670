"""Our orders as Alpaca wants them. Pure."""

from decimal import Decimal
from typing import Final

import msgspec

from libs.domain.instruments import Instrument
from libs.domain.orders import Order
from libs.quant.calendars import close_of, is_open, next_open
from libs.venues.broker import NotSent, Refused

_TIFS: Final = {"DAY": "day", "GTC": "gtc", "IOC": "ioc", "FOK": "fok"}


def order_body(order: Order, instrument: Instrument) -> bytes:
    """The body of POST /v2/orders.

    Raises:
        NotSent: Alpaca cannot be asked for such an order.
    """
    if order.oco:
        raise NotSent("Alpaca takes one-cancels-other pairs as one request only, and this order was to be sent by itself")
    prices = {"limit_price": order.price, "stop_price": order.stop_price, "trail_price": order.trail}
    if order.order_type == "trailing_stop":
        prices["stop_price"] = None  # it begins at the market
    return msgspec.json.encode(
        {
            "symbol": order.symbol,
            "qty": _plain(order.quantity),
            "side": order.side,
            "type": order.order_type,
            "time_in_force": time_in_force(order, instrument),
            "client_order_id": order.client_order_id,
            **{name: _plain(price) for name, price in prices.items() if price is not None},
        }
    )


def replacement_body(order: Order, instrument: Instrument) -> bytes:
    """The body of PATCH /v2/orders/{id}: all that may be another in the order that takes the place.

    Raises:
        Refused: Alpaca replaces no such order, whoever asks and however often: as good as its own no.
    """
    prices = {"limit_price": order.price, "stop_price": order.stop_price, "trail": order.trail}
    if order.order_type == "trailing_stop":
        prices["stop_price"] = None  # it goes on from where the old one stood
    if order.oco or order.quantity % 1:
        raise Refused("Alpaca replaces whole shares of single orders only")
    return msgspec.json.encode(
        {
            "qty": _plain(order.quantity),
            "time_in_force": time_in_force(order, instrument),
            "client_order_id": order.client_order_id,
            **{name: _plain(price) for name, price in prices.items() if price is not None},
        }
    )


def time_in_force(order: Order, instrument: Instrument) -> str:
    """Alpaca's word.

    It has no GTD: whoever sent the order cancels it at `expires_at`. Until then DAY serves when the session ends no
    earlier, as an order of a dead host then ends with the day. Parts of shares are only ever taken as DAY, crypto never:
    what protects them ends with each session, and whoever sent it sends another for the next.
    """
    if order.time_in_force == "GTC" and order.quantity % 1 and instrument.asset_class != "crypto":
        return "day"
    if order.time_in_force != "GTD":
        return _TIFS[order.time_in_force]
    if instrument.asset_class == "crypto":
        return "gtc"
    calendar, at = instrument.calendar, order.decided_at
    session_end = close_of(calendar, at if is_open(calendar, at) else next_open(calendar, at))
    return "day" if order.expires_at <= session_end or order.quantity % 1 else "gtc"


def _plain(value: Decimal) -> str:
    """Without an exponent, whatever the Decimal's own form is."""
    return f"{value:f}"
