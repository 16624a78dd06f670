"""One account of a backtest over a tape: the moments at which something happens to it, and what happens then, in order."""

from collections import deque
from collections.abc import Mapping, Sequence

from libs.domain.actions import happening
from libs.domain.messages import Signal
from libs.quant.backtest.account import Account
from libs.quant.backtest.carrying import Carrying
from libs.quant.backtest.deciding import Deciding
from libs.quant.backtest.executing import Executing, opened
from libs.quant.backtest.facts import Facts
from libs.quant.backtest.result import Played
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.backtest.watch import LossWatch
from libs.quant.fills import FillEvent
from libs.quant.risk.assess import terms_of
from libs.quant.risk.halts import loss_limits
from libs.quant.risk.limits import Limits
from libs.quant.risk.view import Terms


class Desk:
    """What risk_manager, trade_executor and the venue are in the fleet, without the messages between them."""

    def __init__(self, tape: Tape, setup: Setup, played: Played) -> None:
        self._tape = tape
        self._account_name = setup.account_name
        self._played = played
        actions = happening(tape.actions, setup.begins(tape.since), tape.fill_on)
        exits = setup.exits if setup.exits.any else None
        terms = {config.id: terms_of(config, exits) for config in setup.strategies}
        facts = Facts(tape, setup)
        self._venue = opened(tape, setup, actions)
        self._account = Account(tape, setup, played)
        self._cash, self._lots = self._account.cash, self._account.lots
        self._watch = _a_watch(tape, setup, terms)
        self._executing = Executing(tape, self._venue, self._account, facts, self._watch, played)
        self._placed, self._parents = self._executing.placed, self._executing.parents
        self._deciding = Deciding(
            tape, setup, played, terms, account=self._account, executing=self._executing, venue=self._venue, facts=facts, watch=self._watch
        )
        self._carrying = None if setup.financing is None else Carrying(tape, setup)
        self._action_times = deque(sorted(action.effective for action in actions))
        self._limit_changes = deque(setup.limit_changes)

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
                self._account.book_lines(lines)
                self._venue.paid([(line.commodity, line.amount) for line in lines if line.ledger_account == "cash"])
                self._account.balance(due)
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
            self._deciding.limits = limits = self._limit_changes.popleft()[1]
            if self._watch is not None:
                self._watch.limit_by(loss_limits(limits, self._account_name))

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
        self._executing.believe(self._venue.hear(events, time), time)
        self._executing.work(time)
        self._decide_waiting(time)
        if self._watch is not None:
            self._watch.at(time, self._cash, self._lots)

    # --- decisions

    def decide(self, fresh: Sequence[Signal], now: int) -> None:
        """Judges signals, and places what is approved."""
        self._venue.book.market_time = max(self._venue.book.market_time, now)
        self._executing.execute(*self._deciding.decide(fresh, now), now)
        self._decide_waiting(now)

    def _decide_waiting(self, now: int) -> None:
        """Signals that waited for orders of their books to end, as long as some of those have."""
        waiting, open_of = self._deciding.waiting, self._executing.open_of
        while any(not open_of(w.signal.strategy_id, w.signal.symbol) for w in waiting.values()):
            self._executing.execute(*self._deciding.decide((), now), now)

    def finish(self) -> Played:
        """All that was played."""
        if self._watch is not None:
            self._played.halts = self._watch.state.halts
        return self._played


def _a_watch(tape: Tape, setup: Setup, terms: Mapping[str, Terms]) -> LossWatch | None:
    """Over the loss limits that hold now or later, and the peak where a size hangs on it; None where nobody asks."""
    name = setup.account_name
    losses, later = loss_limits(setup.limits or Limits(()), name), [loss_limits(limits, name) for _, limits in setup.limit_changes]
    peak = any(each.sizing.drawdown for each in terms.values())
    asked = peak or any(each.any for each in (losses, *later))
    return LossWatch(tape, setup, losses, later, peak=peak) if asked else None
