"""Whether a Sharpe ratio is more than luck: of one track record, and of the best of many that were tried.

All ratios here are per period of the returns they come from (days: a yearly one divided by the root of the days of a year), without
interest. Sources: D. H. Bailey and M. Lopez de Prado, The Sharpe Ratio Efficient Frontier, Journal of Risk 15 (2012), [1]; the same, The
Deflated Sharpe Ratio, Journal of Portfolio Management 40 (2014), [2].
"""

from collections.abc import Sequence
from math import e, inf, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from libs.quant.risk.measures.checks import Vector, series, share

_NORMAL: Final = NormalDist()
_EULER: Final = 0.5772156649015329
"""Euler and Mascheroni's constant: the mean of the limit distribution of a largest value."""
ROUNDING: Final = 1e-12
"""A deviation below this share of the largest return is what rounding leaves of returns that never differ."""


class Sharpe(NamedTuple):
    """A ratio with all that the error of its estimate hangs on."""

    ratio: float  # mean / deviation (n - 1), per period; 0 when nothing moves
    skewness: float  # 0 of a normal distribution
    kurtosis: float  # 3 of a normal distribution, not in excess of it
    observations: int

    @property
    def variance(self) -> float:
        """(1 - g3 SR + (g4 - 1) / 4 SR^2) / (n - 1): of the estimated ratio, whatever the distribution; [1].

        Raises:
            ValueError: fewer than two observations, or moments that no distribution has.
        """
        ratio, skewness, kurtosis, observations = self
        if observations < 2:
            raise ValueError(f"Expected a Sharpe ratio of at least 2 observations, got {observations}")
        if kurtosis < 1.0 + skewness * skewness - 1e-9 * kurtosis:
            raise ValueError(f"Expected a kurtosis of at least 1 + skewness squared, got {kurtosis:g} with a skewness of {skewness:g}")
        return max(0.0, 1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio * ratio) / (observations - 1)


class Deflated(NamedTuple):
    """The best of several trials beside what the best of as many would be expected to show without any edge."""

    sharpe: float  # per period, of the trial that was chosen
    expected_max: float  # per period, of as many trials whose true ratio is 0
    probability: float  # that the true ratio of the chosen one is above `expected_max`
    trials: int


def sharpe(returns: ArrayLike) -> Sharpe:
    """Of returns per period, shape (periods,). Moments are those of the sample, n in the denominator.

    Returns that never differ have the ratio 0 and the moments of a normal distribution: nothing was measured.

    Raises:
        TooShort: fewer than two returns.
        ValueError: what is no finite number; the message says where.
    """
    moves = series(returns, "returns", least=2)
    away = moves - moves.mean()
    deviation = sqrt(float(away @ away) / (len(moves) - 1))
    if not deviation > ROUNDING * float(np.abs(moves).max()):
        return Sharpe(0.0, 0.0, 3.0, len(moves))
    scaled = away / sqrt(float(away @ away) / len(moves))
    squared = scaled * scaled
    return Sharpe(float(moves.mean()) / deviation, float((squared * scaled).mean()), float((squared * squared).mean()), len(moves))


def probabilistic(found: Sharpe, benchmark: float = 0.0) -> float:
    """The probability that the true ratio is above a benchmark, per period; [1].

    Believe it from some 30 observations on: that the estimate is normal holds for many of them.

    Raises:
        ValueError: as `Sharpe.variance`.
    """
    error = sqrt(found.variance)
    if error == 0.0:  # two values only, at the one ratio at which their errors cancel
        return 0.5 if found.ratio == benchmark else float(found.ratio > benchmark)
    return _NORMAL.cdf((found.ratio - benchmark) / error)


def min_track_record(found: Sharpe, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """So many observations it takes to say with this confidence that the true ratio is above a benchmark; [1].

    Infinite where the ratio is not above it: no length would do.

    Raises:
        ValueError: a confidence not between 0 and 1, or as `Sharpe.variance`.
    """
    z = _NORMAL.inv_cdf(share(confidence, "confidence"))
    if found.ratio <= benchmark:
        return inf
    return 1.0 + found.variance * (found.observations - 1) * (z / (found.ratio - benchmark)) ** 2


def expected_max(variance: float, trials: int) -> float:
    """The Sharpe ratio that the best of `trials` independent ones is expected to show when the true ratio of all is 0; [2].

    Args:
        variance: of the ratios of the trials.

    Raises:
        ValueError: a variance below 0, or no trial.
    """
    if not 0.0 <= variance < inf:
        raise ValueError(f"Expected a variance of Sharpe ratios of 0 or more, got {variance}")
    if trials < 1:
        raise ValueError(f"Expected at least one trial, got {trials}")
    if trials == 1:
        return 0.0
    # 1 - 1/N loses all its digits to rounding for many trials; the quantile is symmetric, so the other tail is asked.
    best = -(1.0 - _EULER) * _NORMAL.inv_cdf(1.0 / trials) - _EULER * _NORMAL.inv_cdf(1.0 / (trials * e))
    return sqrt(variance) * best


def deflated(returns: Sequence[float] | NDArray[np.float64], sharpes: Sequence[float] | Vector, trials: int | None = None) -> Deflated:
    """How likely the chosen of many trials is better than the luckiest of as many without an edge; [2].

    Trials that resemble each other count as fully as others, so the answer errs towards less. Of a single ratio the variance is not
    known, and that of chance is taken in its place: 1 / (n - 1).

    Args:
        returns: per period, of the chosen trial, shape (periods,).
        sharpes: ratios of all trials, per the same period. Trials that could not be run are none.
        trials: all that were ever tried on these data, when that is more than `sharpes`; None: as many as `sharpes`.

    Raises:
        TooShort: fewer than two returns, or no ratio.
        ValueError: fewer `trials` than ratios, or what is no finite number.
    """
    found = sharpe(returns)
    ratios = series(sharpes, "sharpes", least=1)
    counted = len(ratios) if trials is None else trials
    if counted < len(ratios):
        raise ValueError(f"Expected trials to count at least the {len(ratios)} whose Sharpe ratios are given, got {counted}")
    variance = float(ratios.var(ddof=1)) if len(ratios) > 1 else 1.0 / (found.observations - 1)
    luck = expected_max(variance, counted)
    return Deflated(found.ratio, luck, probabilistic(found, luck), counted)
