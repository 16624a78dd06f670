"""F: every fill of the venue is booked once, as it was, and nothing else is."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from tests.chaos.findings import Finding, twice
from tests.chaos.record import Record, Trade
from tests.chaos.venues import Made, VenueHistory

BUST: Final = "bust:"
CORRECTION: Final = "correct:"


def misbooked(record: Record, venues: Mapping[str, VenueHistory]) -> Iterator[Finding]:
    """Fills that are missing, invented, doubled or altered.

    Fills are compared by their order and all that they say, not by name: how a dialect names an execution is the adapter's affair.
    """
    yield from twice("F", "fill {1} of {0} is booked {n} times", ((t.account_id, t.exec_key) for t in record.trades))
    names = {order.order_id: order.client_order_id for order in record.orders}
    booked: defaultdict[str, list[Made]] = defaultdict(list)
    for t in _standing(record.trades):
        name = names.get(t.order_id, str(t.order_id))
        booked[t.account_id].append(Made(name, t.symbol, t.side, t.quantity, t.price, t.fee, t.fee_currency))
    for account, history in venues.items():
        yield from _unequal(account, booked[account], history.made)
    yield from _sums(record)


def _unequal(account: str, ours: Sequence[Made], theirs: Sequence[Made]) -> Iterator[Finding]:
    here, there = Counter(ours), Counter(theirs)
    extra, missing = here - there, there - here
    for fill in sorted(missing.elements()):
        yield Finding("F", fill.client_order_id, f"the venue's fill of {account} is not booked: {_said(fill)}")
    for fill in sorted(extra.elements()):
        yield Finding("F", fill.client_order_id, f"a fill of {account} is booked that the venue does not have: {_said(fill)}")


def _said(fill: Made) -> str:
    return f"{fill.client_order_id} {fill.side} {fill.quantity} {fill.symbol} @ {fill.price}, fee {fill.fee} {fill.fee_currency}"


def _standing(trades: Sequence[Trade]) -> list[Trade]:
    """Without those that the venue took back, which are booked once more the other way round, and what reverses them."""
    standing = [trade for trade in trades if not trade.exec_key.startswith(BUST)]
    for back in (trade for trade in trades if trade.exec_key.startswith(BUST)):
        of = (
            t for t in standing if (t.order_id, t.quantity, t.price) == (back.order_id, back.quantity, back.price) and t.side != back.side
        )
        undone = next(of, None)
        if undone is None:
            standing.append(back)  # it reverses nothing that was booked
        else:
            standing.remove(undone)
    return standing


def _sums(record: Record) -> Iterator[Finding]:
    """What orders say is filled of them, beside their trades. A parent's are those of its slices."""
    filled: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    parents = {order.order_id: order.parent_id for order in record.orders if order.purpose == "slice"}
    for trade in record.trades:
        if trade.exec_key.startswith((BUST, CORRECTION)):
            continue  # the order keeps what it was told when it filled
        filled[trade.order_id] += trade.quantity
        if (parent := parents.get(trade.order_id)) is not None:
            filled[parent] += trade.quantity
    for order in record.orders:
        if filled[order.order_id] != order.filled:
            text = f"order {order.order_id} says that {order.filled} are filled, its trades {filled[order.order_id]}"
            yield Finding("F", str(order.order_id), text)
