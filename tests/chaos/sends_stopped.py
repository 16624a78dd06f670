"""R, in time: nothing is sent after its own time, nor once a kill switch is on."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from libs.domain.books import signed
from tests.chaos.findings import Finding
from tests.chaos.record import Command, Order, Record
from tests.chaos.venues import VenueHistory

AFTER_KILL_NS: Final = 250_000_000
EXITS: Final = frozenset({"stop", "target", "liquidation", "external"})
"""Purposes of orders that no limit of new risk is asked about; of the first three it is asked that they only reduce."""


def sent_too_late(record: Record, venues: Mapping[str, VenueHistory]) -> Iterator[Finding]:
    """Every order that left when it should not."""
    yield from _late(record)
    yield from _killed(record, venues)


def _late(record: Record) -> Iterator[Finding]:
    """Orders that went out after their time."""
    orders = {order.order_id: order for order in record.orders}
    for event in record.events:
        order = orders.get(event.order_id)
        if event.event == "submit" and order is not None and event.at_market > order.valid_market:
            late = (event.at_market - order.valid_market) / 1e9
            yield Finding("R", str(order.order_id), f"order {order.order_id} was sent {late:.3f} s of market time after its time")


class Kill(NamedTuple):
    """A stretch in which nothing may be sent in a scope."""

    scope: str
    since: int
    until: int | None
    mode: str


def _kills(record: Record) -> list[Kill]:
    begun: dict[str, Command] = {}
    found = []
    for command in record.commands:
        if command.command == "kill":
            begun.setdefault(command.scope, command)
        elif command.scope in begun:
            kill = begun.pop(command.scope)
            found.append(Kill(kill.scope, kill.at, command.at, kill.mode))
    return found + [Kill(kill.scope, kill.at, None, kill.mode) for kill in begun.values()]


def _killed(record: Record, venues: Mapping[str, VenueHistory]) -> Iterator[Finding]:
    """Requests that left while a kill switch was on: by the intent, and by the venue's clock where it has one."""
    names = {account.account_id: account.name for account in record.accounts}
    kills = _kills(record)
    orders = {order.order_id: order for order in record.orders}
    for attempt in record.attempts if kills else ():
        order = orders.get(attempt.order_id)
        if order is None or order.reduce_only or order.purpose in EXITS:
            continue
        account = {order.account_id, names.get(order.account_id, "")}
        scopes = {"fleet", f"strategy:{order.strategy_id}", f"symbol:{order.symbol}", *(f"account:{name}" for name in account)}
        history = venues.get(order.account_id)
        arrived = history.submits.get(attempt.client_order_id, ()) if history else ()
        for kill in kills:
            if kill.mode != "halt" and _shrinks(record, order, attempt.at):
                continue
            sent = max(attempt.at, *arrived, 0)
            if kill.scope in scopes and kill.since + AFTER_KILL_NS < sent and (kill.until is None or attempt.at < kill.until):
                after = (sent - kill.since) / 1e6
                yield Finding(
                    "R", str(order.order_id), f"order {order.order_id} was sent {after:.0f} ms after the kill switch of {kill.scope}"
                )


def _shrinks(record: Record, order: Order, at: int) -> bool:
    """Whether the order could but bring its book nearer to zero, as far as that was booked then."""
    books = {o.order_id: o.book for o in record.orders}
    booked = (t for t in record.trades if books.get(t.order_id) == order.book and t.booked <= at)
    held = sum((signed(t.side, t.quantity) for t in booked), Decimal(0))
    change = signed(order.side, order.quantity)
    return held * change < 0 and abs(change) <= abs(held)
