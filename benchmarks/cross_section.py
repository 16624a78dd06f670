"""Momentum over a cross-section: of 500 symbols with ten years of daily bars the best are held, on one account with every limit."""

from array import array
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure, middle
from benchmarks.peers.runners.tradewinds import LIMITS, STEP
from benchmarks.peers.timing import timed
from benchmarks.scratch import scratch
from libs.domain.columns import Columns
from libs.domain.instruments import Instrument
from libs.quant.backtest.report import Figures, equity_curve, figures
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from services.backtester.engines import Result, playing
from services.backtester.run import setup_of
from services.backtester.spec import Spec

FIGURES: Final = ("cross_section_s",)
SYMBOLS: Final = 500
DAYS: Final = 2_520
RUNS: Final = 2
SEED: Final = 8
_DAY_NS: Final = 86_400 * 10**9
_BEGINS_DAY: Final = 16_071  # 2014-01-01, a Wednesday; days since 1970


def market(symbols: int, days: int) -> Tape:
    """Random walks of whole millionths, 1.5 % a day, on weekdays: what a file of bars without instruments comes to."""
    weekdays = [day for day in range(_BEGINS_DAY, _BEGINS_DAY + 2 * days) if (day + 3) % 7 < 5][:days]
    start = array("q", [day * _DAY_NS for day in weekdays])
    names = [f"S{n:03}" for n in range(symbols)]
    draw = np.random.default_rng(SEED)
    volume = array("d", [1e6]) * days
    bars = {name: Columns(start, *_prices(draw, days), volume) for name in names}
    instruments = {name: Instrument(symbol=name, venue="FILE", asset_class="equity", currency="USD", tick=STEP, lot=STEP) for name in names}
    return Tape(instruments, {"1d": bars}, dict.fromkeys(names, "bar"), since=start[0])


def _prices(draw: np.random.Generator, days: int) -> "tuple[array[float], array[float], array[float], array[float]]":
    moves = draw.uniform(-0.026, 0.026, days)
    close = 100.0 * np.cumprod(1 + moves)
    opened = np.concatenate([[100.0], close[:-1]]) * (1 + draw.uniform(-0.005, 0.005, days))
    high, low = np.maximum(opened, close) * 1.004, np.minimum(opened, close) * 0.996
    return _column(opened), _column(high), _column(low), _column(close)


def _column(prices: NDArray[np.floating[Any]]) -> "array[float]":
    return array("d", np.round(prices, 6).tolist())


def account(tape: Tape) -> Setup:
    """The best 50 of the year before, again each month."""
    spec = Spec(
        strategy="momentum_panel",
        params={"lookback": 250, "skip": 5, "top": 50, "every": 20},
        data="memory",
        cash=Decimal(1_000_000),
        allocation=0.8,
        fee_bps=Decimal(1),
        slippage_bps=Decimal("0.5"),
    )
    return setup_of(spec, LIMITS, tape)


def played(tape: Tape, code: Path) -> tuple[Result, Figures]:
    """As the backtester plays it once its data are in memory."""
    asked = account(tape)
    result = playing(tape, asked, "compiled", code, lambda text: None)
    curve = equity_curve(tape, result.summary, result.sums)
    return result, figures(tape, result.summary, asked.deposit, curve, result.sums)


def measure() -> Mapping[str, Figure]:
    """The median of two runs, after two that are not timed."""
    tape = market(SYMBOLS, DAYS)
    with scratch() as code:
        played(market(5, 300), code)  # what is imported and compiled once is not in the time
        (result, found), seconds = timed(lambda: played(tape, code), RUNS)
    how = result.notes[0] if result.notes else "compiled"
    figure = Figure(
        value=middle([seconds]),
        unit="s",
        target=1.0,
        runs=[{"bars": found.bars, "fills": found.trades, "refused": found.refused, "final_equity": round(found.final_equity, 2)}],
        limit=f"{SYMBOLS} symbols, {DAYS:,} days, {found.trades:,} fills; {how}",
    )
    return {"cross_section_s": figure}
