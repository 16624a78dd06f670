"""Many pairs of means in our compiled path, one after another on a process for each core. All curves are kept, as vectorbt keeps them."""

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from mmap import mmap
from multiprocessing.pool import Pool

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.casefile import Case, Pair, Searched, answer
from benchmarks.peers.cases import PAIRS
from benchmarks.peers.runners.tradewinds_compiled import code, found, ready, setup
from benchmarks.peers.timing import Memory, asked_runs, timed
from libs.quant.backtest.tape import Tape
from services.backtester.code import ENGINE

Curves = NDArray[np.float64]


def tried(case: Case, tape: Tape, curves: Curves, number: int) -> Pair:
    """One pair; its curve goes into its row."""
    fast, slow = PAIRS[number]
    made = found(tape, setup(replace(case, fast=fast, slow=slow), tape), code())
    curves[number] = made.curve.values
    figures = made.figures
    return Pair(fast, slow, figures.trades, figures.fees, figures.final_equity, figures.max_drawdown, figures.sharpe)


class Worker:
    """What a process of the pool holds: the bars, and room for curves that all processes share."""

    work: Callable[[int], Pair]
    memory: Memory


def begin(work: Callable[[int], Pair]) -> None:
    """In a new process."""
    Worker.work, Worker.memory = work, Memory()


def do(number: int) -> tuple[Pair, int, int]:
    """A pair, the process that tried it, and the most memory of its own that it took meanwhile beyond what it began with."""
    Worker.memory.begin()
    return Worker.work(number), os.getpid(), Worker.memory.peak()


def searched(pool: Pool) -> list[tuple[Pair, int, int]]:
    """All pairs."""
    return pool.map(do, range(len(PAIRS)), chunksize=5)


def main() -> None:
    case, tape, memory = ready()
    fork = multiprocessing.get_context("fork")  # the processes begin with the machine code and the bars in memory
    curves = np.frombuffer(mmap(-1, len(PAIRS) * case.bars * 8)).reshape(len(PAIRS), case.bars)  # shared by all processes
    with fork.Pool(os.cpu_count(), begin, (partial(tried, case, tape, curves),)) as pool:
        made, seconds = timed(lambda: searched(pool), asked_runs())
    peaks: dict[int, int] = {}
    for _, process, peak in made:
        peaks[process] = max(peak, peaks.get(process, 0))
    taken = memory.peak() + sum(peaks.values()) + curves.nbytes
    answer(Searched(engine="tradewinds_compiled", version=ENGINE, seconds=seconds, pairs=[pair for pair, *_ in made], peak_bytes=taken))


if __name__ == "__main__":
    main()
