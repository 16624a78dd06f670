"""Whether a strategy and its backtest can be believed: what must make no difference is changed, and what then differs is told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from libs.domain.configuration import LimitConfig
from libs.domain.names import TIMEFRAMES
from libs.domain.times import iso
from libs.quant.backtest.disturbed import later, noisy
from libs.quant.backtest.prefix import Parting, parting
from libs.quant.backtest.report import PLAIN, equity_curve, figures
from libs.quant.backtest.result import Played
from libs.quant.backtest.sturdiness import Outcome, Run, Verdict, spread, survives, unsaid
from libs.quant.backtest.tape import Tape
from libs.quant.folds.neighbours import neighbours
from libs.quant.folds.registry import configured
from libs.quant.quality.finding import told_of
from libs.quant.quality.gate import findings
from services.backtester.engines import Engine, playing
from services.backtester.run import setup_of
from services.backtester.spec import Spec

CUTS: Final = 8
"""Moments at which a tape is cut, half of them where a signal was given."""
LONGEST: Final = 20_000
"""Bars that are played again and again for the cuts; of a longer tape the first."""
NOISE: Final = 0.1
"""Deviation of the noise, as a share of the median true range."""
COSTS: Final = {"fee_bps": Decimal(2), "slippage_bps": Decimal(1)}
"""Laid on where a backtest that is to pay twice as much pays nothing."""
_DAY_MS: Final = 86_400_000


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check, and what it found."""

    name: str
    outcome: Outcome
    saw: str
    why: str = ""  # it matters
    mend: str = ""
    runs: list[Run] = []


WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "data": (
        "Figures over such data are about the faults in them.",
        "Do what is said of each; `fleet backtest run` refuses them as well, until it is told --quality off.",
    ),
    "paths": (
        "With the tape cut after a bar, all up to it must be as it was: what is not knew of later bars, and no market tells them.",
        "Take out of the strategy whatever reads the series: it may use its bar, its parameters and its state. "
        "If `strategies check` passes, this is a defect of the engine: please report it.",
    ),
    "parameters": (
        "A rule that works works with neighbouring numbers too. A lone peak was found by trying, and the next year has its peak elsewhere.",
        "Choose the middle of a plateau, fewer parameters, or more data; judge it by a walk-forward, with every trial counted.",
    ),
    "later execution": (
        "An order is a bar late now and then. A result that is gone by then is made of the fill at the next open.",
        "Use slower rules or longer bars, or measure fills on quotes with the latency that you have.",
    ),
    "noise": (
        "Prices of another venue differ by as much. A result that does not survive it has learned these very prices.",
        "Use bands instead of exact levels, longer windows, fewer conditions.",
    ),
    "another start": (
        "Nothing in a market knows on which bar a test begins. A result that does is one lucky path.",
        "Let the warm-up be as long as the longest window, and look for state that never forgets.",
    ),
    "doubled costs": (
        "Costs are the most certain part of a result, and in bad times they double.",
        "Trade less often, or larger moves: what is left per fill has to be a multiple of its cost.",
    ),
}


