"""ccxt's unified structures and ours. Numbers come as text (see exact.py) and leave as text."""

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from libs.domain.instruments import Instrument
from libs.domain.orders import Order, VenueOrder, VenueStatus, VenueTerms
from libs.domain.trades import Fill
from libs.venues.broker import Holdings, NotSent

log = logging.getLogger(__name__)

MS: Final = 1_000_000  # ns
_TICK_SIZE, _DECIMAL_PLACES = 4, 2  # ccxt's precision modes; the third, significant digits, has no fixed tick
_STATUS: Final[Mapping[str, VenueStatus]] = {
    "open": "open",
    "canceling": "open",
    "canceled": "canceled",
    "expired": "expired",
    "rejected": "rejected",
}


class Unreadable(ValueError):
    """The venue's answer is not what it should be; the message says what was expected and what came."""


def decimal(value: object, what: str) -> Decimal:
    """An exact number.

    Raises:
        Unreadable: it is none, or has been through a float.
    """
    if isinstance(value, str | int) and not isinstance(value, bool):
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite():
            return number
    raise Unreadable(f"expected an exact number as {what}, got {value!r}")


def text(value: object, what: str) -> str:
    """A name or id that is there.

    Raises:
        Unreadable: it is not.
    """
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Unreadable(f"expected {what}, got {value!r}")


def plain(number: Decimal) -> str:
    """As ccxt and venues read it: no exponent."""
    return format(number.normalize(), "f")


def instruments(exchange: Any, venue: str, wanted: Sequence[str]) -> list[Instrument]:
    """The spot markets that can be traded in whole ticks and lots; all of them, or those wanted.

    Raises:
        Unreadable: one that is wanted is not there, or has no tick or lot.
    """
    found = {}
    for symbol, market in exchange.markets.items():
        if market.get("spot") and market.get("active") is not False and (not wanted or symbol in wanted):
            try:
                found[symbol] = instrument(market, exchange.precisionMode, venue)
            except Unreadable as error:
                if wanted:
                    raise
                log.warning("%s: left out %s, which we could not trade: %s", venue, symbol, error)
    if missing := [symbol for symbol in wanted if symbol not in found]:
        raise Unreadable(f"expected spot markets {', '.join(wanted)} at {exchange.id}, got none of the name {', '.join(missing)}")
    return [found[symbol] for symbol in (wanted or found)]


def instrument(market: Mapping[str, Any], precision_mode: int, venue: str) -> Instrument:
    """One market.

    Raises:
        Unreadable: it has no fixed tick or lot.
    """
    symbol, precision = market["symbol"], market["precision"]
    least = (market["limits"].get("cost") or {}).get("min")
    return Instrument(
        symbol=symbol,
        venue=venue,
        asset_class="crypto",
        currency=market["quote"],
        tick=_step(precision.get("price"), precision_mode, f"tick of {symbol}"),
        lot=_step(precision.get("amount"), precision_mode, f"lot of {symbol}"),
        min_notional=Decimal(0) if least is None else decimal(least, f"least notional of {symbol}"),
    )


def _step(precision: object, mode: int, what: str) -> Decimal:
    value = decimal(precision, what)
    step = value if mode == _TICK_SIZE else Decimal(1).scaleb(-int(value)) if mode == _DECIMAL_PLACES else Decimal(0)
    if step <= 0:
        raise Unreadable(f"expected a step above 0 as {what}, got {precision!r} in ccxt's precision mode {mode}")
    return step.normalize()


def order_request(order: Order, instrument: Instrument) -> tuple[str, str, str, str, str | None, dict[str, str]]:
    """The arguments of `create_order`.

    Raises:
        NotSent: the order is of a kind that we do not send here, or off the instrument's grid; ccxt would round it.
    """
    kinds = {"limit": "limit", "market": "market", "stop": "market", "stop_limit": "limit"}
    if order.order_type not in kinds or order.oco:
        kind = "an order that others cancel" if order.oco else f"a {order.order_type} order"
        raise NotSent(f"{order.client_order_id}: {kind} is not offered through ccxt; the strategy has to do it itself")
    if order.time_in_force == "DAY":
        raise NotSent(f"{order.client_order_id}: this market never closes, so an order cannot be good for the day")
    try:
        instrument.lots(order.quantity)
        for price in (order.price, order.stop_price):
            if price is not None:
                instrument.ticks(price)
    except ValueError as error:
        raise NotSent(f"{order.client_order_id}: {error}") from error
    params = {"clientOrderId": order.client_order_id}
    if order.price is not None:
        params["timeInForce"] = "GTC" if order.time_in_force == "GTD" else order.time_in_force  # we end it at its time ourselves
    if order.stop_price is not None:
        params["triggerPrice"] = plain(order.stop_price)
    price_text = None if order.price is None else plain(order.price)
    return order.symbol, kinds[order.order_type], order.side, plain(order.quantity), price_text, params


