"""Sharpe ratios as evidence: the numeric examples of the papers, scipy for the moments, and what must hold for any returns."""

from math import inf, nan, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from libs.quant.validation.sharpe import Sharpe, deflated, expected_max, min_track_record, probabilistic, sharpe

SHARPE_2_MONTHLY = Sharpe(2 / sqrt(12), 0, 3, 24)
STRATEGIST = (0.5 / 250, 2.5 / sqrt(250), 1250)  # variance of the trials' ratios, the best ratio, days: the example of the 2014 paper


def drawn(seed: int, count: int = 250, drift: float = 0.0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_t(5, count) * 0.01 + drift


# --- one track record: The Sharpe Ratio Efficient Frontier (2012)


@pytest.mark.parametrize(("skewness", "kurtosis", "expected"), [(0, 3, 0.982), (-2.448, 10.164, 0.913)])
def test_two_years_of_monthly_returns_are_as_probable_as_the_paper_says(skewness: float, kurtosis: float, expected: float) -> None:
    assert probabilistic(Sharpe(0.458, skewness, kurtosis, 24)) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("periods", "skewness", "kurtosis", "years"), [(252, 0, 3, 2.73), (52, 0, 3, 2.83), (12, 0, 3, 3.24), (12, -0.72, 5.78, 4.99)]
)
def test_a_yearly_ratio_of_2_is_told_from_1_in_as_many_years_as_the_paper_says(
    periods: int, skewness: float, kurtosis: float, years: float
) -> None:
    found = Sharpe(2 / sqrt(periods), skewness, kurtosis, 24)
    assert min_track_record(found, 1 / sqrt(periods)) / periods == pytest.approx(years, abs=6e-3)


def test_a_record_of_the_least_length_is_exactly_as_probable_as_was_asked() -> None:
    least = min_track_record(SHARPE_2_MONTHLY, 0.2, 0.9)
    assert probabilistic(SHARPE_2_MONTHLY._replace(observations=least), 0.2) == pytest.approx(0.9)  # type: ignore[arg-type]


def test_no_length_shows_a_ratio_that_is_not_above_the_benchmark() -> None:
    assert min_track_record(SHARPE_2_MONTHLY, SHARPE_2_MONTHLY.ratio) == inf


@given(seed=st.integers(0, 10**6), count=st.integers(2, 300))
@settings(max_examples=50, deadline=None)
def test_the_moments_are_those_of_scipy(seed: int, count: int) -> None:
    moves = drawn(seed, count)
    found = sharpe(moves)
    expected = moves.mean() / moves.std(ddof=1), stats.skew(moves), stats.kurtosis(moves, fisher=False)
    assert found == pytest.approx((*expected, count), rel=1e-9, abs=1e-12)


@given(st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=20), st.floats(-3, 3))
@settings(max_examples=100, deadline=None)
def test_any_returns_have_a_probability(returns: list[float], benchmark: float) -> None:
    assert 0 <= probabilistic(sharpe(returns), benchmark) <= 1


def test_the_estimated_error_is_that_of_many_track_records() -> None:
    records = np.random.default_rng(1).gamma(2.0, 0.01, (4000, 250)) - 0.018
    ratios = records.mean(axis=1) / records.std(axis=1, ddof=1)
    whole = sharpe(records.ravel())._replace(observations=250)
    assert sqrt(whole.variance) == pytest.approx(ratios.std(), rel=0.05)


@pytest.mark.parametrize("value", [0.0, 0.1, -0.02])
def test_returns_that_never_differ_show_nothing(value: float) -> None:
    assert sharpe([value] * 7) == Sharpe(0.0, 0.0, 3.0, 7)


# --- the best of many: The Deflated Sharpe Ratio (2014)


@pytest.mark.parametrize(("trials", "skewness", "kurtosis", "expected"), [(100, -3, 10, 0.9004), (46, -3, 10, 0.9505), (88, 0, 3, 0.9505)])
def test_the_strategist_of_the_paper_is_believed_as_it_says(trials: int, skewness: float, kurtosis: float, expected: float) -> None:
    variance, ratio, days = STRATEGIST
    assert probabilistic(Sharpe(ratio, skewness, kurtosis, days), expected_max(variance, trials)) == pytest.approx(expected, abs=5e-5)


def test_a_hundred_trials_without_an_edge_are_expected_to_show_what_the_paper_says() -> None:
    assert expected_max(STRATEGIST[0], 100) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize("trials", [10, 200, 1000])
def test_the_expected_best_is_that_of_many_draws(trials: int) -> None:
    best = np.random.default_rng(2).normal(0, 0.3, (2000, trials)).max(axis=1)
    assert expected_max(0.09, trials) == pytest.approx(best.mean(), rel=0.03)  # the formula is that of a limit


def test_deflated_joins_the_chosen_returns_with_all_ratios() -> None:
    returns, ratios = drawn(3, drift=0.002), [0.02, -0.01, 0.2, 0.07]
    found = deflated(returns, ratios)
    luck = expected_max(float(np.var(ratios, ddof=1)), 4)
    assert found == (sharpe(returns).ratio, luck, probabilistic(sharpe(returns), luck), 4)


def test_earlier_trials_make_the_same_result_less_probable() -> None:
    returns, ratios = drawn(3, drift=0.002), [0.02, -0.01, 0.2, 0.07]
    chances = [deflated(returns, ratios, trials).probability for trials in (None, 10, 1_000, 10**9, 10**18)]
    assert chances == sorted(chances, reverse=True)
    assert len(set(chances)) == 5


def test_one_trial_has_no_luck_to_take_off() -> None:
    returns = drawn(4)
    assert deflated(returns, [0.1]) == (sharpe(returns).ratio, 0.0, probabilistic(sharpe(returns)), 1)


def test_one_known_ratio_of_several_trials_varies_as_chance_does() -> None:
    assert deflated(drawn(4), [0.1], trials=10).expected_max == pytest.approx(expected_max(1 / 249, 10))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param(lambda: deflated(drawn(1), [0.1, 0.2, 0.3], trials=2), "at least the 3 whose", id="fewer trials than ratios"),
        pytest.param(lambda: deflated(drawn(1), [0.1, nan]), r"sharpes, got nan at \[1\]", id="a ratio that is none"),
        pytest.param(lambda: deflated(drawn(1), []), "sharpes: expected at least 1", id="no ratio"),
        pytest.param(lambda: sharpe([0.1]), "returns: expected at least 2 observations, got 1", id="one return"),
        pytest.param(lambda: probabilistic(Sharpe(0.1, 2, 3, 24)), "kurtosis of at least 1", id="moments that cannot be"),
        pytest.param(lambda: min_track_record(SHARPE_2_MONTHLY, 0, 1.0), "confidence above 0 and below 1", id="certainty"),
        pytest.param(lambda: expected_max(nan, 3), "variance", id="no variance"),
        pytest.param(lambda: expected_max(0.1, 0), "at least one trial", id="no trial"),
    ],
)
def test_what_cannot_be_measured_is_named(wrong: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()
