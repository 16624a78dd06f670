"""What must hold of the simulated venue, whatever it is asked: checked from its reports and its depth, with arithmetic of its own."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from libs.domain.market import Bar, QuoteBar
from libs.quant.calendars import close_of, next_open, session_of
from libs.quant.sim_venue.commands import CancelAll, Configure, Replace, Submit
from libs.quant.sim_venue.exchange import Exchange
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import Execution, Order
from libs.quant.sim_venue.reports import Outcome, Report
from libs.quant.sim_venue.view import View
from tests.venue_scenarios import ACCOUNTS, LISTINGS, Heard, Input, Scenario, a_venue, given

D: Final = Decimal
KINDS: Final = {account.account: account for account in ACCOUNTS}


class Wrong(AssertionError):
    """A property does not hold."""


def require(holds: bool, said: object) -> None:
    """A check that python -O does not take away."""
    if not holds:
        raise Wrong(said)


def witnessed(seed: int, length: int = 60) -> list[Input]:
    """Plays a scenario under watch; then again, then with a stop and a restart in it: reports and state are the same each time.

    Raises:
        Wrong: what does not hold.
    """
    venue, scenario, witness = a_venue(seed), Scenario(seed, length), Witness()
    inputs: list[Input] = []
    said: list[Outcome] = []
    for put in scenario.inputs():
        before = None if isinstance(put, Heard | CancelAll) else venue.snapshot()
        outcome = given(venue, put)
        if outcome.refusal is not None:
            require(not outcome.reports, "a refusal reports nothing")
            require(venue.snapshot() == before, f"a refusal changes nothing: {put} {outcome.refusal}")
        witness.check(venue, put, outcome)
        scenario.told(outcome.reports)
        inputs.append(put)
        said.append(outcome)
    again, stop = a_venue(seed), seed * 7 % len(inputs)
    restarted = again
    for n, put in enumerate(inputs):
        if n == stop:
            restarted = Exchange.restore(LISTINGS, again.snapshot())
        require(given(again, put) == said[n], f"input {n} again: {put}")
        if n >= stop:
            require(given(restarted, put) == said[n], f"input {n} of one that was restarted before {stop}: {put}")
    require(venue.snapshot() == again.snapshot() == restarted.snapshot(), "three ways to the same state")
    return inputs


class Witness:
    """Takes in each answer of a venue and checks it against all before."""

    def __init__(self) -> None:
        self.view = View(LISTINGS)
        self.orders: dict[int, Order] = {}
        self.began: dict[int, int] = {}  # lots that an order had filled when it was first heard of: one that replaces begins so
        self.heard: dict[tuple[str, str], tuple[int, int]] = {}
        self.executions: dict[int, Execution] = {}
        self.rests: dict[int, int] = {}  # `book`: report number at which an order that now stands in the book came there
        self.coming: dict[int, int] = {}  # the same of those that came by the present input: where among its fills is not known
        self.trades: defaultdict[int, list[Report]] = defaultdict(list)
        self.halted: set[str] = set()  # at some time: who waits there and who stands cannot be told apart from outside
        self.resumed = False  # since the market was last heard
        self.storm = 0
        self.amended: set[str] = set()  # accounts that a bust or a correction may have put into debt
        self.now = 0

    def check(self, venue: Exchange, put: Input, outcome: Outcome) -> None:
        """One input and what came of it."""
        if isinstance(put, Configure) and outcome.refusal is None:
            self.storm = put.rules.most_lots_per_fill
        if isinstance(put, Heard):
            require(self._is_news(put) or not outcome.reports, f"nothing happens without news: {put} {outcome.reports}")
            self.now = max(self.now, put.market_time)
        for report in outcome.reports:
            require(report.n == self.view.n + 1, f"reports count without a gap: {report.n} after {self.view.n}")
            require(report.at == self.now == venue.now, "reports bear the market's time")
            self.halted |= {report.symbol} if report.kind == "halted" else set()
            self.resumed |= report.kind == "resumed"
            self._check(report)
            self.view.apply(report)
        self.rests |= self.coming
        self.coming.clear()
        self._trades_balance()
        self._groups()
        self._nothing_outlives_its_end()
        for symbol in LISTINGS if isinstance(put, Heard | Submit | Replace) else ():
            self._uncrossed(venue, symbol)
        for name in self.view.accounts:
            self._holds_what_the_core_holds(venue, name)
            self._solvent(name)

    def _is_news(self, put: Heard) -> bool:
        """Whether time has gone by, something is shown that is newer than all before it, or agents may trade again."""
        news, self.resumed = put.market_time > self.now or self.resumed, False
        for event in put.events:
            key = (event.symbol, type(event).__name__)
            at = (event.start if isinstance(event, Bar | QuoteBar) else event.ts, event.seq)
            if event.symbol in LISTINGS and at > self.heard.get(key, (-1, -1)):
                self.heard[key] = at
                news = True
        return news

    # --- one report

    def _check(self, report: Report) -> None:
        order = report.order
        if order is not None:
            require(0 <= order.filled <= order.lots, f"fills beyond its quantity: {order}")
            require((order.status == "filled") == (order.filled == order.lots), f"filled means all of it: {order}")
            before = self.orders.get(order.id)
            require(before is None or before.live, f"an ended order is heard of again: {order}")
            self.orders[order.id] = order
            began = self.began.setdefault(order.id, order.filled)
            if order.asked.tif == "FOK":
                require(order.status != "expired" or order.filled == began, f"fill or kill fills a part: {order}")
        if report.kind == "fill":
            self._fill(report)
        elif report.kind in ("bust", "correct"):
            self._amended(report)
        if order is not None:
            self._place(report, order)

    def _place(self, report: Report, order: Order) -> None:
        """When did it come to the book? A report of its own says so: it was taken, went live, or its stop was triggered."""
        if not order.live or LISTINGS[order.asked.symbol].liquidity != "book":
            self.rests.pop(order.id, None)
            self.coming.pop(order.id, None)
        elif report.kind in ("accepted", "activated", "triggered") and (order.triggered or order.asked.type == "limit"):
            self.coming[order.id] = report.n

    def _fill(self, report: Report) -> None:
        made, order = report.execution, report.order
        assert made is not None
        assert order is not None
        asked, listing = order.asked, LISTINGS[made.symbol]
        require(made.id == len(self.executions) + 1, f"executions count: {made}")
        require(made.lots > 0 and made.ticks > 0, f"a fill of something: {made}")
        require(made.cumulative == order.filled, f"fills add up: {made} {order}")
        require(order.status in ("open", "filled"), f"a fill of an order that is not open: {order}")
        if asked.limit is not None:
            require(made.ticks <= asked.limit if made.side == "buy" else made.ticks >= asked.limit, f"beyond the limit: {made} {asked}")
        if asked.type in ("stop", "stop_limit", "trailing_stop"):
            require(order.triggered, f"a stop fills before it is triggered: {order}")
        require(not asked.post_only or made.maker, f"a post-only order takes: {made}")
        most = max(self.storm, -(-order.lots // 1000))
        require(not self.storm or made.maker or made.lots <= most, f"more at once than the rules say: {made}")
        changes, position = _moves(listing, made)
        require(_same(report.balances, changes) and report.position == position, f"money and lots: {report} {changes}")
        self.executions[made.id] = made
        self.trades[made.trade].append(report)
        if listing.liquidity == "book":
            self._priority(made)

    def _priority(self, made: Execution) -> None:
        """Nobody who stands at a better price, or longer at the same, is passed over."""
        side = made.side if made.maker else ("sell" if made.side == "buy" else "buy")
        mine = self.rests.get(made.order, 2**62) if made.maker else 2**62
        for number, since in self.rests.items():
            other = self.orders[number]
            limit = other.asked.limit
            if number == made.order or other.asked.symbol != made.symbol or other.asked.side != side or limit is None:
                continue
            better = limit > made.ticks if side == "buy" else limit < made.ticks
            first = limit == made.ticks and since < mine and made.maker
            require(not ((better or first) and self._stands(other)), f"{other} is passed over by {made}")

    def _stands(self, order: Order) -> bool:
        """Whether it was in the book for sure: one that waits for the open is not."""
        listing = LISTINGS[order.asked.symbol]
        return (
            order.live and session_of(listing.instrument.calendar, order.updated_at) is not None and order.asked.symbol not in self.halted
        )

    def _amended(self, report: Report) -> None:
        made = report.execution
        assert made is not None
        after, position = _moves(LISTINGS[made.symbol], made)
        before, _ = _moves(LISTINGS[made.symbol], self.executions[made.id])
        self.amended.add(report.account)
        if report.kind == "bust":
            changes = {name: -change for name, change in after.items()}
            require(_same(report.balances, changes) and report.position == -position, f"a bust takes all of it back: {report}")
        else:
            changes = {name: after.get(name, D(0)) - before.get(name, D(0)) for name in after | before}
            require(_same(report.balances, changes) and report.position == 0, f"a correction pays the difference: {report}")
            self.executions[made.id] = made
        self.trades[-made.trade].append(report)

    # --- after each input

    def _trades_balance(self) -> None:
        """Both sides of a trade between accounts move together: what one gets the other gives, but for fees."""
        for reports in self.trades.values():
            sides = [report.execution for report in reports if report.execution is not None]
            trade = [made for made in self.executions.values() if made.trade == sides[0].trade]
            require(len(trade) in (1, 2), f"a trade has one or two sides: {trade}")
            if len(trade) == 2:
                one, other = trade
                require((one.side, one.lots, one.ticks) != (other.side, other.lots, other.ticks), f"same side twice: {trade}")
                require((one.lots, one.ticks, one.maker) == (other.lots, other.ticks, not other.maker), f"two sides of one trade: {trade}")
                totals: Counter[str] = Counter()
                for made in trade:
                    totals.update(_moves(LISTINGS[made.symbol], made)[0])
                    totals[made.fee_currency] += made.fee  # type: ignore[assignment]
                require(not any(totals.values()), f"money is made of nothing: {totals}")
                for kind in ("bust", "correct"):
                    said = Counter(report.execution.id for report in reports if report.kind == kind and report.execution)
                    require(len(set(said.values())) <= 1 and len(said) in (0, 2), f"one side alone is amended: {reports}")
        self.trades.clear()

    def _groups(self) -> None:
        """Of a pair at most one has filled or was triggered and lives beside the other."""
        pairs: defaultdict[int, list[Order]] = defaultdict(list)
        for account in self.view.accounts.values():
            for order in account.open.values():
                if order.shape == "oco" or (order.shape == "bracket" and order.status == "open" and order.id != order.group):
                    pairs[order.group].append(order)
        for group, orders in pairs.items():
            acted = [order for order in self.orders.values() if order.group == group and not order.replaced_by and _acted(order)]
            acted = [order for order in acted if order.shape == "oco" or order.id in {one.id for one in orders}]
            require(not acted or len(orders) == 1, f"both of a pair live on after one has acted: {orders}")

    def _nothing_outlives_its_end(self) -> None:
        for account in self.view.accounts.values():
            for order in account.open.values():
                end = _end(order)
                require(end is None or end > self.now, f"it should have ended at {end}, and it is {self.now}: {order}")

    def _uncrossed(self, venue: Exchange, symbol: str) -> None:
        bids, asks = venue.depth(symbol, 100)
        require([*bids] == sorted(bids, reverse=True) and [*asks] == sorted(asks), f"depth is best first: {bids} {asks}")
        require(all(lots > 0 for _, lots in (*bids, *asks)), f"depth of nothing: {bids} {asks}")
        if LISTINGS[symbol].liquidity == "book" and bids and asks:
            require(bids[0][0] < asks[0][0], f"{symbol} is crossed: {bids[0]} {asks[0]}")

    def _holds_what_the_core_holds(self, venue: Exchange, name: str) -> None:
        seen, kept = self.view.accounts[name], venue._core.accounts[name]
        require(_same(dict(seen.balances), kept.balances), f"balances of {name}")
        require({s: n for s, n in seen.positions.items() if n} == kept.positions, f"positions of {name}")
        require({n: live.order for n, live in kept.live.items()} == seen.open, f"open orders of {name}")

    def _solvent(self, name: str) -> None:
        """An account of cash that nobody has amended owes nothing, and can pay for every limit order that is open."""
        account = self.view.accounts[name]
        if KINDS[name].kind != "cash" or name in self.amended:
            return
        require(all(amount >= 0 for amount in account.balances.values()), f"{name} owes: {dict(account.balances)}")
        if not KINDS[name].allow_short:
            require(all(lots >= 0 for lots in account.positions.values()), f"{name} is short: {dict(account.positions)}")
        promised: defaultdict[tuple[str, int], Decimal] = defaultdict(Decimal)
        for order in account.open.values():
            listing = LISTINGS[order.asked.symbol]
            if order.status == "open" and order.asked.limit is not None and order.asked.side == "buy":
                slot = (order.shape, order.group) if order.shape == "oco" else ("", order.id)
                promised[slot] = max(promised[slot], listing.notional(order.remaining, order.asked.limit))
        promise, money = sum(promised.values(), D(0)), account.balances["USD"]
        least = (made.fee for made in account.executions.values() if LISTINGS[made.symbol].fees.minimum)
        money += sum(least, D(0))  # each of many small executions asks it, one was set aside: what is short then is clipped
        require(promise <= money, f"{name} cannot pay {promise} with {money}")


def _acted(order: Order) -> bool:
    return order.filled > 0 or order.triggered


def _moves(listing: Listing, made: Execution) -> tuple[dict[str, Decimal], int]:
    """What an execution moves by the terms of the listing."""
    sign, instrument, fees = (1 if made.side == "buy" else -1), listing.instrument, listing.fees
    money, quantity = listing.notional(made.lots, made.ticks), instrument.quantity(made.lots)
    bps = fees.maker_bps if made.maker else fees.taker_bps
    in_kind = fees.paid_in == "received" and made.side == "buy" and listing.base
    fee = quantity * bps / 10_000 if in_kind else max(money * bps / 10_000 + quantity * fees.per_unit, fees.minimum)
    require(made.fee == round(fee, 12), f"the fee should be {fee}: {made}")
    require(made.fee_currency == (listing.base if in_kind else "USD"), f"the fee is paid in the wrong thing: {made}")
    changes: defaultdict[str, Decimal] = defaultdict(Decimal, {"USD": -sign * money})
    if listing.base:
        changes[listing.base] += sign * quantity
    changes[made.fee_currency] -= made.fee
    return dict(changes), 0 if listing.base else sign * made.lots


def _same(one: dict[str, Decimal], other: dict[str, Decimal]) -> bool:
    return {name: amount for name, amount in one.items() if amount} == {name: amount for name, amount in other.items() if amount}


def _end(order: Order) -> int | None:
    """Market time by which it has ended. A DAY order is for the session in which it was sent, or for the next."""
    if order.asked.tif == "GTD":
        return order.asked.expires_at
    if order.asked.tif != "DAY":
        return None
    calendar = LISTINGS[order.asked.symbol].instrument.calendar
    session = session_of(calendar, order.created_at)
    return close_of(calendar, next_open(calendar, order.created_at)) if session is None else session.close


def first_wrong(seeds: Sequence[int], length: int = 60) -> str | None:
    """What is wrong with the first scenario that shows it, and its seed; None: nothing is, with any."""
    for seed in seeds:
        try:
            witnessed(seed, length)
        except Wrong as wrong:
            return f"seed {seed}: {wrong}"
    return None
