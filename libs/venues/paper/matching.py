"""Which open orders an event fills. Pure: the answer is records; the caller applies and writes them."""

from typing import Final

from libs.domain.books import signed
from libs.domain.instruments import Instrument
from libs.domain.market import Bar, Quote, QuoteBar
from libs.domain.orders import Order, Side
from libs.domain.trades import Fill
from libs.quant.fills import FillEvent, Offer, SimFill, fee, fill, may_fill, offer
from libs.venues.feed import FillOn
from libs.venues.paper.book import Book, BookedOrder, Ended, Filled, Moment
from libs.venues.paper.rules import Rules

KINDS: Final[dict[FillOn, type[FillEvent]]] = {"quote": Quote, "bar": Bar, "quote_bar": QuoteBar}

_FOREVER: Final = 2**63 - 1


def moment(event: FillEvent) -> Moment:
    """Where the event stands among those of its symbol."""
    return (event.ts if isinstance(event, Quote) else event.start, event.seq)


def fills(event: FillEvent, book: Book, rules: Rules, market_time: int) -> list[Filled]:
    """Fills of the symbol's open orders on this event, in order of arrival; what one takes is gone for the next."""
    instrument = rules.instruments[event.symbol]
    offers: dict[Side, Offer | None] = {}
    found: list[Filled] = []
    for booked in book.open.get(event.symbol, {}).values():
        order = booked.order
        if not may_fill(event, decided_at=order.decided_at, expires_at=_end(order), latency=rules.latency_ns, grace=rules.bar_grace_ns):
            continue
        if order.side not in offers:
            offers[order.side] = offer(event, order.side, instrument, rules.terms)
        offered = offers[order.side]
        if offered is None:
            continue
        limit = None if order.price is None else instrument.ticks(order.price)
        taken = fill(order.side, limit, instrument.lots(booked.remaining), offered)
        if taken is None:
            continue
        offers[order.side] = offered._replace(lots=offered.lots - taken.lots)
        found.append(_record(booked, taken, event, instrument, rules, market_time))
    return found


def expired(book: Book, market_time: int) -> list[Ended]:
    """Ends of the open orders whose time is over."""
    return [
        Ended(client_order_id=client_order_id, status="expired", market_time=market_time)
        for resting in book.open.values()
        for client_order_id, booked in resting.items()
        if _end(booked.order) <= market_time
    ]


def _end(order: Order) -> int:
    return order.expires_at if order.time_in_force == "GTD" else _FOREVER


def _record(booked: BookedOrder, taken: SimFill, event: FillEvent, instrument: Instrument, rules: Rules, market_time: int) -> Filled:
    order = booked.order
    quantity, price = instrument.quantity(taken.lots), instrument.price(taken.price_ticks)
    paid = fee(rules.terms, quantity, price, instrument.multiplier)
    at = moment(event)
    made = Fill(
        exec_key=f"{order.order_id}:{booked.fills + 1}",
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=quantity,
        price=price,
        fee=paid,
        fee_currency=instrument.currency,
        liquidity="taker",
        executed_at=at[0],
        cumulative=booked.filled + quantity,
    )
    cash = -signed(order.side, quantity) * price * instrument.multiplier - paid
    return Filled(fill=made, cash=cash, heard=at, market_time=market_time)
