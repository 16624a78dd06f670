"""Bugs planted in a good history: of what a sound run left behind one thing is changed, and the judge has to find it.

The history is that of `tests.chaos.short_run`; orders are named by who gave them, for what, and which one of the book it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from libs.domain.identity import client_order_id
from tests.chaos.findings import Letter
from tests.chaos.record import Alerted, Assessed, Attempt, Balance, Command, CursorRow, Line, Order, Record, Trade
from tests.chaos.venues import Made, Taken, VenueHistory

STRANGER: Final = UUID(int=99)
A_LITTLE: Final = Decimal(1).scaleb(-12)
MS: Final = 1_000_000
SECOND: Final = 1_000 * MS
ACCOUNT: Final = "paper"


class History(NamedTuple):
    """What a run left behind, here and at the venue."""

    record: Record
    venue: VenueHistory

    @property
    def venues(self) -> dict[str, VenueHistory]:
        return {ACCOUNT: self.venue}

    def order(self, strategy_id: str, symbol: str, n: int = 0) -> Order:
        return [o for o in self.record.orders if (o.strategy_id, o.symbol) == (strategy_id, symbol)][n]

    def here(self, **changed: Any) -> "History":
        return self._replace(record=replace(self.record, **changed))

    def there(self, **changed: Any) -> "History":
        return self._replace(venue=self.venue._replace(**changed))

    def with_order(self, order: Order, **changed: Any) -> "History":
        """The order otherwise, and nothing else."""
        return self.here(orders=[o._replace(**changed) if o.order_id == order.order_id else o for o in self.record.orders])

    def with_events(self, order: Order, *events: tuple[str, str]) -> "History":
        """Another story of an order, unfilled, in (event, status); the order stands as it ends."""
        told = [e for e in self.record.events if e.order_id == order.order_id]
        story = [
            told[0]._replace(n=n, event=event, status=status, filled=Decimal(0), anomaly=False, detail="planted")
            for n, (event, status) in enumerate(events, 1)
        ]
        keys = [(s, k) for s, k in self.record.keys if (s, k) != ("orders.updates", order.order_id)]
        others = [e for e in self.record.events if e.order_id != order.order_id]
        found = self.here(events=[*others, *story], keys=[*keys, *[("orders.updates", order.order_id)] * len(story)])
        return found.with_order(order, status=story[-1].status, events=len(story), filled=Decimal(0))

    def with_taken(self, order: Order, **changed: Any) -> "History":
        """The venue's view of an order otherwise."""
        return self.there(taken=[t._replace(**changed) if t.client_order_id == order.client_order_id else t for t in self.venue.taken])

    def without_taken(self, order: Order) -> "History":
        return self.there(taken=[t for t in self.venue.taken if t.client_order_id != order.client_order_id])

    def with_first(self, rows: str, **changed: Any) -> "History":
        """The first row of a table otherwise."""
        first, *others = getattr(self.record, rows)
        return self.here(**{rows: [first._replace(**changed), *others]})

    def more(self, **rows: Any) -> "History":
        """A row more in each of these tables."""
        return self.here(**{name: [*getattr(self.record, name), row] for name, row in rows.items()})


Change = Callable[[History], History]


class Planted(NamedTuple):
    """A bug."""

    name: str
    letter: Letter  # that has to be among those found
    change: Change


# --- what takes more than an expression


def approved_without_order(h: History) -> History:
    return h.more(signals=STRANGER, verdicts=Assessed(STRANGER, "APPROVED"), keys=("signals", STRANGER))


def forgotten(h: History) -> History:
    order = h.order("slow", "SPY")
    events = [e for e in h.record.events if e.order_id != order.order_id]
    keys = [k for k in h.record.keys if k != ("orders.updates", order.order_id)]
    return h.here(events=events, keys=keys).with_order(order, status="APPROVED", events=0, late_s=500.0)


