"""Orders of the venue as Alpaca shows them. Pure."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, Literal

from libs.domain.instruments import Instrument
from libs.quant.calendars import next_open, session_of
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import Order
from libs.quant.sim_venue.view import AccountView
from services.sim_venue.alpaca.identity import asset_uuid, uuid_of
from services.sim_venue.alpaca.wire import Json, maybe, moment, rounded, text

Status = Literal["pending_new", "accepted", "new", "partially_filled", "filled", "canceled", "expired", "replaced", "held"]
ASSET_CLASS: Final = "us_equity"


def status(order: Order, listing: Listing, now: int) -> Status:
    """An order that was sent while the market was shut is `accepted` until it opens, and `new` from then on."""
    if order.status == "open":
        if order.filled:
            return "partially_filled"
        return "accepted" if waits_for_the_open(order, listing, now) else "new"
    return order.status


def waits_for_the_open(order: Order, listing: Listing, now: int) -> bool:
    """Whether no session has begun since the order was sent."""
    calendar = listing.instrument.calendar
    return session_of(calendar, order.created_at) is None and next_open(calendar, order.created_at) > now


def order_json(order: Order, listing: Listing, now: int, legs: list[Json] | None = None) -> Json:
    """One order. `legs` are those that it was sent with, where the client asked for them."""
    instrument, asked, account = listing.instrument, order.asked, order.account
    notional = asked.tags.get("notional")
    return {
        "id": str(uuid_of("order", account, order.id)),
        "client_order_id": asked.client_order_id,
        "created_at": moment(order.created_at),
        "updated_at": moment(order.updated_at),
        "submitted_at": moment(order.created_at),
        "filled_at": _ended(order, "filled"),
        "expired_at": _ended(order, "expired"),
        "canceled_at": _ended(order, "canceled"),
        "failed_at": None,
        "replaced_at": _ended(order, "replaced"),
        "replaced_by": str(uuid_of("order", account, order.replaced_by)) if order.replaced_by else None,
        "replaces": str(uuid_of("order", account, order.replaces)) if order.replaces else None,
        "expires_at": moment(_expires(order, instrument)),
        "asset_id": str(asset_uuid(asked.symbol)),
        "symbol": asked.symbol,
        "asset_class": ASSET_CLASS,
        "notional": notional,
        "qty": None if notional else text(instrument.quantity(order.lots)),
        "filled_qty": text(instrument.quantity(order.filled)),
        "filled_avg_price": maybe(average(order, instrument)),
        "order_class": order.shape,
        "order_type": asked.type,
        "type": asked.type,
        "side": asked.side,
        "position_intent": asked.tags.get("intent"),
        "time_in_force": asked.tif.lower(),
        "limit_price": maybe(_price(asked.limit, instrument)),
        "stop_price": maybe(_price(order.stop if order.stop is not None else asked.stop, instrument)),
        "status": status(order, listing, now),
        "extended_hours": "extended_hours" in asked.tags,
        "legs": legs or None,
        "trail_percent": maybe(None if asked.trail_bps is None else asked.trail_bps / 100),
        "trail_price": maybe(_price(asked.trail, instrument)),
        "hwm": maybe(high_water_mark(order, instrument)),
        "subtag": None,
        "source": None,
    }


def average(order: Order, instrument: Instrument) -> Decimal | None:
    """Average price of its fills, to nine decimals; None before the first."""
    return rounded(instrument.price(order.value) / order.filled, 9) if order.filled else None


def high_water_mark(order: Order, instrument: Instrument) -> Decimal | None:
    """The best price that a trailing stop has seen: where it stands, and what it keeps from there.

    Of a trail in percent it is worked out from a stop that stands on a whole tick, and is as exact as that.
    """
    asked = order.asked
    if asked.type != "trailing_stop" or order.stop is None:
        return None
    away = 1 if asked.side == "sell" else -1
    if asked.trail is not None:
        return instrument.price(order.stop + away * asked.trail)
    share = (asked.trail_bps or Decimal(0)) / 10_000
    return rounded(instrument.price(order.stop) / (1 - away * share), 4) if share < 1 else None


def nested(order: Order, account: AccountView, listing: Listing, now: int) -> Json:
    """An order with the legs that it was sent with, each as it is now."""
    return order_json(order, listing, now, [order_json(leg, listing, now) for leg in legs_of(order, account)])


def is_leg(order: Order, account: AccountView) -> bool:
    """Whether it was sent as part of another."""
    return order.shape != "simple" and _root(order, account) != order.group


def legs_of(order: Order, account: AccountView) -> Iterator[Order]:
    """The legs of the first order of a shape. They were taken together, so their ids follow the first one's."""
    if order.shape == "simple" or _root(order, account) != order.group:
        return
    follower = order.group + 1
    while (leg := account.orders.get(follower)) is not None and leg.group == order.group and not leg.replaces:
        yield _newest(leg, account)
        follower += 1


def _root(order: Order, account: AccountView) -> int:
    """The order that a chain of replacements began with."""
    while order.replaces and order.replaces in account.orders:
        order = account.orders[order.replaces]
    return order.id


def _newest(order: Order, account: AccountView) -> Order:
    while order.replaced_by and order.replaced_by in account.orders:
        order = account.orders[order.replaced_by]
    return order


def _ended(order: Order, how: str) -> str | None:
    return moment(order.updated_at) if order.status == how else None


def _price(ticks: int | None, instrument: Instrument) -> Decimal | None:
    return None if ticks is None else instrument.price(ticks)


def _expires(order: Order, instrument: Instrument) -> int | None:
    if order.asked.tif != "DAY":
        return order.asked.expires_at
    session = session_of(instrument.calendar, next_open(instrument.calendar, order.created_at))
    return (session_of(instrument.calendar, order.created_at) or session or (None, None))[1]
