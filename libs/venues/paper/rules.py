"""What the paper venue trades, at which terms, and the reasons for which it turns an order down."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from libs.domain.instruments import Instrument
from libs.domain.orders import Order
from libs.quant.fills import FillTerms, fee
from libs.venues.feed import FillOn
from libs.venues.paper.book import Book, BookedOrder


@dataclass(frozen=True)
class Rules:
    """The venue's side of the contract. Times are market time in ns."""

    instruments: Mapping[str, Instrument]
    fill_on: Mapping[str, FillOn]
    terms: FillTerms
    latency_ns: int
    bar_grace_ns: int  # by which `decided_at` lies after its bar's end: 0 for recorded bars
    allow_short: bool


def refusal(order: Order, book: Book, rules: Rules) -> str | None:
    """Why the venue will not take this order; None when it will."""
    if order.account_id != book.account_id:
        return f"order of account {order.account_id} sent to account {book.account_id}"
    if order.client_order_id in book.orders:
        return f"duplicate client order id {order.client_order_id}"
    instrument = rules.instruments.get(order.symbol)
    if instrument is None or order.symbol not in rules.fill_on:
        return f"unknown symbol {order.symbol}"
    if order.order_type != "limit" or order.price is None:
        return "only limit orders are taken"
    if order.time_in_force not in ("GTD", "GTC"):
        return f"time in force {order.time_in_force} is not offered"
    return _off_grid(order.quantity, order.price, instrument) or _unaffordable(order, order.price, instrument, book, rules)


def _off_grid(quantity: Decimal, price: Decimal, instrument: Instrument) -> str | None:
    if not (quantity.is_finite() and quantity > 0 and price.is_finite() and price > 0):
        return f"quantity and price must be positive, got {quantity} at {price}"
    try:
        instrument.lots(quantity)
        instrument.ticks(price)
    except ValueError as error:
        return str(error)
    notional = quantity * price * instrument.multiplier
    if notional < instrument.min_notional:
        return f"notional {notional} is below the minimum of {instrument.min_notional} {instrument.currency}"
    return None


def _unaffordable(order: Order, price: Decimal, instrument: Instrument, book: Book, rules: Rules) -> str | None:
    if order.side == "buy":
        free = book.cash.get(instrument.currency, Decimal(0)) - _reserved(instrument.currency, book, rules)
        needed = _cost(order.quantity, price, instrument, rules.terms)
        return f"needs {needed} {instrument.currency}, {free} is free" if needed > free else None
    if rules.allow_short:
        return None
    promised = sum((b.remaining for b in _resting(order.symbol, book) if b.order.side == "sell"), Decimal(0))
    held = book.positions.get(order.symbol, Decimal(0)) - promised
    return f"sells {order.quantity} {order.symbol}, {held} is held and free, short selling is off" if order.quantity > held else None


def _resting(symbol: str, book: Book) -> list[BookedOrder]:
    return list(book.open.get(symbol, {}).values())


def _reserved(currency: str, book: Book, rules: Rules) -> Decimal:
    """Cash that open buy orders may still take, each at its limit."""
    total = Decimal(0)
    for symbol in book.open:
        instrument = rules.instruments[symbol]
        for booked in _resting(symbol, book):
            if booked.order.side == "buy" and booked.order.price is not None and instrument.currency == currency:
                total += _cost(booked.remaining, booked.order.price, instrument, rules.terms)
    return total


def _cost(quantity: Decimal, price: Decimal, instrument: Instrument, terms: FillTerms) -> Decimal:
    return quantity * price * instrument.multiplier + fee(terms, quantity, price, instrument.multiplier)