def end_not_heard(h: History) -> History:
    return h.with_taken(h.order("slow", "MSFT", -1), status="canceled")


def doubted_for_an_hour(h: History) -> History:
    return h.with_order(h.order("fast", "XOM"), updated=h.record.lived_to - 3600 * SECOND)


def alerted_and_resolved(h: History) -> History:
    told = Alerted("unknown_order", h.record.lived_to - 3000 * SECOND, h.record.lived_to - 2000 * SECOND)
    return doubted_for_an_hour(h).more(alerts=told)


def denied_without_reason(h: History) -> History:
    order = h.order("slow", "SPY")
    return h.here(events=[e._replace(detail="") if e.order_id == order.order_id else e for e in h.record.events])


def two_orders_of_a_leg(h: History) -> History:
    twin = h.order("slow", "SPY")._replace(order_id=STRANGER, client_order_id=client_order_id("TEST", STRANGER, 1))
    events = [e._replace(order_id=STRANGER) for e in h.record.events if e.order_id == h.order("slow", "SPY").order_id]
    return h.here(orders=[*h.record.orders, twin], events=[*h.record.events, *events])


def sent_under_another_id(h: History) -> History:
    """The second attempt is on record, as the first is: only the venue shows that both are orders."""
    order = h.order("slow", "KO")
    again = client_order_id("TEST", order.order_id, 2)
    taken = next(t for t in h.venue.taken if t.client_order_id == order.client_order_id)
    second = Taken(again, taken.symbol, taken.side, taken.quantity, taken.price, "canceled", Decimal(0))
    asked = h.venue.submits[order.client_order_id]
    found = h.there(taken=[*h.venue.taken, second], submits={**h.venue.submits, again: asked})
    return found.more(attempts=Attempt(order.order_id, 2, again, asked[0] - MS))


def asked_twice(h: History) -> History:
    id_ = h.order("slow", "KO").client_order_id
    return h.there(submits={**h.venue.submits, id_: [*h.venue.submits[id_], h.venue.submits[id_][0] + SECOND]})


def intent_after_request(h: History) -> History:
    id_ = h.order("fast", "AAPL").client_order_id
    attempts = [a._replace(at=h.venue.submits[id_][0] + MS) if a.client_order_id == id_ else a for a in h.record.attempts]
    return h.here(attempts=attempts)


def order_of_nobody(h: History) -> History:
    return h.there(taken=[*h.venue.taken, h.venue.taken[0]._replace(client_order_id="by hand", status="canceled")])


def first_trade(h: History) -> Trade:
    return h.record.trades[0]


def booked_under_two_names(h: History) -> History:
    """As when stream and poll name an execution differently: two trades, two transactions, all in itself sound."""
    trade = first_trade(h)
    second = trade._replace(trade_id=STRANGER, exec_key=trade.exec_key + ".0")
    lines = [line._replace(txn_id=STRANGER, trade_id=STRANGER) for line in h.record.ledger if line.txn_id == trade.trade_id]
    return h.more(trades=second, keys=("trades.executed", STRANGER)).here(ledger=[*h.record.ledger, *lines])


def fill_dropped(h: History) -> History:
    trade = first_trade(h)
    return h.here(
        trades=h.record.trades[1:],
        ledger=[line for line in h.record.ledger if line.txn_id != trade.trade_id],
        keys=[k for k in h.record.keys if k != ("trades.executed", trade.trade_id)],
    )


def fill_of_another_order(h: History) -> History:
    return h.with_first("trades", order_id=h.order("slow", "KO").order_id)


def line_of(h: History, ledger_account: str, commodity: str) -> Line:
    return next(x for x in h.record.ledger if x.kind == "trade" and (x.ledger_account, x.commodity) == (ledger_account, commodity))


def ledger_with(h: History, changes: Mapping[Line, Decimal]) -> History:
    return h.here(ledger=[line._replace(amount=line.amount + changes.get(line, Decimal(0))) for line in h.record.ledger])


