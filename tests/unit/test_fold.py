"""A strategy on its bars: the same signals bar by bar and all at once, each target said once, and every fault named."""

from collections.abc import Callable
from dataclasses import replace
from math import inf, isnan, nan
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.columns import Columns
from libs.domain.configuration import StrategyConfig
from libs.domain.instruments import Calendar
from libs.domain.market import Bar
from libs.domain.messages import Signal
from libs.quant.adjustments import Adjustments
from libs.quant.folds.assembly import Assembled, assembled
from libs.quant.folds.contract import BarView, PanelView
from libs.quant.folds.fold import PANEL, Fold, Playing, StrategyFault, bar_of
from tests.factories import INSTRUMENTS, MINUTE, NOON, SECOND, a_strategy, columns, walks

PLAYING = Playing("session", "account", 0.0, 250)
NO_ACTIONS = Adjustments((), NOON)
CALENDAR: Calendar = "24/7"
MOMENTUM = {"lookback": 3, "top": 1, "every": 2, "short": 1}


def a_fold(config: StrategyConfig | None = None, *symbols: str, playing: Playing = PLAYING) -> Fold:
    symbols = symbols or ("ALFA",)
    return Fold(config or a_strategy(), symbols, "1m", playing, NO_ACTIONS, dict.fromkeys(symbols, CALENDAR))


def answering(*answers: Any, panel: bool = False) -> Fold:
    """A fold whose strategy gives these answers, one a bar; an exception is raised."""
    given = iter(answers)

    def step(state: Any, bar: Any, params: Any) -> tuple[Any, Any]:
        answer = next(given)
        if isinstance(answer, Exception):
            raise answer
        return state, answer

    fold = a_fold(a_strategy("momentum_panel"), "A", "B") if panel else a_fold()
    fold.strategy = replace(fold.strategy, step=step)
    return fold


def stepped(
    fold: Fold, bars: dict[str, Columns], *, live: Callable[[int], bool] = lambda start: True, until: int | None = None
) -> list[Signal]:
    """Shows the fold what a fleet would: at each time the bars there are, of all symbols; only `until` so many times."""
    found = []
    for start in sorted({start for of in bars.values() for start in of.start})[:until]:
        closed: dict[str, Bar] = {s: bar_of(s, "1m", of, of.start.index(start)) for s, of in bars.items() if start in of.start}
        found += fold.step(closed, start, live=live(start), triggered_ns=0)
    return found


