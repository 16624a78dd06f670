"""R, of exits: what may only reduce never turns a book round, nor stands for more than the book holds."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from libs.domain.books import signed
from tests.chaos.findings import Finding
from tests.chaos.record import Order, Record
from tests.chaos.venues import VenueHistory

ZERO: Final = Decimal(0)


def grown(record: Record, venues: Mapping[str, VenueHistory]) -> Iterator[Finding]:
    """Every exit that did, or could, more than reduce; in the venue's own order of fills."""
    for account_id, history in venues.items():
        orders = {order.client_order_id: order for order in record.orders if order.account_id == account_id}
        held: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        yield from _fills(orders, history, held)
        yield from _standing(orders, history, held)


def _fills(orders: Mapping[str, Order], history: VenueHistory, held: defaultdict[tuple[str, str], Decimal]) -> Iterator[Finding]:
    for fill in history.made:
        order = orders.get(fill.client_order_id)
        if order is None:
            continue
        book, change = (order.strategy_id, fill.symbol), signed(fill.side, fill.quantity)
        before = held[book]
        held[book] += change
        if order.reduce_only and (before * change >= 0 or abs(change) > abs(before)):
            text = f"order {order.order_id} may only reduce, and a fill of it took its book from {before} to {held[book]}"
            yield Finding("R", str(order.order_id), text)


def _standing(orders: Mapping[str, Order], history: VenueHistory, held: Mapping[tuple[str, str], Decimal]) -> Iterator[Finding]:
    """When all is quiet. Of orders that cancel each other only one can fill."""
    standing: defaultdict[tuple[str, str], dict[str, Decimal]] = defaultdict(dict)
    for taken in history.taken:
        order = orders.get(taken.client_order_id)
        if order is not None and order.reduce_only and taken.lives:
            pairs, name = standing[order.strategy_id, taken.symbol], order.oco or taken.client_order_id
            pairs[name] = max(pairs.get(name, ZERO), signed(taken.side, taken.quantity - taken.filled), key=abs)
    for book, pairs in standing.items():
        would, has = sum(pairs.values(), ZERO), held.get(book, ZERO)
        if would * has >= 0 or abs(would) > abs(has):
            yield Finding("R", " ".join(book), f"orders that may only reduce {' '.join(book)} stand for {would}, and it holds {has}")