def one_leg_off(h: History) -> History:
    return ledger_with(h, {line_of(h, "cash", "USD"): A_LITTLE})


def both_legs_off(h: History) -> History:
    """Float money: every transaction sums to zero, and the account has another amount than the venue says."""
    of = line_of(h, "cash", "USD")
    other = next(x for x in h.record.ledger if x.txn_id == of.txn_id and (x.ledger_account, x.commodity) == ("trading", "USD"))
    balances = [b._replace(amount=b.amount + A_LITTLE) for b in h.record.balances]
    return ledger_with(h, {of: A_LITTLE, other: -A_LITTLE}).here(balances=balances)


def transaction_twice(h: History) -> History:
    trade = first_trade(h)
    return h.here(ledger=[*h.record.ledger, *(line for line in h.record.ledger if line.txn_id == trade.trade_id)])


def transaction_missing(h: History) -> History:
    trade = first_trade(h)
    return h.here(ledger=[line for line in h.record.ledger if line.txn_id != trade.trade_id])


def transaction_of_nothing(h: History) -> History:
    lines = [line._replace(txn_id=STRANGER, amount=Decimal(0)) for line in h.record.ledger if line.txn_id == first_trade(h).trade_id]
    return h.here(ledger=[*h.record.ledger, *lines])


def scaled(h: History, order: Order, by: int) -> History:
    """A larger order, approved, and refused by the venue before anything came of it."""
    found = h.with_events(order, ("submit", "SUBMITTING"), ("rejected", "REJECTED")).without_taken(order)
    return found.with_order(order, quantity=order.quantity * by)


def above_position_limit_for_an_instant(h: History) -> History:
    """Each single order within its limit: it is their sum in one symbol that is not, until the second one ends."""
    order = h.order("slow", "MSFT", -1)
    found = scaled(h, order, 20)
    clone = found.order("slow", "MSFT", -1)
    others = [
        clone._replace(order_id=UUID(int=n), client_order_id=client_order_id("TEST", UUID(int=n), 1), leg=n, created=clone.created + n)
        for n in (1, 2)
    ]
    told = [e for e in found.record.events if e.order_id == order.order_id]
    events = [e._replace(order_id=o.order_id, at=e.at + SECOND) for o in others for e in told]
    keys = [(s, o.order_id) for o in others for s in ("orders.approved", "orders.updates", "orders.updates")]
    return found.here(orders=[*found.record.orders, *others], events=[*found.record.events, *events], keys=[*found.record.keys, *keys])


def unknown_not_counted(h: History) -> History:
    """What was refused beside the order of unknown outcome, approved."""
    unknown = h.order("fast", "XOM")
    order = unknown._replace(
        order_id=STRANGER,
        client_order_id=client_order_id("TEST", STRANGER, 1),
        strategy_id="slow",
        signal_id=STRANGER,
        quantity=Decimal(54),
        status="APPROVED",
        events=0,
        created=unknown.created + 1,
    )
    found = h.more(orders=order, signals=STRANGER, verdicts=Assessed(STRANGER, "APPROVED"))
    return found.here(keys=[*found.record.keys, ("signals", STRANGER), ("orders.approved", STRANGER)])


def too_many_in_a_minute(h: History) -> History:
    order = h.order("slow", "SPY")
    told = [e for e in h.record.events if e.order_id == order.order_id]
    many = [
        order._replace(order_id=UUID(int=n), client_order_id=client_order_id("TEST", UUID(int=n), 1), leg=n, quantity=Decimal("0.01"))
        for n in range(1, 121)
    ]
    events = [e._replace(order_id=o.order_id) for o in many for e in told]
    keys = [(s, o.order_id) for o in many for s in ("orders.approved", *["orders.updates"] * len(told))]
    return h.here(orders=[*h.record.orders, *many], events=[*h.record.events, *events], keys=[*h.record.keys, *keys])


