"""The event path: recorded bars through the fleet's own folds, risk, venue and booking.

`step` of a strategy never sees a fill, so its signals follow from the bars alone: they are folded first, symbol by
symbol. Then the account is played: only the moments at which a signal, an open order or a corporate action makes
something happen are visited, in the order in which a lockstep session would do the same things (semantics 6).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Final, NamedTuple
from uuid import UUID

from libs.domain.actions import happening
from libs.domain.booking import book, book_action, joined
from libs.domain.books import Position
from libs.domain.ledger import Entry, deposit_entries
from libs.domain.messages import Signal
from libs.domain.orders import PROTECTIVE, Order, OrderType, Status
from libs.quant.backtest.carrying import Carrying
from libs.quant.backtest.facts import Facts
from libs.quant.backtest.guarding import Guarding
from libs.quant.backtest.naked import judge, naked_order
from libs.quant.backtest.parents import Parents
from libs.quant.backtest.result import Balance, Played, Refused
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.backtest.watch import LossWatch
from libs.quant.dispatch import SLOTS, shrinks
from libs.quant.exchange.adjust import shared
from libs.quant.exchange.book import Adjusted, Book, Ended, Filled, Opened, Record
from libs.quant.exchange.rules import Rules
from libs.quant.exchange.venue import Turned, Venue
from libs.quant.fills import FillEvent
from libs.quant.folds.assembly import Assembled, assembled
from libs.quant.folds.fold import Fold, Playing, StrategyFault
from libs.quant.progress import Counting, Passing, Seen
from libs.quant.risk.assess import Verdict, Waiting, assess_all, order_of, terms_of
from libs.quant.risk.flow import OwnOrders, ordered_of
from libs.quant.risk.halts import loss_limits
from libs.quant.risk.limits import Limits
from libs.quant.risk.view import OpenOrder, View

_ALL_TYPES: Final[frozenset[OrderType]] = frozenset({"market", "limit", "stop", "stop_limit", "trailing_stop"})
_NOTHING: Final = Decimal(0)
DECISIONS: Final = 64
"""Signals between two words about them."""
_ENDS: Final = {"canceled": Status.CANCELED, "expired": Status.EXPIRED}


class Said(NamedTuple):
    """Every signal of the configured strategies, in the order in which they are decided."""

    signals: list[Signal]
    faults: list[str]  # what failed on a bar, and said nothing more
    left_out: list[str]  # what had nothing to run on


def playing_folds(tape: Tape, setup: Setup) -> Assembled:
    """The strategies' folds over a tape, at their beginning.

    Raises:
        ValueError: a strategy is configured wrongly; the message says which and how.
    """
    playing = Playing(setup.session_id, setup.account_id, 0.0, tape.grace_ns, setup.tradable)
    return assembled(setup.strategies, tape.instruments, tape.timeframes, {setup.account_name: playing}, tape.adjustments)


def signals_of(tape: Tape, setup: Setup, seen: Seen | None = None) -> Said:
    """What the strategies say of the bars; `seen` is told how many they have seen.

    Raises:
        ValueError: a strategy is configured wrongly; the message says which and how.
        StrategyFault: one failed on a bar, and faults are fatal.
    """
    found = playing_folds(tape, setup)
    signals: list[Signal] = []
    faults: list[str] = []
    for fold, through in zip(found.folds, _counted(found.folds, tape, seen), strict=True):
        try:
            signals += fold.run(tape.bars[fold.timeframe], through)
        except StrategyFault as fault:
            if setup.faults_are_fatal:
                raise
            signals += fault.signals
            faults.append(str(fault))
    signals = [signal for signal in signals if signal.decided_at >= setup.trades_from]
    signals.sort(key=lambda s: (s.decided_at, s.strategy_id, s.symbol))
    return Said(signals, faults, found.left_out)


def _counted(folds: Sequence[Fold], tape: Tape, seen: Seen | None) -> list[Passing]:
    """What the bars of each fold go through."""
    if seen is None:
        return [iter] * len(folds)
    bars = [sum(len(tape.bars[fold.timeframe][s].start) for s in fold.symbols if s in tape.bars[fold.timeframe]) for fold in folds]
    return [
        Counting(seen, "bars through strategies", sum(bars), before=sum(bars[:n]), each=len(fold.symbols)) for n, fold in enumerate(folds)
    ]


def play(tape: Tape, setup: Setup, seen: Seen | None = None) -> Played:
    """Plays the tape to its end.

    Args:
        seen: is told how far it is, first of bars, then of signals.

    Raises:
        ValueError: a strategy is configured wrongly; the message says which and how.
    """
    worked = next((strategy for strategy in setup.strategies if strategy.execution), None)
    if worked is not None and setup.limits is None:
        raise ValueError(f"strategy {worked.id} has execution {worked.execution!r}, and without risk controls orders are sent whole")
    signals, faults, left_out = signals_of(tape, setup, seen)
    desk = Desk(tape, setup, Played(signals, faults=faults, left_out=left_out))
    end = tape.last_known()
    if not setup.orders_on_last_bar:
        signals = [signal for signal in signals if signal.decided_at < end]
    through: Passing = iter if seen is None else Counting(seen, "signals through the account", len(signals), every=DECISIONS)
    for decided_at, together in groupby(through(iter(signals)), key=lambda signal: signal.decided_at):
        desk.play_until(decided_at)
        desk.decide(list(together), decided_at)
    desk.play_until(tape.ends())
    return desk.finish()


class Desk:
    """One account: what risk_manager, trade_executor and the venue are in the fleet, without the messages between them."""

    def __init__(self, tape: Tape, setup: Setup, played: Played) -> None:
        self._tape = tape
        self._setup = setup
        self._played = played
        on_credit = setup.limits is None
        rules = Rules(
            instruments=tape.instruments,
            fill_on=tape.fill_on,
            terms=setup.terms,
            latency_ns=setup.latency_ns,
            bar_grace_ns=tape.grace_ns if "bar" in tape.fill_on.values() else 0,
            allow_short=setup.allow_short,
            types=_ALL_TYPES,
            on_credit=on_credit,
        )
        begins = setup.begins(tape.since)
        actions = happening(tape.actions, begins, tape.fill_on)
        self._venue = Venue(Book(), rules, actions)
        self._venue.applied([Opened(account_id=setup.account_id, deposit={setup.base_currency: setup.deposit})])
        self._cash: dict[str, Decimal] = {}
        self._lots: dict[tuple[str, str], int] = {}  # by (strategy, symbol), where anything is held
        self._waiting: dict[UUID, Waiting] = {}
        self._parents = Parents(tape, played.statuses, self._filled)
        self._placed: dict[str, Order] = {}  # open at the venue, by client order id, in order of arrival
        self._own = OwnOrders()
        self._facts = Facts(tape, setup)
        self._carrying = None if setup.financing is None else Carrying(tape, setup)
        self._killed = setup.killed
        exits = setup.exits if setup.exits.any else None
        self._terms = {config.id: terms_of(config, exits) for config in setup.strategies}
        self._guarding = Guarding(tape.instruments)
        self._book_lines(deposit_entries(UUID(int=0), setup.base_currency, setup.deposit))
        self._action_times = deque(sorted(action.effective for action in actions))
        self._limits, self._limit_changes = setup.limits, deque(setup.limit_changes)
        self._watch = self._a_watch(setup.limits or Limits(()))
        played.balances.append(Balance(begins, float(setup.deposit), {}))

    def _a_watch(self, limits: Limits) -> LossWatch | None:
        """Over the loss limits that hold now or later, and the peak where a size hangs on it; None where nobody asks."""
        name = self._setup.account_name
        losses, later = loss_limits(limits, name), [loss_limits(limits, name) for _, limits in self._limit_changes]
        peak = any(terms.sizing.drawdown for terms in self._terms.values())
        asked = peak or any(each.any for each in (losses, *later))
        return LossWatch(self._tape, self._setup, losses, later, peak=peak) if asked else None

    # --- the market

    def play_until(self, until: int) -> None:
        """Shows the market up to and including `until` to the open orders, step by step."""
        while (time := self._next_time()) is not None and time <= until:
            self._carry_until(time - 1)
            self._look_until(time - 1)
            self._step(time)
        self._carry_until(until)
        self._look_until(until)

    def _carry_until(self, until: int) -> None:
        """Books what holding costs and pays up to and including `until`, each time after what else happens then."""
        while self._carrying is not None and (due := self._carrying.due) <= until:
            self._look_until(due)
            # An action that holds by now and met no market yet is in no book either: prices in the units of before it.
            seen = min(due, self._action_times[0] - 1) if self._action_times else due
            lines = self._carrying.charge(self._cash, self._played.positions, seen)
            if lines:
                self._book_lines(lines)
                self._venue.paid([(line.commodity, line.amount) for line in lines if line.ledger_account == "cash"])
                self._balance(due)
                if self._watch is not None:
                    self._watch.at(due, self._cash, self._lots)

    def _look_until(self, until: int) -> None:
        """The loss limits, at every bar of what is held: they are looked at after the fills of a time and before its signals."""
        while self._limit_changes and (since := self._limit_changes[0][0]) <= until:
            self._watch_until(since - 1)
            self._limit_from(since)
            if self._watch is not None:
                self._watch.at(since, self._cash, self._lots)
        self._watch_until(until)

    def _watch_until(self, until: int) -> None:
        if self._watch is not None and self._lots:
            self._watch.until(until, self._cash, self._lots)

    def _limit_from(self, now: int) -> None:
        """What is decided from `now` on is decided by the limits that hold then."""
        while self._limit_changes and self._limit_changes[0][0] <= now:
            self._limits = self._limit_changes.popleft()[1]
            if self._watch is not None:
                self._watch.limit_by(loss_limits(self._limits, self._setup.account_name))

    def _next_time(self) -> int | None:
        """The next moment at which something can happen to what is open."""
        times: list[int] = []
        now = self._venue.book.market_time
        for symbol in self._venue.book.open:
            known = self._tape.next_fill_time(symbol, now)
            if known is not None:
                times.append(known)
        for placed in self._placed.values():
            if placed.time_in_force == "GTD":
                step = self._tape.next_step(max(placed.expires_at, now + 1))
                if step is not None:
                    times.append(step)
        waking = [max(wakes, now + 1) for wakes in self._parents.wakes(now)]
        if self._action_times:
            waking.append(self._action_times[0])
        times += (step for at in waking if (step := self._tape.next_step(at)) is not None)
        return min(times, default=None)

    def _step(self, time: int) -> None:
        self._limit_from(time)
        events: list[FillEvent] = []
        for symbol in sorted(self._venue.book.open):
            events += self._tape.fill_events(symbol, time)
        while self._action_times and self._action_times[0] <= time:
            self._action_times.popleft()
        self._believe(self._venue.hear(events, time), time)
        self._work(time)
        self._decide_waiting(time)
        if self._watch is not None:
            self._watch.at(time, self._cash, self._lots)

    # --- the venue's word

    def _believe(self, records: Iterable[Record], now: int) -> None:
        """Books what the venue says, in its order, and brings protection in step with it."""
        changed = False
        touched: set[tuple[str, str]] = set()
        for record in records:
            match record:
                case Filled():
                    order = self._placed[record.fill.client_order_id]
                    self._fill(record, order)
                    touched.add((order.strategy_id, order.symbol))
                    changed = True
                case Ended():
                    ended = self._placed.pop(record.client_order_id, None)
                    self._played.statuses[record.client_order_id] = _ENDS[record.status]
                    if ended is not None:
                        touched.add((ended.strategy_id, ended.symbol))
                case Adjusted():
                    touched |= self._adjust(record)
                    for parent in self._parents.orders():
                        if parent.symbol == record.action.symbol:
                            self._parents.call_off(parent)
                    changed = True
        if changed:
            self._balance(now)
        for key in sorted(touched):
            self._guard(key, now)

    def _fill(self, record: Filled, order: Order) -> None:
        key = (order.strategy_id, order.symbol)
        instrument = self._tape.instruments[order.symbol]
        booked = book(record.fill, order, self._played.positions.get(key, Position()), instrument)
        self._played.trades.append(booked.trade)
        self._facts.filled(booked.trade, order)
        self._keep(key, booked.position)
        self._book_lines(booked.entries)
        self._guarding.filled(next((p for p in self._parents.orders() if p.order_id == order.parent_id), order))
        if record.fill.cumulative >= order.quantity:
            del self._placed[order.client_order_id]
            self._played.statuses[order.client_order_id] = Status.FILLED
        else:
            self._played.statuses[order.client_order_id] = Status.PARTIAL

    def _adjust(self, record: Adjusted) -> set[tuple[str, str]]:
        """The books that it changed."""
        action = record.action
        touched: set[tuple[str, str]] = set()
        instrument = self._tape.instruments[action.symbol]
        books = {s: p for (s, symbol), p in self._played.positions.items() if symbol == action.symbol and p.quantity}
        for strategy_id, (position, cash) in shared(books, record.after, record.cash, action, instrument).items():
            old, new = (strategy_id, action.symbol), (strategy_id, action.new_symbol or action.symbol)
            before = books[strategy_id].quantity
            self._book_lines(book_action(self._setup.account_id, strategy_id, action, before, position.quantity, record.currency, cash))
            self._keep(old, Position())
            held = self._played.positions.get(new, Position())
            self._keep(new, joined(held, position, self._tape.instruments[new[1]].multiplier) if action.new_symbol else position)
            touched |= {old, new}
        return touched

    def _keep(self, key: tuple[str, str], position: Position) -> None:
        self._played.positions[key] = position
        if position.quantity:
            self._lots[key] = self._tape.instruments[key[1]].lots(position.quantity)
        else:
            self._lots.pop(key, None)

    def _book_lines(self, lines: Sequence[Entry]) -> None:
        self._played.lines += lines
        for line in lines:
            if line.ledger_account == "cash":
                self._cash[line.commodity] = self._cash.get(line.commodity, _NOTHING) + line.amount

    def _balance(self, now: int) -> None:
        units: dict[str, float] = {}
        for (_, symbol), position in self._played.positions.items():
            if position.quantity:
                units[symbol] = units.get(symbol, 0.0) + float(position.quantity)
        self._played.balances.append(Balance(now, float(self._cash.get(self._setup.base_currency, _NOTHING)), units))

    # --- decisions

    def decide(self, fresh: Sequence[Signal], now: int) -> None:
        """Judges signals, and places what is approved."""
        self._venue.book.market_time = max(self._venue.book.market_time, now)
        self._act(self._verdicts(fresh, now), now)
        self._decide_waiting(now)

    def _decide_waiting(self, now: int) -> None:
        """Signals that waited for orders of their books to end, as long as some of those have."""
        while any(not self._open_of(w.signal.strategy_id, w.signal.symbol) for w in self._waiting.values()):
            self._act(self._verdicts((), now), now)

    def _verdicts(self, fresh: Sequence[Signal], now: int) -> list[Verdict]:
        view = self._view(fresh, now)
        limits = self._limits
        if limits is None:
            return assess_all(list(self._waiting.values()), fresh, view, Limits(()), judge)
        verdicts = assess_all(list(self._waiting.values()), fresh, view, limits)
        self._killed = view.killed  # nobody re-arms in a backtest
        return verdicts

    def _view(self, fresh: Sequence[Signal], now: int) -> View:
        setup, tape = self._setup, self._tape
        wanted = {signal.symbol for signal in fresh}.union(
            (w.signal.symbol for w in self._waiting.values()), (symbol for _, symbol in self._lots), self._venue.book.open
        )
        marks = ((symbol, tape.mark(symbol, now)) for symbol in wanted)
        return View(
            account_id=setup.account_id,
            account_name=setup.account_name,
            base_currency=setup.base_currency,
            kind=setup.kind,
            allow_short=setup.allow_short,
            now=now,
            stale=False,
            speed=0.0,
            grace_ns=tape.grace_ns,
            instruments=tape.instruments,
            terms=self._terms,
            cash=self._cash,
            marks={symbol: mark for symbol, mark in marks if mark is not None},
            killed=self._killed,
            halts=self._watch.state.halts if self._watch is not None else (),
            peak=self._watch.state.peak_equity if self._watch is not None else None,
            positions=self._lots,
            open_orders=[*self._parents.open(), *(self._as_open(p) for p in self._placed.values() if p.purpose == "signal")],
            flow=self._own.at(now),
            grids=self._facts.grids,
            **self._facts.of(wanted, self._played, now),
        )

    def _as_open(self, order: Order) -> OpenOrder:
        """An open order as risk sees it. Protective orders only ever shrink a position and give way to its next order."""
        instrument = self._tape.instruments[order.symbol]
        remaining = self._venue.book.orders[order.client_order_id].remaining
        price = order.price if order.price is not None else order.stop_price
        return OpenOrder(
            order.order_id,
            order.strategy_id,
            order.symbol,
            order.side,
            instrument.lots(remaining),
            instrument.ticks(price) if price is not None else 0,
            Status.ACKED,
        )

    def _act(self, verdicts: Sequence[Verdict], now: int) -> None:
        orders: list[Order] = []
        cancels: list[Order] = []
        for verdict in verdicts:
            orders += [self._order(verdict, n) for n in range(len(verdict.legs))]
            unwanted = {open_.order_id for open_ in verdict.cancels}
            cancels += [p for p in self._placed.values() if p.order_id in unwanted]
            for parent in self._parents.orders():
                if parent.order_id in unwanted:
                    cancels += self._parents.call_off(parent)
            self._remember(verdict)
        for order in orders[:SLOTS]:
            self._submit(order, now)
        for order in cancels:
            self._believe(self._canceled(order), now)
        for order in orders[SLOTS:]:
            self._submit(order, now)
        self._work(now)

    def _order(self, verdict: Verdict, n: int) -> Order:
        leg, setup = verdict.legs[n], self._setup
        make = order_of if setup.limits is not None else naked_order(setup.entry)
        return make(leg, fleet_tag=setup.fleet_tag, venue=setup.venue, grace_ns=self._tape.grace_ns)

    def _remember(self, verdict: Verdict) -> None:
        id_ = verdict.signal.signal_id
        if verdict.kind == "WAITING":
            placed = self._waiting[id_].leg if id_ in self._waiting else 0
            self._waiting[id_] = Waiting(verdict.signal, placed + len(verdict.legs))
        else:
            self._waiting.pop(id_, None)
        if verdict.refusal is not None:
            self._played.refused.append(Refused(verdict.signal, verdict.refusal))

    def _submit(self, order: Order, now: int) -> None:
        self._played.orders.append(order)
        self._own.add(ordered_of(order, self._tape.instruments[order.symbol]))
        if order.execution:
            self._parents.begin(order)
        else:
            self._enter(order, now)

    def _enter(self, order: Order, now: int) -> None:
        key = (order.strategy_id, order.symbol)
        self._guard(key, now, wants=order)
        if not self._send(order):
            self._guard(key, now)

    def _work(self, now: int) -> None:
        """Sends the slices that are due, and ends what has nothing more to do."""
        for parent in self._parents.orders():
            while (made := self._parents.next_slice(parent, now)) is not None:
                self._played.orders.append(made)
                if self._watch is not None and self._watch.state.halts and not shrinks(made, self._held(made)):
                    self._played.statuses[made.client_order_id] = Status.DENIED
                else:
                    self._enter(made, now)

    def _held(self, order: Order) -> Decimal:
        return self._played.positions.get((order.strategy_id, order.symbol), Position()).quantity

    def _filled(self, client_order_id: str) -> Decimal:
        booked = self._venue.book.orders.get(client_order_id)
        return booked.filled if booked is not None else _NOTHING

    def _send(self, order: Order) -> bool:
        """Whether the venue took it."""
        client_order_id = order.client_order_id
        try:
            accepted = self._venue.take(order)
        except Turned:
            self._played.statuses[client_order_id] = Status.REJECTED
            return False
        self._venue.applied([accepted])
        self._placed[client_order_id] = order
        self._played.statuses[client_order_id] = Status.ACKED
        return True

    def _canceled(self, order: Order) -> Sequence[Record]:
        try:
            return self._venue.applied([self._venue.cancel(order.client_order_id)])
        except Turned:
            return ()

    def _open_of(self, strategy_id: str, symbol: str) -> list[Order]:
        placed = [p for p in self._placed.values() if p.purpose not in PROTECTIVE]
        return [o for o in (*self._parents.orders(), *placed) if (o.strategy_id, o.symbol) == (strategy_id, symbol)]

    # --- protection

    def _guard(self, key: tuple[str, str], now: int, wants: Order | None = None) -> None:
        """Brings the orders that guard a book in step with what it holds; `wants`: an order that is about to be sent."""
        while self._guarding.guards(key):
            book = [o for o in self._placed.values() if (o.strategy_id, o.symbol) == key]
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
            del self._placed[order.client_order_id]
            self._played.statuses[order.client_order_id] = Status.CANCELED

    def _exchange(self, old: Order, new: Order) -> bool:
        """Whether the new one stands where the old one stood."""
        try:
            records = self._venue.replace(old.client_order_id, new)
        except Turned:
            self._played.statuses[new.client_order_id] = Status.REJECTED
            return False
        self._end(old, self._venue.applied(records))
        self._placed[new.client_order_id] = new
        self._played.statuses[new.client_order_id] = Status.ACKED
        return True

    def finish(self) -> Played:
        """All that was played."""
        if self._watch is not None:
            self._played.halts = self._watch.state.halts
        return self._played
