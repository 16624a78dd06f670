"""What a simulated venue trades, at which terms, and the reasons for which it turns an order down."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from libs.domain.instruments import Instrument
from libs.domain.orders import PROTECTIVE, Order, OrderType
from libs.quant.exchange.book import Book, BookedOrder
from libs.quant.fills import FillOn, FillTerms, fee


@dataclass(frozen=True)
class Rules:
    """The venue's side of the contract. Times are market time in ns."""

    instruments: Mapping[str, Instrument]
    fill_on: Mapping[str, FillOn]
    terms: FillTerms
    latency_ns: int
    bar_grace_ns: int  # by which `decided_at` lies after its bar's end: 0 for recorded bars
    allow_short: bool
    types: frozenset[OrderType] = frozenset({"limit", "stop", "trailing_stop"})
    on_credit: bool = False  # cash may fall below zero: nothing is looked at but the order itself


def refusal(order: Order, book: Book, rules: Rules, without: BookedOrder | None = None) -> str | None:
    """Why the venue will not take this order; None when it will.

    Args:
        without: an order that ends when this one is taken: what it holds back is free.
    """
    if order.account_id != book.account_id:
        return f"order of account {order.account_id} sent to account {book.account_id}"
    if order.client_order_id in book.orders:
        return f"duplicate client order id {order.client_order_id}"
    instrument = rules.instruments.get(order.symbol)
    if instrument is None or order.symbol not in rules.fill_on:
        return f"unknown symbol {order.symbol}"
    if order.order_type not in rules.types:
        return f"only {', '.join(sorted(rules.types))} orders are taken, got a {order.order_type} order"
    if order.time_in_force not in ("GTD", "GTC"):
        return f"time in force {order.time_in_force} is not offered"
    return _incomplete(order) or _off_grid(order, instrument) or _unaffordable(order, instrument, book, rules, without)


def _incomplete(order: Order) -> str | None:
    if order.price is None and order.order_type in ("limit", "stop_limit"):
        return f"a {order.order_type} order needs a price"
    if order.stop_price is None and order.order_type in ("stop", "stop_limit"):
        return f"a {order.order_type} order needs a stop price"
    if order.trail is None and order.order_type == "trailing_stop":
        return "a trailing stop needs a distance to trail at"
    return None


def _off_grid(order: Order, instrument: Instrument) -> str | None:
    quantity, prices = order.quantity, [p for p in (order.price, order.stop_price, order.trail) if p is not None]
    if not all(value.is_finite() and value > 0 for value in (quantity, *prices)):
        return f"quantity and prices must be positive, got {quantity} at {', '.join(map(str, prices))}"
    try:
        instrument.lots(quantity)
        for price in prices:
            instrument.ticks(price)
    except ValueError as error:
        return str(error)
    notional = quantity * order.price * instrument.multiplier if order.price is not None else instrument.min_notional
    if notional < instrument.min_notional:
        return f"notional {notional} is below the minimum of {instrument.min_notional} {instrument.currency}"
    return None


def _unaffordable(order: Order, instrument: Instrument, book: Book, rules: Rules, without: BookedOrder | None) -> str | None:
    if rules.on_credit:
        return None
    if order.side == "buy":
        return None if order.purpose in PROTECTIVE else _unfunded(order, instrument, book, rules, without)
    if rules.allow_short:
        return None
    held = book.positions.get(order.symbol, Decimal(0)) - _promised(order, book, without)
    return f"sells {order.quantity} {order.symbol}, {held} is held and free, short selling is off" if order.quantity > held else None


def _unfunded(order: Order, instrument: Instrument, book: Book, rules: Rules, without: BookedOrder | None) -> str | None:
    price = _worst_price(order)
    if price is None:
        return "what a market order would cost is not known, and it is not bought on credit"
    free = book.cash.get(instrument.currency, Decimal(0)) - _reserved(instrument.currency, book, rules, without)
    needed = _cost(order.quantity, price, instrument, rules.terms)
    return f"needs {needed} {instrument.currency}, {free} is free" if needed > free else None


def _promised(order: Order, book: Book, without: BookedOrder | None) -> Decimal:
    """What other open orders may sell. Of orders that cancel each other only one can."""
    promised: dict[str, Decimal] = {}
    for other in book.resting(order.symbol):
        if other is not without and other.order.side == "sell" and not (order.oco and other.order.oco == order.oco):
            name = other.order.oco or other.order.client_order_id
            promised[name] = max(promised.get(name, Decimal(0)), other.remaining)
    return sum(promised.values(), Decimal(0))


def _worst_price(order: Order) -> Decimal | None:
    return order.price if order.price is not None else order.stop_price


def _reserved(currency: str, book: Book, rules: Rules, without: BookedOrder | None) -> Decimal:
    """Cash that open buy orders may still take, each at its worst price.

    A short has to be bought back anyway: what protects it holds back nothing.
    """
    total = Decimal(0)
    for symbol in book.open:
        instrument = rules.instruments[symbol]
        for booked in book.resting(symbol) if instrument.currency == currency else ():
            price = _worst_price(booked.order)
            if booked is not without and booked.order.side == "buy" and price is not None and booked.order.purpose not in PROTECTIVE:
                total += _cost(booked.remaining, price, instrument, rules.terms)
    return total


def _cost(quantity: Decimal, price: Decimal, instrument: Instrument, terms: FillTerms) -> Decimal:
    return quantity * price * instrument.multiplier + fee(terms, quantity, price, instrument.multiplier)