def sent_late(h: History) -> History:
    order = h.order("fast", "AAPL")
    events = [
        e._replace(at_market=order.valid_market + 1) if (e.order_id, e.event) == (order.order_id, "submit") else e for e in h.record.events
    ]
    return h.here(events=events)


def killed_before(h: History, scope: str) -> History:
    """A kill switch that went on 300 ms before the last request."""
    return h.more(commands=Command("kill", scope, h.record.attempts[-1].at - 300 * MS))


def arrived_after_kill(h: History) -> History:
    """The intent was in time: the venue saw the request too late."""
    last = h.record.attempts[-1]
    submits = {**h.venue.submits, last.client_order_id: [last.at + 400 * MS]}
    return h.there(submits=submits).more(commands=Command("kill", "fleet", last.at + MS))


def slices_beyond_parent(h: History) -> History:
    """An order that is worked in two parts, of which each is within it and both are not."""
    parent = h.order("slow", "MSFT", -1)
    found = h.with_events(parent, ("work", "WORKING")).without_taken(parent)
    attempts = [a for a in h.record.attempts if a.order_id != parent.order_id]
    parts = [
        parent._replace(
            order_id=UUID(int=n),
            client_order_id=client_order_id("TEST", UUID(int=n), 1),
            leg=10_000 + n,
            purpose="slice",
            parent_id=parent.order_id,
            quantity=Decimal(6),
            status="APPROVED",
            events=0,
            created=parent.created + n,
        )
        for n in (1, 2)
    ]
    submits = {id_: at for id_, at in h.venue.submits.items() if id_ != parent.client_order_id}
    return found.here(orders=[*found.record.orders, *parts], attempts=attempts).there(submits=submits)


def exit_of(h: History, quantity: int, **changed: Any) -> History:
    """The order that rests at the end, as a stop of what slow holds of JPM."""
    resting, held = h.order("slow", "MSFT", -1), h.order("slow", "JPM")
    terms: dict[str, Any] = {
        "symbol": "JPM",
        "side": "sell",
        "quantity": Decimal(quantity),
        "purpose": "stop",
        "order_type": "stop",
        "price": None,
        "reduce_only": True,
        "parent_id": held.order_id,
        **changed,
    }
    found = h.with_order(resting, **terms)
    return found.with_taken(resting, symbol="JPM", side=terms["side"], quantity=Decimal(quantity), price=None)


def exit_turns_the_book(h: History) -> History:
    """A stop of 30 fills on a book of 20: at the venue, and all of it well booked."""
    found, resting = exit_of(h, 30), h.order("slow", "MSFT", -1)
    fill = Made(resting.client_order_id, "JPM", "sell", Decimal(30), Decimal(100), Decimal(0), "USD")
    return found.with_taken(resting, status="filled", filled=Decimal(30)).there(made=[*h.venue.made, fill])


def sold_short(h: History) -> History:
    return h.with_first("trades", side="sell")


def event_lost(h: History) -> History:
    order = h.order("fast", "AAPL")
    return h.here(events=[e for e in h.record.events if (e.order_id, e.n) != (order.order_id, 2)])


def events_swapped(h: History) -> History:
    order = h.order("fast", "AAPL")
    numbers = {1: 2, 2: 1}
    swapped = [e._replace(n=numbers.get(e.n, e.n)) if e.order_id == order.order_id else e for e in h.record.events]
    return h.here(events=sorted(swapped, key=lambda e: (e.order_id, e.n)))


def nonsense(h: History, event: str, status: str) -> History:
    order = h.order("slow", "MSFT", -1)
    last = [e for e in h.record.events if e.order_id == order.order_id][-1]
    events = [e._replace(event=event, status=status) if e is last else e for e in h.record.events]
    return h.here(events=events).with_order(order, status=status)


def time_runs_back(h: History) -> History:
    order = h.order("fast", "AAPL")
    last = [e for e in h.record.events if e.order_id == order.order_id][-1]
    return h.here(events=[e._replace(at=e.at - 3600 * SECOND) if e is last else e for e in h.record.events])


