"""Whether two engines did the same: trade by trade, the equity after every bar, and what is made of it."""

import hashlib
from collections.abc import Sequence
from math import isclose
from typing import Final

from benchmarks.peers.casefile import Case, Pair, Result, Searched, Trade

TICK: Final = 1e-6
NOISE: Final = 1e-8
"""Of floats, and of the fee on a price that we round to its tick."""
SLIPPAGE_AS_FEE: Final = frozenset({"backtesting_py"})
"""Engines that cannot slip exits. Theirs is charged as a fee on the open: a fill moves the same cash, less fee x slippage."""


def disagreements(case: Case, ours: Result, theirs: Result) -> list[str]:
    """What differs, in words; nothing when both made the same trades and were worth the same after every bar."""
    if len(ours.trades) != len(theirs.trades):
        return [f"{len(ours.trades)} trades in {ours.engine}, {len(theirs.trades)} in {theirs.engine}"]
    as_fee = bool(case.slippage_bps) and bool({ours.engine, theirs.engine} & SLIPPAGE_AS_FEE)
    found = [
        f"trade {n}: {a} in {ours.engine}, {b} in {theirs.engine}"
        for n, (a, b) in enumerate(zip(ours.trades, theirs.trades, strict=True))
        if not (_same_cash(case, a, b) if as_fee else _same(a, b))
    ]
    slack = sum(2 * _slack(case, trade) for trade in ours.trades) + NOISE * case.cash / 1_000
    curves = zip(ours.equity[-len(theirs.equity) :], theirs.equity, strict=True)
    worst = max((abs(a - b) for a, b in curves), default=0.0)
    found += [f"equity differs by up to {worst:.9f}, expected at most {slack:.9f}"] if worst > slack else []
    return found + _measures(case, ours, theirs, slack)


def _measures(case: Case, ours: Result, theirs: Result, slack: float) -> list[str]:
    """Drawdown and Sharpe, where both have them: no farther apart than the equity lets them be."""
    gained = abs(ours.final_equity - case.cash)
    pairs = (
        ("drawdown", ours.max_drawdown, theirs.max_drawdown, 2 * slack / (case.cash - slack)),
        ("Sharpe", ours.sharpe, theirs.sharpe, abs(ours.sharpe or 0.0) * 2 * slack / gained if gained else NOISE),
    )
    return [
        f"{name} {a} in {ours.engine}, {b} in {theirs.engine}"
        for name, a, b, most in pairs
        if a is not None and b is not None and not abs(a - b) <= most
    ]


def _same(a: Trade, b: Trade) -> bool:
    bars = (a.entry_bar, a.exit_bar) == (b.entry_bar, b.exit_bar)
    return bars and _near(a.entry_price, b.entry_price) and _near(a.exit_price, b.exit_price) and abs(a.fee - b.fee) <= NOISE


def _near(a: float | None, b: float | None) -> bool:
    return a == b if a is None or b is None else abs(a - b) <= TICK + NOISE


def _same_cash(case: Case, a: Trade, b: Trade) -> bool:
    bars = (a.entry_bar, a.exit_bar) == (b.entry_bar, b.exit_bar)
    return bars and abs(_cash(case, a) - _cash(case, b)) <= 2 * _slack(case, a)


def _cash(case: Case, trade: Trade) -> float:
    return case.units * ((trade.exit_price or 0.0) - trade.entry_price) - trade.fee


def _slack(case: Case, trade: Trade) -> float:
    """What a fill may differ by: a tick of rounding where there is slippage, and the fee on it."""
    if not case.slippage_bps:
        return 0.0
    notional = case.units * max(trade.entry_price, trade.exit_price or 0.0)
    return case.units * TICK + notional * case.fee_bps * case.slippage_bps / 1e8


def digest(trades: Sequence[Trade]) -> str:
    """32 hex digits of a list of trades: prices to six decimals, fees to nine."""
    lines = [f"{t.entry_bar} {t.entry_price:.6f} {t.exit_bar} {t.exit_price or 0.0:.6f} {t.fee:.9f}" for t in trades]
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def different_pairs(ours: Searched, theirs: Searched) -> list[str]:
    """Pairs of means of which two engines made something else, in words."""
    return [f"{a} in {ours.engine}, {b} in {theirs.engine}" for a, b in zip(ours.pairs, theirs.pairs, strict=True) if not _same_pair(a, b)]


def _same_pair(a: Pair, b: Pair) -> bool:
    counted = (a.fast, a.slow, a.fills) == (b.fast, b.slow, b.fills)
    return counted and all(isclose(x, y, rel_tol=NOISE, abs_tol=NOISE) for x, y in zip(a[3:], b[3:], strict=True))
