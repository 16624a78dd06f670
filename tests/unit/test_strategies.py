import random
import struct
from collections.abc import Sequence
from math import isnan, log, nan, sqrt
from statistics import linear_regression
from typing import Any

import msgspec
import pytest

from libs.domain.configuration import MemberConfig, StrategyConfig
from libs.quant.folds.contract import BarView, PanelView, Strategy
from libs.quant.folds.registry import Configured, Member, configured, find, parameters
from libs.quant.strategies import (
    breakout,
    fusion,
    mean_reversion,
    momentum,
    momentum_panel,
    pairs,
    trend_vol_target,
)

ALONE = ["breakout", "mean_reversion", "momentum", "trend_vol_target"]


def bar(close: float) -> BarView:
    return BarView(close, close, close, close, 1.0)


def panel(*closes: float) -> PanelView:
    row = list(closes)
    return PanelView(row, row, row, row, row)


def targets(strategy: Strategy, params: Any, bars: Sequence[Any], state: Any = None) -> list[Any]:
    if state is None:
        state = strategy.init(params, len(bars[0].close)) if strategy.panel else strategy.init(params)
    found = []
    for view in bars:
        state, target = strategy.step(state, view, params)
        found.append(target)
    return found


def over_closes(strategy: Strategy, params: Any, closes: Sequence[float]) -> list[float]:
    return targets(strategy, params, [bar(close) for close in closes])


def walk(length: int, seed: int = 7) -> list[BarView]:
    """Bars of a random walk of 1 % a bar."""
    draw = random.Random(seed)
    closes = [100.0]
    for _ in range(length - 1):
        closes.append(closes[-1] * (1.0 + draw.gauss(0.0, 0.01)))
    return [BarView(close, close * 1.004, close * 0.996, close, 1.0) for close in closes]


def made(name: str, params: dict[str, float | int], *members: MemberConfig) -> Configured:
    return configured(
        StrategyConfig(id="x", class_name=name, symbols=["*"], account="paper", allocation=0.1, params=params, members=list(members))
    )


def bits(values: Sequence[float]) -> bytes:
    return struct.pack(f"{len(values)}d", *values)


# --- momentum


def test_momentum_takes_the_sign_of_the_return_and_holds_it_until_the_next_rebalancing() -> None:
    closes = [10.0, 11.0, 12.0, 9.0, 11.0, 14.0, 11.0]  # over 2 bars: +2 at the third, -1 at the fifth, 0 at the seventh
    long_only, both = momentum.Params(lookback=2, every=2), momentum.Params(lookback=2, every=2, short=1)
    assert bits(over_closes(momentum.STRATEGY, long_only, closes)) == bits([nan, nan, 1.0, 1.0, 0.0, 0.0, 0.0])
    assert bits(over_closes(momentum.STRATEGY, both, closes)) == bits([nan, nan, 1.0, 1.0, -1.0, -1.0, 0.0])


def test_momentum_leaves_the_newest_bars_out() -> None:
    found = over_closes(momentum.STRATEGY, momentum.Params(lookback=1, skip=1, every=1, short=1), [10.0, 12.0, 5.0, 6.0])
    assert bits(found) == bits([nan, nan, 1.0, -1.0])


# --- momentum_panel


def test_the_winners_share_the_capital_and_the_losers_are_short_if_wanted() -> None:
    rows = [panel(10.0, 10.0, 10.0, 10.0), panel(11.0, 9.0, 12.0, 8.0)]
    long_only = momentum_panel.Params(lookback=1, top=2, every=1)
    assert targets(momentum_panel.STRATEGY, long_only, rows)[-1] == [0.5, 0.0, 0.5, 0.0]
    assert targets(momentum_panel.STRATEGY, long_only._replace(short=1), rows)[-1] == [0.5, -0.5, 0.5, -0.5]


def test_equal_returns_rank_in_configured_order() -> None:
    rows = [panel(10.0, 20.0, 5.0), panel(11.0, 22.0, 5.5)]
    assert targets(momentum_panel.STRATEGY, momentum_panel.Params(lookback=1, top=1, every=1), rows)[-1] == [1.0, 0.0, 0.0]


def test_the_panel_is_rebalanced_only_every_so_many_steps() -> None:
    rows = [panel(10.0, 10.0), panel(11.0, 10.0), panel(11.0, 12.0), panel(11.0, 13.0)]
    found = targets(momentum_panel.STRATEGY, momentum_panel.Params(lookback=1, top=1, every=2), rows)
    assert found[1:] == [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]


