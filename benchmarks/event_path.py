"""The event path of the backtester beside the engines people know, run after run in turn, on equal trades.

sma_cross on a million minute bars in memory, with every risk control, fees, slippage and fixed sizing; what is timed is
playing the tape and making the equity curve and the figures of it. backtesting.py has the same bars. NautilusTrader
fills at the close that decided and has no slippage in basis points: with it, both sides have a market of 200,000 bars
without gaps, without slippage. Engines that are not installed are left out.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from benchmarks.figures import Figure, middle
from benchmarks.fleet import Failed
from benchmarks.peers.agreement import disagreements
from benchmarks.peers.casefile import Case, Result
from benchmarks.peers.engines import OURS, Questions, installed
from benchmarks.scratch import scratch

RATIOS: Final = {"backtesting_py": "event_path_vs_backtesting_py_ratio", "nautilus_trader": "event_path_vs_nautilus_ratio"}
FIGURES: Final = ("event_path_bars_per_s", "event_path_memory_ratio", *RATIOS.values())
RUNS: Final = 3
MILLION: Final = Case(
    name="million",
    timeframe="1m",
    bars=1_000_000,
    seed=1,
    fast=20,
    slow=50,
    units=10,
    cash=100_000,
    fee_bps=1,
    slippage_bps=0.5,
    move=0.001,
    gap=0.0002,
)
GAPLESS: Final = replace(MILLION, name="gapless", bars=200_000, seed=2, slippage_bps=0.0, gap=0.0)
BESIDE: Final = {"backtesting_py": MILLION, "nautilus_trader": GAPLESS}
"""Peers, and the case that each can express."""


class Round(NamedTuple):
    """One run of every engine, one after another."""

    ours: Mapping[str, Result]  # by case
    theirs: Mapping[str, Result]  # by engine

    def ratio(self, engine: str) -> float:
        """Their time over ours."""
        return round(self.theirs[engine].seconds / self.ours[BESIDE[engine].name].seconds, 3)


def measure() -> dict[str, Figure]:
    """Three rounds.

    Raises:
        Failed: an engine did not answer, or made other trades than ours; the message says which.
    """
    peers = [engine for engine in BESIDE if installed(engine)]
    if missing := [engine for engine in BESIDE if engine not in peers]:
        print(f"left out, not installed: {', '.join(missing)} (python -m benchmarks.peers.install)", file=sys.stderr)
    with scratch() as folder:
        questions = Questions(folder)
        for case in {MILLION, *(BESIDE[engine] for engine in peers)}:
            questions.lay_out(case)
        rounds = [_round(questions, peers) for _ in range(RUNS)]
    million = [r.ours[MILLION.name] for r in rounds]
    return {
        "event_path_bars_per_s": _speed(million),
        "event_path_memory_ratio": _memory(million),
        **{RATIOS[engine]: _beside(engine, rounds) for engine in peers},
    }


def _round(questions: Questions, peers: list[str]) -> Round:
    ours = {MILLION.name: questions.ask(OURS, MILLION)}
    theirs: dict[str, Result] = {}
    for engine in peers:
        case = BESIDE[engine]
        if case.name not in ours:
            ours[case.name] = questions.ask(OURS, case)
        theirs[engine] = questions.ask(engine, case)
        if found := disagreements(case, ours[case.name], theirs[engine]):
            raise Failed(f"{engine} and we differ {len(found)} times on the case {case.name}; first: {found[0]}")
    return Round(ours, theirs)


def _speed(results: list[Result]) -> Figure:
    rates = [round(MILLION.bars / result.seconds) for result in results]
    return Figure(
        value=middle(rates, 0),
        unit="bars/s",
        target=700_000,
        better="higher",
        anchor=246_000,
        runs=rates,
        limit=f"plain Python on one core: a call of the strategy for each bar, and {2 * len(results[0].trades):,} orders "
        "through risk, venue and ledger",
    )


def _memory(results: list[Result]) -> Figure:
    return Figure(
        value=middle([result.peak_bytes / result.input_bytes for result in results], 2),
        unit="times the bars in memory",
        target=3.0,
        runs=[{"peak_mb": round(r.peak_bytes / 1e6), "bars_mb": round(r.input_bytes / 1e6)} for r in results],
        limit="the most the whole process ever held, the interpreter with it, over the lists of numbers that the bars are",
    )


def _beside(engine: str, rounds: list[Round]) -> Figure:
    case = BESIDE[engine]
    ratios = [r.ratio(engine) for r in rounds]
    seconds = middle([r.theirs[engine].seconds for r in rounds], 2)
    return Figure(
        value=middle(ratios, 2),
        unit="times as fast",
        better="higher",
        runs=ratios,
        limit=f"{engine} {rounds[0].theirs[engine].version}: {case.bars:,} bars in {seconds:g} s, the same "
        f"{len(rounds[0].theirs[engine].trades):,} trades",
    )
