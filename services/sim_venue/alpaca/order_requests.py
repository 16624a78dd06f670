"""Alpaca's order requests as commands of the venue. Pure: what is asked and what the account holds in, a command or a `Problem` out."""

from decimal import Decimal
from typing import Final, Literal, NamedTuple, cast
from uuid import uuid4

from libs.domain.orders import OrderType, Side
from libs.quant.sim_venue.commands import Replace, Submit
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import NewOrder, Order, Shape
from services.sim_venue.alpaca.errors import bad_value, forbidden, unprocessable
from services.sim_venue.alpaca.order_bodies import OrderRequest, ReplaceRequest
from services.sim_venue.alpaca.order_fields import positive, shown, to_lots, to_ticks
from services.sim_venue.alpaca.order_shapes import check_shape, other_legs, shape_of
from services.sim_venue.alpaca.wire import text

Tif = Literal["DAY", "GTC", "IOC", "FOK"]

MOST_CLIENT_ID: Final = 128
_TIFS: Final[dict[str, Tif]] = {"day": "DAY", "gtc": "GTC", "ioc": "IOC", "fok": "FOK"}
_AUCTIONS: Final = ("opg", "cls")
_TYPES: Final = ("market", "limit", "stop", "stop_limit", "trailing_stop")
_PRICES: Final[dict[str, frozenset[str]]] = {
    "market": frozenset(),
    "limit": frozenset({"limit_price"}),
    "stop": frozenset({"stop_price"}),
    "stop_limit": frozenset({"limit_price", "stop_price"}),
    "trailing_stop": frozenset({"trail_price", "trail_percent"}),
}


class Standing(NamedTuple):
    """What an order request is read against."""

    account: str
    listing: Listing
    held: int  # signed lots of the position
    price: Decimal | None  # what one unit costs now; a notional is divided by it


def submit(asked: OrderRequest, standing: Standing) -> Submit:
    """The command for a new order and, in a bracket or a pair, its other legs."""
    shape = shape_of(asked.order_class)
    side = _side(asked)
    if shape != "simple":
        check_shape(asked, shape)
    first = _first(asked, side, shape, standing)
    legs = () if shape == "simple" else other_legs(asked, first, shape, standing.listing.instrument)
    return Submit(account=standing.account, orders=(first, *legs), shape=shape)


def replace(asked: ReplaceRequest, old: Order, standing: Standing) -> Replace:
    """The command that puts a new order in the place of an open one."""
    if asked == ReplaceRequest():
        raise unprocessable("order parameters are not changed")
    instrument, terms = standing.listing.instrument, old.asked
    for name in ("limit_price", "stop_price"):
        if getattr(asked, name) is not None and name not in _PRICES[terms.type]:
            raise unprocessable(f"{name} is not allowed for {terms.type} orders")
    if asked.trail is not None and terms.type != "trailing_stop":
        raise unprocessable("trail is only allowed for trailing_stop orders")
    if asked.trail is not None and terms.trail is None:
        raise unprocessable("trail of an order with trail_percent cannot be replaced here: cancel it and send another")
    return Replace(
        account=standing.account,
        order=old.id,
        client_order_id=_client_id(asked.client_order_id),
        lots=None if asked.qty is None else to_lots(asked.qty, instrument),
        limit=to_ticks(asked.limit_price, "limit_price", instrument),
        stop=to_ticks(asked.stop_price, "stop_price", instrument),
        trail=to_ticks(asked.trail, "trail", instrument),
        tif=None if asked.time_in_force is None else _plain_tif(asked.time_in_force),
    )


def closing(standing: Standing, lots: int) -> Submit:
    """The market order that closes so many lots of the position."""
    side: Side = "sell" if standing.held > 0 else "buy"
    intent = "sell_to_close" if side == "sell" else "buy_to_close"
    order = NewOrder(
        client_order_id=str(uuid4()),
        symbol=standing.listing.symbol,
        side=side,
        type="market",
        tif="DAY",
        lots=lots,
        tags={"intent": intent},
    )
    return Submit(account=standing.account, orders=(order,))


def _side(asked: OrderRequest) -> Side:
    side = asked.side or (asked.position_intent or "").partition("_")[0]
    if side not in ("buy", "sell"):
        raise bad_value("side is required" if not side else f"invalid side: {shown(side)}")
    return cast(Side, side)


