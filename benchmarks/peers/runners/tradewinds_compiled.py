"""A case in our compiled path: the same account, limits and terms as in `tradewinds`, the bars in arrays as they are read from files."""

import sys
from array import array
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers.casefile import Bars, Case, Result, answer, given, points
from benchmarks.peers.runners.tradewinds import LIMITS, spec_of, starts, tape_of, trades_in
from benchmarks.peers.timing import Memory, asked_runs, timed
from libs.domain.columns import Columns
from libs.quant.backtest.report import Equity, Figures, equity_curve, figures
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from services.backtester import engines
from services.backtester.code import ENGINE
from services.backtester.engines import playing
from services.backtester.run import setup_of


class Found(NamedTuple):
    """What `services.backtester.run` makes of a tape before it looks at orders one by one: fills with fees, equity, figures."""

    result: engines.Result
    curve: Equity
    figures: Figures


def code() -> Path:
    """Where machine code is kept for all runs of a benchmark: beside the case."""
    return Path(sys.argv[1]).parent / "code"


def packed(case: Case, bars: Bars) -> Tape:
    """The bars in the arrays they came in."""
    return tape_of(case, Columns(array("q", starts(case)), *bars, array("d", [1_000.0]) * case.bars))


def setup(case: Case, tape: Tape) -> Setup:
    """The case's account, with every limit."""
    return setup_of(spec_of(case, risk=True), LIMITS, tape)


def found(tape: Tape, asked: Setup, folder: Path) -> Found:
    """As `services.backtester.run` does it.

    Raises:
        ValueError: it was not played by compiled code.
    """
    result = playing(tape, asked, "compiled", folder, lambda text: None)
    if result.notes:
        raise ValueError("; ".join(result.notes))
    curve = equity_curve(tape, result.summary, result.sums)
    return Found(result, curve, figures(tape, result.summary, asked.deposit, curve, result.sums))


def ready() -> tuple[Case, Tape, Memory]:
    """The case and its bars, and what they take: machine code is made, or read, before, and is no part of that."""
    case, bars = given()
    first = case.head(2_000)
    small = packed(first, bars.head(first.bars))
    found(small, setup(first, small), code())
    del bars
    memory = Memory()
    tape = packed(*given())
    memory.forget_peak()
    return case, tape, memory


def main() -> None:
    case, tape, memory = ready()
    made, seconds = timed(lambda: found(tape, setup(case, tape), code()), asked_runs())
    peak = memory.peak()
    columns = tape.bars[case.timeframe]
    answer(
        Result(
            engine="tradewinds_compiled",
            version=ENGINE,
            seconds=seconds,
            final_equity=made.figures.final_equity,
            trades=trades_in(case, made.result.played()),
            equity=points(made.curve.values.tolist()),
            max_drawdown=made.figures.max_drawdown,
            sharpe=made.figures.sharpe,
            peak_bytes=peak,
            input_bytes=sum(len(column) * 8 for each in columns.values() for column in each),
        )
    )


if __name__ == "__main__":
    main()
