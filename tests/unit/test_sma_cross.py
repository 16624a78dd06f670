import struct
from collections.abc import Sequence
from fractions import Fraction
from math import isnan, nan

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.quant.folds.contract import BarView
from libs.quant.folds.registry import find, parameters
from libs.quant.strategies.sma_cross import STRATEGY, Params, State, init, step

lengths = st.integers(2, 12).flatmap(lambda slow: st.builds(Params, fast=st.integers(1, slow - 1), slow=st.just(slow)))
# Few different closes, so that ties of the two means are common.
closes = st.lists(st.integers(1, 12).map(lambda n: 100.0 + n / 10), max_size=80) | st.lists(
    st.integers(1, 10**12).map(lambda millionths: millionths / 1e6), max_size=40
)


def bar(close: float) -> BarView:
    return BarView(close, close, close, close, 1.0)


def folded(prices: Sequence[float], params: Params, state: State | None = None) -> tuple[State, list[float]]:
    state, targets = state or init(params), []
    for close in prices:
        state, target = step(state, bar(close), params)
        targets.append(target)
    return state, targets


def bits(targets: Sequence[float]) -> bytes:
    return struct.pack(f"{len(targets)}d", *targets)


def by_definition(prices: Sequence[float], params: Params) -> list[float]:
    """Both means from scratch at each bar, in exact fractions."""
    exact = [Fraction(round(close * 1_000_000), 1_000_000) for close in prices]
    targets, target = [], nan
    for end in range(1, len(exact) + 1):
        if end >= params.slow:
            fast = sum(exact[end - params.fast : end]) / params.fast
            slow = sum(exact[end - params.slow : end]) / params.slow
            target = 1.0 if fast > slow else 0.0 if fast < slow else target
        targets.append(target)
    return targets


def test_waits_for_a_full_slow_window_then_follows_the_trend() -> None:
    _, targets = folded([10.0, 11.0, 12.0, 9.0, 9.0, 10.0], Params(fast=1, slow=3))
    assert bits(targets) == bits([nan, nan, 1.0, 0.0, 0.0, 1.0])


def test_two_and_four_by_hand() -> None:
    # means of 2: .. 2.5, 3.5, 3.0, 1.5, 2.0; means of 4: .. 2.5, 3.0, 2.75, 2.5, 2.5 (a tie goes on as before)
    _, targets = folded([1.0, 2.0, 3.0, 4.0, 2.0, 1.0, 3.0], Params(fast=2, slow=4))
    assert bits(targets) == bits([nan, nan, nan, 1.0, 1.0, 0.0, 0.0])


def test_equal_means_keep_the_target_and_at_first_there_is_none() -> None:
    _, targets = folded([5.0, 5.0, 5.0, 5.0, 6.0, 5.5, 5.5, 5.5, 5.5], Params(fast=1, slow=3))
    assert bits(targets) == bits([nan, nan, nan, nan, 1.0, 1.0, 0.0, 0.0, 0.0])


def test_a_tie_of_decimal_closes_is_a_tie() -> None:
    # In floats 0.1 + 0.2 > 0.3, which would take a side.
    _, targets = folded([0.3, 0.1, 0.2, 0.3, 0.1, 0.2], Params(fast=3, slow=6))
    assert isnan(targets[-1])


@settings(max_examples=300)
@given(prices=closes, params=lengths)
def test_the_fold_equals_both_means_computed_from_scratch(prices: Sequence[float], params: Params) -> None:
    assert bits(folded(prices, params)[1]) == bits(by_definition(prices, params))


@given(prices=closes, params=lengths, data=st.data())
def test_cutting_the_end_changes_no_earlier_target(prices: Sequence[float], params: Params, data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, len(prices)))
    assert bits(folded(prices[:kept], params)[1]) == bits(folded(prices, params)[1][:kept])


@given(prices=closes, params=lengths, data=st.data())
def test_stopping_storing_and_going_on_changes_nothing(prices: Sequence[float], params: Params, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(prices)))
    state, before = folded(prices[:cut], params)
    stored = msgspec.msgpack.encode(tuple(state))
    _, after = folded(prices[cut:], params, State(*msgspec.msgpack.decode(stored)))
    assert bits(before + after) == bits(folded(prices, params)[1])


@given(prices=closes, params=lengths)
def test_there_is_no_target_before_the_warm_up_says_so(prices: Sequence[float], params: Params) -> None:
    targets = folded(prices, params)[1]
    assert all(isnan(target) for target in targets[: STRATEGY.warmup(params) - 1])
    assert set(targets[STRATEGY.warmup(params) - 1 :]) <= {0.0, 1.0} | set(filter(isnan, targets))


@pytest.mark.parametrize(("fast", "slow"), [(0, 3), (3, 3), (4, 3), (1, 10_001)])
def test_lengths_that_make_no_sense_are_named(fast: int, slow: int) -> None:
    with pytest.raises(ValueError, match=f"sma_cross: expected 1 <= fast < slow <= 10000, got fast={fast}, slow={slow}"):
        parameters(STRATEGY, {"fast": fast, "slow": slow})


def test_parameters_not_given_take_their_defaults() -> None:
    assert parameters(find("sma_cross"), {"slow": 40}) == Params(fast=10, slow=40)


def test_an_unknown_parameter_or_class_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="sma_cross has no parameter 'fsat'; it has: fast, slow"):
        parameters(STRATEGY, {"fsat": 3})
    with pytest.raises(ValueError, match="no strategy class 'sma_cros'; there are: .*sma_cross"):
        find("sma_cros")


def test_a_fractional_length_is_refused() -> None:
    with pytest.raises(ValueError, match="sma_cross: expected a whole number as fast, got 2.5"):
        parameters(STRATEGY, {"fast": 2.5})