NAMELESS: Final = "id:"
"""Begins what we call an order that was placed without a client order id: the venue's own id follows."""


def name_of(order: Mapping[str, Any]) -> str:
    """Its client order id, or where somebody placed it without one a name made of the venue's.

    Raises:
        Unreadable: it has neither.
    """
    if client_id := order.get("clientOrderId"):
        return text(client_id, "the client id of an order")
    return NAMELESS + text(order.get("id"), "an id of an order")


def venue_order(order: Mapping[str, Any]) -> VenueOrder:
    """What a venue says of an order.

    Raises:
        Unreadable: it does not say of which, or how much of it is filled.
    """
    client_id = name_of(order)
    quantity = decimal(order.get("amount"), f"quantity of {client_id}")
    filled = decimal(order.get("filled"), f"filled quantity of {client_id}")
    symbol = text(order.get("symbol"), f"symbol of {client_id}")
    return VenueOrder(client_id, symbol, _status(order, quantity, filled), quantity, filled, _terms(order))


def _terms(order: Mapping[str, Any]) -> VenueTerms | None:
    """What is known of it beside its quantity; None where that is too little to say which way it goes."""
    side, kind, stop = order.get("side"), order.get("type"), order.get("triggerPrice") or order.get("stopPrice")
    if side not in ("buy", "sell"):
        return None
    price, triggered = order.get("price"), stop is not None
    limit = kind == "limit" or kind != "market" and bool(price)
    return VenueTerms(
        "buy" if side == "buy" else "sell",
        ("stop_limit" if triggered else "limit") if limit else "stop" if triggered else "market",
        decimal(price, "price of an order") if limit else None,
        decimal(stop, "trigger of an order") if triggered else None,
    )


def time_of(order: Mapping[str, Any]) -> int:
    """When the venue last changed an order, market time; 0 where it does not say."""
    return int(decimal(order.get("lastUpdateTimestamp") or order.get("timestamp") or 0, "time of an order")) * MS


def _status(order: Mapping[str, Any], quantity: Decimal, filled: Decimal) -> VenueStatus:
    word = order.get("status")
    if word == "closed":  # ccxt's word for filled, and for an end that the venue does not explain
        return "filled" if filled >= quantity else "canceled"
    if word not in _STATUS:
        log.warning("order %s is %r, which we do not know: taken for open until the venue says that it ended", order.get("id"), word)
    return _STATUS.get(str(word), "open")


def fill(trade: Mapping[str, Any], client_order_id: str, cumulative: Decimal, quote: str) -> Fill:
    """One of our own trades.

    Args:
        cumulative: of its order before this trade.

    Raises:
        Unreadable: something of it is missing.
    """
    symbol = text(trade.get("symbol"), "symbol of a trade")
    quantity = decimal(trade.get("amount"), f"quantity of a trade of {symbol}")
    cost, currency = fee(trade, quote)
    execution = trade.get("id") or f"{trade.get('order')}:{plain(cumulative + quantity)}"  # not every venue numbers them
    side = trade.get("side")
    if side not in ("buy", "sell"):
        raise Unreadable(f"expected buy or sell as side of a trade of {symbol}, got {side!r}")
    return Fill(
        exec_key=f"{symbol}:{execution}",
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        quantity=quantity,
        price=decimal(trade.get("price"), f"price of a trade of {symbol}"),
        fee=cost,
        fee_currency=currency,
        liquidity="maker" if trade.get("takerOrMaker") == "maker" else "taker",
        executed_at=int(decimal(trade.get("timestamp"), f"time of a trade of {symbol}")) * MS,
        cumulative=cumulative + quantity,
    )


def fee(trade: Mapping[str, Any], quote: str) -> tuple[Decimal, str]:
    """What was paid, and in what; nothing, in the quote currency, where the venue does not say."""
    paid = trade.get("fee") or {}
    if paid.get("cost") is None:
        return Decimal(0), quote
    return decimal(paid["cost"], "fee of a trade"), text(paid.get("currency"), "currency of a fee")


def holdings(balance: Mapping[str, Any], symbol_of: Mapping[str, str]) -> Holdings:
    """Totals, held back or not: a currency that one of our instruments is made of is a position, every other one is cash.

    Args:
        symbol_of: the instrument that holds a currency, by that currency.
    """
    totals = balance.get("total")
    if not isinstance(totals, dict):
        raise Unreadable(f"expected balances by currency, got {totals!r}")
    amounts = {code: decimal(amount, f"balance of {code}") for code, amount in totals.items() if amount is not None}
    cash = {code: amount for code, amount in amounts.items() if amount and code not in symbol_of}
    return Holdings(cash, {symbol_of[code]: amount for code, amount in amounts.items() if amount and code in symbol_of})