def test_a_symbol_without_a_bar_keeps_its_place_and_what_it_held() -> None:
    rows = [panel(10.0, 10.0, 10.0), panel(12.0, 10.0, 11.0), panel(nan, 11.0, 10.0), panel(9.0, 12.0, 10.0)]
    found = targets(momentum_panel.STRATEGY, momentum_panel.Params(lookback=1, top=1, every=1), rows)
    assert found[1:] == [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def test_a_loser_without_a_bar_keeps_its_place_too() -> None:
    rows = [panel(10.0, 10.0, 10.0), panel(10.0, 11.0, 9.0), panel(12.0, 11.0, nan)]
    found = targets(momentum_panel.STRATEGY, momentum_panel.Params(lookback=1, top=1, every=1, short=1), rows)
    assert found[1:] == [[0.0, 1.0, -1.0], [1.0, 0.0, -1.0]]


def test_a_symbol_listed_later_is_left_out_until_it_has_its_own_history() -> None:
    rows = [panel(10.0, 10.0, nan), panel(11.0, 10.0, nan), panel(12.0, 10.0, 50.0), panel(12.0, 10.0, 99.0)]
    found = targets(momentum_panel.STRATEGY, momentum_panel.Params(lookback=1, top=1, every=1), rows)
    assert [row[:2] for row in found[1:]] == [[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    assert [isnan(row[2]) for row in found] == [True, True, True, False]
    assert found[-1][2] == 1.0


def test_nobody_is_winner_and_loser_at_once() -> None:
    rows = [panel(10.0, 10.0, 10.0), panel(12.0, 11.0, 10.0)]
    found = targets(momentum_panel.STRATEGY, momentum_panel.Params(lookback=1, top=2, every=1, short=1), rows)
    assert found[-1] == [0.5, 0.0, -0.5]


# --- mean_reversion


def positions(scores: Sequence[float]) -> list[float]:
    position, sides = mean_reversion.Position(0.0, 0.0), []
    for z in scores:
        position = mean_reversion.reverted(position, z, entry=2.0, exit=0.5, stop=4.0)
        sides.append(position.side)
    return sides


@pytest.mark.parametrize(
    ("scores", "sides"),
    [
        pytest.param([-2.0, -2.1, -1.0, -0.6, -0.5], [0, 1, 1, 1, 0], id="in below -entry, out where it has come back to -exit"),
        pytest.param([2.5, 1.0, 0.4], [-1, -1, 0], id="and the same above"),
        pytest.param([-2.5, 2.5], [1, -1], id="from one side to the other at once"),
        pytest.param([-4.1], [0], id="not in beyond the stop"),
        pytest.param([-3.0, -4.1, -3.0, -0.4, -3.0], [1, 0, 0, 0, 1], id="given up at the stop, not taken again before it came back"),
    ],
)
def test_positions_follow_the_bands(scores: list[float], sides: list[float]) -> None:
    assert positions(scores) == sides


def test_mean_reversion_buys_a_fall_and_sells_a_rise_only_if_it_may() -> None:
    closes = [10.0, 10.0, 7.0, 10.0, 10.0, 13.0]  # the last of three is 1.41 deviations below the mean, .. 0.71 above, .. 1.41 above
    params = mean_reversion.Params(length=3, entry=1.0, exit=0.5, stop=2.0)
    assert bits(over_closes(mean_reversion.STRATEGY, params, closes)) == bits([nan, nan, 1.0, 0.0, 0.0, 0.0])
    assert over_closes(mean_reversion.STRATEGY, params._replace(short=1), closes)[-1] == -1.0


# --- pairs

TINY = pairs.Params(length=3, entry=0.5, exit=0.1, stop=2.0)


def logs(*points: tuple[float, float]) -> list[PanelView]:
    return [panel(2.0**y, 2.0**x) for y, x in points]


def test_pairs_sells_the_first_and_buys_the_hedge_when_the_spread_is_wide() -> None:
    # slope 2.6 / 2 = 1.3, residuals 0.1, -0.2, 0.1, deviation 0.141: score 0.707
    found = targets(pairs.STRATEGY, TINY, logs((0.0, 0.0), (1.0, 1.0), (2.6, 2.0)))
    assert all(map(isnan, found[0] + found[1]))
    assert found[2] == pytest.approx([-0.5, 0.65])


def test_a_leg_is_never_more_than_the_capital() -> None:
    assert targets(pairs.STRATEGY, TINY, logs((0.0, 0.0), (1.0, 1.0), (5.0, 2.0)))[-1] == [-0.5, 1.0]  # slope 2.5


def test_the_hedge_of_the_entry_stays_while_the_spread_does() -> None:
    found = targets(pairs.STRATEGY, TINY, logs((0.0, 0.0), (1.0, 1.0), (2.6, 2.0), (4.5, 3.0)))  # slope 1.75 by now
    assert found[-1] == found[-2] == pytest.approx([-0.5, 0.65])


@pytest.mark.parametrize("third", [2.0, 1.0 + 1e-13])
def test_a_spread_that_is_only_rounding_is_not_traded(third: float) -> None:
    assert targets(pairs.STRATEGY, TINY, logs((0.0, 0.0), (1.0, 1.0), (third, third)))[-1] == [0.0, 0.0]


def test_a_second_symbol_that_does_not_move_hedges_nothing() -> None:
    assert targets(pairs.STRATEGY, TINY, logs((0.0, 1.0), (1.0, 1.0), (3.0, 1.0)))[-1] == [0.0, 0.0]


def test_nor_does_one_that_has_come_to_rest_after_a_wild_price() -> None:
    rows = [panel(2.0, 1e10), panel(3.0, 2.3), panel(5.0, 2.3), panel(4.0, 2.3), panel(7.0, 2.3)]
    assert targets(pairs.STRATEGY, TINY, rows)[3:] == [[0.0, 0.0], [0.0, 0.0]]


def sums_after(rows: Sequence[PanelView]) -> pairs.Sums:
    state = pairs.init(TINY, 2)
    for row in rows:
        state, _ = pairs.step(state, row, TINY)
    return state.sums


def test_a_round_later_nothing_is_left_of_a_wild_price() -> None:
    rows = [panel(a.close, b.close) for a, b in zip(walk(12, seed=1), walk(12, seed=2), strict=True)]
    assert sums_after([rows[0], panel(1e-9, 1e9), *rows[2:]]) == sums_after(rows)


def test_symbols_that_move_apart_are_no_pair() -> None:
    assert targets(pairs.STRATEGY, TINY, logs((0.0, 0.0), (-1.0, 1.0), (-2.6, 2.0)))[-1] == [0.0, 0.0]


def test_a_step_in_which_one_of_a_pair_is_missing_is_passed_over() -> None:
    whole = logs((0.0, 0.0), (1.0, 1.0), (2.6, 2.0))
    found = targets(pairs.STRATEGY, TINY, [whole[0], panel(nan, 5.0), whole[1], panel(5.0, nan), whole[2], panel(nan, 5.0)])
    assert found[4] == targets(pairs.STRATEGY, TINY, whole)[-1]
    assert found[5] == found[4]


def pairs_by_definition(rows: Sequence[PanelView], params: pairs.Params) -> list[float]:
    """Sides, each regression from scratch."""
    ys, xs = ([log(row.close[n]) for row in rows] for n in (0, 1))
    position, sides = mean_reversion.Position(0.0, 0.0), []
    for end in range(params.length, len(rows) + 1):
        y, x = ys[end - params.length : end], xs[end - params.length : end]
        slope, intercept = linear_regression(x, y)
        residuals = [b - intercept - slope * a for a, b in zip(x, y, strict=True)]
        z = residuals[-1] / sqrt(sum(r * r for r in residuals) / params.length) if slope > 0.0 else 0.0
        position = mean_reversion.reverted(position, z, params.entry, params.exit, params.stop)
        sides.append(position.side)
    return sides


def test_running_sums_decide_as_a_regression_from_scratch_does_even_after_a_wild_price() -> None:
    first, second = walk(1500, seed=1), walk(1500, seed=2)
    rows = [panel(a.close * b.close * (1e6 if n == 500 else 1.0), b.close) for n, (a, b) in enumerate(zip(first, second, strict=True))]
    params = pairs.Params(length=40)
    sides = pairs_by_definition(rows, params)
    assert sides.count(0.0) < len(sides)
    assert [2.0 * row[0] for row in targets(pairs.STRATEGY, params, rows)[params.length - 1 :]] == sides


# --- breakout


def test_breakout_is_in_above_the_channel_before_and_out_below_the_shorter_one() -> None:
    params = breakout.Params(entry=2, exit=1, atr=1, stop=50.0)
    assert bits(over_closes(breakout.STRATEGY, params, [10.0, 11.0, 12.0, 13.0, 12.0, 12.5])) == bits([nan, nan, 1.0, 1.0, 0.0, 0.0])


def test_breakout_is_out_at_the_stop_though_the_channel_holds() -> None:
    # in at 12 with a true range of 2: the stop is at 11, the channel of three at 10
    params = breakout.Params(entry=3, exit=3, atr=1, stop=0.5)
    assert over_closes(breakout.STRATEGY, params, [10.0, 10.0, 10.0, 12.0, 11.5, 10.9])[3:] == [1.0, 1.0, 0.0]


def test_breakout_is_short_below_the_channel_only_if_it_may() -> None:
    params = breakout.Params(entry=2, exit=1, atr=1, stop=50.0)
    closes = [10.0, 11.0, 9.0, 8.0, 8.5]
    assert over_closes(breakout.STRATEGY, params, closes)[2:] == [0.0, 0.0, 0.0]
    assert over_closes(breakout.STRATEGY, params._replace(short=1), closes)[2:] == [-1.0, -1.0, 0.0]


# --- trend_vol_target


def test_the_trend_is_sized_by_volatility_in_steps() -> None:
    # Returns ln 1.1, 0: volatilities 0.0953, 0.0550; sizes 0.525, 0.909.
    params = trend_vol_target.Params(fast=1, slow=2, half_life=1, target_vol=0.05, bars_per_year=1.0, step=0.1)
    found = over_closes(trend_vol_target.STRATEGY, params, [100.0, 110.0, 110.0])
    assert isnan(found[0])
    assert found[1:] == pytest.approx([0.5, 0.9])


def test_a_size_less_than_a_step_away_is_not_traded() -> None:
    params = trend_vol_target.Params(fast=1, slow=2, half_life=1, target_vol=0.05, bars_per_year=1.0, step=0.5)
    assert over_closes(trend_vol_target.STRATEGY, params, [100.0, 110.0, 110.0])[1:] == [0.5, 0.5]  # 0.909 would round to 1


def test_a_falling_trend_is_flat_or_short() -> None:
    params = trend_vol_target.Params(fast=1, slow=2, half_life=1, target_vol=0.05, bars_per_year=1.0)
    closes = [100.0, 110.0, 99.0]  # volatility of ln 1.1, -ln 1.111: 0.1021
    assert over_closes(trend_vol_target.STRATEGY, params, closes)[-1] == 0.0
    assert over_closes(trend_vol_target.STRATEGY, params._replace(short=1), closes)[-1] == -0.5


def test_a_market_that_moves_little_is_held_in_full() -> None:
    params = trend_vol_target.Params(fast=1, slow=2, half_life=1, bars_per_year=1.0)
    assert over_closes(trend_vol_target.STRATEGY, params, [100.0, 100.1])[-1] == 1.0


# --- fusion: three members whose opinions are the open, the high and the low of the bar


def says(field: str) -> Strategy:
    def step(state: momentum.State, view: BarView, params: momentum.Params) -> tuple[momentum.State, float]:
        return state, getattr(view, field)

    return Strategy("says", momentum.Params, momentum.State, momentum.init, step, lambda params: 1, lambda params: None, "none")


Three = tuple[float, float, float]


def fused(params: fusion.Params, *opinions: Three, weights: Three = (1.0, 1.0, 1.0)) -> list[float]:
    members = [Member(says(field), momentum.Params(), weight) for field, weight in zip(("open", "high", "low"), weights, strict=True)]
    return targets(fusion.combine(members), params, [BarView(*said, 0.0, 0.0) for said in opinions])


@pytest.mark.parametrize(
    ("conflict", "weights", "opinions", "target"),
    [
        pytest.param(0, (1.0, 1.0, 2.0), (1.0, -1.0, 0.5), 0.25, id="mean by weight"),
        pytest.param(1, (1.0, 1.0, 1.0), (1.0, 0.5, -1.0), 0.75, id="majority: the mean of two of three"),
        pytest.param(1, (1.0, 1.0, 2.0), (1.0, 1.0, -1.0), 0.0, id="majority: half is not more than half"),
        pytest.param(1, (1.0, 1.0, 3.0), (1.0, 1.0, -0.5), -0.5, id="majority: one of three by weight"),
        pytest.param(2, (1.0, 1.0, 2.0), (1.0, 1.0, 0.5), 0.75, id="unanimous"),
        pytest.param(2, (1.0, 1.0, 1.0), (1.0, 1.0, 0.0), 0.0, id="unanimous: one does not join in"),
        pytest.param(3, (1.0, 1.0, 3.0), (1.0, 1.0, -0.5), -0.5, id="strongest by weight x size"),
        pytest.param(3, (1.0, 1.0, 1.0), (0.5, -0.5, 0.25), 0.5, id="strongest: of equal ones the first"),
    ],
)
def test_conflicts_are_settled_by_the_rule(conflict: int, weights: Three, opinions: Three, target: float) -> None:
    assert fused(fusion.Params(conflict=conflict), opinions, weights=weights) == [target]


def test_a_member_without_an_opinion_has_no_say_and_of_none_there_is_none() -> None:
    found = fused(fusion.Params(), (nan, nan, nan), (nan, 1.0, nan), (nan, 1.0, 0.0))
    assert bits(found) == bits([nan, 1.0, 0.5])


def test_a_member_without_weight_has_no_say() -> None:
    assert bits(fused(fusion.Params(), (1.0, nan, nan), (1.0, -1.0, nan), weights=(0.0, 1.0, 1.0))) == bits([nan, -1.0])


def test_an_opinion_fades_from_the_bar_on_which_it_changed() -> None:
    params = fusion.Params(half_life=1.0, step=0.01)
    found = fused(params, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5))
    assert found == pytest.approx([1.0, 0.5, 0.25, 0.5])


def test_a_fresh_opinion_outvotes_faded_ones() -> None:
    params = fusion.Params(conflict=3, half_life=1.0, step=0.01)
    assert fused(params, (1.0, 1.0, 0.0), (1.0, 1.0, -0.6)) == pytest.approx([1.0, -0.6])


def test_a_weak_result_is_flat() -> None:
    assert fused(fusion.Params(threshold=0.5), (1.0, 1.0, -1.0), (1.0, 1.0, -0.5)) == [0.0, 0.5]


def test_disagreement_makes_the_result_smaller() -> None:
    said = (1.0, 0.5, -0.3)  # mean 0.4, agreement (1 + 1 - 1) / 3
    assert fused(fusion.Params(agreement=1.0), said) == pytest.approx([0.4 / 3])
    assert fused(fusion.Params(agreement=2.0), said) == pytest.approx([0.4 / 9])
    assert fused(fusion.Params(agreement=2.0), (1.0, 0.5, 0.3)) == pytest.approx([0.6])
    assert fused(fusion.Params(agreement=1.0), (1.0, 0.5, 0.0)) == pytest.approx([0.5 * 2 / 3])


def test_members_that_all_have_no_weight_are_refused() -> None:
    with pytest.raises(ValueError, match="fusion: expected at least one member with a weight above 0, got none"):
        made("fusion", {}, MemberConfig(class_name="sma_cross", weight=0.0))


# --- regime_filter


def filtered(params: dict[str, float | int], bars: Sequence[BarView]) -> list[float]:
    """Around a member that is always long once it has seen a bar: a mean of 1 above one of 2 in a market that rises."""
    return targets(*made("regime_filter", params, MemberConfig(class_name="sma_cross", params={"fast": 1, "slow": 2})), bars)


RISING = [BarView(c, c + 0.5, c - 0.5, c, 1.0) for c in (100.0 + n for n in range(30))]
CALM: dict[str, float | int] = {"fast": 2, "slow": 5, "high": 1000.0, "adx_length": 3, "adx_min": 0.0}


def test_in_the_regime_the_members_target_passes() -> None:
    found = filtered({**CALM, "adx_min": 90.0}, RISING)  # every move is up: the index is 100
    assert all(map(isnan, found[:5]))
    assert set(found[5:]) == {1.0}


def test_without_a_trend_the_member_is_not_heard() -> None:
    up_and_down = [BarView(c, c + 0.5, c - 0.5, c, 1.0) for c in (100.0 + n % 2 for n in range(40))]
    assert 1.0 in filtered(CALM, up_and_down)
    assert set(filtered({**CALM, "adx_min": 60.0}, up_and_down)[10:]) == {0.0}


def test_when_volatility_jumps_the_member_is_not_heard_or_only_in_part() -> None:
    wild = [*RISING, bar(160.0)]
    assert filtered(CALM, wild)[-1] == 1.0
    assert filtered({**CALM, "high": 1.2}, wild)[-2:] == [1.0, 0.0]
    assert filtered({**CALM, "high": 1.2, "outside": 0.25}, wild)[-1] == 0.25


def test_a_market_too_quiet_is_outside_too() -> None:
    quiet = [*RISING[:10], bar(120.0), bar(120.01), bar(120.02), bar(120.03)]
    assert filtered({**CALM, "low": 0.5}, quiet)[-1] == 0.0
    assert filtered(CALM, quiet)[-1] == 1.0


# --- all


SMA = MemberConfig(class_name="sma_cross", params={"fast": 3, "slow": 8})
SLOW = MemberConfig(class_name="momentum", params={"lookback": 20, "every": 3})
REGIME = MemberConfig(class_name="regime_filter", params={"fast": 5, "slow": 15, "adx_length": 5}, members=[SMA])
NESTED = ("fusion", {"half_life": 10.0, "step": 0.05}, SMA, SLOW, REGIME)


@pytest.mark.parametrize(
    ("configured", "first"),
    [
        pytest.param(made("momentum", {"lookback": 10, "skip": 3}), 14, id="momentum"),
        pytest.param(made("mean_reversion", {"length": 12}), 12, id="mean_reversion"),
        pytest.param(made("breakout", {"entry": 9, "exit": 4, "atr": 5}), 10, id="breakout by its channel"),
        pytest.param(made("breakout", {"entry": 5, "exit": 4, "atr": 9}), 10, id="breakout by its range"),
        pytest.param(made("trend_vol_target", {"fast": 3, "slow": 12, "half_life": 5}), 12, id="trend_vol_target by its slow mean"),
        pytest.param(made("trend_vol_target", {"fast": 3, "slow": 5, "half_life": 12}), 13, id="trend_vol_target by its volatility"),
        pytest.param(made("fusion", {}, SLOW, SMA), 8, id="fusion by its first member"),
        pytest.param(made(*NESTED), 8, id="nested"),
        pytest.param(made("regime_filter", {"fast": 5, "slow": 15, "adx_length": 5}, SMA), 16, id="regime_filter by its volatility"),
        pytest.param(made("regime_filter", {"fast": 5, "slow": 15, "adx_length": 9}, SMA), 18, id="regime_filter by its trend"),
        pytest.param(made("regime_filter", {"fast": 2, "slow": 5, "adx_length": 5}, SLOW), 21, id="regime_filter by its member"),
    ],
)
def test_the_first_target_comes_with_the_last_bar_of_the_warm_up(configured: Configured, first: int) -> None:
    strategy, params = configured
    found = targets(strategy, params, walk(60))
    assert strategy.warmup(params) == first
    assert [isnan(target) for target in found] == [True] * (first - 1) + [False] * (61 - first)


@pytest.mark.parametrize("name", ["momentum_panel", "pairs"])
def test_the_first_targets_of_a_panel_come_with_the_last_step_of_the_warm_up(name: str) -> None:
    strategy, params = find(name), find(name).params()
    first = strategy.warmup(params)
    rows = [panel(a.close, b.close) for a, b in zip(walk(first, seed=1), walk(first, seed=2), strict=True)]
    found = targets(strategy, params, rows)
    assert all(isnan(target) for row in found[:-1] for target in row)
    assert not any(map(isnan, found[-1]))


@pytest.mark.parametrize("cut", [3, 12, 40])
@pytest.mark.parametrize("configured", [*(made(name, {}) for name in ALONE), made(*NESTED)], ids=[*ALONE, "nested"])
def test_a_stored_state_goes_on_as_if_it_had_never_stopped(configured: Configured, cut: int) -> None:
    strategy, params = configured
    bars, state = walk(200), strategy.init(params)
    for view in bars[:cut]:
        state, _ = strategy.step(state, view, params)
    restored = msgspec.msgpack.decode(msgspec.msgpack.encode(tuple(state)), type=strategy.state)
    assert bits(targets(strategy, params, bars[cut:], restored)) == bits(targets(strategy, params, bars)[cut:])


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("momentum", {"lookback": 0}, "expected 1 <= lookback <= 10000, .* got lookback=0, skip=0, every=20"),
        ("momentum", {"short": 2}, "expected short to be 0 or 1, got short=2"),
        ("momentum_panel", {"every": 0}, "1 <= every <= 10000, got lookback=120, skip=0, every=0"),
        ("momentum_panel", {"top": 0}, "expected 1 <= top <= 10000, got top=0"),
        ("momentum_panel", {"short": -1}, "expected short to be 0 or 1, got short=-1"),
        ("mean_reversion", {"length": 1}, "expected 2 <= length <= 10000, got length=1"),
        ("mean_reversion", {"entry": 0.2}, "expected 0 <= exit < entry < stop <= 1000, got exit=0.5, entry=0.2, stop=4.0"),
        ("mean_reversion", {"stop": nan}, "expected 0 <= exit < entry < stop <= 1000, .* stop=nan"),
        ("mean_reversion", {"short": 3}, "expected short to be 0 or 1, got short=3"),
        ("pairs", {"length": 2}, "expected 3 <= length <= 10000, got length=2"),
        ("pairs", {"stop": 1}, "expected 0 <= exit < entry < stop <= 1000, got exit=0.5, entry=2.0, stop=1.0"),
        ("breakout", {"exit": 21}, "expected 1 <= exit <= entry <= 10000, got exit=21, entry=20"),
        ("breakout", {"atr": 0}, "expected 1 <= atr <= 10000, got atr=0"),
        ("breakout", {"stop": 0}, "expected 0 < stop <= 1000, got stop=0.0"),
        ("breakout", {"short": 2}, "expected short to be 0 or 1, got short=2"),
        ("trend_vol_target", {"fast": 64}, "expected 1 <= fast < slow <= 10000, got fast=64, slow=64"),
        ("trend_vol_target", {"half_life": 0}, "expected 1 <= half_life <= 10000, got half_life=0"),
        ("trend_vol_target", {"target_vol": 0}, "expected 0 < target_vol <= 100, got target_vol=0.0"),
        ("trend_vol_target", {"bars_per_year": 0}, "expected 1 <= bars_per_year <= 1e9, got bars_per_year=0.0"),
        ("trend_vol_target", {"step": 2}, "expected 0.001 <= step <= 1, got step=2.0"),
        ("trend_vol_target", {"short": 2}, "expected short to be 0 or 1, got short=2"),
        ("fusion", {"conflict": 4}, "expected conflict to be 0, 1, 2 or 3, got conflict=4"),
        ("fusion", {"half_life": -1}, "expected 0 <= half_life <= 1e6, got half_life=-1.0"),
        ("fusion", {"half_life": 5}, "expected step > 0 with half_life > 0 .* got step=0, half_life=5.0"),
        ("fusion", {"threshold": 1.1}, "expected 0 <= threshold <= 1, got threshold=1.1"),
        ("fusion", {"agreement": -1}, "expected 0 <= agreement <= 10, got agreement=-1.0"),
        ("fusion", {"step": -0.1}, "expected step to be 0 or 0.001 to 1, got step=-0.1"),
        ("regime_filter", {"fast": 100}, "expected 2 <= fast < slow <= 10000, got fast=100, slow=100"),
        ("regime_filter", {"low": 2}, "expected 0 <= low < high <= 1000, got low=2.0, high=1.5"),
        ("regime_filter", {"adx_length": 1}, "expected 2 <= adx_length <= 10000, got adx_length=1"),
        ("regime_filter", {"adx_min": 101}, "expected 0 <= adx_min <= 100, got adx_min=101.0"),
        ("regime_filter", {"outside": -1}, "expected 0 <= outside <= 1, got outside=-1.0"),
    ],
)
def test_parameters_that_make_no_sense_are_named(name: str, params: dict[str, float | int], message: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        parameters(find(name), params)


def test_members_are_counted() -> None:
    with pytest.raises(ValueError, match="fusion: expected 1 to 16 members, got 0"):
        made("fusion", {})
    with pytest.raises(ValueError, match="regime_filter: expected 1 to 1 members, got 2"):
        made("regime_filter", {}, SMA, SMA)
