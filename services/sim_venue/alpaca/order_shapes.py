"""Orders that are sent together: brackets, pairs of which one cancels the other, and orders that wait for another. Pure."""

from typing import Final
from uuid import uuid4

from libs.domain.instruments import Instrument
from libs.domain.orders import OrderType, Side
from libs.quant.sim_venue.orders import NewOrder, Shape
from services.sim_venue.alpaca.errors import bad_value, unprocessable
from services.sim_venue.alpaca.order_bodies import OrderRequest
from services.sim_venue.alpaca.order_fields import shown, to_ticks

_SHAPES: Final[dict[str, Shape]] = {"": "simple", "simple": "simple", "oco": "oco", "oto": "oto", "bracket": "bracket"}


def shape_of(order_class: str | None) -> Shape:
    """The shape that an order class names; `Problem` when this venue has none such."""
    shape = _SHAPES.get(order_class or "")
    if shape is None:
        raise bad_value(f"invalid order_class: {shown(order_class)}; this venue has simple, oco, oto and bracket")
    return shape


def check_shape(asked: OrderRequest, shape: Shape) -> None:
    """What Alpaca asks of orders that belong together, whatever their prices."""
    target, stop = asked.take_profit, asked.stop_loss
    if shape in ("bracket", "oco") and (target is None or target.limit_price is None):
        raise unprocessable(f"{shape} orders require take_profit.limit_price")
    if shape in ("bracket", "oco") and (stop is None or stop.stop_price is None):
        raise unprocessable(f"{shape} orders require stop_loss.stop_price")
    if shape == "oto" and (target is None) == (stop is None):
        raise unprocessable("oto orders require either take_profit or stop_loss")
    if shape == "oto" and ((target is not None and target.limit_price is None) or (stop is not None and stop.stop_price is None)):
        raise unprocessable("oto orders require take_profit.limit_price or stop_loss.stop_price")
    if shape == "oco" and asked.type != "limit":
        raise unprocessable("oco orders must be limit orders")
    if asked.notional is not None:
        raise unprocessable(f"notional is not allowed for {shape} orders")
    if asked.time_in_force not in ("day", "gtc"):
        raise unprocessable(f"{shape} orders must be day or gtc orders")
    if asked.extended_hours:
        raise unprocessable(f"extended hours is not allowed for {shape} orders")


def other_legs(asked: OrderRequest, first: NewOrder, shape: Shape, instrument: Instrument) -> tuple[NewOrder, ...]:
    """The orders that wait for the first; of a pair (oco) the first is itself the one that takes the profit."""
    exits: Side = first.side if shape == "oco" else ("sell" if first.side == "buy" else "buy")
    target = None if asked.take_profit is None else to_ticks(asked.take_profit.limit_price, "take_profit.limit_price", instrument)
    stop = None if asked.stop_loss is None else to_ticks(asked.stop_loss.stop_price, "stop_loss.stop_price", instrument)
    _check_order_of_prices(exits, target, stop, first.limit if shape != "oco" else None)
    tags = {"intent": f"{exits}_to_close"}
    legs = []
    if shape != "oco" and target is not None:
        legs.append(_leg(first, exits, "limit", tags, limit=target))
    if stop is not None:
        limit = to_ticks(asked.stop_loss.limit_price, "stop_loss.limit_price", instrument) if asked.stop_loss is not None else None
        legs.append(_leg(first, exits, "stop" if limit is None else "stop_limit", tags, limit=limit, stop=stop))
    return tuple(legs)


def _check_order_of_prices(exits: Side, target: int | None, stop: int | None, entry: int | None) -> None:
    """Profit lies on one side of the entry and loss on the other; above it when the exit sells."""
    sign = 1 if exits == "sell" else -1
    if target is not None and stop is not None and sign * (target - stop) <= 0:
        raise unprocessable(f"take_profit.limit_price must be {'>' if sign > 0 else '<'} stop_loss.stop_price")
    if entry is not None and target is not None and sign * (target - entry) <= 0:
        raise unprocessable(f"take_profit.limit_price must be {'>=' if sign > 0 else '<='} base_price {'+' if sign > 0 else '-'} 0.01")
    if entry is not None and stop is not None and sign * (entry - stop) <= 0:
        raise unprocessable(f"stop_loss.stop_price must be {'<=' if sign > 0 else '>='} base_price {'-' if sign > 0 else '+'} 0.01")


def _leg(
    first: NewOrder, side: Side, kind: OrderType, tags: dict[str, str], *, limit: int | None = None, stop: int | None = None
) -> NewOrder:
    return NewOrder(
        client_order_id=str(uuid4()),
        symbol=first.symbol,
        side=side,
        type=kind,
        tif=first.tif,
        lots=first.lots,
        limit=limit,
        stop=stop,
        tags=tags,
    )
