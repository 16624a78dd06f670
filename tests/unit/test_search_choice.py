"""What trials are compared by, the choice among them, walk-forward windows, cross-validation, and what counts."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.names import TIMEFRAMES
from libs.quant.backtest.report import Equity, Figures
from libs.quant.search.choice import METRICS, best
from libs.quant.search.cross_validation import Scheme, scheme, validated
from libs.quant.search.trial import Trial, period_of, returns_of
from libs.quant.search.walk_forward import stitched, thinned, windows
from services.backtester.judging import Earlier, judged, ratio

DAY = TIMEFRAMES["1d"]
HOUR = TIMEFRAMES["1h"]
NOTHING = Figures(1e5, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0)


def a_trial(n: int, returns: object = (), **figures: Any) -> Trial:
    return Trial(n, {"x": n}, NOTHING._replace(**{"trades": 1, **figures}), np.asarray(returns, float))


def noise(trials: int, periods: int = 320, edge: float = 0.0) -> list[Trial]:
    draw = np.random.default_rng(5)
    table = draw.normal(0, 0.01, (periods, trials))
    table[:, 0] += edge
    return [a_trial(n, column, sharpe=float(column.mean() / column.std())) for n, column in enumerate(table.T, 1)]


def test_the_best_has_the_highest_score_and_the_smaller_number_among_equals() -> None:
    trials = [a_trial(3, sharpe=2.0), a_trial(1, sharpe=1.0), a_trial(2, sharpe=2.0)]
    found = best(trials, METRICS["sharpe"])
    assert found is not None
    assert found.n == 2


def test_what_never_traded_or_did_not_run_is_never_the_best() -> None:
    idle = a_trial(1, max_drawdown=0.0)._replace(figures=NOTHING)
    broken = Trial(2, {}, None, np.empty(0), "refused")
    assert best([idle, broken], METRICS["max_drawdown"]) is None
    found = best([idle, broken, a_trial(3, max_drawdown=0.5)], METRICS["max_drawdown"])
    assert found is not None
    assert found.n == 3


def test_metrics_of_parts_are_those_of_their_returns() -> None:
    returns = np.array([0.1, -0.5, 0.2])
    assert METRICS["total_return"].of_returns(returns) == pytest.approx(1.1 * 0.5 * 1.2 - 1)
    assert METRICS["max_drawdown"].of_returns(returns) == pytest.approx(-0.5)
    assert METRICS["return_over_drawdown"].of_returns(returns) == pytest.approx((1.1 * 0.5 * 1.2 - 1) / 0.5)
    assert METRICS["sharpe"].of_returns(returns) == pytest.approx(returns.mean() / returns.std(ddof=1))


def test_returns_of_days_begin_with_the_deposit_and_midnight_ends_a_day() -> None:
    curve = Equity(np.array([HOUR, DAY, DAY + HOUR, 3 * DAY], np.int64), np.array([101.0, 110.0, 50.0, 121.0]))
    assert returns_of(curve, 100.0, "1d").tolist() == pytest.approx([0.1, 50 / 110 - 1, 121 / 50 - 1])
    assert returns_of(Equity(curve.times, np.array([1.0, -5.0, 3.0, 4.0])), 100.0, "1d").tolist() == pytest.approx([-1.05, 0, 0])


def test_trials_are_compared_by_days_where_there_are_enough_and_else_by_less() -> None:
    assert period_of(np.arange(1, 24 * 64 + 1) * HOUR, "1h") == "1d"
    assert period_of(np.arange(1, 24 * 63 + 1) * HOUR, "1h") == "1h"
    assert period_of(np.arange(1, 300) * TIMEFRAMES["1m"], "1m") == "1m"


@settings(max_examples=40, deadline=None)
@given(days=st.integers(5, 400), train=st.integers(1, 100), test=st.integers(1, 50), anchored=st.booleans())
def test_tests_of_a_walk_forward_meet_and_no_training_sees_its_test(days: int, train: int, test: int, anchored: bool) -> None:
    try:
        found = windows(0, days * DAY, train * DAY, test * DAY, anchored=anchored)
    except ValueError:
        assert days - train <= test
        return
    assert found[0].chooses == train * DAY
    assert found[-1].ends == days * DAY
    assert all(one.ends == other.chooses for one, other in pairwise(found))
    assert all(window.begins == (0 if anchored else window.chooses - train * DAY) for window in found)


def test_stitched_tests_carry_their_growth_on() -> None:
    curves = [Equity(np.array([1, 2]), np.array([55.0, 110.0])), Equity(np.array([3, 4]), np.array([55.0, 220.0]))]
    found = stitched(curves, 100.0)
    assert found.values.tolist() == pytest.approx([55, 110, 60.5, 242])
    assert [at for at, _ in thinned(found, 2)] == [1, 4]


def test_an_account_that_has_lost_everything_does_not_owe_more_in_the_next_test() -> None:
    curves = [Equity(np.array([1]), np.array([-50.0])), Equity(np.array([2, 3]), np.array([110.0, 300.0]))]
    assert stitched(curves, 100.0).values.tolist() == [-50.0, -50.0, -50.0]


def test_cross_validation_finds_a_true_edge_again_and_not_the_luck_of_noise() -> None:
    true = validated(noise(20, edge=0.005), Scheme(5, 1), METRICS["sharpe"])
    assert {fold.chosen for fold in true.folds} == {1}
    assert all(fold.test > fold.median for fold in true.folds)
    luck = validated(noise(20), scheme("combinatorial:6:2"), METRICS["sharpe"])
    assert (len(luck.folds), len(luck.paths)) == (15, 5)
    assert np.mean([fold.test for fold in luck.folds]) < np.mean([fold.train for fold in luck.folds]) / 2


@pytest.mark.parametrize("text", ["purged", "purged:1", "purged:x", "combinatorial:6", "combinatorial:3:3", "loo:5", "purged:-2"])
def test_what_is_no_cross_validation_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected purged:FOLDS"):
        scheme(text)


@pytest.mark.parametrize("text", ["combinatorial:1000000000:500000000", "combinatorial:40:20", "purged:10001"])
def test_more_splits_than_anybody_wants_are_refused_before_anything_is_played(text: str) -> None:
    with pytest.raises(ValueError, match=r"^--cv .*: Expected at most 10,000 splits"):
        scheme(text)


def test_the_best_of_noise_is_not_credible_and_a_true_edge_is() -> None:
    luck, edge = noise(100), noise(20, edge=0.008)
    assert judged(max(luck, key=ratio), luck, []).label != "credible"
    assert judged(edge[0], edge, []).label == "credible"


def test_other_trials_of_earlier_searches_count_and_repeated_ones_do_not() -> None:
    trials = noise(20)
    again = [Earlier(trial.params, ratio(trial)) for trial in trials]
    others = [Earlier({"x": 100 + n}, ratio(trial)) for n, trial in enumerate(noise(200))]
    alone = judged(trials[0], trials, [])
    assert judged(trials[0], trials, again).words == alone.words
    more = judged(trials[0], trials, others)
    assert (alone.counted, more.counted) == (20, 220)
    assert alone.deflated is not None
    assert more.deflated is not None
    assert more.deflated.probability < alone.deflated.probability
    assert "200 other trials" in " ".join(more.words)
    assert "1 other trial of this strategy over the same data is on record, and counts." in judged(trials[0], trials, others[:1]).words


def test_trials_that_never_traded_count_and_do_not_make_luck_look_small() -> None:
    traded = noise(10)
    idle = [a_trial(n, np.zeros(320), trades=0) for n in range(11, 201)]
    alone, among = judged(traded[0], traded, []), judged(traded[0], [*traded, *idle], [])
    on_record = judged(traded[0], traded, [Earlier(each.params, 0.0, traded=False) for each in idle])
    assert alone.deflated is not None
    assert among.deflated is not None
    assert among.counted == 200
    assert among.deflated.expected_max > alone.deflated.expected_max
    assert on_record.deflated == among.deflated
    assert among.overfitting is not None
    assert alone.overfitting is not None
    assert (among.overfitting.trials, among.overfitting.probability) == (10, alone.overfitting.probability)
    assert "190 of 200 trials never traded" in " ".join(among.words)


def test_trials_that_could_not_be_run_are_said_and_do_not_count() -> None:
    broken = Trial(9, {"x": 9}, None, np.empty(0), "expected fast < slow")
    found = judged(None, [broken], [])
    assert (found.counted, found.label, found.deflated) == (0, "not shown", None)
    assert "expected fast < slow" in " ".join(found.words)