def told(h: History, stream: str, times: int) -> History:
    """The first message of a stream, so many times."""
    first = next(key for key in h.record.keys if key[0] == stream)
    return h.here(keys=[k for k in h.record.keys if k != first] + [first] * times)


def gap(h: History) -> History:
    numbers = h.record.streams["orders.updates"]
    return h.here(streams={**h.record.streams, "orders.updates": [*numbers[:1], *numbers[2:]]})


def cursor_beyond(h: History) -> History:
    return h.more(cursors=CursorRow("risk:paper", "signals", h.record.counters["signals"] + 1))


def misbelieved(*story: tuple[str, str]) -> Change:
    """An order that lives at the venue, with another story here."""
    return lambda h: h.with_events(h.order("slow", "MSFT", -1), *story)


def believed_lost_for_a_while(h: History) -> History:
    """It was taken for rejected while it lived, until its fills proved that wrong: the reservation was let go meanwhile."""
    order = h.order("slow", "MSFT", -1)
    found = misbelieved(("submit", "SUBMITTING"), ("rejected", "REJECTED"), ("accepted", "ACKED"))(h)
    events = [e._replace(anomaly=True) if (e.order_id, e.n) == (order.order_id, 3) else e for e in found.record.events]
    return found.here(events=events)


def dropped(rows: str) -> Change:
    """The first row of a table is not there."""
    return lambda h: h.here(**{rows: getattr(h.record, rows)[1:]})


