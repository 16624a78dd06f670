"""Says what is wrong with what a fleet left behind: its record, and the paper venue's own book. An empty list: nothing.

L  every signal has its one verdict, and no order is forgotten
D  no leg has two orders, no order was sent twice, nothing was sent without an intent on record, no slices exceed their parent
F  every fill of the venue is booked once, as it was, and nothing else is
B  the ledger balances, and positions and cash are those of the ledger and of the venue
S  streams are gapless, cursors within them, and every order's story is one that the state machine can tell
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg

from libs.domain.orders import AT_VENUE, OPEN, Evidence, IllegalIntent, Intent, Status, Step, after, after_child_fill, after_fill, intend
from libs.quant.exchange.book import Accepted, Book, Filled, Record, decode
from libs.venues.line_file import read

STALE_S: Final = 120  # market time after which an approved order that was neither sent nor expired has been forgotten
INTENTS: Final = {
    "submit": Intent.SUBMIT,
    "work": Intent.WORK,
    "cancel": Intent.CANCEL,
    "deny": Intent.DENY,
    "expire": Intent.EXPIRE_UNSENT,
    "finish": Intent.FINISH,
}


class Verdict(NamedTuple):
    signal_id: UUID
    verdict: str


class OrderRow(NamedTuple):
    order_id: UUID
    client_order_id: str
    account_id: str
    strategy_id: str
    symbol: str
    signal_id: UUID
    leg: int
    quantity: Decimal
    status: str
    filled: Decimal
    events: int
    late_s: float  # market seconds since valid_until; negative before
    parent_id: UUID | None = None  # of a slice
    execution: str = ""  # of a parent: it is worked by its slices, and has no trades of its own
    over_s: float = 0.0  # market seconds since expires_at; negative before


class Event(NamedTuple):
    order_id: UUID
    n: int
    event: str
    status: str
    filled: Decimal
    anomaly: bool


class TradeRow(NamedTuple):
    order_id: UUID
    account_id: str
    exec_key: str
    quantity: Decimal
    price: Decimal


class Line(NamedTuple):
    txn_id: UUID
    account_id: str
    strategy_id: str
    ledger_account: str
    commodity: str
    amount: Decimal


class Held(NamedTuple):
    account_id: str
    strategy_id: str
    symbol: str
    quantity: Decimal


class Balance(NamedTuple):
    account_id: str
    commodity: str
    amount: Decimal


class CursorRow(NamedTuple):
    consumer: str
    stream: str
    no: int


@dataclass(frozen=True)
class Left:
    """All that a fleet left behind."""

    signals: Sequence[UUID] = ()
    verdicts: Sequence[Verdict] = ()
    orders: Sequence[OrderRow] = ()
    attempts: Sequence[str] = ()  # client order ids of intents, one for each request
    events: Sequence[Event] = ()
    trades: Sequence[TradeRow] = ()
    ledger: Sequence[Line] = ()
    positions: Sequence[Held] = ()
    balances: Sequence[Balance] = ()
    streams: Mapping[str, Sequence[int]] = field(default_factory=dict)  # the numbers there are
    counters: Mapping[str, int] = field(default_factory=dict)
    cursors: Sequence[CursorRow] = ()
    aside: Sequence[str] = ()  # messages and fills in quarantine
    venues: Mapping[str, Sequence[Record]] = field(default_factory=dict)  # the paper venue's book by account


def left_by(connection: psycopg.Connection[Any], paper: Path) -> Left:
    """Reads it. Nothing may be writing meanwhile."""

    def rows(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query.encode()).fetchall()

    streams: defaultdict[str, list[int]] = defaultdict(list)
    for stream, no in rows("select stream, no from journal order by 1, 2"):
        streams[stream].append(no)
    return Left(
        signals=[row[0] for row in rows("select signal_id from signals")],
        verdicts=[Verdict(*row) for row in rows("select signal_id, verdict from risk_assessments")],
        orders=[
            OrderRow(*row)
            for row in rows(
                "select o.id, client_order_id, o.account_id, strategy_id, symbol, signal_id, leg, quantity, status, filled_quantity,"
                " events, (s.market_time - ns_of(valid_until)) / 1e9, case when purpose = 'slice' then parent_id end, execution,"
                " (s.market_time - ns_of(o.expires_at)) / 1e9 from orders o join accounts using (account_id)"
                " join sessions s on s.session_id = o.session_id"
            )
        ],
        attempts=[row[0] for row in rows("select client_order_id from order_attempts")],
        events=[Event(*row) for row in rows("select order_id, n, event, status, filled_quantity, anomaly from order_events order by 1, 2")],
        trades=[TradeRow(*row) for row in rows("select order_id, account_id, exec_key, quantity, executed_price from trades")],
        ledger=[Line(*row) for row in rows("select txn_id, account_id, strategy_id, ledger_account, commodity, amount from cash_ledger")],
        positions=[Held(*row) for row in rows("select account_id, strategy_id, symbol, quantity from positions")],
        balances=[Balance(*row) for row in rows("select account_id, commodity, balance from cash_balances")],
        streams=streams,
        counters=dict(rows("select stream, last_no from journal_counters")),
        cursors=[CursorRow(*row) for row in rows("select consumer, stream, no from cursors")],
        aside=[
            f"{where}: {why}"
            for where, why in rows(
                "select consumer || ', message ' || no || ' of ' || stream, error from quarantine"
                " union all select account_id || ', fill ' || exec_key, reason from fill_quarantine"
            )
        ],
        venues={path.stem: venue_records(path) for path in sorted(paper.glob("*.log"))},
    )


def venue_records(path: Path) -> list[Record]:
    """A paper book's records, in order."""
    return [record for payload in read(path, path.read_bytes()).payloads for record in decode(payload)]


