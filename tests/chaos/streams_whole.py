"""S: streams are gapless, cursors within them, each row was told once, and every order's story is one the state machine can tell."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final
from uuid import UUID

from libs.domain.orders import Evidence, IllegalIntent, Intent, Status, Step, after, after_child_fill, after_fill, intend
from tests.chaos.findings import Finding
from tests.chaos.record import Event, Order, Record

INTENTS: Final = {
    "submit": Intent.SUBMIT,
    "work": Intent.WORK,
    "cancel": Intent.CANCEL,
    "replace": Intent.REPLACE,
    "finish": Intent.FINISH,
    "deny": Intent.DENY,
    "expire": Intent.EXPIRE_UNSENT,
    "expire_unsent": Intent.EXPIRE_UNSENT,
}


def broken(record: Record) -> Iterator[Finding]:
    """Gaps, cursors beyond the end, rows that were not told, stories that cannot be."""
    for stream, last in record.counters.items():
        if list(record.streams.get(stream, ())) != list(range(1, last + 1)):
            yield Finding("S", stream, f"{stream} is counted to {last} and has not just the messages 1 to {last}")
    for cursor in record.cursors:
        end = record.counters.get(cursor.stream, 0)
        if cursor.no > end:
            yield Finding("S", cursor.consumer, f"{cursor.consumer} stands at {cursor.no} of {cursor.stream}, which ends at {end}")
    yield from _untold(record)
    yield from _stories(record)


def _untold(record: Record) -> Iterator[Finding]:
    """Each signal, approved order, step of an order and trade beside the messages that speak of it."""
    expected: dict[str, Mapping[UUID, int]] = {
        "signals": dict.fromkeys(record.signals, 1),
        "orders.updates": {order.order_id: order.events for order in record.orders},
        "trades.executed": {trade.trade_id: 1 for trade in record.trades},
    }
    for stream, rows in expected.items():
        told = Counter(key for of, key in record.keys if of == stream)
        for key in rows.keys() | told.keys():
            if told[key] != rows.get(key, 0):
                yield Finding("S", str(key), f"{stream} tells {told[key]} times of {key}, the record has {rows.get(key, 0)}")
    approved = {key for stream, key in record.keys if stream == "orders.approved"}
    for order in record.orders:
        if order.purpose == "signal" and order.order_id not in approved:
            yield Finding("S", str(order.order_id), f"orders.approved does not tell of order {order.order_id}")


def _stories(record: Record) -> Iterator[Finding]:
    events: defaultdict[UUID, list[Event]] = defaultdict(list)
    for event in record.events:
        events[event.order_id].append(event)
    for order in record.orders:
        yield from _story(order, events[order.order_id])


def _story(order: Order, story: list[Event]) -> Iterator[Finding]:
    named, about = f"order {order.order_id}", str(order.order_id)
    if [event.n for event in story] != list(range(1, order.events + 1)):
        yield Finding("S", about, f"{named} counts {order.events} events and has {[event.n for event in story]}")
    status, filled, at = Status.APPROVED, Decimal(0), 0
    if order.purpose == "external" and story:  # somebody else's: its story begins where it was found
        status = Status(story[0].status)
    for event in story:
        if not _can_follow(status, filled, order.quantity, event):
            yield Finding("S", about, f"{named}, event {event.n}: {event.event} cannot make {event.status} of {status}")
        if event.at < at:
            yield Finding("S", about, f"{named}, event {event.n} was written before the one it follows")
        status, filled, at = Status(event.status), event.filled, event.at
    if story and (status, filled) != (order.status, order.filled):
        text = f"{named} is {order.status} with {order.filled} filled, its last event says {status} with {filled}"
        yield Finding("S", about, text)
    if not story and order.status != Status.APPROVED and order.purpose != "external":
        yield Finding("S", about, f"{named} is {order.status} and has no story")


def _can_follow(status: Status, filled: Decimal, quantity: Decimal, event: Event) -> bool:
    said = Step(Status(event.status), event.anomaly)
    if event.event == "fill":
        return event.filled > filled and said == after_fill(status, quantity, event.filled)
    if event.event == "child_fill":
        return event.filled > filled and said == after_child_fill(status, quantity, event.filled)
    if event.filled != filled:
        return False
    if event.event in INTENTS:
        return _intended(status, INTENTS[event.event], said)
    if event.event not in set(Evidence):
        return False
    evidence = Evidence(event.event)
    return said in (after(status, evidence, filled), after(status, evidence, quantity))  # the venue may know of fills that come later


def _intended(status: Status, intent: Intent, said: Step) -> bool:
    try:
        return said == Step(intend(status, intent), anomaly=False)
    except IllegalIntent:  # a cancel that has to wait until more is known is on record, and changes nothing yet
        return intent is Intent.CANCEL and said == Step(status, anomaly=False) and status in WAITS_FOR_CANCEL


WAITS_FOR_CANCEL: Final = frozenset({Status.SUBMITTING, Status.UNKNOWN, Status.PENDING_CANCEL, Status.PENDING_REPLACE})
