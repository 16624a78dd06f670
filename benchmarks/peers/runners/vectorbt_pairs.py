# mypy: disable-error-code="import-not-found, import-untyped, misc"
"""Many pairs of means in vectorbt, the way it is made for: one call over a column for each pair, with its Rust engine."""

import numpy as np
import pandas as pd

from benchmarks.peers.casefile import Case, Pair, Searched, answer, given
from benchmarks.peers.cases import PAIRS
from benchmarks.peers.runners.vectorbt import VERSION, Measured, frame, mean, measured, next_bar, traded
from benchmarks.peers.timing import Memory, asked_runs, timed


def searched(case: Case, data: pd.DataFrame) -> Measured:
    """All pairs at once; each mean is worked out once."""
    means = {length: mean(data, length) for pair in PAIRS for length in pair}
    fast, slow = (np.column_stack([means[pair[n]] for pair in PAIRS]) for n in (0, 1))
    return measured(traded(case, data, next_bar(fast > slow), next_bar(fast < slow)))


def pairs_of(found: Measured) -> list[Pair]:
    """Column by column."""
    fills = pd.DataFrame(found.fills).groupby("col")
    count, fees = fills.size().reindex(range(len(PAIRS)), fill_value=0), fills.fees.sum().reindex(range(len(PAIRS)), fill_value=0.0)
    columns = zip(PAIRS, count, fees, found.value.iloc[-1], found.drawdown, found.sharpe, strict=True)
    return [
        Pair(fast, slow, int(n), float(fee), float(end), float(fall), float(sharpe)) for (fast, slow), n, fee, end, fall, sharpe in columns
    ]


def main() -> None:
    case, bars = given()
    head = case.head(2_000)
    searched(head, frame(head, bars.head(head.bars)))
    del bars
    memory = Memory()
    data = frame(*given())
    memory.forget_peak()
    found, seconds = timed(lambda: searched(case, data), asked_runs())
    peak = memory.peak()
    answer(Searched(engine="vectorbt", version=VERSION, seconds=seconds, pairs=pairs_of(found), peak_bytes=peak))


if __name__ == "__main__":
    main()