def violations(left: Left) -> list[str]:
    """Everything that must not be, one sentence each, beginning with the letter of the promise it breaks."""
    books = {account: _book(records) for account, records in left.venues.items()}
    return [
        *_lost(left, books),
        *_doubled(left),
        *_slices(left),
        *_fills(left, books),
        *_ledger(left, books),
        *_streams(left),
        *_stories(left),
        *(f"L: put aside: {what}" for what in left.aside),
    ]


def _book(records: Iterable[Record]) -> Book:
    book = Book()
    for record in records:
        book.apply(record)
    return book


def _lost(left: Left, books: Mapping[str, Book]) -> Iterator[str]:
    verdicts = Counter(verdict.signal_id for verdict in left.verdicts)
    for signal in left.signals:
        if verdicts[signal] != 1:
            yield f"L: signal {signal} has {verdicts[signal]} verdicts"
    placed = {order.signal_id for order in left.orders}
    known = {order.client_order_id for order in left.orders}
    for verdict in left.verdicts:
        if verdict.verdict == "APPROVED" and verdict.signal_id not in placed:
            yield f"L: signal {verdict.signal_id} is APPROVED and has no order"
    for order in left.orders:
        if order.status == Status.APPROVED and order.late_s > STALE_S:
            yield f"L: order {order.order_id} is still APPROVED, {order.late_s:.0f} s after its time"
        if order.status == Status.WORKING and order.over_s > STALE_S:
            yield f"L: order {order.order_id} is still WORKING, {order.over_s:.0f} s after its time"
        at_venue = books[order.account_id].orders.get(order.client_order_id) if order.account_id in books else None
        if at_venue is not None and order.status in OPEN and at_venue.status != "open":
            yield f"L: order {order.order_id} is {order.status} here and {at_venue.status} at the venue"
        if at_venue is None and order.status in AT_VENUE - {Status.SUBMITTING, Status.UNKNOWN}:
            yield f"L: order {order.order_id} is {order.status} here and the venue does not have it"
    for account, book in books.items():
        for client_order_id in book.orders.keys() - known:
            yield f"D: the venue has order {client_order_id} of {account}, the record does not"


def _doubled(left: Left) -> Iterator[str]:
    yield from _twice("D: leg {1} of signal {0} has {n} orders", ((o.signal_id, o.leg) for o in left.orders))
    yield from _twice("D: client order id {0} is on {n} orders", ((o.client_order_id,) for o in left.orders))
    yield from _twice("D: order {0} has {n} intents", ((attempt,) for attempt in left.attempts))
    intents = set(left.attempts)
    for account, records in left.venues.items():
        accepted = [r.order.client_order_id for r in records if isinstance(r, Accepted)]
        yield from _twice("D: the venue accepted order {0} {n} times", ((id_,) for id_ in accepted))
        for id_ in accepted:
            if id_ not in intents:
                yield f"D: the venue accepted order {id_} of {account}, of which no intent is on record"


def _slices(left: Left) -> Iterator[str]:
    """A parent is never at the venue itself, and its slices, unknown ones whole, never exceed it."""
    parents = {order.order_id: order for order in left.orders if order.execution}
    taken: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    for order in left.orders:
        if order.parent_id is not None:
            taken[order.parent_id] += order.quantity if order.status in OPEN else order.filled
    for id_, quantity in taken.items():
        if id_ not in parents:
            yield f"D: order {id_} has slices and is not worked"
        elif quantity > parents[id_].quantity:
            yield f"D: the slices of order {id_} come to {quantity}, approved were {parents[id_].quantity}"
    intents = set(left.attempts)
    for order in parents.values():
        if order.client_order_id in intents:
            yield f"D: order {order.order_id} is worked by slices and was sent itself"


def _twice(text: str, keys: Iterable[tuple[Hashable, ...]]) -> Iterator[str]:
    return (text.format(*key, n=n) for key, n in Counter(keys).items() if n > 1)


