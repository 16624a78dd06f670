"""Which open orders an event fills. Pure: the answer is records; the caller applies and writes them.

A bar says open, high, low and close, not in which order the extremes came. Where that matters it is resolved against
us: a stop before the limit of the same pair, and a trailing stop before the extreme that would have moved it.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from libs.domain.books import signed
from libs.domain.instruments import Instrument
from libs.domain.market import Bar, Quote, QuoteBar
from libs.domain.orders import Order, Side
from libs.domain.trades import Fill
from libs.quant.exchange.book import Book, BookedOrder, Ended, Filled, Moment, Moved, Record
from libs.quant.exchange.rules import Rules
from libs.quant.fills import FillEvent, FillOn, Offer, SimFill, Traded, at_price, fee, fill, may_fill, offer, traded

KINDS: Final[dict[FillOn, type[FillEvent]]] = {"quote": Quote, "bar": Bar, "quote_bar": QuoteBar}

STOPS: Final = ("stop", "stop_limit", "trailing_stop")

_FOREVER: Final = 2**63 - 1


class _Met(NamedTuple):
    """The event that orders meet, and what follows from it for everybody."""

    event: FillEvent
    instrument: Instrument
    rules: Rules
    market_time: int


def moment(event: FillEvent) -> Moment:
    """Where the event stands among those of its symbol."""
    return (event.ts if isinstance(event, Quote) else event.start, event.seq)


def meet(event: FillEvent, book: Book, rules: Rules, market_time: int) -> list[Record]:
    """What the event does to the symbol's open orders, in order of arrival; what one takes is gone for the next."""
    met = _Met(event, rules.instruments[event.symbol], rules, market_time)
    offers: dict[Side, Offer | None] = {}
    gone: set[str] = set()
    records: list[Record] = []
    for booked in _by_pessimism(book.resting(event.symbol), met):
        order = booked.order
        if order.oco in gone or not may_fill(
            event, decided_at=order.decided_at, expires_at=_end(order), latency=rules.latency_ns, grace=rules.bar_grace_ns
        ):
            continue
        if order.side not in offers:
            offers[order.side] = offer(event, order.side, met.instrument, rules.terms)
        made, left = _met(booked, offers[order.side], met)
        offers[order.side] = left
        if made and order.oco and not (len(made) == 1 and isinstance(made[0], Moved) and not made[0].triggered):
            gone.add(order.oco)
            records += _others(order, book, market_time)
        records += made
    return records


def _by_pessimism(resting: Sequence[BookedOrder], met: _Met) -> Sequence[BookedOrder]:
    """In order of arrival, but of those that cancel each other the stop first, unless the open fills the limit."""
    if not any(booked.order.oco for booked in resting):
        return resting
    return sorted(resting, key=lambda booked: _rank(booked.order, met))


def _rank(order: Order, met: _Met) -> int:
    if not order.oco:
        return 0
    if order.order_type in STOPS:
        return 1
    offered = offer(met.event, order.side, met.instrument, met.rules.terms)
    opens = None if offered is None else fill(order.side, _limit(order, met.instrument), 1, offered._replace(best=offered.first))
    return 2 if opens is None else 0


def _others(order: Order, book: Book, market_time: int) -> list[Ended]:
    return [
        Ended(client_order_id=other.order.client_order_id, status="canceled", market_time=market_time)
        for other in book.resting(order.symbol)
        if other.order.oco == order.oco and other.order.client_order_id != order.client_order_id
    ]


def _met(booked: BookedOrder, offered: Offer | None, met: _Met) -> tuple[list[Record], Offer | None]:
    """What one order makes of the event, and what it leaves on offer."""
    if booked.order.order_type in STOPS and not booked.triggered:
        return _met_stop(booked, offered, met)
    if offered is None:
        return [], None
    limit = _limit(booked.order, met.instrument)
    return _taken(booked, fill(booked.order.side, limit, met.instrument.lots(booked.remaining), offered), offered, met)


def _met_stop(booked: BookedOrder, offered: Offer | None, met: _Met) -> tuple[list[Record], Offer | None]:
    order, instrument = booked.order, met.instrument
    seen = traded(met.event, order.side, instrument)
    if seen is None:
        return [], offered
    stop = booked.stop if booked.stop is not None else _begins(order, instrument, seen)
    touched = _touched(order.side, stop, seen)
    if touched is None and order.trail is not None:
        stop, touched = _trailed(order.side, stop, instrument.ticks(order.trail), seen)
    if touched is None:
        return ([] if stop == booked.stop else [_moved(booked, stop, False, met)]), offered
    if offered is None:  # the touch counts, also where too little was dealt for a share of it
        return [_moved(booked, stop, True, met)], None
    there = at_price(order.side, touched, offered, met.rules.terms, met.event)
    taken = fill(order.side, _limit(order, instrument), instrument.lots(booked.remaining), there)
    made, left = _taken(booked, taken, offered, met)
    return [_moved(booked, stop, True, met), *made], left


def _begins(order: Order, instrument: Instrument, seen: Traded) -> int:
    """Where a stop stands at its first event: a trailing stop without a price begins behind the open."""
    if order.stop_price is not None:
        return instrument.ticks(order.stop_price)
    distance = instrument.ticks(order.trail) if order.trail is not None else 0
    return seen.first - distance if order.side == "sell" else seen.first + distance


def _touched(side: Side, stop: int, seen: Traded) -> int | None:
    """The price at which the market touched the stop: the stop itself, or the open when that is beyond it already."""
    if side == "sell":
        return seen.first if seen.first <= stop else stop if seen.low <= stop else None
    return seen.first if seen.first >= stop else stop if seen.high >= stop else None


def _trailed(side: Side, stop: int, distance: int, seen: Traded) -> tuple[int, int | None]:
    """The stop moved behind the best price of the event, and that stop if the close shows that it was crossed after."""
    moved = max(stop, seen.high - distance) if side == "sell" else min(stop, seen.low + distance)
    crossed = seen.last <= moved if side == "sell" else seen.last >= moved
    return moved, moved if crossed and moved != stop else None


def _limit(order: Order, instrument: Instrument) -> int | None:
    """Ticks; None takes any price."""
    return instrument.ticks(order.price) if order.price is not None and order.order_type in ("limit", "stop_limit") else None


def _taken(booked: BookedOrder, taken: SimFill | None, offered: Offer, met: _Met) -> tuple[list[Record], Offer]:
    if taken is None:
        return [], offered
    return [_filled(booked, taken, met)], offered._replace(lots=offered.lots - taken.lots)


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


def _moved(booked: BookedOrder, stop: int, triggered: bool, met: _Met) -> Moved:
    return Moved(
        client_order_id=booked.order.client_order_id, stop=stop, triggered=triggered, heard=moment(met.event), market_time=met.market_time
    )


def _filled(booked: BookedOrder, taken: SimFill, met: _Met) -> Filled:
    order, instrument = booked.order, met.instrument
    quantity, price = instrument.quantity(taken.lots), instrument.price(taken.price_ticks)
    paid = fee(met.rules.terms, quantity, price, instrument.multiplier)
    at = moment(met.event)
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
    return Filled(fill=made, cash=cash, heard=at, market_time=met.market_time)
