"""The probability of overfitting beside the paper's recipe followed word by word, and what it must say of noise and of an edge."""

import tracemalloc
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from libs.quant.validation.overfitting import overfitting

Table = NDArray[np.float64]


def noise(seed: int, periods: int = 160, trials: int = 20) -> Table:
    return np.random.default_rng(seed).normal(0, 0.01, (periods, trials))


def by_the_paper(returns: Table, blocks: int) -> tuple[list[float], list[float], list[float]]:
    """Slices put together anew for each way: ratio of the choice on its own half, on the other, logit of its rank there."""
    parts = np.array_split(returns, blocks)
    own, other, logits = [], [], []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[n] for n in chosen])
        outside = np.concatenate([parts[n] for n in range(blocks) if n not in chosen])
        seen, real = (half.mean(axis=0) / half.std(axis=0, ddof=1) for half in (inside, outside))
        best = int(np.argmax(seen))
        share = stats.rankdata(real)[best] / (len(real) + 1)
        own.append(seen[best])
        other.append(real[best])
        logits.append(float(np.log(share / (1 - share))))
    return own, other, logits


@given(seed=st.integers(0, 10**6), blocks=st.sampled_from([2, 4, 8]), trials=st.integers(2, 12), rows=st.integers(2, 9))
@settings(max_examples=30, deadline=None)
def test_sums_of_blocks_find_what_the_paper_finds_with_slices(seed: int, blocks: int, trials: int, rows: int) -> None:
    returns = noise(seed, rows * blocks, trials) + 0.001
    own, other, logits = by_the_paper(returns, blocks)
    found = overfitting(returns, blocks)
    assert found.logits.tolist() == pytest.approx(logits)
    assert found.probability == np.mean(np.array(logits) <= 0)
    assert found.loss_probability == np.mean(np.array(other) < 0)
    if blocks > 2:
        assert found.slope == pytest.approx(stats.linregress(own, other).slope)


def test_noise_is_overfitted_half_of_the_time_and_more() -> None:
    assert 0.45 < np.mean([overfitting(noise(seed), 8).probability for seed in range(40)]) < 0.65


def test_a_trial_that_is_truly_better_is_not_overfitted() -> None:
    returns = noise(1)
    returns[:, 7] += 0.01
    found = overfitting(returns)
    assert (found.probability, found.loss_probability, found.trials, found.blocks) == (0, 0, 20, 16)


def test_what_gained_only_in_the_first_half_is_overfitted() -> None:
    returns = noise(2, trials=10)
    returns[:80, 3] += 0.02
    returns[80:, 3] -= 0.02
    assert overfitting(returns, 2).probability > 0.5


@given(seed=st.integers(0, 10**6), scale=st.floats(1e-6, 1e6))
@settings(max_examples=20, deadline=None)
def test_neither_the_order_of_trials_nor_a_lever_changes_it(seed: int, scale: float) -> None:
    returns = noise(seed, 40, 6)
    shuffled = returns[:, np.random.default_rng(seed).permutation(6)] * scale
    assert np.sort(overfitting(shuffled, 4).logits) == pytest.approx(np.sort(overfitting(returns, 4).logits))


def test_equal_trials_share_their_rank() -> None:
    one = noise(3, 64, 1)
    assert np.all(overfitting(np.repeat(one, 37, axis=1), 8).logits == 0.0)


def test_a_trial_that_never_traded_has_a_ratio_of_nothing() -> None:
    losing = noise(4, 160, 5) - 0.02
    found = overfitting(np.column_stack([losing, np.zeros(160)]), 8)
    assert (found.probability, found.loss_probability) == (0, 0)  # doing nothing is best on every half


def test_returns_that_rounding_alone_moves_have_no_ratio() -> None:
    steady = np.where(noise(5, 160, 1) > 0, 0.1, np.nextafter(0.1, 1))
    others = noise(5, 160, 3) + 0.005
    rounded, still = (overfitting(np.column_stack([others, column]), 8) for column in (steady, np.zeros(160)))
    assert rounded.probability == still.probability < 0.5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_trial_with_what_is_no_number_is_left_out_and_named(bad: float) -> None:
    returns = noise(6)
    returns[11, 4] = bad
    found = overfitting(returns, 8)
    assert (found.left_out, found.trials) == ((4,), 19)
    assert found.probability == overfitting(np.delete(returns, 4, axis=1), 8).probability


def test_rows_that_do_not_part_evenly_are_all_used() -> None:
    returns = noise(7, 165)
    assert overfitting(returns, 4).logits.tolist() != overfitting(returns[:164], 4).logits.tolist()
    assert overfitting(returns, 16).probability <= 1


def test_a_large_mean_does_not_cost_the_digits_of_the_deviation() -> None:
    returns = noise(8, 64, 4)
    expected = by_the_paper(returns + 1e4, 4)[2]
    assert overfitting(returns + 1e4, 4).logits.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("blocks", [2, 12])
def test_memory_does_not_grow_with_the_returns(blocks: int) -> None:
    returns = noise(9, 40_000, 50).astype(np.float32)
    tracemalloc.start()
    overfitting(returns, blocks)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20_000_000


@pytest.mark.parametrize(
    ("returns", "blocks", "said"),
    [
        (noise(1), 7, "even number of blocks from 2 to 20, got 7"),
        (noise(1), 22, "even number of blocks"),
        (noise(1, 31), 16, "at least 32 periods for 16 blocks, got 31"),
        (noise(1, trials=1), 8, "at least 2 trials to compare, got 1"),
        (np.full((40, 3), np.nan), 8, "got 3, of which 3 have no finite returns"),
        (np.zeros(40), 8, r"shape \(periods, trials\)"),
    ],
)
def test_what_cannot_be_compared_is_named(returns: Any, blocks: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        overfitting(returns, blocks)
