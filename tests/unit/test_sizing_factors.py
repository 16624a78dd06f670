"""What scales a position: known values, and what holds of all of them."""

from math import isclose, nan, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.quant.sizing_factors import (
    LEAST_TRADES,
    Edge,
    correlation_scale,
    drawdown_scale,
    fixed_fraction,
    fractional_kelly,
    kelly,
    risk_parity,
)

SHARES = st.floats(0.001, 1.0)


def test_a_stop_at_five_percent_that_may_cost_one_percent_allows_a_fifth_of_the_equity() -> None:
    assert isclose(fixed_fraction(0.01, 0.05), 0.2)


@given(SHARES, SHARES)
def test_what_is_lost_at_the_stop_is_what_was_to_be_risked(risk: float, stop: float) -> None:
    assert isclose(fixed_fraction(risk, stop) * stop, risk)


@pytest.mark.parametrize(
    ("wins", "win", "loss", "share"),
    [
        pytest.param(60, 1.0, 1.0, 0.2, id="an even bet won six times of ten: 2p - 1"),
        pytest.param(50, 2.0, 1.0, 0.25, id="two to one, won half the time"),
        pytest.param(50, 1.0, 1.0, 0.0, id="a fair coin"),
        pytest.param(40, 1.0, 1.0, 0.0, id="a losing one is not bet on"),
        pytest.param(100, 1.0, 0.0, 1.0, id="never lost"),
        pytest.param(0, 0.0, 1.0, 0.0, id="never won"),
    ],
)
def test_the_share_of_kelly(wins: int, win: float, loss: float, share: float) -> None:
    assert isclose(kelly(Edge(100, wins, win, loss)), share, abs_tol=1e-12)


def test_an_edge_of_too_few_trades_is_not_measured() -> None:
    assert fractional_kelly(0.5, Edge(LEAST_TRADES - 1, 0, 0.0, 1.0)) == 0.5
    assert fractional_kelly(0.5, Edge(LEAST_TRADES, 0, 0.0, 1.0)) == 0.0


@given(st.integers(0, 1000), SHARES, SHARES, SHARES)
def test_kelly_is_a_share_and_grows_with_what_is_won(wins: int, win: float, more: float, loss: float) -> None:
    first, second = kelly(Edge(1000, wins, win, loss)), kelly(Edge(1000, wins, win + more, loss))
    assert 0 <= first <= second <= 1


@pytest.mark.parametrize(("drawdown", "scale"), [(0.0, 1.0), (-0.1, 1.0), (0.1, 0.0), (0.2, 0.0), (0.05, 0.05 / (0.1 * 0.95))])
def test_an_account_shrinks_towards_its_floor(drawdown: float, scale: float) -> None:
    assert isclose(drawdown_scale(drawdown, 0.1), scale)


@given(st.floats(0, 1), st.floats(0, 1), SHARES)
def test_the_deeper_the_fall_the_less_is_left(less: float, more: float, most: float) -> None:
    first, second = sorted((less, more))
    assert 0 <= drawdown_scale(second, most) <= drawdown_scale(first, most) <= 1


@pytest.mark.parametrize(("correlation", "scale"), [(-1.0, 1.0), (0.0, 1.0), (1.0, 1 / sqrt(2)), (0.5, 1 / sqrt(1.5))])
def test_what_moves_with_the_rest_is_held_smaller(correlation: float, scale: float) -> None:
    assert isclose(correlation_scale(correlation), scale)


def test_of_two_parts_the_weights_are_as_the_inverse_deviations_whatever_their_correlation() -> None:
    for r in (-0.9, 0.0, 0.7):
        first, second = risk_parity([[0.04, r * 0.2 * 0.1], [r * 0.2 * 0.1, 0.01]])
        assert isclose(first, 1 / 3, rel_tol=1e-9)
        assert isclose(second, 2 / 3, rel_tol=1e-9)


def test_uncorrelated_parts_are_weighted_by_their_inverse_deviations() -> None:
    weights = risk_parity([[0.01, 0, 0], [0, 0.04, 0], [0, 0, 0.16]])
    assert [round(weight, 9) for weight in weights] == [round(x / 1.75, 9) for x in (1.0, 0.5, 0.25)]


@given(st.lists(st.lists(st.floats(-1, 1), min_size=4, max_size=4), min_size=4, max_size=4), st.floats(0.001, 1000))
def test_every_part_brings_the_same_risk_on_any_scale(root: list[list[float]], scale: float) -> None:
    covariance = [[sum(root[i][k] * root[j][k] for k in range(4)) + (0.05 if i == j else 0.0) for j in range(4)] for i in range(4)]
    weights = risk_parity(covariance)
    shares = [weights[i] * sum(covariance[i][j] * weights[j] for j in range(4)) for i in range(4)]
    assert isclose(sum(weights), 1.0)
    assert max(shares) - min(shares) < 1e-6 * sum(shares)
    assert all(
        isclose(a, b, rel_tol=1e-6) for a, b in zip(weights, risk_parity([[x * scale for x in row] for row in covariance]), strict=True)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: fixed_fraction(0.01, 0.0),
        lambda: fixed_fraction(nan, 0.1),
        lambda: drawdown_scale(0.1, 1.5),
        lambda: drawdown_scale(nan, 0.5),
        lambda: correlation_scale(1.5),
        lambda: correlation_scale(nan),
        lambda: risk_parity([]),
        lambda: risk_parity([[1.0, 0.0]]),
        lambda: risk_parity([[0.0]]),
        lambda: risk_parity([[nan]]),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_expected(wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(ValueError, match="expected"):
        wrong()
