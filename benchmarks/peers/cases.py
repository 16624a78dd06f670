"""The cases that every engine is given, and their markets: random walks drawn from a seed, the same on any machine."""

import random
from array import array
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from benchmarks.peers.casefile import Bars, Case

MINUTES: Final = Case(
    name="minutes", timeframe="1m", bars=20_000, seed=15, fast=20, slow=50, units=10, cash=100_000, fee_bps=2, move=0.001, gap=0.0002
)
"""Prices on every millionth, and small gaps: an engine that fills at the close that decided is found out."""
DAYS: Final = Case(
    name="days",
    timeframe="1d",
    bars=5_000,
    seed=13,
    fast=5,
    slow=20,
    units=100,
    cash=100_000,
    fee_bps=5,
    slippage_bps=1,
    move=0.015,
    gap=0.008,
    step=10_000,
)
"""Overnight gaps, and slippage. Prices are whole cents, so a basis point of slippage is whole millionths: nobody rounds."""
STOPS: Final = Case(
    name="stops",
    timeframe="15m",
    bars=10_000,
    seed=17,
    fast=10,
    slow=40,
    units=20,
    cash=100_000,
    fee_bps=3,
    stop_bps=100,
    move=0.004,
    gap=0.001,
    step=100,
)
"""Each position has a stop 1 % below its entry: fills within a bar. The stop is whole millionths, so nobody rounds."""
GAPLESS: Final = replace(MINUTES, name="gapless", gap=0.0)
"""Each open is the close before: what an engine that fills at the deciding close needs to make the same trades."""
TURNS: Final = replace(MINUTES, name="turns", rule="turns", seed=19, slow=45)
"""Long and short: each order turns the position round."""
CASES: Final = (MINUTES, DAYS, STOPS, TURNS, GAPLESS)

SEARCH: Final = Case(
    name="search", timeframe="1m", bars=100_000, seed=21, fast=20, slow=50, units=10, cash=100_000, fee_bps=2, move=0.001, gap=0.0002
)
"""What many pairs of means are tried on: PAIRS, not its own."""
PAIRS: Final = tuple((fast, slow) for fast in range(5, 55, 5) for slow in range(60, 160, 10))
"""A hundred."""

_BEGINS: Final = 100_000_000
"""The price to begin with, in millionths."""


def market(case: Case) -> Bars:
    """The bars of a case. Whole numbers and products of two floats only, so that no mathematics library has a say."""
    bars = Bars(array("d"), array("d"), array("d"), array("d"))
    for row in _rows(case):
        for column, value in zip(bars, row, strict=True):
            column.append(value / 1_000_000)
    return bars


def _rows(case: Case) -> Iterator[tuple[int, int, int, int]]:
    """Open, high, low and close in millionths."""
    draw, step = random.Random(case.seed).random, case.step
    gap, move = 2 * case.gap / step, 2 * case.move / step
    close = _BEGINS
    for _ in range(case.bars):
        opened = close + step * round(close * gap * (draw() - 0.5))
        close = opened + step * round(opened * move * (draw() - 0.5))
        beyond = move / 4 * opened
        high = max(opened, close) + step * round(beyond * draw())
        low = min(opened, close) - step * round(beyond * draw())
        yield opened, high, low, close
