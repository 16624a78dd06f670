"""Runs drawn from results: the bootstrap beside its closed form, identities of orders and blocks, and paths kept by hand."""

from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from libs.quant.risk.measures.drawdown import drawdown
from libs.quant.validation.block_length import block_length
from libs.quant.validation.monte_carlo import MonteCarlo, Spread, Terms, blocks, drawn, observed, shuffled

TERMS = Terms(deposit=1_000.0, seed=1, runs=2_000)
ADDED = TERMS._replace(compounded=False)
WAYS = [drawn, shuffled, blocks]


def results(seed: int = 1, count: int = 100, mean: float = 0.001) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(mean, 0.02, count)


def remembering(rho: float, seed: int, count: int = 10_000) -> NDArray[np.float64]:
    """An autoregression of order 1."""
    noise = np.random.default_rng(seed).normal(0, 0.01, count)
    for n in range(1, count):
        noise[n] += rho * noise[n - 1]
    return noise


# --- one run


@given(st.lists(st.floats(-0.9, 0.9), min_size=2, max_size=30))
@settings(max_examples=60, deadline=None)
def test_a_run_falls_as_the_measure_of_drawdowns_says(each: list[float]) -> None:
    worth = np.cumprod([1_000.0, *(1 + np.array(each))])
    seen, expected = observed(each, TERMS), drawdown(worth)
    assert (seen.final_equity, seen.max_drawdown) == pytest.approx((worth[-1], expected.deepest), abs=1e-9)
    assert seen.longest_fall == expected.longest


def test_results_of_a_fixed_size_add_up() -> None:
    assert observed([0.1, -0.3, 0.1], ADDED)[:2] == pytest.approx((900, 0.3 / 1.1))


@pytest.mark.parametrize("terms", [TERMS, ADDED])
def test_what_has_nothing_left_stays_there(terms: Terms) -> None:
    assert observed([0.5, -1.6, 3.0, 3.0], terms)[:2] == (0.0, 1.0)


def test_the_sharpe_ratio_is_of_one_result() -> None:
    each = results()
    assert observed(each, TERMS).sharpe == pytest.approx(each.mean() / each.std(ddof=1))
    assert observed([0.1, 0.1, 0.1], TERMS).sharpe == 0.0


# --- many runs


@pytest.mark.parametrize("way", WAYS)
def test_the_same_seed_draws_the_same_runs_and_another_others(way: Any) -> None:
    assert way(results(), TERMS) == way(results(), TERMS)
    assert way(results(), TERMS).max_drawdown != way(results(), TERMS._replace(seed=2)).max_drawdown


@pytest.mark.parametrize("way", WAYS)
def test_quantiles_ascend_and_chances_are_shares(way: Any) -> None:
    found: MonteCarlo = way(results(mean=-0.004), TERMS)
    for spread in (found.final_equity, found.max_drawdown, found.sharpe, found.longest_fall):
        assert all(low <= high for low, high in pairwise(spread))
    assert 0 < found.ruin_probability < 1 or way is shuffled
    assert found.ruin_probability <= found.loss_probability <= 1


def test_drawn_sums_spread_as_their_closed_form_says() -> None:
    each = results(2, 100)
    final = drawn(each, ADDED._replace(runs=10_000)).final_equity
    middle, deviation = 1_000 * (1 + each.sum()), 1_000 * each.std() * sqrt(100)
    expected = [middle + z * deviation for z in (-1.645, -0.674, 0, 0.674, 1.645)]
    assert final == pytest.approx(expected, abs=0.05 * deviation)


@pytest.mark.parametrize("terms", [TERMS, ADDED])
def test_every_order_of_the_same_results_ends_alike(terms: Terms) -> None:
    each = results()
    found, once = shuffled(each, terms), observed(each, terms)
    assert found.final_equity == pytest.approx(Spread(*[once.final_equity] * 5))
    assert found.sharpe == pytest.approx(Spread(*[once.sharpe] * 5))
    assert found.max_drawdown.p5 < found.max_drawdown.p95


def test_an_order_that_ends_at_the_deposit_is_no_loss() -> None:
    assert shuffled([0.1, -0.1, 0.2, -0.2, 0.3, -0.3], ADDED).loss_probability == 0.0


