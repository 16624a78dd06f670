"""Many simulations, and what they add up to."""

import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from multiprocessing import get_context
from time import monotonic
from typing import Any, Final

from tests.chaos.simulation import coverage
from tests.chaos.simulation.world import Outcome, run_one

COLLECT_EVERY: Final = 25
PIECE: Final = 100


@dataclass
class Summary:
    """What simulations have shown."""

    runs: int = 0
    orders: int = 0
    fills: int = 0
    virtual_s: float = 0.0
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)  # of orders, at the end
    faults: Counter[str] = field(default_factory=Counter)
    transitions: Counter[str] = field(default_factory=Counter)  # "status evidence"
    broken: list[tuple[int, str]] = field(default_factory=list)  # seeds and what did not hold, in the order of the seeds

    def add(self, outcome: Outcome) -> None:
        """One more."""
        self.runs += 1
        self.orders += outcome.orders
        self.fills += outcome.fills
        self.virtual_s += outcome.virtual_s
        self.statuses += outcome.statuses
        self.faults += outcome.faults
        if outcome.broken:
            self.broken.append((outcome.seed, outcome.broken))

    def join(self, other: "Summary") -> None:
        """All of another's."""
        self.runs += other.runs
        self.orders += other.orders
        self.fills += other.fills
        self.virtual_s += other.virtual_s
        self.statuses += other.statuses
        self.faults += other.faults
        self.transitions += other.transitions
        self.broken = sorted([*self.broken, *other.broken])

    @property
    def invariants(self) -> dict[str, int]:
        """How many simulations broke which one."""
        letters = Counter(why.partition(":")[0] for _, why in self.broken)
        return {letter: letters[letter] for letter in ("L", "D", "F", "B", "R", "S", "Z", "E", "K")}

    def shown(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "runs": self.runs,
            "orders": self.orders,
            "fills": self.fills,
            "virtual_hours": round(self.virtual_s / 3600, 1),
            "seconds": round(self.seconds, 1),
            "statuses": dict(sorted(self.statuses.items())),
            "faults": dict(sorted(self.faults.items())),
            "transitions": len(self.transitions),
            "never_reached": coverage.never(self.transitions),
            "invariants": self.invariants,
            "broken": [{"seed": seed, "why": why} for seed, why in self.broken],
        }


def run(
    seeds: Iterable[int],
    *,
    jobs: int = 1,
    harsh: bool = False,
    stop_at_first: bool = False,
    progress: Callable[[Summary], None] | None = None,
) -> Summary:
    """Plays the seeds, on so many cores.

    Args:
        harsh: as `Scenario.harsh`.
        stop_at_first: not all of them, once an invariant has broken.
        progress: told now and then how far it is.
    """
    summary, began = Summary(), monotonic()
    play = partial(_piece, harsh=harsh, stop_at_first=stop_at_first)
    pieces = _pieces(seeds)
    for part in map(play, pieces) if jobs == 1 else _spread(play, pieces, jobs):
        summary.join(part)
        summary.seconds = monotonic() - began
        if progress is not None:
            progress(summary)
        if stop_at_first and summary.broken:
            break
    return summary


def _spread(play: Callable[[list[int]], Summary], pieces: Iterator[list[int]], jobs: int) -> Iterator[Summary]:
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(play, pieces)


def _pieces(seeds: Iterable[int]) -> Iterator[list[int]]:
    left = iter(seeds)
    while piece := list(islice(left, PIECE)):
        yield piece


def _piece(seeds: list[int], *, harsh: bool, stop_at_first: bool) -> Summary:
    summary = Summary()
    with quiet(), coverage.counting(summary.transitions):
        for n, seed in enumerate(seeds, 1):
            summary.add(run_one(seed, harsh=harsh))
            if stop_at_first and summary.broken:
                break
            if n % COLLECT_EVERY == 0:
                gc.collect()
    return summary


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is logged, and memory is collected between simulations only: both cost more than what they are about."""
    before, collecting = logging.root.manager.disable, gc.isenabled()
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        yield
    finally:
        logging.disable(before)
        if collecting:
            gc.enable()
