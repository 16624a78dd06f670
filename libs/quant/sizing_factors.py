"""What scales a position: pure functions of stated inputs, each a share or a factor, none above what it starts from."""

from collections.abc import Sequence
from math import isfinite, sqrt
from typing import Final, NamedTuple

LEAST_TRADES: Final = 30
"""Closed trades before an edge is believed."""
_SWEEPS: Final = 500
_CLOSE: Final = 1e-12


class Edge(NamedTuple):
    """What a strategy's own closed trades show."""

    trades: int
    wins: int  # with a profit after fees
    mean_win: float  # return of a winning trade, a share of what it put in; positive
    mean_loss: float  # of the others; positive


def fixed_fraction(risk: float, stop: float) -> float:
    """Share of the equity to hold so that a stop at a distance of `stop` (a share of the price) loses `risk` of the equity.

    Source: R. Vince, Portfolio Management Formulas (1990), fixed fractional trading.

    Raises:
        ValueError: a risk or a distance that is not within 0 to 1.
    """
    _share(risk, "risk")
    _share(stop, "distance of the stop")
    return risk / stop


def kelly(edge: Edge) -> float:
    """Share of the capital that grows it fastest: p - (1 - p) / b, with b the mean win over the mean loss; 0 without an edge, at most 1.

    Source: J. L. Kelly, A New Interpretation of Information Rate (1956); E. O. Thorp, The Kelly Criterion (2006), eq. 1.
    """
    if edge.trades == 0:
        return 0.0
    p = edge.wins / edge.trades
    if edge.wins == edge.trades or edge.mean_loss == 0:
        return p
    if edge.mean_win <= 0:
        return 0.0
    return min(1.0, max(0.0, p - (1 - p) * edge.mean_loss / edge.mean_win))


def fractional_kelly(fraction: float, edge: Edge) -> float:
    """`fraction` of the Kelly share of a measured edge. Of fewer than 30 trades no edge is measured: then `fraction` itself of what the
    strategy may hold, as if its edge were unknown."""
    _share(fraction, "fraction of Kelly")
    return fraction if edge.trades < LEAST_TRADES else fraction * kelly(edge)


def drawdown_scale(drawdown: float, most: float) -> float:
    """How much of its size is left to an account that has fallen by `drawdown` from its peak and is never to fall by `most`: 1 at the
    peak, 0 at the limit.

    Source: S. Grossman and Z. Zhou, Optimal Investment Strategies for Controlling Drawdowns (1993): what is at risk is proportional to
    the wealth above the floor, (W - (1 - most) M) / W over its value at the peak.

    Raises:
        ValueError: a limit that is not within 0 to 1.
    """
    _share(most, "largest drawdown")
    if not isfinite(drawdown):
        raise ValueError(f"expected a drawdown that is a number, got {drawdown}")
    fallen = max(0.0, drawdown)
    return 0.0 if fallen >= most else (most - fallen) / (most * (1.0 - fallen))


def correlation_scale(correlation: float) -> float:
    """What is left of a size beside holdings it is correlated with: what leaves the volatility of the two together where it were without
    correlation, 1 / sqrt(1 + r) of two equal parts; 1 for none or a negative one.

    Source: variance of a sum of two equal variances, 2 v (1 + r).

    Raises:
        ValueError: no correlation.
    """
    if not -1.0 - _CLOSE <= correlation <= 1.0 + _CLOSE:
        raise ValueError(f"expected a correlation of -1 to 1, got {correlation}")
    return 1.0 / sqrt(1.0 + max(0.0, min(1.0, correlation)))


def risk_parity(covariance: Sequence[Sequence[float]]) -> list[float]:
    """Weights, positive and of sum 1, with which each part brings the same share of the whole's variance.

    Solved by cyclical coordinate descent: T. Griveau-Billion, J.-C. Richard and T. Roncalli (2013), eq. 5; the portfolio itself:
    S. Maillard, T. Roncalli and J. Teiletche, The Properties of Equally Weighted Risk Contribution Portfolios (2010).

    Raises:
        ValueError: no square of finite numbers with variances above 0; or no weights were found, as the matrix is no covariance.
    """
    n = len(covariance)
    if n == 0 or any(len(row) != n for row in covariance) or not all(isfinite(x) for row in covariance for x in row):
        raise ValueError(f"expected a square of finite covariances, got rows of {[len(row) for row in covariance]}")
    if any(covariance[i][i] <= 0 for i in range(n)):
        raise ValueError(f"expected variances above 0, got {[covariance[i][i] for i in range(n)]}")
    deviations = [sqrt(covariance[i][i]) for i in range(n)]
    correlations = [[covariance[i][j] / (deviations[i] * deviations[j]) for j in range(n)] for i in range(n)]
    parts = [1.0] * n  # weight times deviation: the solution does not hang on the scale of the parts
    for _ in range(_SWEEPS):
        moved = 0.0
        for i in range(n):
            others = sum(correlations[i][j] * parts[j] for j in range(n) if j != i)
            part = (-others + sqrt(others * others + 4.0)) / 2.0
            moved, parts[i] = max(moved, abs(part - parts[i])), part
        if moved < _CLOSE:
            weights = [part / deviation for part, deviation in zip(parts, deviations, strict=True)]
            return [weight / sum(weights) for weight in weights]
    raise ValueError(f"no weights of equal risk in {_SWEEPS} rounds: the matrix is no covariance")


def _share(value: float, what: str) -> None:
    if not 0 < value <= 1:
        raise ValueError(f"expected a {what} above 0 and at most 1, got {value}")
