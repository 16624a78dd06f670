"""The last look at an order before its intent is committed, by other code and other figures than risk_manager's. Pure.

What risk_manager approved passes: the rules are its own, with room for what the market may do between the two looks. What it
should never have approved does not, whatever was wrong there: a size or a price off by digits, a limit that was not looked at.
"""

import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from libs.domain.instruments import Instrument
from libs.domain.orders import PROTECTIVE, Order
from libs.quant.execution.protection import Standing
from libs.quant.risk.limits import Limits

log = logging.getLogger(__name__)
Book = tuple[str, str]
ROUNDING: Final = 1e-9  # of floats: what lies on a limit is within it


class Known(NamedTuple):
    """What an account's executor knows when it decides."""

    account_name: str  # as limits know it
    instruments: Mapping[str, Instrument]
    positions: Mapping[Book, Decimal]  # units by (strategy, symbol)
    orders: Iterable[Standing]  # open ones; that whose outcome is unknown counts whole
    prices: Mapping[str, float]  # newest known
    equity: float | None  # as risk_manager counted it last


def denied(order: Order, known: Known, limits: Limits, widest_collar: float) -> str:
    """Why the order may not be sent, beginning with the code of the control; "" when it may. An error inside denies."""
    try:
        return _denied(order, known, limits, widest_collar)
    except Exception as error:
        told = {"labels": {"order_id": str(order.order_id), "symbol": order.symbol}}
        log.exception("an error in the hard limits of order %s; denied", order.order_id, extra=told)
        return f"RC-ERR: {type(error).__name__}: {error}"


def _denied(order: Order, known: Known, limits: Limits, widest_collar: float) -> str:
    instrument = known.instruments.get(order.symbol)
    if instrument is None:
        return f"RC-A02: {order.symbol} is no instrument here"
    if not order.quantity.is_finite() or order.quantity <= 0 or order.quantity % instrument.lot:
        return f"RC-A03: quantity {order.quantity} is no positive multiple of {instrument.lot}"
    if order.price is not None and (not order.price.is_finite() or order.price <= 0 or order.price % instrument.tick):
        return f"RC-A03: price {order.price} is no positive multiple of {instrument.tick}"
    if order.purpose in PROTECTIVE:
        return ""  # it only shrinks its book, which the record makes sure of, and stands away from the market on purpose
    if order.price is None:
        return "RC-A07: an order without a limit price is never sent"
    subject = {"order": "*", "symbol": order.symbol, "strategy": order.strategy_id, "account": known.account_name, "fleet": "*"}
    collar = limits.tightest("price_collar", equity=0.0, **subject)
    room = 1.0 + (collar or 0.0)
    farthest = max(widest_collar, collar) if collar is not None and order.purpose == "liquidation" else collar
    return (
        _off_market(order, known, farthest)
        or _too_large(order, known, instrument, limits, subject, room)
        or _too_much(order, known, instrument, limits, room)
    )


def _off_market(order: Order, known: Known, collar: float | None) -> str:
    """A07: risk keeps the reference within the collar around the market, and the limit within the collar around the reference."""
    if collar is None:
        return ""
    newest, price = known.prices.get(order.symbol), float(order.price or 0)
    if newest is None:
        return f"RC-A07: there is no price of {order.symbol} to judge {price:g} by"
    most, least = newest * (1 + collar) ** 2 * (1 + ROUNDING), newest * (1 - collar) ** 2 * (1 - ROUNDING)
    if least <= price if order.side == "sell" else price <= most:
        return ""
    return f"RC-A07: a limit of {price:g} to {order.side} is too far from the market at {newest:g}"


def _too_large(order: Order, known: Known, instrument: Instrument, limits: Limits, subject: Mapping[str, str], room: float) -> str:
    """A13, A04, A05: whether the symbol may be traded, quantity and notional of one order; one that only shrinks its book passes, whether
    the equity is known or not."""
    if _shrinks(order, known, (order.strategy_id,)):
        return ""
    if why := limits.forbids(order.symbol):
        return f"RC-A13: {order.symbol} is {why}, and may only be closed"
    units = limits.tightest("max_order_quantity", equity=0.0, **subject)
    if units is not None and float(order.quantity) > units:
        return f"RC-A04: quantity {order.quantity} is above max_order_quantity of {units:g}"
    if limits.multiple("max_order_notional", **subject) is None:
        most = limits.tightest("max_order_notional", equity=0.0, **subject)
    else:
        most = limits.tightest("max_order_notional", equity=_equity(known) * room, **subject)
    notional = float((order.price or Decimal(0)) * order.quantity * instrument.multiplier)
    if most is None or notional <= most:
        return ""
    return f"RC-A05: notional {notional:.2f} is above max_order_notional of {most:.2f}"


def _too_much(order: Order, known: Known, instrument: Instrument, limits: Limits, room: float) -> str:
    """B01: the worst that the book, and the account in the symbol, can come to; the market may have moved by the collar since."""
    if order.purpose == "slice":
        return ""  # its parent was judged whole
    if order.purpose == "liquidation" and _shrinks(order, known, (order.strategy_id,)):
        return ""  # every book of the scope is to be closed, in whatever order: the account's sum may grow on the way
    price = known.prices.get(order.symbol, float(order.price or 0))
    books: tuple[tuple[str, dict[str, str], tuple[str, ...]], ...] = (
        (order.strategy_id, {"strategy": order.strategy_id}, (order.strategy_id,)),
        ("the account", {"symbol": order.symbol, "account": known.account_name}, ()),
    )
    for whose, subject, strategies in books:
        if _shrinks(order, known, strategies):
            continue
        if limits.multiple("max_position_notional", **subject) is None:
            most = limits.tightest("max_position_notional", equity=0.0, **subject)
        else:
            most = limits.tightest("max_position_notional", equity=_equity(known), **subject)
        if most is None:
            continue
        low, high = _range(order, known, strategies)
        more = order.quantity if order.side == "buy" else -order.quantity
        worst = float(max(abs(low + min(more, Decimal(0))), abs(high + max(more, Decimal(0)))) * instrument.multiplier) * price
        if worst > most * room:
            return f"RC-B01: position of {whose} could come to {worst:.2f}, above max_position_notional of {most:.2f}"
    return ""


def _shrinks(order: Order, known: Known, strategies: tuple[str, ...]) -> bool:
    low, high = _range(order, known, strategies)
    return order.quantity <= (low if order.side == "sell" else -high)


def _range(order: Order, known: Known, strategies: tuple[str, ...]) -> tuple[Decimal, Decimal]:
    """Lowest and highest position that the other open orders can lead to. Protection counts for nothing, slices for their parent."""
    if strategies:
        held = sum((known.positions.get((strategy_id, order.symbol), Decimal(0)) for strategy_id in strategies), Decimal(0))
    else:
        held = sum((q for (_, symbol), q in known.positions.items() if symbol == order.symbol), Decimal(0))
    low = high = held
    for other, _, filled in known.orders:
        if other.order_id == order.order_id or other.symbol != order.symbol or (strategies and other.strategy_id not in strategies):
            continue
        if other.purpose in PROTECTIVE or other.purpose == "slice":
            continue
        if other.side == "buy":
            high += other.quantity - filled
        else:
            low -= other.quantity - filled
    return low, high


def _equity(known: Known) -> float:
    if known.equity is None:
        raise LookupError("a limit is a multiple of the equity, and nobody has counted it yet")
    return max(0.0, known.equity)
