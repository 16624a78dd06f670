"""Risk measures beside published values and independent libraries. Tolerances are those of the digits that were printed."""

import csv
import gzip
from datetime import date
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Final

import empyrical
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from libs.quant.risk.measures.beta import betas
from libs.quant.risk.measures.components import component_var, incremental_var, marginal_var, var_of_trade
from libs.quant.risk.measures.concentration import concentration
from libs.quant.risk.measures.covariance import sample_covariance, shrunk_covariance
from libs.quant.risk.measures.crises import CRISES
from libs.quant.risk.measures.drawdown import drawdown
from libs.quant.risk.measures.ewma import ewma_covariance
from libs.quant.risk.measures.historical import historical_cvar, historical_var
from libs.quant.risk.measures.liquidity import days_to_exit, liquidity
from libs.quant.risk.measures.monte_carlo import simulated_pnl
from libs.quant.risk.measures.normal import deviation, normal_cvar, normal_var
from libs.quant.risk.measures.var_backtest import backtest, conditional_coverage, hits, independence, kupiec, rolling_var

# J. C. Hull, Options, Futures, and Other Derivatives, chapter Value at Risk: $10 million in four indices on 25 September 2008.
INDICES: Final = np.array([4_000.0, 3_000.0, 1_000.0, 2_000.0])  # DJIA, FTSE 100, CAC 40, Nikkei 225, thousands of dollars
EQUAL_WEIGHTS: Final = np.array(
    [
        [0.0001227, 0.0000768, 0.0000767, -0.0000095],
        [0.0000768, 0.0002010, 0.0001817, 0.0000394],
        [0.0000767, 0.0001817, 0.0001950, 0.0000407],
        [-0.0000095, 0.0000394, 0.0000407, 0.0001909],
    ]
)
EWMA_WEIGHTS: Final = np.array(
    [
        [0.0004801, 0.0004303, 0.0004257, -0.0000396],
        [0.0004303, 0.0010314, 0.0009630, 0.0002095],
        [0.0004257, 0.0009630, 0.0009535, 0.0001681],
        [-0.0000396, 0.0002095, 0.0001681, 0.0002541],
    ]
)
# P. Jorion, Value at Risk, chapter 7: $2 million of Canadian dollars and $1 million of euros, uncorrelated; he takes z = 1.65.
CURRENCIES: Final = np.array([2_000_000.0, 1_000_000.0])
UNCORRELATED: Final = np.diag([0.05**2, 0.12**2])
JORION: Final = float(stats.norm.cdf(1.65))

DRAWN: Final = np.random.default_rng(7).standard_t(4, (1_001, 3)) * 0.01


@pytest.mark.parametrize(
    ("covariance", "printed_deviation", "printed_var"),
    [pytest.param(EQUAL_WEIGHTS, 93.60, 217.757, id="equal weights"), pytest.param(EWMA_WEIGHTS, 202.474, 471.025, id="ewma")],
)
def test_normal_value_at_risk_is_hulls(covariance: np.ndarray, printed_deviation: float, printed_var: float) -> None:
    spread = deviation(INDICES, covariance)
    assert spread == pytest.approx(printed_deviation, rel=1e-4)
    assert normal_var(spread, 0.99) == pytest.approx(printed_var, rel=3e-4)


def test_historical_value_at_risk_of_500_scenarios_is_the_fifth_worst_as_in_hull() -> None:
    worst = [477.841, 345.435, 282.204, 277.041, 253.385]
    others = np.linspace(-217.974, 300.0, 495)
    assert historical_var([*others, *(-loss for loss in worst)], 0.99) == 253.385


def test_ten_days_of_two_shares_are_hulls() -> None:
    """$10 million of Microsoft at 2 % a day, $5 million of AT&T at 1 %, correlated by 0.3; z rounded to 2.326."""
    covariance = np.array([[0.02**2, 0.3 * 0.02 * 0.01], [0.3 * 0.02 * 0.01, 0.01**2]])
    spread = deviation([10e6, 5e6], covariance)
    assert spread == pytest.approx(220_227, abs=1)
    assert normal_var(spread, 0.99, horizon=10) == pytest.approx(220_227 * 2.326 * 10**0.5, rel=2e-4)


