"""Allocations from the strategies' own returns: known values, bounds, and what is too little to say."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.quant.risk.measures.allocations import allocations_of
from libs.quant.risk.measures.checks import Matrix


def moving(*volatilities: float, days: int = 240, seed: int = 7) -> Matrix:
    """Uncorrelated returns of exactly those volatilities and a mean of nothing."""
    draw = np.random.default_rng(seed).standard_normal((days, len(volatilities)))
    basis, _ = np.linalg.qr(np.column_stack([np.ones(days), draw]))
    return np.asarray(basis[:, 1:] * sqrt(days) * np.array(volatilities))


def test_without_correlation_parity_weighs_by_one_over_volatility() -> None:
    found = allocations_of(moving(0.01, 0.02, 0.04), {"a": 0.2, "b": 0.2, "c": 0.3}, "parity")
    assert found.after == pytest.approx((0.4, 0.2, 0.1))
    assert found.risk_after == pytest.approx((1 / 3,) * 3)
    assert found.risk_before[2] > 0.8


def test_without_correlation_nothing_is_cut_for_it() -> None:
    found = allocations_of(moving(0.01, 0.02), {"a": 0.2, "b": 0.3}, "correlation")
    assert found.after == pytest.approx((0.2, 0.3))


def test_of_twins_each_is_cut_to_what_leaves_the_two_as_volatile_as_strangers() -> None:
    one = moving(0.01)
    found = allocations_of(np.hstack([one, 2 * one]), {"a": 0.2, "b": 0.3}, "correlation")
    assert found.after == pytest.approx((0.2 / sqrt(2), 0.3 / sqrt(2)))
    assert found.mean_correlation == pytest.approx((1.0, 1.0))


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    width=st.integers(2, 5),
    shared=st.floats(0, 3),
    volatility=st.floats(1e-4, 0.1),
)
def test_the_sum_of_allocations_is_never_above_what_it_was(seed: int, width: int, shared: float, volatility: float) -> None:
    draw = np.random.default_rng(seed)
    returns = volatility * (draw.standard_normal((60, width)) + shared * draw.standard_normal((60, 1)))
    allocated = {f"s{n}": float(share) for n, share in enumerate(draw.uniform(0.01, 0.2, width))}
    parity, cut = allocations_of(returns, allocated, "parity"), allocations_of(returns, allocated, "correlation")
    assert sum(parity.after) == pytest.approx(sum(allocated.values()))
    assert all(0 < share for share in (*parity.after, *cut.after))
    assert all(after <= before for after, before in zip(cut.after, cut.before, strict=True))
    assert parity.risk_after == pytest.approx((1 / width,) * width)


@pytest.mark.parametrize(
    ("returns", "names", "why"),
    [
        (moving(0.01), "a", "at least two strategies, got 1"),
        (moving(0.01, 0.01, days=29), "ab", "at least 30 days on which all of 2 strategies have a return, got 29"),
        (moving(*[0.01] * 7, days=34), "abcdefg", "at least 35 days"),
        (np.column_stack([moving(0.01), np.zeros(240)]), "ab", "strategy b has the same return on every one of 240 days"),
        ([], "ab", "got 0"),
    ],
)
def test_too_little_to_say_is_said(returns: Matrix, names: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        allocations_of(returns, dict.fromkeys(names, 0.1), "parity")