def _fills(left: Left, books: Mapping[str, Book]) -> Iterator[str]:
    yield from _twice("F: fill {1} of {0} is booked {n} times", ((t.account_id, t.exec_key) for t in left.trades))
    booked = {(t.account_id, t.exec_key): (t.quantity, t.price) for t in left.trades}
    made = {
        (account, r.fill.exec_key): (r.fill.quantity, r.fill.price)
        for account, records in left.venues.items()
        for r in records
        if isinstance(r, Filled)
    }
    for key in sorted(made.keys() | booked.keys()):
        ours, theirs = booked.get(key), made.get(key)
        if ours is None:
            yield f"F: the venue's fill {key[1]} of {key[0]} is not booked"
        elif theirs is None:
            yield f"F: fill {key[1]} of {key[0]} is booked, the venue does not have it"
        elif ours != theirs:
            yield f"F: fill {key[1]} of {key[0]} is booked as {ours[0]} @ {ours[1]}, the venue says {theirs[0]} @ {theirs[1]}"
    filled: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    parents = {order.order_id: order.parent_id for order in left.orders}
    for trade in left.trades:  # what a slice has filled its parent has filled
        filled[trade.order_id] += trade.quantity
        if (parent := parents.get(trade.order_id)) is not None:
            filled[parent] += trade.quantity
    for order in left.orders:
        if filled[order.order_id] != order.filled:
            whose = "those of its slices" if order.execution else "its trades"
            yield f"F: order {order.order_id} says that {order.filled} are filled, {whose} {filled[order.order_id]}"


def _ledger(left: Left, books: Mapping[str, Book]) -> Iterator[str]:
    sums: defaultdict[tuple[UUID, str], Decimal] = defaultdict(Decimal)
    cash: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    positions: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    held: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for line in left.ledger:
        sums[line.txn_id, line.commodity] += line.amount
        if line.ledger_account == "cash":
            cash[line.account_id, line.commodity] += line.amount
        elif line.ledger_account == "position":
            positions[line.account_id, line.commodity] += line.amount
            held[line.account_id, line.strategy_id, line.commodity] += line.amount
    yield from (f"B: transaction {txn} is off by {off} {what}" for (txn, what), off in sums.items() if off)
    yield from _unequal("position", {(p.account_id, p.strategy_id, p.symbol): p.quantity for p in left.positions}, held)
    yield from _unequal("balance", {(b.account_id, b.commodity): b.amount for b in left.balances}, cash)
    at_venue = {(account, currency): amount for account, book in books.items() for currency, amount in book.cash.items()}
    yield from _unequal("venue's cash", at_venue, cash)
    at_venue = {(account, symbol): quantity for account, book in books.items() for symbol, quantity in book.positions.items()}
    yield from _unequal("venue's position", at_venue, positions)


def _unequal(what: str, found: Mapping[Any, Decimal], ledger: Mapping[Any, Decimal]) -> Iterator[str]:
    for key in sorted(found.keys() | ledger.keys()):
        there, here = found.get(key, Decimal(0)), ledger.get(key, Decimal(0))
        if there != here:
            yield f"B: the {what} of {' '.join(key)} is {there}, the ledger says {here}"


def _streams(left: Left) -> Iterator[str]:
    for stream, last in left.counters.items():
        if list(left.streams.get(stream, ())) != list(range(1, last + 1)):
            yield f"S: {stream} is counted to {last} and has not just the messages 1 to {last}"
    for cursor in left.cursors:
        if cursor.no > left.counters.get(cursor.stream, 0):
            yield f"S: {cursor.consumer} stands at {cursor.no} of {cursor.stream}, which ends at {left.counters.get(cursor.stream, 0)}"


def _stories(left: Left) -> Iterator[str]:
    events: defaultdict[UUID, list[Event]] = defaultdict(list)
    for event in left.events:
        events[event.order_id].append(event)
    for order in left.orders:
        story = events[order.order_id]
        if [event.n for event in story] != list(range(1, order.events + 1)):
            yield f"S: order {order.order_id} counts {order.events} events and has {[event.n for event in story]}"
        status, filled = Status.APPROVED, Decimal(0)
        for event in story:
            if not _can_follow(status, filled, order.quantity, event):
                yield f"S: order {order.order_id}, event {event.n}: {event.event} cannot make {event.status} of {status}"
            status, filled = Status(event.status), event.filled
        if (status, filled) != (order.status, order.filled):
            yield f"S: order {order.order_id} is {order.status} with {order.filled} filled, its last event says {status} with {filled}"


def _can_follow(status: Status, filled: Decimal, quantity: Decimal, event: Event) -> bool:
    said = Step(Status(event.status), event.anomaly)
    if event.event == "fill":
        return event.filled > filled and said == after_fill(status, quantity, event.filled)
    if event.event == "child_fill":
        return event.filled > filled and said == after_child_fill(status, quantity, event.filled)
    if event.filled != filled:
        return False
    if event.event in INTENTS:
        try:
            return said == Step(intend(status, INTENTS[event.event]), anomaly=False)
        except IllegalIntent:
            return False
    evidence = Evidence(event.event)
    return said in (after(status, evidence, filled), after(status, evidence, quantity))  # the venue may know of fills that come later
