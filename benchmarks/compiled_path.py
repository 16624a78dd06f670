"""The compiled path of the backtester beside vectorbt with its Rust engine and NautilusTrader, in turn, on equal trades; how it grows.

sma_cross 20/50 on a million minute bars in memory, ours with every risk control, fees, slippage and sizing. Each engine has a process
of its own, warm: as many runs as are timed go before. What is timed ends with the same on both sides: fills with their fees, equity at
every bar, drawdown and Sharpe. NautilusTrader fills at the close that decided and has no slippage in basis points: with it, both sides
have a million bars without gaps, without slippage; it compiles nothing as it runs, and takes a minute, so it runs once, and its
time is `engine.run()` alone, without a curve. Trades, equity, drawdown and Sharpe have to be equal. Engines that are not installed are
left out.
"""

import sys
from dataclasses import replace
from typing import Final, NamedTuple

from benchmarks import event_path
from benchmarks.event_path import MILLION
from benchmarks.figures import Figure, middle
from benchmarks.fleet import Failed
from benchmarks.peers.agreement import disagreements
from benchmarks.peers.casefile import Result
from benchmarks.peers.engines import COMPILED, Questions, installed
from benchmarks.scratch import scratch

RATIOS: Final = {"vectorbt": "compiled_vs_vectorbt_ratio", "nautilus_trader": "compiled_vs_nautilus_ratio"}
FIGURES: Final = (*RATIOS.values(), "compiled_linear_ratio", "compiled_memory_ratio")
TARGETS: Final = {"vectorbt": 5.0, "nautilus_trader": 1_000.0}
ROUNDS: Final = 3
ROUNDS_OF: Final = {"vectorbt": ROUNDS, "nautilus_trader": 1}
RUNS: Final = {COMPILED: 5, "vectorbt": 5, "nautilus_trader": 0}
GAPLESS: Final = replace(event_path.GAPLESS, name="gapless_million", bars=MILLION.bars)
FOUR: Final = replace(MILLION, name="four_million", bars=4 * MILLION.bars)
BESIDE: Final = {"vectorbt": MILLION, "nautilus_trader": GAPLESS}
"""Peers, and the case that each can express."""


class Asked(NamedTuple):
    """Two runs, one just after the other."""

    ours: Result
    theirs: Result

    @property
    def ratio(self) -> float:
        """Time of the second over that of the first."""
        return round(self.theirs.seconds / self.ours.seconds, 3)


def measure() -> dict[str, Figure]:
    """Every engine in turn.

    Raises:
        Failed: an engine did not answer, or found something else than ours; the message says which.
    """
    peers = [engine for engine in BESIDE if installed(engine)]
    if missing := [engine for engine in BESIDE if engine not in peers]:
        print(f"left out, not installed: {', '.join(missing)} (python -m benchmarks.peers.install)", file=sys.stderr)
    with scratch() as folder:
        questions = Questions(folder)
        for case in {MILLION, FOUR, *(BESIDE[engine] for engine in peers)}:
            questions.lay_out(case)
        beside: dict[str, list[Asked]] = {engine: [] for engine in peers}
        grown: list[Asked] = []
        for n in range(ROUNDS):
            for engine in (engine for engine in peers if n < ROUNDS_OF[engine]):
                beside[engine].append(_beside(questions, engine))
            grown.append(Asked(*(questions.ask(COMPILED, case, RUNS[COMPILED]) for case in (MILLION, FOUR))))
    return {**{RATIOS[engine]: _ratio(engine, asked) for engine, asked in beside.items()}, **_growth(grown), **_memory(grown)}


def _beside(questions: Questions, engine: str) -> Asked:
    case = BESIDE[engine]
    asked = Asked(questions.ask(COMPILED, case, RUNS[COMPILED]), questions.ask(engine, case, RUNS[engine]))
    if found := disagreements(case, asked.ours, asked.theirs):
        raise Failed(f"{engine} and we differ {len(found)} times on the case {case.name}; first: {found[0]}")
    return asked


def _ratio(engine: str, asked: list[Asked]) -> Figure:
    ours, theirs = ([_ms(result.seconds) for result in results] for results in zip(*asked, strict=True))
    return Figure(
        value=middle([a.ratio for a in asked], 2),
        unit="times as fast",
        target=TARGETS[engine],
        better="higher",
        runs=[{"ratio": a.ratio, "ours_ms": mine, "theirs_ms": other} for a, mine, other in zip(asked, ours, theirs, strict=True)],
        limit=f"{engine} {asked[0].theirs.version}: {BESIDE[engine].bars:,} bars in {middle(theirs, 1):,g} ms, ours in "
        f"{middle(ours, 1):,g} ms, the same {len(asked[0].theirs.trades):,} trades",
    )


def _growth(grown: list[Asked]) -> dict[str, Figure]:
    """Of pairs of a million and four million bars."""
    ratios = [round(asked.ratio / 4, 3) for asked in grown]
    figure = Figure(
        value=middle(ratios, 2),
        unit="times as long for a bar",
        target=1.2,
        runs=ratios,
        limit=f"{FOUR.bars:,} bars beside {MILLION.bars:,}: what no longer fits into the processor's cache",
    )
    return {"compiled_linear_ratio": figure}


def _memory(grown: list[Asked]) -> dict[str, Figure]:
    results = [result for asked in grown for result in asked]
    figure = Figure(
        value=round(max(result.peak_bytes / result.input_bytes for result in results), 2),
        unit="times the bars in memory",
        target=3.0,
        runs=[{"peak_mb": round(r.peak_bytes / 1e6), "bars_mb": round(r.input_bytes / 1e6)} for r in results],
        limit="the most the process held beyond the interpreter, its imports and the machine code, the bars with it, over the arrays that "
        "the bars are: a curve and its times",
    )
    return {"compiled_memory_ratio": figure}


def _ms(seconds: float) -> float:
    return round(seconds * 1_000, 1)
