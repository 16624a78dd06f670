"""L: no approved order is lost in silence. It is at the venue, or has ended with a reason, or is UNKNOWN with an alert."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from libs.domain.orders import AT_VENUE, OPEN, Status
from tests.chaos.findings import Finding
from tests.chaos.record import Order, Record
from tests.chaos.venues import Taken, VenueHistory

STALE_S: Final = 120  # market time after which an approved order that was neither sent nor expired has been forgotten
ALERT_WITHIN_S: Final = 60  # host time after which an order of unknown outcome has to have alerted somebody
DOUBT: Final = frozenset({Status.SUBMITTING, Status.UNKNOWN, Status.CANCEL_UNKNOWN, Status.REPLACE_UNKNOWN})
NEVER_THERE: Final = frozenset({Status.REJECTED, Status.NOT_ACCEPTED, Status.DENIED, Status.APPROVED, Status.WORKING})
"""Statuses that say that the venue does not have the order."""
NEVER_TAKEN: Final = frozenset({Status.REJECTED, Status.NOT_ACCEPTED})
"""Of these, what only the venue can have told us: believed for a moment, it lets go of risk that is still there."""


def lost(record: Record, venues: Mapping[str, VenueHistory]) -> Iterator[Finding]:
    """All that is lost, signals included."""
    yield from _without_verdict(record)
    at_venue = {(account, t.client_order_id): t for account, history in venues.items() for t in history.taken}
    held_up = {order.parent_id for order in record.orders if order.purpose == "slice" and order.status in OPEN}
    believed_absent = {event.order_id: event.status for event in record.events if event.status in NEVER_TAKEN}
    for order in record.orders:
        there = at_venue.get((order.account_id, order.client_order_id))
        if order.account_id in venues and not order.execution:
            yield from _misbelieved(order, there)
            if there is not None and (wrongly := believed_absent.get(order.order_id)) is not None:
                text = f"order {order.order_id} was taken for {wrongly}, and the venue has it"
                yield Finding("L", str(order.order_id), text)
        if order.status == Status.APPROVED and order.late_s > STALE_S:
            yield Finding("L", str(order.order_id), f"order {order.order_id} is still APPROVED, {order.late_s:.0f} s after its time")
        if order.status == Status.WORKING and order.over_s > STALE_S and order.order_id not in held_up:
            yield Finding("L", str(order.order_id), f"order {order.order_id} is still WORKING, {order.over_s:.0f} s after its end")
    yield from _without_reason(record)
    yield from _without_alert(record)
    yield from (Finding("L", what, f"put aside: {what}") for what in record.aside)


def _without_verdict(record: Record) -> Iterator[Finding]:
    verdicts = Counter(assessed.signal_id for assessed in record.verdicts)
    for signal in record.signals:
        if verdicts[signal] != 1:
            yield Finding("L", str(signal), f"signal {signal} has {verdicts[signal]} verdicts")
    placed = {order.signal_id for order in record.orders}
    for assessed in record.verdicts:
        if assessed.verdict == "APPROVED" and assessed.signal_id not in placed:
            yield Finding("L", str(assessed.signal_id), f"signal {assessed.signal_id} is APPROVED and has no order")


def _misbelieved(order: Order, there: Taken | None) -> Iterator[Finding]:
    """What we believe of an order, beside what the venue says of it."""
    here = Status(order.status)
    if there is None:
        if here in AT_VENUE - {Status.SUBMITTING, Status.UNKNOWN} or here is Status.FILLED:
            yield Finding("L", str(order.order_id), f"order {order.order_id} is {here} here and the venue does not have it")
        return
    wrong = here in NEVER_THERE or (here in OPEN) != there.lives or (here is Status.FILLED) != (there.status == "filled")
    if wrong:
        yield Finding("L", str(order.order_id), f"order {order.order_id} is {here} here and {there.status} at the venue")


def _without_reason(record: Record) -> Iterator[Finding]:
    """Orders that ended by our own word, or that the venue would not have: somebody has to be able to read why."""
    last = {event.order_id: event for event in record.events}
    for order in record.orders:
        if order.status in (Status.DENIED, Status.REJECTED, Status.NOT_ACCEPTED) and order.order_id in last:
            if not last[order.order_id].detail:
                yield Finding("L", str(order.order_id), f"order {order.order_id} is {order.status} and nothing says why")


def _without_alert(record: Record) -> Iterator[Finding]:
    """Orders of unknown outcome that nobody was told of. The record is read as of its newest message, not of the moment of reading."""
    told = any(alerted.key == "unknown_order" and alerted.resolved is None for alerted in record.alerts)
    for order in record.orders:
        in_doubt_s = (record.lived_to - order.updated) / 1e9
        if order.status in DOUBT and in_doubt_s > ALERT_WITHIN_S and not told:
            text = f"order {order.order_id} has been {order.status} for {in_doubt_s:.0f} s and nobody was alerted"
            yield Finding("L", str(order.order_id), text)