def said(signals: list[Signal]) -> list[tuple[int, str, float]]:
    """(minute, symbol, target)."""
    return [((signal.bar_time - NOON) // MINUTE, signal.symbol, signal.target) for signal in signals]


# --- bar by bar and all at once


@given(seed=st.integers(0, 10**9), length=st.integers(0, 60), fast=st.integers(1, 4), more=st.integers(1, 5), sizing=st.booleans())
@settings(max_examples=60)
def test_all_at_once_a_symbol_says_what_it_says_bar_by_bar(seed: int, length: int, fast: int, more: int, sizing: bool) -> None:
    config = a_strategy(params={"fast": fast, "slow": fast + more}, sizing="volatility:0.5" if sizing else "fixed:10")
    bars = walks(seed, length, "ALFA", gaps=0.2)
    together, one_by_one = a_fold(config), a_fold(config)
    assert together.run(bars) == stepped(one_by_one, bars)
    assert together.stored() == one_by_one.stored()


@given(seed=st.integers(0, 10**9), name=st.sampled_from(["breakout", "mean_reversion", "momentum", "trend_vol_target"]))
@settings(max_examples=20, deadline=None)
def test_whatever_its_state_a_strategy_is_where_it_would_be_bar_by_bar(seed: int, name: str) -> None:
    bars = walks(seed, 80, "ALFA")
    together, one_by_one = a_fold(a_strategy(name)), a_fold(a_strategy(name))
    assert together.run(bars) == stepped(one_by_one, bars)
    assert together.stored() == one_by_one.stored()


@given(seed=st.integers(0, 10**9), length=st.integers(0, 40))
@settings(max_examples=30)
def test_all_at_once_a_panel_says_what_it_says_bar_by_bar(seed: int, length: int) -> None:
    config = a_strategy("momentum_panel", params=MOMENTUM, sizing="equity")
    bars = walks(seed, length, "C", "A", "B", gaps=0.2)
    together, one_by_one = a_fold(config, "C", "A", "B"), a_fold(config, "C", "A", "B")
    assert together.run(bars) == stepped(one_by_one, bars)
    assert together.stored() == one_by_one.stored()


@given(seed=st.integers(0, 10**9), cut=st.integers(0, 50), sizing=st.sampled_from(["fixed:10", "volatility:0.5"]))
@settings(max_examples=40)
def test_a_fold_restored_from_what_another_stored_goes_on_as_that_one(seed: int, cut: int, sizing: str) -> None:
    config = a_strategy(params={"fast": 2, "slow": 3}, sizing=sizing)
    bars = walks(seed, 50, "ALFA")
    whole = stepped(a_fold(config), bars)
    first, second = a_fold(config), a_fold(config)
    early = stepped(first, bars, until=cut)
    assert second.restore(first.stored())
    assert early + stepped(second, bars) == whole


def test_bars_folded_in_already_are_passed_over() -> None:
    fold = a_fold()
    bars = {"ALFA": columns([100.0, 101.0, 100.0])}
    assert len(stepped(fold, bars)) == 2
    before = fold.stored()
    assert stepped(fold, bars) == []
    assert fold.stored() == before


# --- what is said


def test_a_signal_says_what_was_decided_when_and_until_when_it_holds() -> None:
    [signal] = a_fold(playing=Playing("session", "account", 20.0, 250)).run({"ALFA": columns([100.0, 101.5])})
    assert (signal.strategy_id, signal.account_id, signal.session_id) == ("fast", "account", "session")
    assert (signal.target, signal.reference_price, signal.scale) == (1.0, 101.5, 1.0)
    assert (signal.bar_time, signal.decided_at) == (NOON + MINUTE, NOON + 2 * MINUTE + 250)
    assert signal.valid_until == NOON + 3 * MINUTE


def test_at_high_speed_a_signal_holds_for_half_a_host_second() -> None:
    [signal] = a_fold(playing=Playing("session", "account", 600.0, 0)).run({"ALFA": columns([100.0, 101.5])})
    assert signal.valid_until == NOON + 2 * MINUTE + 300 * SECOND


@pytest.mark.parametrize("at_once", [True, False])
def test_no_opinion_and_a_repeated_target_say_nothing(at_once: bool) -> None:
    fold = answering(nan, 0.0, 0.0, nan, 0.0, 0.5, nan, 0.5, -0.0, 0.0)
    bars = {"ALFA": columns([100.0] * 10)}
    assert said(fold.run(bars) if at_once else stepped(fold, bars)) == [(1, "ALFA", 0.0), (5, "ALFA", 0.5), (8, "ALFA", 0.0)]


def test_a_disabled_strategy_folds_on_in_silence_and_speaks_of_what_it_has_not_said() -> None:
    fold = answering(1.0, 0.5, 0.5, 0.5)
    assert said(stepped(fold, {"ALFA": columns([100.0] * 4)}, live=lambda start: start >= NOON + 2 * MINUTE)) == [(2, "ALFA", 0.5)]


def test_a_target_waits_until_its_volatility_is_known() -> None:
    closes = [100.0 * 1.01 ** (n % 2) for n in range(30)]  # one per cent up, one down
    config = a_strategy(sizing="volatility:0.1", params={"fast": 1, "slow": 2})
    first, *later = a_fold(config).run({"ALFA": columns(closes)})
    assert (first.bar_time - NOON) // MINUTE == 20  # the twentieth return
    assert first.scale == pytest.approx(0.1 / (0.00995033 * (365 * 24 * 60) ** 0.5), rel=1e-6)
    assert [signal.scale < 1.0 for signal in later] == [True] * 9


# --- panels


def test_a_panel_sees_its_symbols_in_configured_order_and_nan_where_there_is_no_bar() -> None:
    seen: list[PanelView] = []

    def step(state: Any, bar: PanelView, params: Any) -> tuple[Any, list[float]]:
        seen.append(bar)
        return state, [nan] * 3

    fold = a_fold(a_strategy("momentum_panel"), "C", "A", "B")
    fold.strategy = replace(fold.strategy, step=step)
    fold.run({"A": columns([(1.0, 4.0, 0.5, 2.0)], volume=7.0), "B": columns([9.0], start=NOON + MINUTE), "C": columns([3.0], volume=8.0)})
    first, second = seen
    assert [row[:2] for row in first] == [[3.0, 1.0], [3.0, 4.0], [3.0, 0.5], [3.0, 2.0], [8.0, 7.0]]
    assert all(isnan(row[2]) for row in first)
    assert [isnan(close) for close in second.close] == [True, True, False]


def test_a_panel_does_not_speak_of_a_symbol_without_a_bar() -> None:
    fold = answering([0.5, 0.5], [-0.5, -0.5], [-0.5, -0.5], panel=True)
    bars = {"A": columns([1.0, 1.0, 1.0]), "B": columns([2.0], start=NOON + 2 * MINUTE)}
    assert said(stepped(fold, bars)) == [(0, "A", 0.5), (1, "A", -0.5), (2, "B", -0.5)]


def test_a_panel_is_stored_under_one_name_and_not_called_when_none_of_its_symbols_has_a_bar() -> None:
    fold = answering(panel=True)
    assert stepped(fold, {"OTHER": columns([1.0])}) == []
    assert fold.stored().symbol == PANEL


def test_a_panel_of_too_few_symbols_is_refused() -> None:
    with pytest.raises(ValueError, match="momentum_panel: expected 2 to 10000 symbols, got 1"):
        a_fold(a_strategy("momentum_panel"), "ALFA")


# --- faults


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        pytest.param(ZeroDivisionError("by nothing"), "ZeroDivisionError: by nothing", id="raises"),
        pytest.param(2.0, r"ValueError: expected a target from -1 to 1 or NaN, got 2\.0", id="beyond one"),
        pytest.param(inf, "ValueError: expected a target from -1 to 1 or NaN, got inf", id="infinite"),
        pytest.param("long", "ValueError: expected a target from -1 to 1 or NaN, got 'long'", id="no number"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_fault_names_strategy_file_symbol_and_bar(answer: Any, what: str, at_once: bool) -> None:
    fold = answering(nan, 1.0, answer)
    bars = {"ALFA": columns([100.0] * 3)}
    where = r"the bar of ALFA that starts at 2025-01-06T12:02:00\S*" + (r" \(row 3\)" if at_once else "")
    with pytest.raises(StrategyFault, match=rf"^strategy fast \(libs/quant/strategies/sma_cross.py\) failed on {where}: {what}"):
        fold.run(bars) if at_once else stepped(fold, bars)


@pytest.mark.parametrize("answer", [[0.5, 1.5], [0.5], [0.5, "long"], KeyError("A")])
def test_a_panels_fault_names_its_bar_too(answer: Any) -> None:
    fold = answering(answer, panel=True)
    with pytest.raises(StrategyFault, match=r"momentum_panel.py\) failed on the bar of \* that starts at 2025-01-06T12:00:00"):
        stepped(fold, {"A": columns([1.0]), "B": columns([1.0])})


def test_a_fault_keeps_what_was_said_before_it() -> None:
    with pytest.raises(StrategyFault) as failed:
        answering(1.0, 0.0, ValueError("no")).run({"ALFA": columns([1.0] * 3)})
    assert said(list(failed.value.signals)) == [(0, "ALFA", 1.0), (1, "ALFA", 0.0)]


def test_a_fault_says_at_which_line() -> None:
    with pytest.raises(StrategyFault, match=r"ValueError: no; line \d+: `raise answer`$"):
        answering(ValueError("no")).run({"ALFA": columns([1.0])})


# --- another fold's state


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(a_strategy(params={"fast": 1, "slow": 3}), id="parameters"),
        pytest.param(a_strategy(sizing="equity"), id="sizing"),
        pytest.param(a_strategy("momentum"), id="class"),
    ],
)
def test_a_state_of_something_else_is_not_taken_up_and_its_bars_are_not_spoken_of_again(other: StrategyConfig) -> None:
    bars = {"ALFA": columns([100.0, 101.0, 100.0, 101.0, 100.0])}
    old = a_fold(other)
    stepped(old, {"ALFA": columns([100.0, 101.0, 100.0])})
    new = a_fold()
    assert not new.restore(old.stored())
    assert said(stepped(new, bars)) == [(3, "ALFA", 1.0), (4, "ALFA", 0.0)]


def test_a_state_of_another_form_is_not_taken_up_and_its_bars_are_not_spoken_of_again() -> None:
    bars = {"ALFA": columns([100.0, 101.0, 100.0, 101.0, 100.0])}
    old, new = a_fold(), a_fold()
    stepped(old, {"ALFA": columns([100.0, 101.0, 100.0])})
    assert not new.restore(old.stored()._replace(state=msgspec.msgpack.encode(([1], [None], []))))
    assert said(stepped(new, bars)) == [(3, "ALFA", 1.0), (4, "ALFA", 0.0)]


def test_members_and_symbols_are_part_of_what_a_state_means() -> None:
    panels = [a_fold(a_strategy("momentum_panel"), *symbols) for symbols in (("A", "B"), ("B", "A"))]
    assert panels[0].fingerprint != panels[1].fingerprint
    assert not panels[1].restore(panels[0].stored())


# --- assembly


def on_this_market(*configs: StrategyConfig) -> Assembled:
    return assembled(configs, INSTRUMENTS, ("1m", "5m"), {"paper": PLAYING}, NO_ACTIONS)


def test_a_strategy_runs_once_for_each_symbol_and_a_panel_once_for_all() -> None:
    alone, panel = a_strategy(), a_strategy("momentum_panel", "panel", timeframe="5m")
    found = on_this_market(alone, panel)
    assert [(fold.strategy_id, fold.symbols, fold.timeframe) for fold in found.folds] == [
        ("fast", ("ALFA",), "1m"),
        ("fast", ("BTC/USD",), "1m"),
        ("panel", ("ALFA", "BTC/USD"), "5m"),
    ]
    assert found.left_out == []


def test_a_panel_keeps_the_order_it_was_configured_in() -> None:
    [fold] = on_this_market(a_strategy("momentum_panel", symbols=["BTC/USD", "NONE", "ALFA"])).folds
    assert fold.symbols == ("BTC/USD", "ALFA")


def test_a_strategy_runs_on_what_its_account_can_trade() -> None:
    coins = PLAYING._replace(tradable=frozenset({"crypto"}))
    named, panel = a_strategy("sma_cross", "named", symbols=["ALFA"]), a_strategy("momentum_panel", "panel")
    found = assembled([a_strategy(), named, panel], INSTRUMENTS, ("1m",), {"paper": coins}, NO_ACTIONS)
    assert [fold.symbols for fold in found.folds] == [("BTC/USD",)]
    assert found.left_out == [
        "named: account paper cannot trade any of ALFA",
        "panel: momentum_panel runs over 2 to 10000 symbols, this market has 1 of them",
    ]


@pytest.mark.parametrize(
    ("config", "why"),
    [
        pytest.param(a_strategy(symbols=["NONE"]), "fast: none of its symbols are in this market", id="symbols"),
        pytest.param(a_strategy(account="live"), "fast: account live is not traded in this market", id="account"),
        pytest.param(a_strategy(timeframe="1h"), "fast: no 1h bars in this market, it has 1m, 5m", id="timeframe"),
        pytest.param(
            a_strategy("momentum_panel", symbols=["ALFA", "NONE"]),
            "fast: momentum_panel runs over 2 to 10000 symbols, this market has 1 of them",
            id="width",
        ),
    ],
)
def test_what_has_nothing_to_run_on_is_left_out_with_the_reason(config: StrategyConfig, why: str) -> None:
    found = on_this_market(config, a_strategy("momentum", "other", symbols=["ALFA"]))
    assert found.left_out == [why]
    assert [fold.strategy_id for fold in found.folds] == ["other"]


@pytest.mark.parametrize(
    ("config", "why"),
    [
        pytest.param(a_strategy("nothing"), "no strategy class 'nothing'", id="class"),
        pytest.param(a_strategy(params={"fast": 3, "slow": 2}), "sma_cross: expected 1 <= fast < slow", id="parameters"),
    ],
)
def test_what_is_configured_wrongly_is_refused(config: StrategyConfig, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        on_this_market(config)


def test_a_view_is_what_strategies_are_promised() -> None:
    seen: list[Any] = []

    def step(state: Any, bar: Any, params: Any) -> tuple[Any, float]:
        seen.append(bar)
        return state, nan

    for walk in (Fold.run, stepped):
        fold = a_fold()
        fold.strategy = replace(fold.strategy, step=step)
        walk(fold, {"ALFA": columns([(1.0, 4.0, 0.5, 2.0)], volume=7.0)})
    assert seen == [BarView(1.0, 4.0, 0.5, 2.0, 7.0)] * 2
    assert {type(view) for view in seen} == {BarView}
