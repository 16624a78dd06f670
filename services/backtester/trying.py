"""One trial: a backtest of some parameters over the tape or a window of it. The same in every process, on every machine."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

import msgspec
import numpy as np

from libs.domain.configuration import LimitConfig
from libs.domain.times import iso
from libs.quant.backtest.report import Equity, Figures, equity_curve, figures
from libs.quant.backtest.signals import playing_folds
from libs.quant.backtest.tape import Tape
from libs.quant.search.plan import Params
from libs.quant.search.trial import Trial, returns_of
from services.backtester.engines import playing
from services.backtester.run import setup_of
from services.backtester.spec import Spec

_TAPES: Final = 2
"""Tapes cut to their ends that a process keeps: windows come one after another."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest that is wanted."""

    key: int  # which of the tasks it is
    n: int  # the number of the trial
    params: Params
    begins: int = 0  # market ns at which the account begins; 0: with the tape
    ends: int = 0  # market ns after which there is no bar; 0: with the tape
    curve: bool = False  # whether the equity at every bar is wanted too

    @property
    def words(self) -> str:
        """For a person."""
        window = f" from {iso(self.begins)} to {iso(self.ends)}" if self.ends else ""
        return f"trial {self.n} ({', '.join(f'{name}={value:g}' for name, value in self.params.items())}){window}"


class Tried(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What came of it. Arrays are their bytes: int64 and float64."""

    key: int
    figures: Figures | None = None
    returns: bytes = b""
    times: bytes = b""
    values: bytes = b""
    error: str = ""

    def trial(self, n: int, params: Params) -> Trial:
        """As a search keeps it."""
        return Trial(n, params, self.figures, np.frombuffer(self.returns), self.error)

    @property
    def equity(self) -> Equity:
        """Where it was asked for."""
        return Equity(np.frombuffer(self.times, np.int64), np.frombuffer(self.values))


class Says(msgspec.Struct, frozen=True, tag=True):
    """Something a person should know while it goes on."""

    text: str


class Lost(Exception):
    """A trial that the search cannot do without is lost, mostly with whoever played it; the message names it."""


class Crew(Protocol):
    """Whoever plays trials: processes of this machine, or a cluster."""

    def play(self, tasks: Sequence[Task]) -> Iterator[Tried]:
        """Each task's outcome, in any order.

        Raises:
            Lost: a trial took down who played it.
        """


@dataclass(frozen=True)
class Bench:
    """Everything that trials have in common."""

    tape: Tape
    spec: Spec
    limits: Sequence[LimitConfig]
    period: str  # timeframe of the returns that are compared
    code: Path | None = None  # folder for machine code; None: nothing is compiled
    _cut: dict[int, Tape] = field(default_factory=dict, compare=False)

    def packed(self) -> bytes:
        """To be sent to another process."""
        tape = replace(self.tape)  # without what was worked out of it
        return pickle.dumps(replace(self, tape=tape, _cut={}), protocol=pickle.HIGHEST_PROTOCOL)

    def tape_until(self, ends: int) -> Tape:
        """The tape without anything that was known later."""
        if not ends:
            return self.tape
        if ends not in self._cut:
            for old in list(self._cut)[: len(self._cut) + 1 - _TAPES]:
                del self._cut[old]
            self._cut[ends] = self.tape.until(ends)
        return self._cut[ends]


def tried(bench: Bench, task: Task, say: Callable[[str], None] = lambda text: None) -> Tried:
    """Plays a trial. Parameters that the strategy refuses, and a strategy that fails, are its error."""
    try:
        return _tried(bench, task, say)
    except ValueError as error:
        return Tried(key=task.key, error=str(error))


def _tried(bench: Bench, task: Task, say: Callable[[str], None]) -> Tried:
    tape = bench.tape_until(task.ends)
    spec = msgspec.structs.replace(bench.spec, params=bench.spec.params | task.params)
    setup = setup_of(spec, bench.limits, tape)
    if task.begins > tape.since:
        setup = replace(setup, trades_from=task.begins)
    result = playing(tape, setup, spec.engine, bench.code, say)
    curve = equity_curve(tape, result.summary, result.sums).after(setup.trades_from)
    found = figures(tape, result.summary, setup.deposit, curve, result.sums)
    if not found.trades and (without := playing_folds(tape, setup).left_out):
        raise ValueError("; ".join(without))  # it had nothing to run on, which is another thing than not to trade
    return Tried(
        key=task.key,
        figures=found._replace(bars=tape.count(after=setup.trades_from)),
        returns=returns_of(curve, float(setup.deposit), bench.period).tobytes(),
        times=curve.times.tobytes() if task.curve else b"",
        values=curve.values.tobytes() if task.curve else b"",
    )
