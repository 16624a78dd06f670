"""What kinds of orders may leave: type, time in force and sides by what an order is for. Anything else is a fault of ours."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from libs.domain.orders import PROTECTIVE, Order, OrderType, Purpose, TimeInForce

Terms = tuple[frozenset[OrderType], frozenset[TimeInForce]]

_LIMIT: Final[Terms] = (frozenset({"limit"}), frozenset({"GTD"}))
ALLOWED: Final[Mapping[Purpose, Terms]] = {
    "signal": _LIMIT,
    "slice": _LIMIT,
    "liquidation": _LIMIT,
    "stop": (frozenset({"stop", "trailing_stop"}), frozenset({"GTC"})),
    "target": (frozenset({"limit"}), frozenset({"GTC"})),
}
"""What stands beside a position stays until it is cancelled; everything else ends by itself. What others have placed is never sent."""


def fault(order: Order) -> str:
    """Why an order of its kind may not leave, beginning with the code of the control; "" when it may.

    A stop that the market has passed already may: it is there to get out, and does so at once.
    """
    return _time_in_force(order) or (_guard(order) if order.purpose in PROTECTIVE else "")


def _time_in_force(order: Order) -> str:
    types, times = ALLOWED.get(order.purpose, (frozenset(), frozenset()))
    if order.order_type not in types:
        return f"RC-A10: a {order.order_type} order is not sent as {order.purpose}; expected {' or '.join(sorted(types)) or 'none'}"
    if order.time_in_force not in times:
        return f"RC-A10: {order.time_in_force} is no time in force of a {order.purpose}; expected {' or '.join(sorted(times))}"
    if order.time_in_force == "GTD" and order.expires_at <= order.decided_at:
        return "RC-A10: it would have ended before it was decided"
    return ""


def _guard(order: Order) -> str:
    """A09: what guards a position can only reduce it, at prices that there are."""
    if not order.reduce_only:
        return f"RC-A09: a {order.purpose} that could add to its position is no protection"
    prices = {"limit price": order.price} if order.purpose == "target" else {"stop price": order.stop_price}
    if order.order_type == "trailing_stop":
        prices["distance to trail at"] = order.trail
    for what, price in prices.items():
        if price is None or not price.is_finite() or price <= Decimal(0):
            return f"RC-A09: expected a {what} above 0, got {price}"
    return ""
