"""Whether a fold can be believed: it sees nothing of the future, survives a restart, and says the same thing twice.

Each check runs a strategy over the same bars under two conditions that must make no difference and compares the targets bit by bit,
NaN equal to NaN. Every run has a thread of its own, so that nothing up its call stack holds more bars than it was given. When targets
differ both runs are traced, and the line after which their variables first differ is named. What no such comparison can show, data that
a strategy brings along itself, `sealed` looks for in its code.
"""

import linecache
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from math import ceil, isnan
from types import FrameType
from typing import Any, Literal, NamedTuple

import msgspec

from libs.quant.folds.contract import BarView, PanelView, Strategy
from libs.quant.folds.fold import wrong_target
from libs.quant.folds.sealed import is_ours, leak

Bars = Sequence[BarView] | Sequence[PanelView]
Target = float | list[float]
Subject = Strategy | Callable[[Any], Strategy]
"""A strategy, or what makes one of the bars of a run; it is called anew for each run with that run's bars."""

Kind = Literal["raises", "look-ahead", "restart", "repeat", "declared", "sealed"]
MEND: Mapping[Kind, str] = {
    "raises": "A step has to take any bar that a market can send: flat ones, jumps, tiny prices, NaN in a panel.",
    "look-ahead": "A target may rest on its own bar and on what the state kept of the bars before, nothing else: "
    "take out what reads the series there and keep what is needed of the past in the state.",
    "restart": "Everything that a later target rests on belongs in the state, in fields of its declared types: "
    "move it there from module, class or closure.",
    "repeat": "The same bars must give the same targets: no randomness, no clock, nothing kept between runs outside the state.",
    "declared": "warmup counts the bars up to and including the first that may have a target; ranges has one entry for each parameter.",
    "sealed": "A fold knows its parameters, its state and the bar: pass numbers as parameters, make constants short tuples, "
    "keep what it remembers in the state, and leave files, frames and clocks alone.",
}


class Line(NamedTuple):
    """A line of a strategy."""

    file: str
    number: int
    source: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number} `{self.source}`"


@dataclass(frozen=True)
class Finding:
    """Why a strategy cannot be believed."""

    kind: Kind
    strategy: str
    what: str
    """What was seen, in words."""
    line: Line | None
    """Where the two runs first parted, where it was raised or what reaches outside; None if no line of the strategy's own shows it."""
    bar: int | None = None
    """Index of the first bar with another target."""
    expected: Target | None = None
    got: Target | None = None
    """The two targets; None where the run raised instead."""

    def text(self) -> str:
        """What failed, where, and how to mend it."""
        where = "No line of its own shows it." if self.line is None else f"See {self.line}."
        return f"{self.strategy}, {self.kind}: {self.what}. {where} {MEND[self.kind]}"


def run(strategy: Strategy, params: Any, bars: Bars) -> list[Target]:
    """The target after each bar, of a panel a list of one per symbol.

    Raises:
        Exception: whatever the strategy raises.
    """
    return [target for _, target in _fold(strategy, params, bars, _fresh(strategy, params, bars))] if bars else []


def look_ahead(strategy: Subject, params: Any, bars: Bars, cuts: Sequence[int]) -> Finding | None:
    """Targets must be the same when the bars end earlier.

    Args:
        strategy: or a function of the bars that makes one, called with the bars of each run.
        cuts: indices of the bars after which the bars are cut.

    Raises:
        ValueError: a cut is no bar's index.
    """
    whole = _Trial(strategy, params, _own(bars))
    seen = whole.run()
    for cut in _indices("cuts", cuts, bars):
        short = _Trial(strategy, params, _own(bars[: cut + 1]))
        if found := _compared("look-ahead", f"with the bars cut after bar {cut}", whole, seen, short, short.run()):
            return found
    return None