def test_marginal_component_and_incremental_value_at_risk_are_jorions() -> None:
    assert normal_var(deviation(CURRENCIES, UNCORRELATED), JORION) == pytest.approx(257_738, abs=1)
    assert marginal_var(CURRENCIES, UNCORRELATED, JORION) == pytest.approx([0.0528, 0.1521], abs=5e-5)
    assert component_var(CURRENCIES, UNCORRELATED, JORION) == pytest.approx([105_630, 152_108], abs=1)
    assert var_of_trade(CURRENCIES, [10_000, 0], UNCORRELATED, JORION) == pytest.approx(258_267 - 257_738, abs=1.5)
    alone = normal_var(deviation([0.0, 1e6], UNCORRELATED), JORION)
    assert alone == pytest.approx(198_000, abs=1)
    assert incremental_var(CURRENCIES, UNCORRELATED, JORION)[0] == pytest.approx(257_738 - 198_000, abs=1)


def test_the_deviation_of_twenty_days_of_marks_is_that_of_riskmetrics() -> None:
    """DEM/USD, 27 March to 23 April 1996, per cent: 0.393 with equal weights, to which a decay near 1 leads."""
    moves = [0.633, 0.115, -0.459, 0.093, 0.176, -0.087, -0.142, 0.324, -0.943, -0.528]
    moves += [-0.107, -0.160, -0.445, 0.053, 0.152, -0.318, 0.424, -0.708, -0.105, -0.257]
    assert ewma_covariance(np.array(moves)[:, None], decay=1 - 1e-12)[0, 0] ** 0.5 == pytest.approx(0.393, abs=5e-4)


def test_exponential_weights_are_those_of_pandas() -> None:
    theirs = pd.DataFrame(DRAWN)
    for one, other in product(range(3), repeat=2):
        expected = (theirs[one] * theirs[other]).ewm(alpha=0.06).mean().iloc[-1]
        assert ewma_covariance(DRAWN, decay=0.94)[one, other] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_historical_tails_are_empyricals_where_no_observation_counts_in_part(confidence: float) -> None:
    pnl = DRAWN[:, 0]
    assert historical_var(pnl, confidence) == pytest.approx(-empyrical.value_at_risk(pnl, 1 - confidence), rel=1e-12)
    assert historical_cvar(pnl[1:], confidence) == pytest.approx(-empyrical.conditional_value_at_risk(pnl[1:], 1 - confidence), rel=1e-12)


def test_the_normal_shortfall_is_the_integral_beyond_the_quantile() -> None:
    quantile = stats.norm.ppf(0.01)
    expected = -stats.norm.expect(lambda x: x, ub=quantile, conditional=True)
    assert normal_cvar(1.0, 0.99) == pytest.approx(expected, rel=1e-9)


def test_beta_and_covariance_are_those_of_empyrical_and_numpy() -> None:
    expected = [empyrical.beta(DRAWN[:, n], DRAWN[:, 2]) for n in range(3)]
    assert betas(DRAWN, DRAWN[:, 2]) == pytest.approx(expected, rel=1e-9)
    assert sample_covariance(DRAWN) == pytest.approx(np.cov(DRAWN.T), rel=1e-12)


def test_the_deepest_fall_is_empyricals() -> None:
    equity = 100.0 * np.cumprod(1.0 + DRAWN[:, 0])
    found = drawdown([100.0, *equity])
    assert found.deepest == pytest.approx(-empyrical.max_drawdown(DRAWN[:, 0]), rel=1e-12)


def test_drawdown_says_when_it_fell_and_whether_it_has_recovered() -> None:
    found = drawdown([100, 120, 90, 110, 120, 130, 117])
    assert (found.deepest, found.peak, found.trough, found.recovered, found.longest) == (0.25, 1, 2, 4, 2)
    assert found.current == pytest.approx(0.1)
    assert drawdown([1, 2, 3]).deepest == 0.0


def by_the_paper(returns: np.ndarray) -> tuple[np.ndarray, float]:
    """Ledoit and Wolf (2004), appendix B, entry by entry."""
    count, size = returns.shape
    y = returns - returns.mean(axis=0)
    s = np.array([[sum(y[t, i] * y[t, j] for t in range(count)) / count for j in range(size)] for i in range(size)])
    pairs = [(i, j) for i in range(size) for j in range(size) if i != j]
    mean = sum(s[i, j] / (s[i, i] * s[j, j]) ** 0.5 for i, j in pairs) / len(pairs)
    f = np.array([[s[i, i] if i == j else mean * (s[i, i] * s[j, j]) ** 0.5 for j in range(size)] for i in range(size)])

    def theta(k: int, i: int, j: int) -> float:
        return float(sum((y[t, k] ** 2 - s[k, k]) * (y[t, i] * y[t, j] - s[i, j]) for t in range(count)) / count)

    pi = sum(sum((y[t, i] * y[t, j] - s[i, j]) ** 2 for t in range(count)) / count for i in range(size) for j in range(size))
    rho = sum(sum((y[t, i] ** 2 - s[i, i]) ** 2 for t in range(count)) / count for i in range(size))
    rho += sum(mean / 2 * ((s[j, j] / s[i, i]) ** 0.5 * theta(i, i, j) + (s[i, i] / s[j, j]) ** 0.5 * theta(j, i, j)) for i, j in pairs)
    gamma = ((f - s) ** 2).sum()
    intensity = max(0.0, min((pi - rho) / gamma / count, 1.0))
    return intensity * f + (1 - intensity) * s, intensity


