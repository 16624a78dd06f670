"""What holds of every risk measure, whatever it is given; and what it says of input that it cannot measure."""

from collections.abc import Callable
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from libs.quant.risk.measures import checks
from libs.quant.risk.measures.beta import betas
from libs.quant.risk.measures.checks import TooShort
from libs.quant.risk.measures.components import component_var, incremental_var, marginal_var, var_of_trade
from libs.quant.risk.measures.concentration import concentration
from libs.quant.risk.measures.covariance import correlation, sample_covariance, shrunk_covariance
from libs.quant.risk.measures.drawdown import drawdown, falls
from libs.quant.risk.measures.ewma import ewma_covariance
from libs.quant.risk.measures.historical import component_cvar, historical_cvar, historical_var, scenario_pnl
from libs.quant.risk.measures.liquidity import days_to_exit
from libs.quant.risk.measures.monte_carlo import simulated_pnl
from libs.quant.risk.measures.normal import deviation, normal_cvar, normal_var
from libs.quant.risk.measures.var_backtest import backtest, independence, kupiec

COUNT = 60
MONEY = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 2))
PNL = arrays(np.float64, COUNT, elements=MONEY)
CONFIDENCE = st.sampled_from([0.9, 0.95, 0.975])
RETURNS = arrays(np.float64, (COUNT, 3), elements=st.integers(-2_000, 2_000).map(lambda bps: bps / 10_000))
VALUES = arrays(np.float64, 3, elements=MONEY)
few = settings(max_examples=30, deadline=None)


@few
@given(PNL, PNL, CONFIDENCE)
def test_the_shortfall_of_a_sum_is_at_most_the_sum_of_the_shortfalls(one: np.ndarray, other: np.ndarray, confidence: float) -> None:
    together = historical_cvar(one + other, confidence)
    assert together <= historical_cvar(one, confidence) + historical_cvar(other, confidence) + 1e-6


@few
@given(PNL, CONFIDENCE, st.floats(0.01, 100.0), MONEY)
def test_tails_grow_with_the_position_and_fall_with_the_cash(pnl: np.ndarray, confidence: float, times: float, cash: float) -> None:
    for measure in (historical_var, historical_cvar):
        before = measure(pnl, confidence)
        assert measure(times * pnl, confidence) == pytest.approx(times * before, rel=1e-9, abs=1e-6)
        assert measure(pnl + cash, confidence) == pytest.approx(before - cash, rel=1e-9, abs=1e-6)


@few
@given(PNL, PNL, CONFIDENCE)
def test_who_never_gains_less_has_no_more_to_lose(pnl: np.ndarray, more: np.ndarray, confidence: float) -> None:
    better = pnl + np.abs(more)
    assert historical_var(better, confidence) <= historical_var(pnl, confidence)
    assert historical_cvar(better, confidence) <= historical_cvar(pnl, confidence) + 1e-6


@few
@given(PNL, CONFIDENCE)
def test_the_shortfall_lies_between_the_value_at_risk_and_the_worst(pnl: np.ndarray, confidence: float) -> None:
    assert historical_var(pnl, confidence) - 1e-6 <= historical_cvar(pnl, confidence) <= -pnl.min() + 1e-6


@few
@given(RETURNS, VALUES, CONFIDENCE)
def test_components_add_up_to_the_whole(returns: np.ndarray, values: np.ndarray, confidence: float) -> None:
    pnl = returns * values
    assert component_cvar(pnl, confidence).sum() == pytest.approx(historical_cvar(pnl.sum(axis=1), confidence), rel=1e-9, abs=1e-6)
    covariance = shrunk_covariance(returns).covariance
    whole = normal_var(deviation(values, covariance), confidence)
    if whole > 1e-6:
        assert component_var(values, covariance, confidence).sum() == pytest.approx(whole, rel=1e-9)


@few
@given(RETURNS, VALUES)
def test_what_a_position_adds_is_what_goes_when_it_is_sold(returns: np.ndarray, values: np.ndarray) -> None:
    covariance = sample_covariance(returns)
    added = incremental_var(values, covariance, 0.95)
    for n in range(3):
        sold = np.zeros(3)
        sold[n] = -values[n]
        assert added[n] == pytest.approx(-var_of_trade(values, sold, covariance, 0.95), rel=1e-6, abs=1.0)


@few
@given(RETURNS, VALUES)
def test_marginal_value_at_risk_is_the_slope_of_the_whole(returns: np.ndarray, values: np.ndarray) -> None:
    covariance = sample_covariance(returns) + 1e-5 * np.eye(3)
    values = values + 1_000.0
    if deviation(values, covariance) < 1.0:
        return
    slopes = [var_of_trade(values, step, covariance, 0.99) / 0.01 for step in 0.01 * np.eye(3)]
    assert marginal_var(values, covariance, 0.99) == pytest.approx(slopes, rel=1e-3, abs=1e-4)


@few
@given(RETURNS)
def test_shrinking_keeps_variances_and_makes_a_covariance(returns: np.ndarray) -> None:
    found = shrunk_covariance(returns)
    assert 0.0 <= found.intensity <= 1.0
    assert np.diag(found.covariance) == pytest.approx(np.diag(sample_covariance(returns)) * (COUNT - 1) / COUNT, rel=1e-9, abs=1e-15)
    assert np.linalg.eigvalsh(found.covariance)[0] >= -1e-12
    ratios = correlation(found.covariance)
    assert ratios == pytest.approx(ratios.T, nan_ok=True)
    assert np.nanmax(np.abs(ratios), initial=0.0) <= 1.0