def restart(strategy: Subject, params: Any, bars: Bars, at: Sequence[int]) -> Finding | None:
    """Targets must be the same when the state is stored after a bar, read back by its type and carried on from there.

    Args:
        at: indices of the bars after which to stop.

    Raises:
        ValueError: one of them is no bar's index.
    """
    stops = _indices("at", at, bars)
    whole = _Trial(strategy, params, _own(bars))
    seen = whole.run(keep=stops)
    for bar in stops:
        if bar not in seen.kept:  # it raised before
            return None
        try:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(seen.kept[bar]), type=seen.strategy.state)
        except (msgspec.MsgspecError, TypeError, OverflowError, ValueError) as error:
            what = f"its state after bar {bar} cannot be stored and read back as {seen.strategy.state.__name__}: {error}"
            return Finding("restart", seen.strategy.name, what, None, bar)
        resumed = _Trial(strategy, params, _own(bars), bar + 1, state)
        if found := _compared("restart", f"stopped after bar {bar} and restored", whole, seen, resumed, resumed.run()):
            return found
    return None


def repeat(strategy: Subject, params: Any, bars: Bars) -> Finding | None:
    """A second run must give the same targets."""
    first, second = (_Trial(strategy, params, _own(bars)) for _ in range(2))
    return _compared("repeat", "when run again", first, first.run(), second, second.run())


def raises(strategy: Subject, params: Any, bars: Bars) -> Finding | None:
    """A run must come to its end."""
    seen = _Trial(strategy, params, _own(bars)).run()
    if seen.error is None:
        return None
    bar = len(seen.targets)
    return Finding("raises", seen.strategy.name, f"at bar {bar} it raises {_named(seen.error)}", _line_of(seen.error), bar)


def declared(strategy: Subject, params: Any, bars: Bars) -> Finding | None:
    """What it says of itself must hold: no target before its warm-up, for each parameter a range that holds the default, or none at all."""
    seen = _Trial(strategy, params, _own(bars)).run()
    found = seen.strategy
    try:
        first = int(found.warmup(params))
    except Exception as error:
        return Finding("declared", found.name, f"its warmup gives no number of bars: {_named(error)}", None)
    spoke = next((n for n, target in enumerate(seen.targets, 1) if not _silent(target)), first)
    if spoke < first:
        what = f"it has a target at bar {spoke}, and says that it warms up until bar {first}"
        return Finding("declared", found.name, what, None, spoke - 1)
    default = found.params()
    for name in (name for name in found.params._fields if name not in found.unsearched):
        low, high = found.ranges.get(name, (None, None))
        if low is None or high is None:
            return Finding("declared", found.name, f"its ranges do not name the parameter {name}, nor does unsearched", None)
        if not low <= getattr(default, name) <= high:
            return Finding("declared", found.name, f"its default {name}={getattr(default, name)} is not from {low} to {high}", None)
    return None


def _silent(target: Target) -> bool:
    return all(map(isnan, target)) if isinstance(target, list) else isnan(target)


def sealed(strategy: Strategy) -> Finding | None:
    """Nothing but arguments may reach it; see the module of this name."""
    found = leak(strategy)
    return found and Finding("sealed", strategy.name, found.what, _line(found.file, found.line))


def check(strategy: Subject, params: Any, bars: Bars, points: int = 8) -> list[Finding]:
    """All that is wrong with a strategy, cutting and restarting it after `points` bars spread evenly.

    One that does not repeat itself is neither cut nor restarted: that would only find the same again.
    """
    found = [raises(strategy, params, bars), repeat(strategy, params, bars)]
    if found[-1] is None and bars:
        spread = sorted({ceil(len(bars) * part / (points + 1)) - 1 for part in range(1, points + 1)})
        found += [look_ahead(strategy, params, bars, spread), restart(strategy, params, bars, spread)]
    found.append(declared(strategy, params, bars))
    found.append(sealed(strategy if isinstance(strategy, Strategy) else strategy(_own(bars))))
    return [finding for finding in found if finding is not None]