@pytest.mark.parametrize("count", [12, 40])
def test_shrinkage_is_that_of_the_paper(count: int) -> None:
    draw = np.random.default_rng(count)
    returns = 0.01 * (draw.standard_normal((count, 1)) * [1, 0.8, 0.2, -0.5] + draw.standard_normal((count, 4)))
    expected, intensity = by_the_paper(returns)
    found = shrunk_covariance(returns)
    assert 0.0 < found.intensity < 1.0
    assert found.intensity == pytest.approx(intensity, rel=1e-9)
    assert found.covariance == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("degrees", "rel"), [(None, 0.03), (5.0, 0.05)])
def test_drawn_paths_have_the_quantiles_of_their_distribution(degrees: float | None, rel: float) -> None:
    """Two standard errors of a 99 % quantile of 100,000 paths are 1.5 % (normal) and 2.5 % (t)."""
    covariance = EQUAL_WEIGHTS / 100.0  # so small that nothing compounds
    spread = deviation(INDICES, covariance)
    expected = -stats.norm.ppf(0.01) if degrees is None else -stats.t.ppf(0.01, degrees) * ((degrees - 2) / degrees) ** 0.5
    pnl = simulated_pnl(INDICES, covariance, seed=3, paths=100_000, degrees=degrees)
    assert historical_var(pnl, 0.99) == pytest.approx(spread * expected, rel=rel)
    assert pnl.std() == pytest.approx(spread, rel=rel)


def test_paths_are_the_same_for_the_same_seed_and_compound_over_the_horizon() -> None:
    once = simulated_pnl(INDICES, EQUAL_WEIGHTS, seed=1, paths=1_500)
    assert len(once) == 1_500
    assert (once == simulated_pnl(INDICES, EQUAL_WEIGHTS, seed=1, paths=1_500)).all()
    assert (once != simulated_pnl(INDICES, EQUAL_WEIGHTS, seed=2, paths=1_500)).all()
    days = simulated_pnl(INDICES, EQUAL_WEIGHTS, seed=1, paths=20_000, horizon=16, degrees=None)
    assert days.std() == pytest.approx(4.0 * deviation(INDICES, EQUAL_WEIGHTS), rel=0.02)
    wild = simulated_pnl([1.0], [[1.0]], seed=1, paths=1_000, horizon=50)
    assert wild.min() == -1.0  # a long position loses what it is worth, and no more


def test_kupiecs_regions_are_those_he_printed() -> None:
    """Hits with which a model is not rejected at 95 %, P. Kupiec (1995), as in Jorion's table 6.2: (p, periods) -> between."""
    printed = {
        (0.01, 255): (-1, 7),
        (0.01, 510): (1, 11),
        (0.01, 1000): (4, 17),
        (0.025, 255): (2, 12),
        (0.025, 510): (6, 21),
        (0.025, 1000): (15, 36),
        (0.05, 255): (6, 21),
        (0.05, 510): (16, 36),
        (0.05, 1000): (37, 65),
        (0.075, 255): (11, 28),
        (0.075, 510): (27, 51),
        (0.075, 1000): (59, 92),
        (0.10, 255): (16, 36),
        (0.10, 510): (38, 65),
        (0.10, 1000): (81, 120),
    }
    for (p, periods), (below, above) in printed.items():
        passed = [count for count in range(periods) if not kupiec(count, periods, 1 - p).rejected]
        if below >= 0:
            assert passed[0] == below + 1
        assert passed[-1] == above - 1