def test_what_is_lost_on_every_way_is_ruin_with_certainty() -> None:
    found = drawn([-0.1, -0.1, -0.1, -0.1, -0.1, -0.1], ADDED)
    assert (found.ruin_probability, found.loss_probability) == (1, 1)
    assert drawn([-0.1] * 4, ADDED).ruin_probability == 0


def test_ruin_is_of_the_deposit_and_of_any_moment() -> None:
    assert observed([-0.5, 1.5], TERMS).final_equity == 1_250
    assert 0.4 < shuffled([-0.5, 1.5], TERMS).ruin_probability < 0.6  # when the loss comes first


# --- blocks


def test_blocks_of_one_are_draws_one_by_one() -> None:
    each = results(count=200)
    one, other = blocks(each, TERMS, 1.0), drawn(each, TERMS)
    assert one.final_equity == pytest.approx(other.final_equity, rel=0.03)


def test_one_endless_block_is_what_was_from_another_beginning() -> None:
    each = results()
    found = blocks(each, ADDED, 1e12)
    assert found.final_equity == pytest.approx(Spread(*[observed(each, ADDED).final_equity] * 5))


def test_blocks_keep_what_draws_lose() -> None:
    each = 0.01 * remembering(0.8, 1, 2_000)
    kept, lost = (way(each, ADDED._replace(runs=500)) for way in (blocks, drawn))
    spreads = [found.final_equity.p95 - found.final_equity.p5 for found in (kept, lost)]
    assert spreads[0] / spreads[1] == pytest.approx(3, rel=0.2)  # sqrt((1 + rho) / (1 - rho)): what a sum of such results varies by


def test_large_moves_that_come_together_are_kept_together() -> None:
    calm = np.random.default_rng(3).choice([-1.0, 1.0], 2_000) * np.repeat(np.tile([0.001, 0.03], 20), 50)
    assert block_length(calm) < 5
    assert blocks(calm, TERMS._replace(runs=10)).block > 20


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.7, -0.5])
def test_the_block_length_is_that_of_an_autoregression(rho: float) -> None:
    expected = (2 * abs(rho) / (1 - rho**2)) ** (2 / 3) * 10_000 ** (1 / 3)  # Patton, Politis and White (2009), for R(k) = rho^|k|
    found = np.median([block_length(remembering(rho, seed)) for seed in range(5)])
    assert found == pytest.approx(expected, rel=0.15)


def test_what_does_not_remember_has_short_blocks_and_what_never_moves_blocks_of_one() -> None:
    assert np.median([block_length(results(seed, 2_000)) for seed in range(20)]) < 4
    assert block_length([0.1] * 50) == 1.0


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_block_is_never_shorter_than_one_nor_longer_than_a_third(values: list[float]) -> None:
    assert 1.0 <= block_length(values) <= max(1, np.ceil(len(values) / 3))


# --- what cannot be


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param(lambda: drawn([0.1], TERMS), "results: expected at least 2 observations, got 1", id="one result"),
        pytest.param(lambda: drawn([0.1, np.nan], TERMS), r"results, got nan at \[1\]", id="no number"),
        pytest.param(lambda: drawn(results(), TERMS._replace(deposit=0.0)), "deposit above 0, got 0", id="nothing to lose"),
        pytest.param(lambda: shuffled(results(), TERMS._replace(runs=0)), "1 to 10,000,000 runs of 100 results, got 0", id="no run"),
        pytest.param(lambda: drawn(results(), TERMS._replace(runs=10**8)), "got 100,000,000", id="too many runs"),
        pytest.param(lambda: drawn([0.1, 0.2], TERMS._replace(runs=10**8)), "1 to 10,000,000 runs of 2 results", id="more than memory has"),
        pytest.param(lambda: drawn(results(), TERMS._replace(ruin=1.0)), "ruin above 0 and below 1", id="ruin of all"),
        pytest.param(lambda: blocks(results(), TERMS, 0.5), "1 or more, got 0.5", id="half a result"),
    ],
)
def test_what_cannot_be_drawn_is_named(wrong: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()