# Running


class _Course(NamedTuple):
    """How a run went."""

    strategy: Strategy
    targets: list[Target]  # from the trial's first bar on
    error: Exception | None  # raised instead of the next target
    kept: dict[int, Any]  # copies of the state after the bars asked for
    trail: "list[_Step]"

    def target(self, place: int) -> Target | None:
        return self.targets[place] if place < len(self.targets) else None

    def outcome(self, place: int) -> str:
        """Equal exactly when the targets are bit-equal or both runs raised the same."""
        target = self.target(place)
        if target is None:
            return f"raises {type(self.error).__name__}"
        return " ".join(float(one).hex() for one in target) if isinstance(target, list) else float(target).hex()


class _Trial(NamedTuple):
    """A run to be made: all that it will be able to see."""

    subject: Subject
    params: Any
    bars: Bars
    first: int = 0
    state: Any = None  # to go on from; None for a fresh start

    def run(self, keep: Collection[int] = ()) -> _Course:
        return self._apart(None, keep, range(0), ())

    def retrace(self, bars: range, series: Collection[int]) -> "list[_Step]":
        """What the strategy's lines did during some bars; sequences as long as a `series` are not looked into."""
        return self._apart(bars.stop, (), bars, series).trail

    def _apart(self, *how: Any) -> _Course:
        with ThreadPoolExecutor(1) as own_thread:
            return own_thread.submit(_course, self, *how).result()


def _course(trial: _Trial, stop: int | None, keep: Collection[int], traced: range, series: Collection[int]) -> _Course:
    subject, params, bars, first, restored = trial
    strategy = subject if isinstance(subject, Strategy) else subject(bars)
    course = _Course(strategy, [], None, {}, [])
    tracer = _tracer(course.trail, series)
    try:
        if restored is None and first in traced:
            sys.settrace(tracer)
        state = _fresh(strategy, params, bars) if bars else None  # also before a restored one is taken up, as a restarted process does
        if restored is not None:
            state = deepcopy(restored)
        if first in traced:
            sys.settrace(tracer)
        for bar, (after, target) in enumerate(_fold(strategy, params, bars, state, first, stop), first):
            course.targets.append(target)
            if bar in keep:
                course.kept[bar] = deepcopy(after)
            if bar + 1 in traced:
                sys.settrace(tracer)
    except Exception as error:
        return course._replace(error=error)
    finally:
        sys.settrace(None)
    return course


def _fresh(strategy: Strategy, params: Any, bars: Bars) -> Any:
    return strategy.init(params, len(bars[0].close)) if isinstance(bars[0], PanelView) else strategy.init(params)


def _fold(strategy: Strategy, params: Any, bars: Bars, state: Any, first: int = 0, stop: int | None = None) -> Iterator[tuple[Any, Target]]:
    """State and target after each bar."""
    for bar in islice(bars, first, stop):
        state, target = strategy.step(state, bar, params)
        targets = list(target) if strategy.panel else [target]
        for one in targets:
            if wrong := wrong_target(one):
                raise ValueError(wrong)
        yield state, targets if strategy.panel else target


def _own(bars: Bars) -> Any:
    """A copy that shares nothing that can be changed."""
    return [PanelView(*map(list, bar)) if isinstance(bar, PanelView) else bar for bar in bars]


def _indices(name: str, given: Sequence[int], bars: Bars) -> list[int]:
    for index in given:
        if not 0 <= index < len(bars):
            raise ValueError(f"{name}: expected indices of bars, 0 to {len(bars) - 1}, got {index}")
    return sorted(given)


# Comparing


