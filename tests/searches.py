"""Searches on small drawn tapes, and a crew that plays them in this process in any order."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from libs.quant.backtest.tape import Tape
from services.backtester.search_spec import SearchSpec, search_spec
from services.backtester.searching import Search
from services.backtester.spec import Spec
from services.backtester.trying import Bench, Crew, Task, Tried, tried
from tests.factories import NOON, a_tape, walks

RANGES = ("fast=1:4", "slow=2:8:2")


def a_spec(*ranges: str, **how: Any) -> SearchSpec:
    """The yardstick's two lengths over a file that is never read."""
    backtest = Spec(strategy="sma_cross", data="drawn", risk=False, sizing="fixed:10", engine="event")
    return search_spec(backtest, ranges or RANGES, **how)


def a_bench(spec: SearchSpec, tape: Tape | None = None, length: int = 200) -> Bench:
    """Minutes of one symbol, compared by the minute."""
    return Bench(tape or a_tape(walks(3, length, "ALFA"), since=NOON), spec.backtest, (), "1m")


class Here:
    """Plays trials in this process, in an order drawn from a seed."""

    def __init__(self, bench: Bench, seed: int = 0) -> None:
        self._bench, self._draw = bench, random.Random(seed)
        self.played: list[Task] = []

    def play(self, tasks: Sequence[Task]) -> Iterator[Tried]:
        for task in self._draw.sample(tasks, len(tasks)):
            self.played.append(task)
            yield tried(self._bench, task)


def run(spec: SearchSpec, bench: Bench, crew: Crew | None = None) -> Search:
    """A search to its end."""
    search = Search(spec, bench, crew or Here(bench), lambda done, of: None)
    search.run()
    return search


def told(search: Search) -> list[Any]:
    """Everything that was found, to be compared."""
    trials = [(trial.n, trial.params, trial.figures, trial.returns.tobytes(), trial.error) for trial in search.trials]
    walked = [(each.window, each.chosen.n, each.figures, each.equity.values.tobytes()) for each in search.walked]
    return [trials, walked]