class Subject(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A backtest to be checked, and what it takes to play it."""

    spec: Spec
    tape: Tape
    limits: Sequence[LimitConfig]
    code: Path | None  # folder for machine code; None: nothing is compiled
    seed: int
    runs: int  # of each kind of disturbance
    say: Callable[[str], None]  # tells a person what takes long

    def run(self, label: str, spec: Spec | None = None, tape: Tape | None = None) -> Run:
        """What it comes to with another spec or tape.

        Raises:
            ValueError: the strategy failed on a bar.
        """
        spec, tape = spec or self.spec, tape or self.tape
        setup = setup_of(spec, self.limits, tape)
        result = playing(tape, setup, spec.engine, self.code, self.say)
        curve = equity_curve(tape, result.summary, result.sums)
        found = figures(tape, result.summary, setup.deposit, curve, result.sums)
        return Run(label, found.total_return, found.sharpe, found.trades)

    @cached_property
    def base(self) -> Run:
        """As it was asked for."""
        return self.run("as asked")


def checks(subject: Subject) -> Iterator[Check]:
    """All that are played, one after another.

    Raises:
        ValueError: it cannot be played at all; the message says why.
    """
    yield data(subject.tape)
    yield from paths(subject)
    if (nothing := unsaid(subject.base)) is not None:
        yield _check("the result", "", nothing)
        return
    yield parameters(subject)
    yield from shifts(subject)


def data(tape: Tape) -> Check:
    """What the gate before each backtest would refuse."""
    found = findings(tape)
    if refused := [finding for finding in found if finding.severity == "refuse"]:
        return _check("data", "data", Verdict("failed", "; ".join(told_of(refused))))
    said = f"; labelled {', '.join(sorted({finding.kind for finding in found}))}" if found else ""
    return Check(name="data", outcome="passed", saw=f"{tape.count():,} bars, none refused{said}")


# --- the paths


def paths(subject: Subject) -> Iterator[Check]:
    """The event path and the compiled one, each over the whole tape and over tapes cut short."""
    tape = _first(subject.tape, LONGEST)
    yield _path(subject, tape, "event")
    if subject.code is not None:
        yield _path(subject, tape, "compiled")


def _first(tape: Tape, count: int) -> Tape:
    bars = tape.bars[tape.timeframes[0]]
    starts = sorted(start for columns in bars.values() for start in columns.start[: count + 1])
    return tape if tape.count() <= count or len(starts) <= count else tape.until(starts[count])


def _path(subject: Subject, tape: Tape, engine: Engine) -> Check:
    name = f"look-ahead, {engine} path"
    try:
        whole, other = _played(subject, tape, engine)
    except ValueError as error:
        return _check(name, "paths", Verdict("failed", f"it cannot be played: {error}"))
    if other:
        return Check(name=name, outcome="unclear", saw=other)
    ends = _ends(tape, whole)
    for end in ends:
        if (found := _parted(subject, tape, engine, whole, end)) is not None:
            when = f"with the tape cut at {iso(found.end)}, at {iso(found.at)} {found.what}"
            return _check(name, "paths", Verdict("failed", when))
    signals, trades = len(whole.signals), len(whole.trades)
    return _check(name, "paths", Verdict("passed", f"{signals:,} signals and {trades:,} fills, the same over {len(ends)} tapes cut short"))


def _played(subject: Subject, tape: Tape, engine: Engine) -> tuple[Played, str]:
    """What was played, and in words why not on the path that was asked for."""
    result = playing(tape, setup_of(subject.spec, subject.limits, tape), engine, subject.code, subject.say)
    own = engine == "event" or result.sums is not PLAIN
    return result.played(), "" if own else "; ".join(result.notes)


def _parted(subject: Subject, tape: Tape, engine: Engine, whole: Played, end: int) -> Parting | None:
    try:
        short, _ = _played(subject, tape.until(end), engine)
    except ValueError as error:
        return Parting(end, end, f"it no longer runs: {error}")
    return parting(whole, short, end)


def _ends(tape: Tape, whole: Played) -> list[int]:
    """Half of them spread evenly over the bars, half over the moments at which a signal was given."""
    known = sorted({start + tape.late_ns for columns in tape.bars[tape.timeframes[0]].values() for start in columns.start})
    decided = sorted({signal.decided_at for signal in whole.signals if signal.decided_at < known[-1]})
    return sorted({*_spread(known[:-1], CUTS // 2), *_spread(decided, CUTS // 2)})


def _spread(moments: Sequence[int], count: int) -> Iterator[int]:
    step = max(1, len(moments) // (count + 1))
    yield from islice(moments[step::step], count)


# --- parameters and prices


def parameters(subject: Subject) -> Check:
    """With every parameter moved a little, one at a time."""
    strategy, params = configured(subject.spec.configured()[0])
    beside = neighbours(strategy, params)
    subject.say(f"parameters: {len(beside)} runs")
    runs = [subject.run(str(one), msgspec.structs.replace(subject.spec, params=dict(one.params))) for one in beside]
    return _check("parameters", "parameters", spread(subject.base, runs), runs)


def shifts(subject: Subject) -> Iterator[Check]:
    """On the same market a little different, and at other terms."""
    yield _one(subject, "later execution", _late(subject.spec, subject.tape))
    tapes = ((f"noise {n}", noisy(subject.tape, NOISE, (subject.seed, n))) for n in range(subject.runs))
    yield _many(subject, "noise", tapes)
    yield _many(subject, "another start", ((f"{n} bars later", later(subject.tape, n)) for n in range(1, subject.runs + 1)))
    yield _one(subject, "doubled costs", _dear(subject.spec))


def _one(subject: Subject, name: str, spec: Spec) -> Check:
    run = subject.run(name, spec)
    return _check(name, name, survives(subject.base, run), [run])


def _many(subject: Subject, name: str, tapes: Iterator[tuple[str, Tape]]) -> Check:
    subject.say(f"{name}: {subject.runs} runs")
    runs = [subject.run(label, tape=tape) for label, tape in tapes]
    return _check(name, name, spread(subject.base, runs), runs)


def _late(spec: Spec, tape: Tape) -> Spec:
    bar = TIMEFRAMES[tape.timeframes[0]] / 1e6
    return msgspec.structs.replace(spec, latency_ms=min(spec.latency_ms + bar, _DAY_MS))


def _dear(spec: Spec) -> Spec:
    paid: dict[str, Any] = {name: getattr(spec, name) for name in ("fee_bps", "fee_per_unit", "fee_min", "slippage_bps", "half_spread_bps")}
    return msgspec.structs.replace(spec, **({name: 2 * cost for name, cost in paid.items()} if any(paid.values()) else COSTS))


def _check(name: str, words: str, verdict: Verdict, runs: Sequence[Run] = ()) -> Check:
    why, mend = WORDS[words] if verdict.outcome == "failed" else ("", "")
    return Check(name=name, outcome=verdict.outcome, saw=verdict.saw, why=why, mend=mend, runs=list(runs))