def _compared(kind: Kind, when: str, one: _Trial, seen: _Course, other: _Trial, got: _Course) -> Finding | None:
    """The first bar of `other` at which `one` had another outcome."""
    bars = range(other.first, min(len(other.bars), len(seen.targets) + 1, other.first + len(got.targets) + 1))
    bar = next((bar for bar in bars if seen.outcome(bar) != got.outcome(bar - other.first)), None)
    if bar is None:
        return None
    series = {len(one.bars), len(other.bars)} if kind == "look-ahead" else set()
    during = range(other.first, bar + 1)
    line = _parted(one.retrace(during, series), other.retrace(during, series))
    expected, target = seen.target(bar), got.target(bar - other.first)
    if target is None and got.error is not None:
        what, line = f"it raises {_named(got.error)}", _line_of(got.error) or line
    elif expected is None and seen.error is not None:
        what, line = f"it no longer raises {_named(seen.error)}", _line_of(seen.error) or line
    else:
        what = f"its target is {_difference(expected, target)}"
    return Finding(kind, seen.strategy.name, f"{when}, at bar {bar} {what}", line, bar, expected, target)


def _difference(expected: Target | None, got: Target | None) -> str:
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        pairs = enumerate(zip(expected, got, strict=True))
        symbol, (was, now) = next((at, pair) for at, pair in pairs if float(pair[0]).hex() != float(pair[1]).hex())
        return f"{now} instead of {was} for symbol {symbol}"
    return f"{got} instead of {expected}"


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


# Tracing


class _Step(NamedTuple):
    file: str
    number: int
    values: int  # hash of the variables before the line, or of what was returned


def _tracer(trail: list[_Step], series: Collection[int]) -> Callable[[FrameType, str, Any], Any]:
    """Writes each line of the strategy down as it is reached, with its own variables: what is closed over shows where it is used."""

    def trace(frame: FrameType, event: str, returned: Any) -> Any:
        code = frame.f_code
        if not is_ours(code.co_filename):
            return None
        if event == "line":
            variables = frame.f_locals
            values = [variables.get(name) for name in (*code.co_varnames, *code.co_cellvars)]
            trail.append(_Step(code.co_filename, frame.f_lineno, hash(_frozen(values, series))))
        elif event == "return":
            trail.append(_Step(code.co_filename, frame.f_lineno, hash(_frozen(returned, series))))
        return trace

    return trace


def _frozen(value: Any, series: Collection[int], depth: int = 6) -> str:
    """Equal for equal values: numbers, text and what holds them; of anything else only the type counts.

    The bars themselves differ in length between a whole and a cut run, which is no fault before they are read from.
    """
    if isinstance(value, float) and value.is_integer():
        return repr(int(value))  # a stored 0 may come back as 0.0
    if value is None or isinstance(value, int | float | str | bytes):
        return repr(value)
    if isinstance(value, list | tuple) and depth:
        if len(value) in series and not hasattr(value, "_fields"):
            return "series"
        return f"[{','.join(_frozen(item, series, depth - 1) for item in value)}]"
    if isinstance(value, Mapping) and depth:
        return _frozen([*value.keys(), *value.values()], series, depth - 1)
    if hasattr(value, "tolist"):  # of numpy
        return _frozen(value.tolist(), series, depth)
    return type(value).__name__


def _parted(one: list[_Step], other: list[_Step]) -> Line | None:
    """The line after which two trails are no longer the same; None if they never part."""
    both = min(len(one), len(other))
    at = next((at for at in range(both) if one[at] != other[at]), both)
    if not both or at == len(one) == len(other):
        return None
    return _line(one[max(at - 1, 0)].file, one[max(at - 1, 0)].number)


def _line_of(error: BaseException) -> Line | None:
    """The innermost line of the strategy in a traceback."""
    found, at = None, error.__traceback__
    while at is not None:
        if is_ours(at.tb_frame.f_code.co_filename):
            found = _line(at.tb_frame.f_code.co_filename, at.tb_lineno)
        at = at.tb_next
    return found


def _line(file: str, number: int) -> Line:
    return Line(file, number, linecache.getline(file, number).strip())
