"""Strategies that are bad on purpose (tests/peeking) are caught, each at its line; an honest one passes."""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import nan
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from libs.quant.folds import bias
from libs.quant.folds.contract import BarView, PanelView, Strategy
from libs.quant.strategies import sma_cross
from tests.peeking import caller_frame, closed_over_tape, dice, hidden_state, own_file, past_the_end, whole_sample

HONEST = sma_cross.STRATEGY, sma_cross.Params(fast=3, slow=8)


def walk(count: int, seed: int = 1) -> list[BarView]:
    chance = random.Random(seed)
    closes = [100.0]
    for _ in range(count):
        closes.append(closes[-1] * (1 + chance.gauss(0, 0.01)))
    return [BarView(before, max(before, after), min(before, after), after, 1000.0) for before, after in pairwise(closes)]


BARS = walk(120)
POINTS = range(10, 110, 10)


def marked(module: ModuleType, comment: str) -> bias.Line:
    """The line of a bad strategy that says so itself."""
    file = str(module.__file__)
    numbered = enumerate(Path(file).read_text().splitlines(), 1)
    return next(bias.Line(file, number, line.strip()) for number, line in numbered if line.endswith(f"# {comment}"))


@pytest.mark.parametrize(
    ("module", "subject"),
    [
        (caller_frame, caller_frame.STRATEGY),
        (closed_over_tape, closed_over_tape.build),
        (past_the_end, past_the_end.build),
        (whole_sample, whole_sample.build),
    ],
)
def test_a_look_into_the_future_is_found_and_its_line_is_named(module: ModuleType, subject: bias.Subject) -> None:
    found = bias.look_ahead(subject, module.Params(), BARS, POINTS)
    assert found is not None
    assert found.line == marked(module, "the peek")
    assert found.expected != found.got
    assert f"{module.__file__}:{found.line.number}" in found.text()


def test_a_step_that_raises_only_where_the_bars_are_cut_is_a_look_ahead() -> None:
    found = bias.look_ahead(past_the_end.build, past_the_end.Params(), BARS, [57])
    assert found is not None
    assert (found.bar, found.got) == (57, None)
    assert "raises IndexError" in found.what


def test_state_outside_the_state_does_not_survive_a_restart() -> None:
    found = bias.restart(hidden_state.STRATEGY, hidden_state.Params(), BARS, POINTS)
    assert found is not None
    assert found.line == marked(hidden_state, "what is lost")
    assert bias.repeat(hidden_state.STRATEGY, hidden_state.Params(), BARS) is None


def test_dice_do_not_repeat_and_are_neither_cut_nor_restarted() -> None:
    repeated, outside = bias.check(dice.STRATEGY, dice.Params(), BARS)
    assert (repeated.kind, outside.kind) == ("repeat", "sealed")
    assert repeated.line == outside.line == marked(dice, "the dice")


def test_a_file_of_its_own_shows_in_the_code_alone() -> None:
    (found,) = bias.check(own_file.STRATEGY, own_file.Params(), BARS)
    assert found.kind == "sealed"
    assert found.line == marked(own_file, "the peek")


@pytest.mark.parametrize(
    ("module", "what"),
    [
        (caller_frame, "it uses sys._getframe"),
        (hidden_state, "it uses closes, a list of its module"),
        (dice, "it uses random.random"),
        (own_file, "it uses Path"),
    ],
)
def test_what_reaches_outside_is_seen_without_running_it(module: ModuleType, what: str) -> None:
    found = bias.sealed(module.STRATEGY)
    assert found is not None
    assert found.line is not None
    assert (found.what, found.line.file) == (what, module.__file__)


LONG = tuple(range(100))
SHORT = (0.25, 0.5)
remembered = 0


def opens_a_file(*_: Any) -> Any:
    return open("closes.txt")


def reads_its_callers(*_: Any) -> Any:
    try:
        raise LookupError
    except LookupError as error:
        return error.__traceback__.tb_frame.f_back  # type: ignore[union-attr]


def remembers(*_: Any) -> None:
    global remembered
    remembered += 1


def sets_an_attribute(state: Any, *_: Any) -> None:
    state.seen = 1


def imports_a_clock(*_: Any) -> float:
    import time

    return time.time()


def brings_data(state: Any, *_: Any) -> Any:
    return [LONG[n] for n in range(state)]


