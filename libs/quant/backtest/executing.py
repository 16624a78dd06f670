"""The orders of an account in a backtest, from approved to ended: what trade_executor and the venue are in the fleet."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from libs.domain.actions import CorporateAction
from libs.domain.books import Position
from libs.domain.orders import PROTECTIVE, Order, OrderType, Status
from libs.quant.backtest.account import Account
from libs.quant.backtest.facts import Facts
from libs.quant.backtest.guarding import Guarding
from libs.quant.backtest.parents import Parents
from libs.quant.backtest.result import Played
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.backtest.watch import LossWatch
from libs.quant.dispatch import SLOTS, shrinks
from libs.quant.exchange.book import Adjusted, Book, Ended, Filled, Opened, Record
from libs.quant.exchange.rules import Rules
from libs.quant.exchange.venue import Turned, Venue
from libs.quant.risk.flow import OwnOrders, ordered_of

_ALL_TYPES: Final[frozenset[OrderType]] = frozenset({"market", "limit", "stop", "stop_limit", "trailing_stop"})
_NOTHING: Final = Decimal(0)
_ENDS: Final = {"canceled": Status.CANCELED, "expired": Status.EXPIRED}


def opened(tape: Tape, setup: Setup, actions: Iterable[CorporateAction]) -> Venue:
    """A venue that holds the account's deposit and nothing else."""
    rules = Rules(
        instruments=tape.instruments,
        fill_on=tape.fill_on,
        terms=setup.terms,
        latency_ns=setup.latency_ns,
        bar_grace_ns=tape.grace_ns if "bar" in tape.fill_on.values() else 0,
        allow_short=setup.allow_short,
        types=_ALL_TYPES,
        on_credit=setup.limits is None,
    )
    venue = Venue(Book(), rules, actions)
    venue.applied([Opened(account_id=setup.account_id, deposit={setup.base_currency: setup.deposit})])
    return venue