@few
@given(arrays(np.float64, COUNT, elements=st.floats(0.5, 2e6)))
def test_a_fall_is_a_share_of_the_peak_before_it(equity: np.ndarray) -> None:
    below = falls(equity)
    assert (below >= 0.0).all()
    assert (below < 1.0).all()
    found = drawdown(equity)
    assert found.deepest == below.max()
    assert found.peak <= found.trough


def test_two_positions_that_move_as_one_are_measured_and_a_hedge_of_them_has_no_risk() -> None:
    moves = np.random.default_rng(1).standard_normal((100, 1)) * 0.01
    covariance = sample_covariance(np.hstack((moves, moves)))
    assert normal_var(deviation([100.0, -100.0], covariance), 0.99) == pytest.approx(0.0, abs=1e-9)
    assert deviation([100.0, 100.0], covariance) == pytest.approx(200.0 * moves.std(ddof=1))
    assert simulated_pnl([100.0, -100.0], covariance, seed=1, paths=1_000) == pytest.approx(np.zeros(1_000), abs=1e-4)


def test_a_position_that_does_not_move_correlates_with_nothing() -> None:
    moves = np.random.default_rng(1).standard_normal((100, 3)) * [0.01, 0.02, 0.0]
    found = correlation(shrunk_covariance(moves).covariance)
    assert np.isnan(found[2]).all()
    assert found[0, 0] == 1.0


IMPOSSIBLE = np.array([[1.0, 2.0], [2.0, 1.0]])
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "nan": (lambda: historical_var([0.0] * 99 + [nan], 0.9), r"finite numbers in P&L, got nan at \[99\]"),
    "infinite": (lambda: sample_covariance([[0.0, 1.0], [inf, 0.0]]), r"finite numbers in returns, got inf at \[1, 0\]"),
    "too few for the tail": (lambda: historical_cvar([1.0] * 99, 0.99), "at least 100 observations at 0.99, got 99"),
    "one observation": (lambda: shrunk_covariance([[0.1, 0.2]]), "at least 2 observations, got 1"),
    "rows of unequal length": (lambda: ewma_covariance([[0.1, 0.2], [0.1]]), "rows are of one length"),
    "unequal lengths": (lambda: scenario_pnl([1.0, 2.0], [[0.1]]), "values and the columns of returns of one length, got 2 and 1"),
    "a column for a table": (lambda: shrunk_covariance([0.1, 0.2]), r"columns of positions, got an array of shape \(2,\)"),
    "a benchmark at rest": (lambda: betas([[0.1], [0.2]], [0.1, 0.1]), "a benchmark that moves, got 0.1"),
    "no variance": (lambda: marginal_var([1.0, 1.0], np.zeros((2, 2)), 0.99), "got a deviation of 0"),
    "of another size": (lambda: deviation([1.0], IMPOSSIBLE), r"a covariance of shape \(1, 1\)"),
    "not symmetric": (lambda: deviation([1.0, 1.0], [[1.0, 0.5], [0.0, 1.0]]), "a symmetric covariance"),
    "no covariance": (lambda: deviation([1.0, -1.0], IMPOSSIBLE), "has the variance -2"),
    "no covariance to draw from": (lambda: simulated_pnl([1.0, 1.0], IMPOSSIBLE, seed=1), "a covariance that returns can have"),
    "a correlation of 2": (lambda: correlation(IMPOSSIBLE), "a correlation beyond 1"),
    "confidence of 1": (lambda: normal_var(1.0, 1.0), "confidence above 0 and below 1, got 1.0"),
    "confidence in per cent": (lambda: normal_cvar(1.0, 99.0), "confidence above 0 and below 1, got 99.0"),
    "a negative deviation": (lambda: normal_var(-1.0, 0.99), "a deviation of 0 or more, got -1.0"),
    "degrees": (lambda: simulated_pnl([1.0], [[1.0]], seed=1, degrees=2.0), "more than 2 degrees"),
    "no path": (lambda: simulated_pnl([1.0], [[1.0]], seed=1, paths=0), "one or more paths"),
    "nothing held": (lambda: concentration([0.0, 0.0]), "a position that is worth something"),
    "negative volume": (lambda: days_to_exit([1.0], [-5.0], 0.1), r"volumes of 0 or more, got -5.0 at \[0\]"),
    "no share": (lambda: days_to_exit([1.0], [5.0], 10.0), "participation above 0 and at most 1"),
    "begins with nothing": (lambda: drawdown([0.0, 1.0]), "begins above 0, got 0.0"),
    "more hits than periods": (lambda: kupiec(3, 2, 0.99), "got 3 hits in 2 periods"),
    "hits of one period": (lambda: independence(np.array([True])), "two periods or more"),
    "window": (lambda: backtest([0.0] * 200, 250, 0.99), "at least 252 observations, got 200"),
    "decay": (lambda: ewma_covariance([[0.1], [0.2]], decay=1.0), "decay above 0 and below 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_measured_is_refused_with_what_was_expected(case: str) -> None:
    call, expected = REFUSED[case]
    with pytest.raises(ValueError, match=expected):
        call()


def test_too_short_a_sample_is_told_from_a_wrong_one() -> None:
    with pytest.raises(TooShort):
        checks.series([], "P&L")
    with pytest.raises(ValueError, match="finite") as wrong:
        checks.series([nan], "P&L")
    assert not isinstance(wrong.value, TooShort)
