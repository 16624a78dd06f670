"""docs/fills-and-costs.md written down as a second program, slowly and in fractions, beside the engine on drawn backtests with risk off."""

import math
import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction as F
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.actions import CorporateAction
from libs.domain.orders import Side
from libs.quant.backtest.play import play
from libs.quant.backtest.report import equity_curve
from libs.quant.backtest.result import Played
from libs.quant.backtest.setup import Entry, Setup
from libs.quant.backtest.summary import summary_of
from libs.quant.backtest.tape import Tape
from libs.quant.fills import FillTerms
from libs.quant.financing import Financing, SymbolRates
from tests.factories import NOON, a_setup, a_strategy, a_tape, walks
from tests.paper import D

HOUR, DAY = 3_600 * 10**9, 86_400 * 10**9
PERPETUAL = "GAMMA:USD"


def kept(amount: F) -> F:
    return F(round(amount * 10**12), 10**12)


def toward_zero(quotient: float) -> int:
    nearest = math.floor(quotient + 0.5)
    miss = abs(quotient - nearest)
    return nearest if miss <= 1e-9 or miss <= min(0.01, 1e-9 * abs(quotient)) else math.trunc(quotient)


@dataclass
class Resting:
    book: tuple[str, str]
    buy: bool
    kind: str
    left: int
    since: int
    limit: int | None = None
    stop: int | None = None
    touched: bool = False


@dataclass
class Held:
    lots: int = 0
    cost: F = F(0)