HISTORIES: Final[Sequence[Planted]] = (
    Planted("a signal without a verdict", "L", dropped("verdicts")),
    Planted("a signal with two verdicts", "L", lambda h: h.more(verdicts=h.record.verdicts[0])),
    Planted("an approval without an order", "L", approved_without_order),
    Planted("an approved order is forgotten", "L", forgotten),
    Planted("an order that lives is taken for rejected", "L", misbelieved(("submit", "SUBMITTING"), ("rejected", "REJECTED"))),
    Planted(
        "UNKNOWN times out while the order lives",
        "L",
        misbelieved(("submit", "SUBMITTING"), ("unclear", "UNKNOWN"), ("not_accepted", "NOT_ACCEPTED")),
    ),
    Planted("an order was taken for rejected for a while", "L", believed_lost_for_a_while),
    Planted("a cancel is believed, the order lives", "L", misbelieved(("submit", "SUBMITTING"), ("canceled", "CANCELED"))),
    Planted("an end is not heard of", "L", end_not_heard),
    Planted("the venue does not have what we believe to rest there", "L", lambda h: h.without_taken(h.order("slow", "MSFT", -1))),
    Planted("an order in doubt for an hour, and no alert", "L", doubted_for_an_hour),
    Planted("an order in doubt for an hour, and its alert resolved", "L", alerted_and_resolved),
    Planted("a fill in quarantine", "L", lambda h: h.more(aside="paper, fill 7: of no order")),
    Planted("an order denied without a reason", "L", denied_without_reason),
    Planted("two orders of a leg", "D", two_orders_of_a_leg),
    Planted("two intents of an order", "D", lambda h: h.more(attempts=h.record.attempts[0])),
    Planted("a request without an intent", "D", dropped("attempts")),
    Planted("a request sent twice", "D", asked_twice),
    Planted("an order sent again under another id", "D", sent_under_another_id),
    Planted("the intent written after the request left", "D", intent_after_request),
    Planted("an order at the venue that nobody knows", "D", order_of_nobody),
    Planted("an order taken twice", "D", lambda h: h.there(taken=[*h.venue.taken, h.venue.taken[0]])),
    Planted("a fill booked twice", "F", lambda h: h.more(trades=first_trade(h))),
    Planted("a fill booked under two names", "F", booked_under_two_names),
    Planted("a fill dropped", "F", fill_dropped),
    Planted("a fill at another price", "F", lambda h: h.with_first("trades", price=first_trade(h).price + A_LITTLE)),
    Planted("a fill with a fee off by 1e-12", "F", lambda h: h.with_first("trades", fee=first_trade(h).fee + A_LITTLE)),
    Planted("a fee in another currency", "F", lambda h: h.with_first("trades", fee_currency="EUR")),
    Planted("a fill of another quantity", "F", lambda h: h.with_first("trades", quantity=first_trade(h).quantity - A_LITTLE)),
    Planted("a fill on the wrong side", "F", sold_short),
    Planted("a fill that nobody made", "F", lambda h: h.there(made=h.venue.made[1:])),
    Planted("a fill of another order", "F", fill_of_another_order),
    Planted("filled by its status, not by fills", "F", lambda h: h.with_order(h.order("slow", "MSFT", -1), filled=Decimal(1))),
    Planted("one leg of a transaction off by 1e-12", "B", one_leg_off),
    Planted("both legs of a transaction off by 1e-12", "B", both_legs_off),
    Planted("a transaction twice", "B", transaction_twice),
    Planted("a transaction missing", "B", transaction_missing),
    Planted("a transaction of no trade", "B", transaction_of_nothing),
    Planted("a position lost", "B", lambda h: h.here(positions=[p for p in h.record.positions if p.symbol != "KO"])),
    Planted("a balance off by 1e-12", "B", lambda h: h.here(balances=[Balance(ACCOUNT, "USD", h.record.balances[0].amount + A_LITTLE)])),
    Planted("other cash at the venue", "B", lambda h: h.there(cash={"USD": h.venue.cash["USD"] - Decimal("0.01")})),
    Planted("a holding that we do not know of", "B", lambda h: h.there(positions={**h.venue.positions, "SPY": Decimal(1)})),
    Planted("an order above its notional", "R", lambda h: scaled(h, h.order("slow", "MSFT", -1), 30)),
    Planted("a position above its limit for one instant", "R", above_position_limit_for_an_instant),
    Planted("what is unknown is not counted", "R", unknown_not_counted),
    Planted("too many orders in a minute", "R", too_many_in_a_minute),
    Planted("an order sent after its time", "R", sent_late),
    Planted("an order sent after a kill of the fleet", "R", lambda h: killed_before(h, "fleet")),
    Planted("an order sent after a kill of its symbol", "R", lambda h: killed_before(h, "symbol:MSFT")),
    Planted("an order sent after a kill of its account", "R", lambda h: killed_before(h, "account:paper")),
    Planted("a request that arrives after a kill", "R", arrived_after_kill),
    Planted("slices larger than their parent", "R", slices_beyond_parent),
    Planted("a stop larger than the position", "R", lambda h: exit_of(h, 30)),
    Planted("a stop that would add", "R", lambda h: exit_of(h, 10, side="buy")),
    Planted("an exit turns the book round", "R", exit_turns_the_book),
    Planted("shares sold short in an account that may not", "R", sold_short),
    Planted("a gap in a stream", "S", gap),
    Planted("a cursor beyond the end", "S", cursor_beyond),
    Planted("an event lost", "S", event_lost),
    Planted("events in the wrong order", "S", events_swapped),
    Planted("a step that is none", "S", lambda h: nonsense(h, "canceled", "EXPIRED")),
    Planted("an event that is none", "S", lambda h: nonsense(h, "guessed", "ACKED")),
    Planted("a status without its event", "S", lambda h: h.with_order(h.order("slow", "MSFT", -1), status="PARTIAL")),
    Planted("a story that runs back in time", "S", time_runs_back),
    Planted("a trade that was not told", "S", lambda h: told(h, "trades.executed", 0)),
    Planted("a signal told twice", "S", lambda h: told(h, "signals", 2)),
    Planted("an approval that was not told", "S", lambda h: told(h, "orders.approved", 0)),
)