def calls_one_that_throws_dice(*_: Any) -> Any:
    return dice.step(*_)


def counts() -> Callable[..., None]:
    seen = 0

    def step(*_: Any) -> None:
        nonlocal seen
        seen += 1

    return step


@pytest.mark.parametrize(
    ("step", "what"),
    [
        (opens_a_file, "it calls open()"),
        (reads_its_callers, "it reads __traceback__"),
        (remembers, "it sets remembered, which is not part of the state"),
        (sets_an_attribute, "it sets seen, which is not part of the state"),
        (imports_a_clock, "it imports time"),
        (brings_data, "it holds LONG, a tuple of data"),
        (calls_one_that_throws_dice, "it uses random.random"),
        (counts(), "it sets seen, which is not part of the state"),
    ],
)
def test_every_way_out_of_a_step_is_named(step: Callable[..., Any], what: str) -> None:
    found = bias.sealed(replace(HONEST[0], step=step))
    assert found is not None
    assert found.what == what


def test_functions_constants_and_modules_of_numbers_are_no_way_out() -> None:
    def step(state: Any, bar: BarView, params: Any) -> tuple[Any, float]:
        weights = [math.sqrt(weight) for weight in SHORT]
        return sma_cross.step(state, bar._replace(close=bar.close * sum(weights)), HONEST[1])

    assert bias.sealed(replace(HONEST[0], step=step)) is None


def test_an_honest_strategy_passes_every_check() -> None:
    assert bias.check(*HONEST, BARS) == []
    assert bias.look_ahead(*HONEST, BARS, range(len(BARS))) is None
    assert bias.restart(*HONEST, BARS, range(len(BARS))) is None


def test_no_bars_no_findings() -> None:
    assert bias.run(*HONEST, []) == []
    assert bias.check(*HONEST, []) == []


def test_a_run_is_the_targets_of_its_steps() -> None:
    state, targets = sma_cross.init(HONEST[1]), []
    for bar in BARS:
        state, target = sma_cross.step(state, bar, HONEST[1])
        targets.append(target)
    assert repr(bias.run(*HONEST, BARS)) == repr(targets)  # NaN equals NaN


@pytest.mark.parametrize("check", [bias.look_ahead, bias.restart])
def test_a_place_where_no_bar_is_is_refused(check: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="expected indices of bars, 0 to 119, got 120"):
        check(*HONEST, BARS, [120])


def test_a_step_that_raises_is_named_with_its_line() -> None:
    flat = [BarView(1.0, 1.0, 1.0, 1.0, 0.0)] * 5
    found = bias.raises(whole_sample.build, whole_sample.Params(), flat)
    assert found is not None
    assert found.what == "at bar 0 it raises ZeroDivisionError: float division by zero"
    assert found.line is not None
    assert found.line.source.startswith("z = ")


def test_the_same_error_in_both_runs_is_no_look_ahead() -> None:
    flat = [BarView(1.0, 1.0, 1.0, 1.0, 0.0)] * 5
    assert bias.look_ahead(whole_sample.build, whole_sample.Params(), flat, [2]) is None


class Seen(NamedTuple):
    seen: int


def like_honest(step: Callable[..., Any], init: Callable[..., Any] = lambda params: Seen(0), panel: bool = False) -> Strategy:
    return replace(HONEST[0], name="made", state=Seen, init=init, step=step, panel=panel)


def test_a_look_ahead_in_the_middle_of_a_return_is_named() -> None:
    def build(bars: list[BarView]) -> Strategy:
        def step(state: Seen, bar: BarView, params: Any) -> tuple[Seen, float]:
            seen = state.seen + 1
            return Seen(seen), 1.0 if bars[min(seen, len(bars) - 1)].close > bar.close else 0.0

        return like_honest(step)

    found = bias.look_ahead(build, None, BARS, POINTS)
    assert found is not None
    assert "return Seen(seen), 1.0 if bars" in str(found.line)


def test_of_a_run_that_raises_the_line_of_the_raise_is_named() -> None:
    def build(bars: list[BarView]) -> Strategy:
        def step(state: Seen, bar: BarView, params: Any) -> tuple[Seen, float]:
            count = len(bars)
            later = bars[state.seen + 1].close
            return Seen(state.seen + 1), later / count

        return like_honest(step)

    found = bias.look_ahead(build, None, BARS[:2], [0])
    assert found is not None
    assert "later = " in str(found.line)