@dataclass
class Page:
    """An account, by the page."""

    tape: Tape
    setup: Setup
    cash: F
    books: defaultdict[tuple[str, str], Held] = field(default_factory=lambda: defaultdict(Held))
    orders: list[Resting] = field(default_factory=list)
    closes: dict[str, float] = field(default_factory=dict)
    over: dict[str, int] = field(default_factory=dict)  # when the bar of the newest close ended
    fills: list[tuple[Any, ...]] = field(default_factory=list)
    charges: list[tuple[str, str, F]] = field(default_factory=list)
    curve: list[F] = field(default_factory=list)

    def ticks(self, symbol: str, price: float) -> int:
        return math.floor(price / float(self.tape.instruments[symbol].tick) + 0.5)

    def worse(self, ticks: int, buy: bool) -> int:
        bps = F(self.setup.terms.slippage_bps + self.setup.terms.half_spread_bps)
        shift = math.ceil(ticks * bps / 10_000)
        return ticks + shift if buy else ticks - shift

    def value(self, symbol: str, lots: int) -> F:
        its = self.tape.instruments[symbol]
        return lots * F(its.lot) * F(its.multiplier) * F(repr(self.closes[symbol]))

    def run(self, signals: list[tuple[int, str, str, float]], charged: list[tuple[int, str]]) -> None:
        bars = {(start + HOUR, symbol): bar for symbol, c in self.tape.bars["1h"].items() for start, *bar in zip(*c, strict=True)}
        known = {at for at, _ in bars}
        actions = sorted(self.tape.actions, key=lambda a: (a.effective, a.kind))
        for now in sorted(known | {at for at, _ in charged if at <= max(known)}):
            for symbol in sorted(self.tape.bars["1h"]):
                if (now, symbol) in bars:
                    self.act([a for a in actions if a.effective <= now - HOUR], actions)
                    self.meet(symbol, now - HOUR, bars[now, symbol])
            self.closes |= {symbol: bars[now, symbol][3] for symbol in self.tape.bars["1h"] if (now, symbol) in bars}
            self.over |= {symbol: now for symbol in self.tape.bars["1h"] if (now, symbol) in bars}
            if now in known:
                self.act([a for a in actions if a.effective <= now], actions)
            self.charge([kind for at, kind in charged if at == now])
            if now in known:
                self.curve.append(self.cash + sum((self.value(s, held.lots) for (_, s), held in self.books.items() if held.lots), F(0)))
            if now < max(known):
                self.decide([signal[1:] for signal in signals if signal[0] == now], now)

    def meet(self, symbol: str, start: int, bar: list[float]) -> None:
        opened, high, low, _, volume = bar
        first, top, bottom = (self.ticks(symbol, price) for price in (opened, high, low))
        share = self.setup.terms.bar_participation
        shown = toward_zero(volume / float(self.tape.instruments[symbol].lot))
        free = dict.fromkeys((True, False), math.floor(shown * F(share)) if share is not None else 2**53)
        for order in [o for o in self.orders if o.book[1] == symbol and o.since <= start]:
            buy = order.buy
            price, best = self.worse(first, buy), self.worse(bottom if buy else top, buy)
            if order.stop is not None and not order.touched:
                beyond, reached = (first >= order.stop, top >= order.stop) if buy else (first <= order.stop, bottom <= order.stop)
                if not reached:
                    continue
                order.touched = True
                price = best = self.worse(first if beyond else order.stop, buy)
            if order.limit is not None and (price > order.limit if buy else price < order.limit):
                if not (best < order.limit if buy else best > order.limit):
                    continue
                price = order.limit
            lots = min(order.left, free[buy])
            if lots:
                free[buy] -= lots
                order.left -= lots
                self.fill(order, lots if buy else -lots, price, start)
        self.orders = [o for o in self.orders if o.left]

    def fill(self, order: Resting, lots: int, ticks: int, start: int) -> None:
        its, terms, held = self.tape.instruments[order.book[1]], self.setup.terms, self.books[order.book]
        price, lot, multiplier = ticks * F(its.tick), F(its.lot), F(its.multiplier)
        fee = abs(lots) * lot * price * multiplier * F(terms.fee_bps) / 10_000 + abs(lots) * lot * F(terms.fee_per_unit)
        fee = kept(max(fee, F(terms.fee_min)))
        self.cash -= lots * lot * price * multiplier + fee
        after, profit = held.lots + lots, F(0)
        if held.lots * lots >= 0:
            held.cost = kept((held.cost * held.lots + price * lots) / after)
        else:
            closed = math.copysign(min(abs(lots), abs(held.lots)), held.lots)
            profit = kept((price - held.cost) * int(closed) * lot * multiplier)
            held.cost = price if held.lots * after < 0 else held.cost if after else F(0)
        held.lots = after
        self.fills.append((start, *order.book, lots * lot, price, fee, profit))

    def act(self, due: list[CorporateAction], actions: list[CorporateAction]) -> None:
        for action in due:
            actions.remove(action)
            symbol, its, ratio = action.symbol, self.tape.instruments[action.symbol], F(action.ratio)
            self.orders = [o for o in self.orders if o.book[1] != symbol]
            for book, held in self.books.items():
                if book[1] == symbol and held.lots:
                    wanted = held.lots * ratio
                    whole = math.trunc(wanted)
                    rest = (wanted - whole) * F(its.lot) * F(action.reference_price) / ratio
                    self.cash += kept((held.lots * F(its.lot) * F(action.cash) + rest) * F(its.multiplier))
                    held.lots, held.cost = whole, kept(held.cost / ratio) if whole else F(0)
            if symbol in self.closes and self.over[symbol] <= action.effective:
                self.closes[symbol] /= float(ratio)

    def charge(self, kinds: list[str]) -> None:
        rates, found, books = self.setup.financing, [], sorted((book, held.lots) for book, held in self.books.items() if held.lots)
        if rates is None:
            return
        if "funding" in kinds:
            found += [("funding", s, -self.value(x, n) * F(rates.funding_rate) / 100) for (s, x), n in books if x == PERPETUAL]
        if "day" in kinds:
            idle = self.cash + sum((self.value(x, n) for (_, x), n in books if x == PERPETUAL), F(0))
            for symbol in sorted({x for (_, x), _ in books} - {PERPETUAL}):
                mine = [(s, n) for (s, x), n in books if x == symbol]
                net, short = sum(n for _, n in mine), sum(n for _, n in mine if n < 0)
                if net < 0:
                    own = rates.symbols.get(symbol, SymbolRates()).borrow_rate
                    a_day = F(rates.borrow_rate if own is None else own) / 36_000
                    idle += self.value(symbol, net)
                    found += [("borrow", s, self.value(symbol, net) * F(n, short) * a_day) for s, n in mine if n < 0]
            name, rate = ("cash_interest", rates.cash_rate) if idle >= 0 else ("margin_interest", rates.margin_rate)
            found.append((name, "", idle * F(rate) / 36_000))
        rounded = [(kind, strategy, kept(amount)) for kind, strategy, amount in found if kept(amount)]
        self.charges += rounded
        self.cash += sum((amount for *_, amount in rounded), F(0))

    def decide(self, fresh: list[tuple[str, str, float]], now: int) -> None:
        again = []
        for signal in sorted(fresh):
            if not self.order(signal, now, cancel=False):
                again.append(signal)
        for signal in again:
            self.order(signal, now, cancel=True)

    def order(self, signal: tuple[str, str, float], now: int, *, cancel: bool) -> bool:
        """Whether nothing of the book had to be canceled first."""
        strategy, symbol, target = signal
        book, its, entry = (strategy, symbol), self.tape.instruments[symbol], self.setup.entry
        config = next(c for c in self.setup.strategies if c.id == strategy)
        price, multiplier = self.closes[symbol], float(its.multiplier)
        equity = float(Decimal(self.cash.numerator) / Decimal(self.cash.denominator))
        for (_, name), held in sorted(self.books.items(), key=lambda each: each[0]):
            if held.lots:
                i = self.tape.instruments[name]
                equity += held.lots * (float(i.lot * i.multiplier) * self.closes[name])
        kind, _, units = config.sizing.partition(":")
        wish = target * float(units) if kind == "fixed" else target * (config.allocation * equity) / (price * multiplier)
        wish = 0.0 if equity <= 0 or (wish < 0 and not self.setup.allow_short) else wish
        wanted, open_ = toward_zero(wish / float(its.lot)), [o for o in self.orders if o.book == book]
        if not cancel and self.books[book].lots + sum(o.left if o.buy else -o.left for o in open_) == wanted:
            return True
        if open_ and not cancel:
            return False
        self.orders = [o for o in self.orders if o.book != book]
        if change := wanted - self.books[book].lots:
            worse = 1 if change > 0 else -1

            def away(bps: float) -> int:
                return self.ticks(symbol, price * (1 + bps / 10_000))

            made = Resting(book, change > 0, entry.kind, abs(change), now)
            if entry.kind == "limit":
                made.limit = away(-worse * entry.offset_bps)
            elif entry.kind != "market":
                made.stop = away(worse * entry.offset_bps)
            if entry.kind == "stop_limit":
                made.limit = away(worse * (entry.offset_bps + entry.limit_bps))
            worth = abs(change) * F(its.lot) * (made.limit or 0) * F(its.tick) * F(its.multiplier)
            if made.limit is None or worth >= F(its.min_notional):
                self.orders.append(made)
        return True


