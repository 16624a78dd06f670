"""What becomes of the signals of a backtest's account: the fleet's controls on a view made of what was played so far."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from libs.domain.messages import Signal
from libs.domain.orders import Order, Status
from libs.quant.backtest.account import Account
from libs.quant.backtest.executing import Executing
from libs.quant.backtest.facts import Facts
from libs.quant.backtest.naked import judge, naked_order
from libs.quant.backtest.result import Played, Refused
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.backtest.watch import LossWatch
from libs.quant.exchange.venue import Venue
from libs.quant.risk.assess import Verdict, Waiting, assess_all, order_of
from libs.quant.risk.limits import Limits
from libs.quant.risk.view import OpenOrder, Terms, View


class Deciding:
    """What risk_manager is in the fleet, of one account. `limits` are those that hold now; `waiting` by signal."""

    def __init__(
        self,
        tape: Tape,
        setup: Setup,
        played: Played,
        terms: Mapping[str, Terms],
        *,
        account: Account,
        executing: Executing,
        venue: Venue,
        facts: Facts,
        watch: LossWatch | None,
    ) -> None:
        """`terms`: of each strategy, by its id."""
        self._tape = tape
        self._setup = setup
        self._played = played
        self._terms = terms
        self._account = account
        self._executing = executing
        self._venue = venue
        self._facts = facts
        self._watch = watch
        self._killed = setup.killed
        self.limits = setup.limits
        self.waiting: dict[UUID, Waiting] = {}

    def decide(self, fresh: Sequence[Signal], now: int) -> tuple[list[Order], list[Order]]:
        """The orders to send and those to cancel for the signals that wait and for new ones, as of `now`, market ns."""
        view, waiting, limits = self._view(fresh, now), list(self.waiting.values()), self.limits
        if limits is None:
            verdicts = assess_all(waiting, fresh, view, Limits(()), judge)
        else:
            verdicts = assess_all(waiting, fresh, view, limits)
            self._killed = view.killed  # nobody re-arms in a backtest
        orders: list[Order] = []
        cancels: list[Order] = []
        for verdict in verdicts:
            orders += [self._order(verdict, n) for n in range(len(verdict.legs))]
            unwanted = {open_.order_id for open_ in verdict.cancels}
            cancels += [p for p in self._executing.placed.values() if p.order_id in unwanted]
            for parent in self._executing.parents.orders():
                if parent.order_id in unwanted:
                    cancels += self._executing.parents.call_off(parent)
            self._remember(verdict)
        return orders, cancels

    def _order(self, verdict: Verdict, n: int) -> Order:
        leg, setup = verdict.legs[n], self._setup
        make = order_of if setup.limits is not None else naked_order(setup.entry)
        return make(leg, fleet_tag=setup.fleet_tag, venue=setup.venue, grace_ns=self._tape.grace_ns)

    def _remember(self, verdict: Verdict) -> None:
        id_ = verdict.signal.signal_id
        if verdict.kind == "WAITING":
            placed = self.waiting[id_].leg if id_ in self.waiting else 0
            self.waiting[id_] = Waiting(verdict.signal, placed + len(verdict.legs))
        else:
            self.waiting.pop(id_, None)
        if verdict.refusal is not None:
            self._played.refused.append(Refused(verdict.signal, verdict.refusal))

    def _view(self, fresh: Sequence[Signal], now: int) -> View:
        setup, tape, lots, executing = self._setup, self._tape, self._account.lots, self._executing
        wanted = {signal.symbol for signal in fresh}.union(
            (w.signal.symbol for w in self.waiting.values()), (symbol for _, symbol in lots), self._venue.book.open
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
            cash=self._account.cash,
            marks={symbol: mark for symbol, mark in marks if mark is not None},
            killed=self._killed,
            halts=self._watch.state.halts if self._watch is not None else (),
            peak=self._watch.state.peak_equity if self._watch is not None else None,
            positions=lots,
            open_orders=[*executing.parents.open(), *(self._as_open(p) for p in executing.placed.values() if p.purpose == "signal")],
            flow=executing.own.at(now),
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
