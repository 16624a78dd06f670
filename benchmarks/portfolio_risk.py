"""Every risk measure of an account with 100 positions, over 500 days: wall time of one call."""

import json
import os
import subprocess
import sys
import time
from typing import Final

import numpy as np

from benchmarks.figures import Figure, middle
from benchmarks.fleet import ROOT, Failed
from libs.domain.fleet import ONE_THREAD
from libs.domain.measuring import MeasuresConfig
from libs.quant.risk.measures.portfolio import portfolio_risk
from libs.quant.risk.measures.positions import Position
from libs.quant.risk.measures.returns import DAY, Returns

FIGURES: Final = ("portfolio_risk_100_positions_ms",)
RUNS: Final = 15
POSITIONS: Final = 100
DAYS: Final = 500


def measure() -> dict[str, Figure]:
    """In a process of its own, with the environment that the fleet gives its services."""
    environment = {**os.environ, **ONE_THREAD}
    done = subprocess.run([sys.executable, "-m", __name__], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(done.stderr.strip())
    runs = json.loads(done.stdout)
    return {
        FIGURES[0]: Figure(
            value=middle(runs, 1),
            unit="ms",
            target=100,
            runs=runs,
            limit="drawing a million normal returns for 10,000 paths, and rolling the backtest's 250 windows",
        )
    }


def timed() -> list[float]:
    """Milliseconds of each run after one that warms up; the first position is the benchmark, so that betas are measured too."""
    positions, returns = an_account()
    config = MeasuresConfig(benchmarks={"equity": positions[0].symbol})
    runs = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        found = portfolio_risk(positions, returns, equity=1e6, equities=[1e6, 1.1e6, 1e6], config=config)
        runs.append(round((time.perf_counter() - began) * 1_000, 1))
        if found.missing:
            raise ValueError(f"Expected every measure, got {found.missing}")
    return runs[1:]


def an_account() -> tuple[list[Position], Returns]:
    """Longs and shorts of $10,000 or so, with a volume each; one factor, and noise of each position's own."""
    draw = np.random.default_rng(1)
    moves = 0.01 * draw.standard_normal((DAYS, 1)) + 0.015 * draw.standard_normal((DAYS, POSITIONS))
    positions = [Position(f"S{n:03}", "equity", float(value), 1e6) for n, value in enumerate(1e4 * draw.standard_normal(POSITIONS))]
    return positions, Returns(tuple(p.symbol for p in positions), moves, DAY)


if __name__ == "__main__":
    print(json.dumps(timed()))