# --- drawn backtests


def drawn(seed: int) -> tuple[Tape, Setup]:
    draw = random.Random(seed)
    minutes = walks(seed, 90, "ALFA", "BETA", PERPETUAL, gaps=0.15)
    bars = {symbol: c._replace(start=[NOON + (start - NOON) * 60 for start in c.start]) for symbol, c in minutes.items()}
    tape = a_tape(bars, bars={"1h": bars}, since=NOON)
    steps = {"tick": D(draw.choice(("0.01", "0.05"))), "lot": D(draw.choice(("1", "0.001", "10"))), "multiplier": D(draw.choice((1, 50)))}
    instruments = {symbol: msgspec.structs.replace(its, **steps) for symbol, its in tape.instruments.items()}
    split_at, dividend_at = (NOON + draw.randrange(10, 85) * HOUR + draw.choice((0, HOUR // 2)) for _ in range(2))
    known: Any = {"venue": "X", "symbol": "ALFA", "reference_price": D("100.07")}
    split = CorporateAction(kind="split", effective=split_at, ratio=D(draw.choice(("2", "1.5", "0.25"))), **known)
    dividend = CorporateAction(kind="dividend", effective=dividend_at, cash=D("0.37"), **known)
    actions = [split, dividend]
    short = {"params": {"lookback": draw.randrange(1, 5), "every": 1, "short": 1}}
    strategies = (
        a_strategy("momentum", "a", **short, sizing=draw.choice(("equity", "fixed:300")), allocation=draw.choice((0.1, 0.9))),
        a_strategy("sma_cross", "b", symbols=["BETA", PERPETUAL], sizing=draw.choice(("equity", "fixed:41")), allocation=0.4),
    )
    terms = FillTerms(
        slippage_bps=D(draw.choice(("0", "0.3", "2.5"))),
        half_spread_bps=D(draw.choice((0, 1))),
        bar_participation=draw.choice((None, D("0.1"), D("0.013"))),
        fee_bps=D(draw.choice(("0", "1.7"))),
        fee_per_unit=D(draw.choice(("0", "0.005"))),
        fee_min=D(draw.choice(("0", "1", "25.5"))),
    )
    rates = [D(draw.choice(("0", "4.5", "-0.75", "120"))) for _ in range(3)]
    financing = Financing(
        cash_rate=rates[0],
        margin_rate=rates[1],
        borrow_rate=rates[2],
        funding_rate=D(draw.choice(("0", "0.01", "-0.3"))),
        symbols=draw.choice(({}, {"BETA": SymbolRates(borrow_rate=D(33))})),
    )
    return replace(tape, instruments=instruments, actions=draw.choice(([], actions))), a_setup(
        *strategies,
        terms=terms,
        allow_short=draw.random() < 0.8,
        deposit=D(draw.choice(("100000", "1000000.55"))),
        entry=Entry(kind=draw.choice(("market", "limit", "stop", "stop_limit")), offset_bps=float(draw.choice((0, 5, 40))), limit_bps=10.0),
        financing=draw.choice((None, financing)),
        day_starts_at=draw.choice(("00:00", "17:00")),
    )


def by_the_page(tape: Tape, setup: Setup, played: Played) -> Page:
    """What the page makes of the signals."""
    begins = NOON - NOON % DAY + int(setup.day_starts_at[:2]) * HOUR
    days = [(begins + n * DAY, "day") for n in range(9)]
    eights = [(NOON - NOON % DAY + n * 8 * HOUR, "funding") for n in range(27)]
    page = Page(tape, setup, F(setup.deposit))
    signals = [(s.decided_at, s.strategy_id, s.symbol, s.target) for s in played.signals]
    page.run(signals, [charge for charge in [*days, *eights] if charge[0] > NOON])
    return page


def compare(seed: int) -> Played:
    """Everything that the page says must be so in the engine."""
    tape, setup = drawn(seed)
    played = play(tape, setup)
    page = by_the_page(tape, setup, played)
    side: dict[Side, int] = {"buy": 1, "sell": -1}
    fills = [
        (t.executed_at, t.strategy_id, t.symbol, side[t.side] * F(t.quantity), F(t.executed_price), F(t.commission), F(t.pnl))
        for t in played.trades
    ]
    assert fills == page.fills
    lines = [line for line in played.lines if line.kind == "financing" and line.ledger_account != "cash"]
    assert [(line.ledger_account, line.strategy_id, -F(line.amount)) for line in lines] == page.charges
    assert F(sum((line.amount for line in played.lines if line.ledger_account == "cash"), D(0))) == page.cash
    held = {key: F(p.quantity) for key, p in played.positions.items() if p.quantity}
    assert held == {key: h.lots * F(tape.instruments[key[1]].lot) for key, h in page.books.items() if h.lots}
    summary = summary_of(tape, played)
    assert F(summary.worth) == page.curve[-1]
    assert equity_curve(tape, summary).values.tolist() == pytest.approx([float(value) for value in page.curve], rel=1e-12, abs=1e-8)
    return played


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_fills_charges_and_equity_are_those_of_the_page(seed: int) -> None:
    compare(seed)
