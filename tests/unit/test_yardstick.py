"""The backtester against the rule that every engine has, written down a second time, and against what other engines made."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.peers.agreement import SLIPPAGE_AS_FEE
from benchmarks.peers.casefile import BEGINS_S, Bars, Case
from benchmarks.peers.cases import CASES, market
from benchmarks.peers.expected import fingerprint, made, stored
from benchmarks.peers.runners.tradewinds import played, result

MILLION = 1_000_000
MINUTE_NS = 60 * 10**9


@dataclass
class Yardstick:
    """One pass over bars in exact fractions; prices come in millionths."""

    cash: Fraction
    held: int = 0
    fills: list[tuple[int, str, Fraction, Fraction]] = field(default_factory=list)  # bar, side, price, fee

    def fill(self, bar: int, side: str, opened: int, case: Case) -> None:
        against = -(-opened * Fraction(str(case.slippage_bps)) // 10_000)  # on to the next whole millionth
        price = Fraction(opened + against if side == "buy" else opened - against, MILLION)
        fee = case.units * price * Fraction(str(case.fee_bps)) / 10_000
        signed = case.units if side == "buy" else -case.units
        self.cash -= signed * price + fee
        self.held += signed
        self.fills.append((bar, side, price, fee))


def by_hand(case: Case, opens: Sequence[int], closes: Sequence[int]) -> tuple[Yardstick, Fraction]:
    """The contract's rule bar by bar, and the final equity."""
    account = Yardstick(Fraction(case.cash))
    ordered = None
    for bar, opened in enumerate(opens):
        if ordered is not None:
            account.fill(bar, ordered, opened, case)
        ordered = None
        if bar + 1 < case.slow:
            continue
        fast = Fraction(sum(closes[bar + 1 - case.fast : bar + 1]), case.fast)
        slow = Fraction(sum(closes[bar + 1 - case.slow : bar + 1]), case.slow)
        if fast > slow and not account.held:
            ordered = "buy"
        elif fast < slow and account.held:
            ordered = "sell"
    return account, account.cash + account.held * Fraction(closes[-1], MILLION)


def bars_of(opens: Sequence[int], closes: Sequence[int]) -> Bars:
    highs, lows = map(max, opens, closes), map(min, opens, closes)
    return Bars(*(array("d", [price / MILLION for price in column]) for column in (opens, highs, lows, closes)))


@st.composite
def walks(draw: st.DrawFn) -> tuple[Case, list[int], list[int]]:
    """A random walk around 100 with gaps; on a coarse grid, where the means are often equal, or on a fine one."""
    step = draw(st.sampled_from([1, 250_000]))
    at_most = MILLION // 2 // step
    size, shift = draw(st.integers(1, 60)), st.integers(-at_most, at_most)
    moves = draw(st.lists(st.tuples(shift, shift), min_size=size, max_size=size))
    opens, closes, close = [], [], 100 * MILLION
    for gap, move in moves:
        opens.append(close + gap * step)
        close = opens[-1] + move * step
        closes.append(close)
    slow = draw(st.integers(2, 9))
    case = Case(
        name="walk",
        timeframe="1m",
        bars=len(opens),
        seed=0,
        fast=draw(st.integers(1, slow - 1)),
        slow=slow,
        units=draw(st.integers(1, 200)),
        cash=100_000,
        fee_bps=draw(st.sampled_from([0, 1, 7.5])),
        slippage_bps=draw(st.sampled_from([0, 0.3, 2])),
        move=0.0,
        gap=0.0,
    )
    return case, opens, closes


@settings(max_examples=150, deadline=None)
@given(walks(), st.booleans())
def test_trades_fees_and_equity_are_those_of_the_rule(walk: tuple[Case, list[int], list[int]], risk: bool) -> None:
    case, opens, closes = walk
    found = played(case, bars_of(opens, closes), risk=risk)
    account, equity = by_hand(case, opens, closes)
    trades = [
        ((t.executed_at - BEGINS_S * 10**9) // MINUTE_NS, t.side, Fraction(t.executed_price), Fraction(t.commission))
        for t in found.played.trades
    ]
    assert trades == account.fills
    assert found.figures.final_equity == pytest.approx(float(equity), rel=0, abs=1e-9)
    assert found.figures.fees == pytest.approx(float(sum(fee for *_, fee in account.fills)), rel=0, abs=1e-9)


def test_enters_on_the_first_bar_with_both_means_and_marks_what_is_held_at_the_last_close() -> None:
    case = Case(name="up", timeframe="1m", bars=4, seed=0, fast=1, slow=2, units=10, cash=1_000, fee_bps=10, move=0.0, gap=0.0)
    found = played(case, bars_of([n * MILLION for n in (10, 11, 13, 14)], [n * MILLION for n in (10, 12, 13, 15)]), risk=False)
    (trade,) = found.played.trades
    assert (trade.executed_at - BEGINS_S * 10**9) // MINUTE_NS == 2
    assert float(trade.executed_price) == 13.0
    assert found.figures.final_equity == pytest.approx(1_000 + 10 * (15 - 13) - 0.13, abs=1e-9)


def test_nothing_is_ordered_on_the_last_bar() -> None:
    case = Case(name="late", timeframe="1m", bars=3, seed=0, fast=1, slow=2, units=10, cash=1_000, fee_bps=10, move=0.0, gap=0.0)
    found = played(case, bars_of([n * MILLION for n in (10, 9, 9)], [n * MILLION for n in (10, 9, 12)]))
    assert found.played.signals[-1].target == 1.0
    assert not found.played.orders


@pytest.mark.parametrize("risk", [pytest.param(True, id="risk on"), pytest.param(False, id="risk off")])
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_trades_are_those_that_other_engines_made(case: Case, risk: bool) -> None:
    risk = risk and case.rule != "turns"  # with risk on a turn is an exit and, a bar later, an entry: no other engine does that
    bars, expected = market(case), stored()[case.name]
    assert fingerprint(bars) == expected.bars
    ours = made(result(case, played(case, bars, risk=risk)))
    peers = {name: peer for name, peer in expected.engines.items() if name != "tradewinds"}
    assert len(peers) >= 3
    for name, peer in peers.items():
        if not (case.slippage_bps and name in SLIPPAGE_AS_FEE):
            assert (ours.trades, ours.digest) == (peer.trades, peer.digest), name
            assert ours.fees == pytest.approx(peer.fees, abs=1e-8), name
            assert ours.final_equity == pytest.approx(peer.final_equity, abs=1e-8), name


def test_an_engine_that_cannot_slip_exits_ends_with_the_same_equity_but_for_the_fee_on_the_slippage() -> None:
    engines = stored()["days"].engines
    (other,) = (engines[name] for name in SLIPPAGE_AS_FEE)
    assert other.trades == engines["tradewinds"].trades
    assert other.final_equity == pytest.approx(engines["tradewinds"].final_equity, abs=0.001)