def _first(asked: OrderRequest, side: Side, shape: Shape, standing: Standing) -> NewOrder:
    kind = _type(asked)
    instrument = standing.listing.instrument
    limit = asked.limit_price
    if shape == "oco" and limit is None and asked.take_profit is not None:
        limit = asked.take_profit.limit_price
    _check_prices(asked, kind, limit)
    tif = _tif(asked, kind)
    lots = _quantity(asked, kind, tif, standing)
    if asked.qty is not None and asked.qty % 1:
        _check_part_of_a_share(kind, tif, shape)
    percent = None if asked.trail_percent is None else positive(asked.trail_percent, "trail_percent")
    return NewOrder(
        client_order_id=_client_id(asked.client_order_id),
        symbol=instrument.symbol,
        side=side,
        type=kind,
        tif=tif,
        lots=lots,
        limit=to_ticks(limit, "limit_price", instrument),
        stop=to_ticks(asked.stop_price, "stop_price", instrument),
        trail=to_ticks(asked.trail_price, "trail_price", instrument),
        trail_bps=None if percent is None else percent * 100,
        tags=_tags(asked, side, standing),
    )


def _type(asked: OrderRequest) -> OrderType:
    if asked.type not in _TYPES:
        raise bad_value("type is required" if not asked.type else f"invalid order type: {shown(asked.type)}")
    return cast(OrderType, asked.type)


def _check_prices(asked: OrderRequest, kind: OrderType, limit: Decimal | None) -> None:
    given = {name for name in ("limit_price", "stop_price", "trail_price", "trail_percent") if getattr(asked, name) is not None}
    extra = sorted(given - _PRICES[kind])
    if extra:
        raise unprocessable(f"{kind} orders must not have {extra[0]}")
    if kind == "trailing_stop":
        if len(given) != 1:
            raise unprocessable("trailing stop orders must specify one of trail_price or trail_percent")
        return
    if limit is not None:
        given.add("limit_price")
    missing = sorted(_PRICES[kind] - given)
    if missing:
        raise unprocessable(f"{kind.replace('_', ' ')} orders require {' and '.join(name.replace('_', ' ') for name in missing)}")


def _plain_tif(written: str) -> Tif:
    if written in _AUCTIONS:
        raise unprocessable(f"time_in_force {written} is not available: this venue holds no auctions")
    tif = _TIFS.get(written)
    if tif is None:
        raise bad_value("time_in_force is required" if not written else f"invalid time_in_force: {shown(written)}")
    return tif


def _tif(asked: OrderRequest, kind: OrderType) -> Tif:
    tif = _plain_tif(asked.time_in_force)
    if asked.extended_hours and (kind != "limit" or tif != "DAY"):
        raise unprocessable("extended hours order must be DAY limit orders")
    if kind == "trailing_stop" and tif not in ("DAY", "GTC"):
        raise unprocessable("trailing stop orders must be day or gtc orders")
    return tif


def _quantity(asked: OrderRequest, kind: OrderType, tif: Tif, standing: Standing) -> int:
    if asked.qty is None and asked.notional is None:
        raise bad_value("qty or notional is required")
    if asked.qty is not None and asked.notional is not None:
        raise unprocessable("only one of qty or notional is accepted")
    if asked.qty is not None:
        return to_lots(asked.qty, standing.listing.instrument)
    notional = positive(cast(Decimal, asked.notional), "notional")
    if standing.listing.instrument.lot == 1:
        raise forbidden(f'asset "{standing.listing.symbol}" is not fractionable')
    if kind != "market" or tif != "DAY":
        raise unprocessable("notional orders must be DAY market orders")
    if standing.price is None:
        raise forbidden(f'no quotes of "{standing.listing.symbol}" to trade against')
    one_lot = standing.price * standing.listing.instrument.lot * standing.listing.instrument.multiplier
    lots = int(notional // one_lot)
    if lots < 1:
        raise forbidden(f"notional {text(notional)} buys less than {text(standing.listing.instrument.lot)}, the least there is")
    return lots


def _check_part_of_a_share(kind: OrderType, tif: Tif, shape: Shape) -> None:
    if kind == "trailing_stop":
        raise unprocessable("fractional orders must be market, limit, stop, or stop_limit orders")
    if shape != "simple":
        raise unprocessable("fractional orders must be simple orders")
    if tif != "DAY":
        raise unprocessable("fractional orders must be DAY orders")


def _client_id(given: str | None) -> str:
    if not given:
        return str(uuid4())
    if len(given) > MOST_CLIENT_ID:
        raise bad_value(f"client_order_id must be no more than {MOST_CLIENT_ID} characters")
    return given


def _tags(asked: OrderRequest, side: Side, standing: Standing) -> dict[str, str]:
    tags = {"intent": _intent(asked.position_intent, side, standing.held)}
    if asked.extended_hours:
        tags["extended_hours"] = "true"
    if asked.notional is not None:
        tags["notional"] = text(asked.notional)
    return tags


def _intent(given: str | None, side: Side, held: int) -> str:
    closes = held < 0 if side == "buy" else held > 0
    inferred = f"{side}_to_{'close' if closes else 'open'}"
    if given and given != inferred:
        raise unprocessable(f"position intent mismatch, inferred: {inferred}, specified: {shown(given)}")
    return inferred
