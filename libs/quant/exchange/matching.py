"""Which open orders of a book an event fills (`meeting`). Pure: the answer is records; the caller applies and writes them."""

from typing import Final

from libs.domain.books import signed
from libs.domain.instruments import Instrument
from libs.domain.market import Bar, Quote, QuoteBar
from libs.domain.orders import Order
from libs.domain.trades import Fill
from libs.quant.exchange.book import Book, BookedOrder, Ended, Filled, Moment, Moved, Record
from libs.quant.exchange.meeting import Met, Standing, meetings
from libs.quant.exchange.rules import Rules
from libs.quant.fills import FillEvent, FillOn, FillTerms, SimFill, fee, may_fill

KINDS: Final[dict[FillOn, type[FillEvent]]] = {"quote": Quote, "bar": Bar, "quote_bar": QuoteBar}

_FOREVER: Final = 2**63 - 1


def moment(event: FillEvent) -> Moment:
    """Where the event stands among those of its symbol."""
    return (event.ts if isinstance(event, Quote) else event.start, event.seq)


def meet(event: FillEvent, book: Book, rules: Rules, market_time: int) -> list[Record]:
    """What the event does to the symbol's open orders, in order of arrival; what one takes is gone for the next."""
    instrument = rules.instruments[event.symbol]
    standing = [
        (booked, _standing(booked, instrument))
        for booked in book.resting(event.symbol)
        if may_fill(
            event, decided_at=booked.order.decided_at, expires_at=_end(booked.order), latency=rules.latency_ns, grace=rules.bar_grace_ns
        )
    ]
    records: list[Record] = []
    for met in meetings(standing, event, instrument, rules.terms) if standing else ():
        if met.acts and met.order.order.oco:
            records += _others(met.order.order, book, market_time)
        records += _records(met, event, instrument, rules, market_time)
    return records


def _standing(booked: BookedOrder, instrument: Instrument) -> Standing:
    order = booked.order
    first = None if order.stop_price is None else instrument.ticks(order.stop_price)
    return Standing(
        order.side,
        order.order_type,
        instrument.lots(booked.remaining),
        _limit(order, instrument),
        first if booked.stop is None else booked.stop,
        None if order.trail is None else instrument.ticks(order.trail),
        None,
        booked.triggered,
        order.oco,
    )


def _records(met: Met[BookedOrder], event: FillEvent, instrument: Instrument, rules: Rules, market_time: int) -> list[Record]:
    booked = met.order
    records: list[Record] = []
    if met.stop is not None and not booked.triggered and (met.triggered or met.stop != booked.stop):
        records.append(
            Moved(
                client_order_id=booked.order.client_order_id,
                stop=met.stop,
                triggered=met.triggered,
                heard=moment(event),
                market_time=market_time,
            )
        )
    if met.taken is not None:
        records.append(_filled(booked, met.taken, event, instrument, rules.terms, market_time))
    return records


def _others(order: Order, book: Book, market_time: int) -> list[Ended]:
    return [
        Ended(client_order_id=other.order.client_order_id, status="canceled", market_time=market_time)
        for other in book.resting(order.symbol)
        if other.order.oco == order.oco and other.order.client_order_id != order.client_order_id
    ]


def _limit(order: Order, instrument: Instrument) -> int | None:
    """Ticks; None takes any price."""
    return instrument.ticks(order.price) if order.price is not None and order.order_type in ("limit", "stop_limit") else None


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


def _filled(booked: BookedOrder, taken: SimFill, event: FillEvent, instrument: Instrument, terms: FillTerms, market_time: int) -> Filled:
    order = booked.order
    quantity, price = instrument.quantity(taken.lots), instrument.price(taken.price_ticks)
    paid = fee(terms, quantity, price, instrument.multiplier)
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