class Executing:
    """Of one account, whose books follow what the venue says."""

    def __init__(self, tape: Tape, venue: Venue, account: Account, facts: Facts, watch: LossWatch | None, played: Played) -> None:
        """`facts`: is told of every fill; `watch`: who knows whether the account is halted."""
        self._tape = tape
        self._venue = venue
        self._account = account
        self._facts = facts
        self._watch = watch
        self._played = played
        self._guarding = Guarding(tape.instruments)
        self.parents = Parents(tape, played.statuses, self._filled)
        self.placed: dict[str, Order] = {}  # open at the venue, by client order id, in order of arrival
        self.own = OwnOrders()

    def execute(self, orders: Sequence[Order], cancels: Sequence[Order], now: int) -> None:
        """Sends what was approved and cancels what is unwanted, in the order in which trade_executor gets through them."""
        for order in orders[:SLOTS]:
            self._submit(order, now)
        for order in cancels:
            self.believe(self._canceled(order), now)
        for order in orders[SLOTS:]:
            self._submit(order, now)
        self.work(now)

    def work(self, now: int) -> None:
        """Sends the slices that are due, and ends what has nothing more to do."""
        for parent in self.parents.orders():
            while (made := self.parents.next_slice(parent, now)) is not None:
                self._played.orders.append(made)
                if self._watch is not None and self._watch.state.halts and not shrinks(made, self._held(made)):
                    self._played.statuses[made.client_order_id] = Status.DENIED
                else:
                    self._enter(made, now)

    def open_of(self, strategy_id: str, symbol: str) -> list[Order]:
        """The orders of a book that have not ended, without those that protect it."""
        placed = [p for p in self.placed.values() if p.purpose not in PROTECTIVE]
        return [o for o in (*self.parents.orders(), *placed) if (o.strategy_id, o.symbol) == (strategy_id, symbol)]

    # --- the venue's word

    def believe(self, records: Iterable[Record], now: int) -> None:
        """Books what the venue says, in its order, and brings protection in step with it."""
        changed = False
        touched: set[tuple[str, str]] = set()
        for record in records:
            match record:
                case Filled():
                    order = self.placed[record.fill.client_order_id]
                    self._fill(record, order)
                    touched.add((order.strategy_id, order.symbol))
                    changed = True
                case Ended():
                    ended = self.placed.pop(record.client_order_id, None)
                    self._played.statuses[record.client_order_id] = _ENDS[record.status]
                    if ended is not None:
                        touched.add((ended.strategy_id, ended.symbol))
                case Adjusted():
                    touched |= self._account.adjust(record)
                    for parent in self.parents.orders():
                        if parent.symbol == record.action.symbol:
                            self.parents.call_off(parent)
                    changed = True
        if changed:
            self._account.balance(now)
        for key in sorted(touched):
            self._guard(key, now)

    def _fill(self, record: Filled, order: Order) -> None:
        self._facts.filled(self._account.fill(record, order), order)
        self._guarding.filled(next((p for p in self.parents.orders() if p.order_id == order.parent_id), order))
        if record.fill.cumulative >= order.quantity:
            del self.placed[order.client_order_id]
            self._played.statuses[order.client_order_id] = Status.FILLED
        else:
            self._played.statuses[order.client_order_id] = Status.PARTIAL

    def _held(self, order: Order) -> Decimal:
        return self._played.positions.get((order.strategy_id, order.symbol), Position()).quantity

    def _filled(self, client_order_id: str) -> Decimal:
        booked = self._venue.book.orders.get(client_order_id)
        return booked.filled if booked is not None else _NOTHING

    # --- to the venue

    def _submit(self, order: Order, now: int) -> None:
        self._played.orders.append(order)
        self.own.add(ordered_of(order, self._tape.instruments[order.symbol]))
        if order.execution:
            self.parents.begin(order)
        else:
            self._enter(order, now)

    def _enter(self, order: Order, now: int) -> None:
        key = (order.strategy_id, order.symbol)
        self._guard(key, now, wants=order)
        if not self._send(order):
            self._guard(key, now)

    def _send(self, order: Order) -> bool:
        """Whether the venue took it."""
        client_order_id = order.client_order_id
        try:
            accepted = self._venue.take(order)
        except Turned:
            self._played.statuses[client_order_id] = Status.REJECTED
            return False
        self._venue.applied([accepted])
        self.placed[client_order_id] = order
        self._played.statuses[client_order_id] = Status.ACKED
        return True

    def _canceled(self, order: Order) -> Sequence[Record]:
        try:
            return self._venue.applied([self._venue.cancel(order.client_order_id)])
        except Turned:
            return ()

    # --- protection

    def _guard(self, key: tuple[str, str], now: int, wants: Order | None = None) -> None:
        """Brings the orders that guard a book in step with what it holds; `wants`: an order that is about to be sent."""
        while self._guarding.guards(key):
            book = [o for o in self.placed.values() if (o.strategy_id, o.symbol) == key]
            filled = {o.client_order_id: self._venue.book.orders[o.client_order_id].filled for o in book}
            steps = self._guarding.plan(key, self._played.positions.get(key, Position()), book, filled, now, wants)
            if not (steps.place or steps.replace or steps.cancel):
                return
            for order in steps.cancel:
                self._end(order, self._canceled(order))
            standing = {order.order_id: order for order in book}
            taken = [self._exchange(standing[o.replaces], o) for o in self._announced(steps.replace) if o.replaces is not None]
            taken += [self._send(order) for order in self._announced(steps.place)]
            self._guarding.answered(key, steps, all(taken))

    def _announced(self, orders: Sequence[Order]) -> Sequence[Order]:
        self._played.orders += orders
        return orders

    def _end(self, order: Order, ended: Sequence[Record]) -> None:
        if ended:
            del self.placed[order.client_order_id]
            self._played.statuses[order.client_order_id] = Status.CANCELED

    def _exchange(self, old: Order, new: Order) -> bool:
        """Whether the new one stands where the old one stood."""
        try:
            records = self._venue.replace(old.client_order_id, new)
        except Turned:
            self._played.statuses[new.client_order_id] = Status.REJECTED
            return False
        self._end(old, self._venue.applied(records))
        self.placed[new.client_order_id] = new
        self._played.statuses[new.client_order_id] = Status.ACKED
        return True