def test_what_only_a_fresh_process_has_to_learn_anew_is_found() -> None:
    steps: list[int] = []

    def init(params: Any) -> Seen:
        steps.clear()
        return Seen(0)

    def step(state: Seen, bar: BarView, params: Any) -> tuple[Seen, float]:
        steps.append(1)
        return Seen(state.seen + 1), nan if len(steps) < 5 else 1.0

    found = bias.restart(like_honest(step, init), None, BARS, [50])
    assert found is not None
    assert (found.bar, found.expected) == (51, 1.0)


def test_targets_of_a_panel_are_copied_as_they_are_said() -> None:
    said = [0.0]

    def step(state: Seen, bars: PanelView, params: Any) -> tuple[Seen, list[float]]:
        said[0] += 0.25
        return state, said

    bars = [PanelView(*([1.0] for _ in range(5)))] * 3
    assert bias.run(like_honest(step, lambda params, width: Seen(0), panel=True), None, bars) == [[0.25], [0.5], [0.75]]


class Loose(NamedTuple):
    """A state that says int and holds a fraction."""

    total: int


def loose_step(state: Loose, bar: BarView, params: Any) -> tuple[Loose, float]:
    return Loose(state.total + bar.close), 0.0  # type: ignore[arg-type]


def test_a_state_that_is_not_of_its_declared_types_cannot_be_restored() -> None:
    strategy = replace(HONEST[0], name="loose", state=Loose, init=lambda params: Loose(0), step=loose_step)
    found = bias.restart(strategy, HONEST[1], BARS, [4])
    assert found is not None
    assert "cannot be stored and read back as Loose: Expected `int`, got `float`" in found.what


def panel(bars: list[PanelView], ahead: int) -> Strategy:
    """Holds whichever symbol closes highest now, or some bars ahead."""

    def step(state: Seen, bar: PanelView, params: Any) -> tuple[Seen, list[float]]:
        closes = bars[min(state.seen + ahead, len(bars) - 1)].close
        bar.close[0] = nan  # a bar of its own: nobody else's is touched
        return Seen(state.seen + 1), [1.0 if close == max(closes) else 0.0 for close in closes]

    return like_honest(step, lambda params, width: Seen(0), panel=True)


def test_a_panel_is_checked_symbol_by_symbol() -> None:
    rows = zip(*(walk(40, seed) for seed in range(3)), strict=True)
    bars = [PanelView(*map(list, zip(*row, strict=True))) for row in rows]
    before = repr(bars)
    found = bias.look_ahead(lambda own: panel(own, 5), None, bars, [20])
    assert found is not None
    assert "for symbol" in found.what
    assert "closes = bars[" in str(found.line)
    assert bias.look_ahead(lambda own: panel(own, 0), None, bars, [20]) is None
    assert repr(bars) == before


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"warmup": lambda params: params.slow + 1}, "has a target at bar 30, and says that it warms up until bar 31"),
        ({"warmup": 5}, "its warmup gives no number of bars"),
        ({"ranges": {"fast": (2, 50)}}, "its ranges do not name the parameter slow"),
        ({"ranges": {"fast": (2, 5), "slow": (5, 250)}}, "its default fast=10 is not from 2 to 5"),
    ],
)
def test_what_a_strategy_says_of_itself_must_hold(changed: dict[str, Any], what: str) -> None:
    (found,) = bias.check(replace(sma_cross.STRATEGY, **changed), sma_cross.Params(), BARS)
    assert found.kind == "declared"
    assert what in found.text()


def test_a_parameter_that_is_left_unsearched_needs_no_range() -> None:
    changed = replace(sma_cross.STRATEGY, ranges={"fast": (2, 50)}, unsearched=frozenset({"slow"}))
    assert bias.check(changed, sma_cross.Params(), BARS) == []


@pytest.mark.parametrize("answer", [2.0, float("inf"), "long", None])
def test_a_target_that_is_none_is_found(answer: Any) -> None:
    def step(state: Any, bar: Any, params: Any) -> tuple[Any, Any]:
        return state, answer

    found = bias.check(replace(sma_cross.STRATEGY, step=step), sma_cross.Params(), BARS)
    assert f"expected a target from -1 to 1 or NaN, got {answer!r}" in found[0].what
