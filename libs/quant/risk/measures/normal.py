"""Value at risk and expected shortfall of normal returns: from a covariance alone, in closed form."""

from math import exp, pi, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from libs.quant.risk.measures.checks import covariance as checked
from libs.quant.risk.measures.checks import not_negative, series, share

_STANDARD: Final = NormalDist()


def deviation(values: ArrayLike, covariance: ArrayLike) -> float:
    """Standard deviation of the P&L of the positions over the covariance's horizon: sqrt(v' C v), money.

    Args:
        values: signed worth of each position, money, shape (positions,).
        covariance: of their returns, shape (positions, positions).

    Raises:
        ValueError: the two do not fit, or the covariance is none.
    """
    held = series(values, "values")
    matrix = checked(covariance, len(held))
    most = float(np.abs(held) @ np.sqrt(np.abs(np.diag(matrix)))) ** 2  # were all correlated by 1
    return sqrt(not_negative(float(held @ matrix @ held), most))


def normal_var(deviation: float, confidence: float, *, horizon: float = 1.0) -> float:
    """z x deviation x sqrt(horizon), with a mean of 0: over days the mean is small beside the error of its own estimate.

    Args:
        deviation: of the P&L over one period, money.
        horizon: periods; the square root of time holds for independent returns.

    Source: J.P. Morgan and Reuters, RiskMetrics Technical Document, 4th edition (1996), part II.

    Raises:
        ValueError: deviation or horizon below 0 or not finite, confidence outside 0 to 1.
    """
    return _STANDARD.inv_cdf(share(confidence, "confidence")) * _spread(deviation, horizon)


def normal_cvar(deviation: float, confidence: float, *, horizon: float = 1.0) -> float:
    """Expected shortfall of the same distribution: deviation x sqrt(horizon) x density(z) / (1 - confidence).

    Source: A. J. McNeil, R. Frey and P. Embrechts, Quantitative Risk Management (2005), example 2.18.

    Raises:
        As `normal_var`.
    """
    z = _STANDARD.inv_cdf(share(confidence, "confidence"))
    return _spread(deviation, horizon) * exp(-z * z / 2.0) / sqrt(2.0 * pi) / (1.0 - confidence)


def _spread(deviation: float, horizon: float) -> float:
    for what, value in (("deviation", deviation), ("horizon", horizon)):
        if not (np.isfinite(value) and value >= 0.0):
            raise ValueError(f"Expected a {what} of 0 or more, got {value}")
    return deviation * sqrt(horizon)
