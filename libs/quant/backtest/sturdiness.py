"""What is left of a result when something that should not matter is changed, and whether that is enough to believe it."""

from collections.abc import Sequence
from statistics import median
from typing import Final, Literal, NamedTuple

import msgspec

Outcome = Literal["passed", "failed", "unclear"]
HALF: Final = 0.5
"""Less than this share of the Sharpe ratio left in the middle of the runs, and the result hangs on the very numbers."""
FEWEST_FILLS: Final = 20
"""With fewer, chance alone moves a result by more than any change."""


class Run(msgspec.Struct, frozen=True):
    """What one changed backtest came to."""

    label: str
    total_return: float
    sharpe: float
    trades: int


class Verdict(NamedTuple):
    """Whether a result withstood a change, and in words what was seen."""

    outcome: Outcome
    saw: str


def unsaid(base: Run) -> Verdict | None:
    """Why nothing can be said of what is left of a result; None when something can."""
    if base.trades < FEWEST_FILLS:
        return Verdict("unclear", f"{base.trades} fills say too little: it takes {FEWEST_FILLS}; use more data")
    if base.sharpe <= 0 or base.total_return <= 0:
        return Verdict("unclear", f"there is no result to lose: return {base.total_return:+.2%}, Sharpe {base.sharpe:.2f}")
    return None


def spread(base: Run, runs: Sequence[Run]) -> Verdict:
    """Of many runs: in the middle half of the Sharpe ratio must be left. Of a base of which something can be said."""
    if not runs:
        return Verdict("unclear", "there is no run to compare with")
    sharpes = sorted(run.sharpe for run in runs)
    middle, losing = median(sharpes), sum(run.total_return <= 0 for run in runs)
    best = f", a lone peak: better than all {len(runs)}" if base.sharpe > sharpes[-1] and middle < HALF * base.sharpe else ""
    saw = (
        f"Sharpe {base.sharpe:.2f}{best}; {len(runs)} runs have {sharpes[0]:.2f} to {sharpes[-1]:.2f}, {middle:.2f} in the middle,"
        f" and {losing} of them lose money"
    )
    return Verdict("failed" if middle < HALF * base.sharpe else "passed", saw)


def survives(base: Run, run: Run) -> Verdict:
    """Of one run that is worse by nature: something must be left."""
    saw = f"return {base.total_return:+.2%} becomes {run.total_return:+.2%}, Sharpe {base.sharpe:.2f} becomes {run.sharpe:.2f}"
    return Verdict("failed" if run.total_return <= 0 else "passed", saw)
