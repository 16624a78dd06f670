"""Watches one simulation: every transaction as it is committed, every request as it leaves, and the end.

What the venue's own log says is the truth. L: no approved order is lost; D: none is doubled; F: every fill is booked once;
B: the books balance, and are the venue's; R: no limit is passed; S: no stream has a gap. Z: who has lost the lease sends
nothing but what was out of its hands. E: no order ends, or is believed absent, without the evidence for it. K: nothing leaves
later than 250 ms after a kill switch was thrown over it.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from libs.domain.books import signed
from libs.domain.ledger import imbalance
from libs.domain.orders import AT_VENUE, TERMINAL, Order, Status
from libs.store.execution import OrderRow
from tests.chaos.simulation.broker import Wires
from tests.chaos.simulation.loop import Process
from tests.chaos.simulation.record import Changed, Record
from tests.chaos.simulation.story import Story

ZERO: Final = Decimal(0)
HALTS_WITHIN_S: Final = 0.25
NEVER_TAKEN: Final = frozenset({Status.REJECTED, Status.NOT_ACCEPTED, Status.DENIED})


class Broken(Exception):
    """An invariant does not hold; the first word of the message is its letter."""


class Judge:
    """One simulation's."""

    def __init__(self, record: Record, wires: Wires, story: Story, lease: str) -> None:
        self._record = record
        self._wires = wires
        self._venue = wires.venue
        self._story = story
        self._lease = lease
        self.sent: Counter[str] = Counter()
        self.late: Counter[str] = Counter()  # requests of processes that had lost the lease
        self.steps: Counter[tuple[str, str]] = Counter()  # status, what became of it
        self.halts: dict[tuple[str, str], float] = {}  # since when a kill switch of mode halt is on
        self._status: dict[UUID, Status] = {}
        self._books: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)

    # --- as it happens

    def left(self, process: Process, order: Order, frozen_meanwhile: bool) -> None:
        """A request leaves a host."""
        id_ = order.client_order_id
        self.sent[id_] += 1
        row, attempt = self._record.orders.get(order.order_id), self._record.attempts.get((order.order_id, 1))
        self._story.tell("request leaves", process.name, id_, row.status if row else "")
        _check(self.sent[id_] == 1, f"D: order {id_} has left {self.sent[id_]} times")
        _check(row is not None and attempt is not None, f"D: order {id_} leaves without a committed intent")
        assert row is not None
        assert attempt is not None
        _check(attempt[0] == id_, f"D: order {id_} leaves, its attempt is {attempt[0]}")
        lease = self._record.leases.get(self._lease)
        if lease is None or lease.epoch != attempt[1]:
            self.late[process.name] += 1
            _check(frozen_meanwhile, f"Z: order {id_} of epoch {attempt[1]} leaves {process.name}, which has lost the lease")
        scopes = (("fleet", ""), ("account", order.account_id), ("strategy", order.strategy_id), ("symbol", order.symbol))
        halted_s = max((self._story.now - self.halts[scope] for scope in scopes if scope in self.halts), default=0.0)
        _check(halted_s <= HALTS_WITHIN_S or frozen_meanwhile, f"K: order {id_} leaves {halted_s:.3f} s after a kill switch was thrown")
        same = (row.quantity, row.price, row.side, row.symbol) == (order.quantity, order.price, order.side, order.symbol)
        _check(same, f"R: order {id_} leaves as {order.side} {order.quantity} at {order.price}, approved was {row}")

    def committed(self, changes: Sequence[Changed]) -> None:
        """A transaction is durable."""
        transactions: set[UUID] = set()
        moved: set[tuple[str, str, str]] = set()
        for table, key, before, after in changes:
            match table:
                case "orders":
                    self._story.tell("order", after.client_order_id, before.status if before else "", after.status, after.filled)
                    self._order(before, after)
                case "trades":
                    self._trade(after)
                    moved.add((after.account_id, after.strategy_id, after.symbol))
                case "ledger":
                    transactions.add(key[0])
                case "positions":
                    moved.add(key)
                case "events":
                    self._event(key, after.event, after.status)
                case "aside":
                    raise Broken(f"F: fill {key} was put aside: {after}")
                case "quarantine":
                    raise Broken(f"L: message {key} was put aside: {after}")
                case "kills":
                    self.halts.setdefault(key, self._story.now)
                case "leases":
                    self._story.tell("lease", *after)
        for book in moved:
            held = self._record.positions.get(book)
            _check(held is not None and held.quantity == self._books[book], f"B: book {book} holds {held}, its trades {self._books[book]}")
        if transactions:
            lines = [line for (txn, _), (_, line) in self._record.ledger.items() if txn in transactions]
            _check(not imbalance(lines), f"B: transactions do not sum to zero: {imbalance(lines)}")

    def _order(self, before: OrderRow | None, after: OrderRow) -> None:
        id_, was = after.client_order_id, before.status if before else None
        if before is not None:
            _check(after.filled >= before.filled, f"F: {id_} had filled {before.filled}, now {after.filled}")
        taken = self._venue.account.order_of(id_)
        if after.status in AT_VENUE:
            mine = [r for r in self._record.orders.values() if r.status in AT_VENUE and _book(r) == _book(after)]
            _check(len(mine) == 1, f"R: {len(mine)} orders of book {_book(after)} may be at the venue")
        if after.parent_id is not None and after.purpose == "slice":
            self._within(after.parent_id)
        if was is after.status:
            return
        match after.status:
            case Status.FILLED | Status.CANCELED | Status.EXPIRED if after.execution:
                self._parent_ends(after)
            case Status.NOT_ACCEPTED:
                coming = self._wires.on_the_way.get(id_, 0)
                _check(taken is None and not coming, f"E: {id_} is believed absent: at the venue {taken}, on the way {coming}")
                _check(was is not Status.SUBMITTING or not self.sent[id_], f"E: {id_} has left, and is said not to have")
            case Status.REJECTED:
                refused = any(r.client_order_id == id_ and r.refused for r in self._venue.requests)
                _check(refused and taken is None, f"E: {id_} is believed rejected, the venue says {taken}")
            case Status.CANCELED | Status.EXPIRED if was in (Status.APPROVED, Status.WORKING):
                _check(not self.sent[id_], f"E: {id_} has left, and ends as never sent")
            case Status.CANCELED | Status.EXPIRED:
                _check(taken is not None and not taken.live, f"E: {id_} is believed {after.status}, the venue says {taken}")
            case Status.FILLED:
                _check(after.filled == after.quantity, f"F: {id_} is FILLED with {after.filled} of {after.quantity}")
            case Status.DENIED:
                _check(was in (Status.APPROVED, Status.WORKING) and not self.sent[id_], f"E: {id_} was {was}, and is denied")
            case Status.ACKED | Status.PARTIAL:
                _check(taken is not None, f"E: {id_} is believed {after.status}, the venue never took it")

    def _within(self, parent_id: UUID) -> None:
        parent = self._record.orders[parent_id]
        slices = [row for row in self._record.orders.values() if row.parent_id == parent_id and row.purpose == "slice"]
        most = sum((row.filled if row.status in TERMINAL else row.quantity for row in slices), ZERO)
        _check(most <= parent.quantity, f"R: slices of {parent.client_order_id} may fill {most} of {parent.quantity}")

    def _parent_ends(self, parent: OrderRow) -> None:
        alive = [r.client_order_id for r in self._record.orders.values() if r.parent_id == parent.order_id and r.status not in TERMINAL]
        _check(not alive, f"R: {parent.client_order_id} ends as {parent.status}, its slices {alive} have not")

    def _trade(self, trade: object) -> None:
        key = trade.exec_key  # type: ignore[attr-defined]
        execution = self._venue.account.executions.get(int(key)) if key.isdigit() else None
        _check(execution is not None, f"F: booked fill {key} is none of the venue's")
        assert execution is not None
        i = self._venue.instruments[execution.symbol]
        truth = (i.quantity(execution.lots), i.price(execution.ticks), execution.fee, execution.side, execution.symbol)
        booked = (trade.quantity, trade.price, trade.commission, trade.side, trade.symbol)  # type: ignore[attr-defined]
        _check(truth == booked, f"F: fill {key} is booked as {booked}, the venue says {truth}")
        book = (trade.account_id, trade.strategy_id, trade.symbol)  # type: ignore[attr-defined]
        self._books[book] += signed(execution.side, i.quantity(execution.lots))

    def _event(self, key: tuple[UUID, int], event: str, status: Status) -> None:
        order, n = key
        self.steps[self._status.get(order, Status.APPROVED), event] += 1
        self._status[order] = status
        _check(n == 1 or (order, n - 1) in self._record.events, f"S: event {n} of order {order} without event {n - 1}")

    # --- at the end

    def settled(self) -> bool:
        """Whether there is nothing left that could still happen to an order."""
        record = self._record
        return (
            all(row.status in TERMINAL for row in record.orders.values())
            and not any(self._wires.on_the_way.values())
            and not self._venue.account.open
            and len(record.trades) == len(self._venue.account.executions)
            and all(record.cursors.get((self._lease, s), (0, 0))[0] == len(record.journal[s]) for s in ("orders.approved",))
        )

    def final(self) -> None:
        """Everything has healed, and time has gone on."""
        record, account = self._record, self._venue.account
        for row in record.orders.values():
            id_, taken = row.client_order_id, account.order_of(row.client_order_id)
            _check(row.status in TERMINAL, f"L: order {id_} is {row.status} at the end, the venue says {taken}")
            filled = self._filled(row)
            _check(row.filled == filled, f"F: order {id_} has filled {row.filled}, at the venue {filled}")
            if row.status in NEVER_TAKEN:
                _check(taken is None, f"E: order {id_} is {row.status}, the venue says {taken}")
            elif self.sent[id_]:
                _check(taken is not None and not taken.live, f"L: order {id_} is {row.status}, the venue says {taken}")
        strangers = [id_ for id_ in account.by_client_id if id_ not in record.client_ids]
        _check(not strangers, f"D: the venue has orders that nobody approved: {strangers}")
        doubled = [id_ for id_, ids in account.by_client_id.items() if len(ids) > 1]
        _check(not doubled, f"D: the venue has orders twice: {doubled}")
        booked = {int(trade.exec_key) for trade in record.trades.values()}
        _check(booked == set(account.executions), f"F: booked and executed differ by {booked ^ set(account.executions)}")
        self._books_agree()
        for stream in ("orders.approved",):
            cursor = record.cursors.get((self._lease, stream), (0, 0))[0]
            _check(cursor == len(record.journal[stream]), f"S: {self._lease} stands at {cursor} of {len(record.journal[stream])}")
        for row in record.orders.values():
            numbers = sorted(n for order, n in record.events if order == row.order_id)
            _check(numbers == list(range(1, row.events + 1)), f"S: events of {row.client_order_id}: {numbers} of {row.events}")

    def _filled(self, row: OrderRow) -> Decimal:
        """What the venue has filled of an order, or of its slices."""
        if row.execution:
            slices = [r for r in self._record.orders.values() if r.parent_id == row.order_id and r.purpose == "slice"]
            return sum((self._filled(r) for r in slices), ZERO)
        taken = self._venue.account.order_of(row.client_order_id)
        return self._venue.instruments[row.symbol].quantity(taken.filled) if taken else ZERO

    def _books_agree(self) -> None:
        sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for _, line in self._record.ledger.values():
            sums[line.ledger_account, line.commodity] += line.amount
        theirs = self._venue.holdings(self._venue.account)
        cash = {c: a for (kind, c), a in sums.items() if kind == "cash" and a}
        held = {c: a for (kind, c), a in sums.items() if kind == "position" and a}
        _check(cash == theirs.cash, f"B: cash of the ledger {cash}, of the venue {theirs.cash}")
        _check(held == theirs.positions, f"B: positions of the ledger {held}, of the venue {theirs.positions}")
        balances = {c: a for (_, c), a in self._record.balances.items() if a}
        _check(balances == cash, f"B: cash balances {balances}, the ledger's sum {cash}")


def _book(row: OrderRow) -> tuple[str, str]:
    return row.strategy_id, row.symbol


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Broken(otherwise)