def test_christoffersens_tests_are_those_of_jorions_example() -> None:
    """J.P. Morgan in 1998: 20 hits in 252 days at 95 %, 6 of them on the day after a hit; one day more, so that 252 have one before."""
    days = np.zeros(253, dtype=np.bool_)
    clusters = [2, 2, 2, 2, 2, 2] + [1] * 8
    at = 5
    for length in clusters:
        days[at : at + length] = True
        at += length + 15
    assert (days[1:] & days[:-1]).sum() == 6
    assert days.sum() == 20
    assert kupiec(20, 252, 0.95).statistic == pytest.approx(3.91, abs=5e-3)
    assert independence(days).statistic == pytest.approx(9.53, abs=5e-3)
    assert kupiec(20, 252, 0.95).statistic + independence(days).statistic == pytest.approx(13.44, abs=5e-3)
    assert conditional_coverage(days, 0.95).rejected


def test_likelihood_ratios_are_scipys_g_tests() -> None:
    found = np.random.default_rng(5).random(400) < 0.06
    count = int(found.sum())
    theirs = stats.power_divergence([count, 400 - count], [20, 380], lambda_="log-likelihood")
    assert kupiec(count, 400, 0.95) == pytest.approx(tuple(theirs), rel=1e-9)
    table = [[int((found[:-1] == a)[found[1:] == b].sum()) for b in (False, True)] for a in (False, True)]
    contingency = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert independence(found) == pytest.approx((contingency.statistic, contingency.pvalue), rel=1e-9)
    both = conditional_coverage(found, 0.95)
    assert both.p_value == pytest.approx(stats.chi2.sf(both.statistic, 2), rel=1e-9)


def test_a_right_model_passes_its_backtest_and_a_calm_one_that_turns_wild_does_not() -> None:
    draw = np.random.default_rng(11)
    calm = draw.standard_normal(750)
    assert not backtest(calm, 250, 0.95).rejected
    wild = backtest(np.concatenate((calm[:400], 3.0 * calm[400:])), 250, 0.95)
    assert wild.kupiec.rejected
    assert wild.hits > wild.expected


def test_of_thirty_years_of_the_index_about_as_many_days_are_hits_as_should_be_and_they_come_in_clusters() -> None:
    """What is known of historical simulation: right on average, late in every crisis (M. Pritsker, The Hidden Dangers, 2006)."""
    closes = np.array(list(index_closes().values()))
    found = backtest(closes[1:] / closes[:-1] - 1.0, 250, 0.95)
    assert found.periods > 8_000
    assert found.hits / found.periods == pytest.approx(0.05, abs=0.01)
    assert found.independence.rejected
    assert found.conditional_coverage.rejected


def test_a_forecast_knows_the_periods_before_it_and_nothing_of_its_own() -> None:
    pnl = np.array([-1.0, -2.0, -3.0, -4.0, -9.0, -5.0])
    assert rolling_var(pnl, 3, 0.6).tolist() == [historical_var(pnl[n - 3 : n], 0.6) for n in (3, 4, 5)]
    assert backtest(pnl, 3, 0.6).hits == 3


def test_a_loss_as_large_as_forecast_is_no_hit() -> None:
    assert hits([-2.0, -2.1, 5.0], [2.0, 2.0, 2.0]).tolist() == [False, True, False]


def test_concentration_of_equal_positions_is_one_over_their_number() -> None:
    found = concentration([100, -100, 100, 100])
    assert (found.herfindahl, found.effective_positions, found.largest) == (0.25, 4.0, 0.25)


def test_days_to_exit_take_a_share_of_the_volume_of_each_position() -> None:
    assert days_to_exit([1_000_000, -50, 0], [2_000_000, 5_000, 0], 0.1).tolist() == [5.0, 0.1, 0.0]
    found = liquidity([1_000_000, -500_000], [2_000_000, 50_000_000], 0.1)
    assert found.days == 5.0
    assert found.within_a_day == pytest.approx(0.7 / 1.5)
    assert days_to_exit([1.0], [0.0], 0.1)[0] == np.inf
    assert liquidity([0.0, 5.0], [0.0, 5_000.0], 0.1).within_a_day == 1.0


def index_closes() -> dict[str, float]:
    package = find_spec("skfolio")
    assert package is not None
    assert package.origin is not None
    with gzip.open(Path(package.origin).parent / "datasets/data/sp500_index.csv.gz", "rt") as file:
        return {row["Date"]: float(row["SP500"]) for row in csv.DictReader(file)}


def test_recorded_crises_are_those_of_the_index() -> None:
    closes = index_closes()
    since = [crisis for crisis in CRISES if crisis.before >= date(1990, 1, 2)]
    assert len(since) >= 8
    for crisis in since:
        stocks = crisis.moves["equity"]
        assert (stocks.before, stocks.after) == (closes[f"{crisis.before}"], closes[f"{crisis.after}"]), crisis.name
