"""How positions move together: sample covariance, one that is shrunk where the sample is small, correlation."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from libs.quant.risk.measures.checks import Matrix, table
from libs.quant.risk.measures.checks import covariance as checked


class Shrunk(NamedTuple):
    """A covariance between that of the sample and one in which every pair correlates alike."""

    covariance: Matrix
    intensity: float  # 0: the sample's own; 1: all of it the target


def sample_covariance(returns: ArrayLike) -> Matrix:
    """Of the returns, n - 1 in the denominator; shape (positions, positions), per period squared.

    Raises:
        TooShort: fewer than two observations.
        ValueError: what is no finite number.
    """
    moves = table(returns, "returns", least=2)
    return np.atleast_2d(np.cov(moves, rowvar=False))


def shrunk_covariance(returns: ArrayLike) -> Shrunk:
    """The sample covariance (n in the denominator) pulled towards its own variances with the mean correlation of all pairs.

    By how much follows from the sample: much where it is short beside the number of positions, little where it is long. Variances stay.
    Source: O. Ledoit and M. Wolf, Honey, I Shrunk the Sample Covariance Matrix, Journal of Portfolio Management 30 (2004), appendix.
    Their other target, zero correlation, would find hedges and diversification that are not there.

    Args:
        returns: shape (observations, positions).

    Raises:
        TooShort: fewer than two observations.
        ValueError: what is no finite number.
    """
    moves = table(returns, "returns", least=2)
    count, size = moves.shape
    centred = moves - moves.mean(axis=0)
    sample = centred.T @ centred / count
    deviations = np.sqrt(np.diag(sample))
    moving = deviations > 0.0
    if moving.sum() < 2:
        return Shrunk(sample, 0.0)
    target = _alike(sample, deviations, moving)
    distance = float(((sample - target) ** 2).sum())
    if distance <= np.finfo(np.float64).eps * float((sample**2).sum()):
        return Shrunk(sample, 0.0)
    intensity = float(np.clip(_error(centred, sample, deviations, moving) / distance / count, 0.0, 1.0))
    return Shrunk(intensity * target + (1.0 - intensity) * sample, intensity)


def correlation(covariance: ArrayLike) -> Matrix:
    """Of a covariance: 1 on the diagonal, -1 to 1 beside it, shape (positions, positions); NaN where a position does not move at all.

    Raises:
        ValueError: it is no covariance.
    """
    found = checked(covariance, len(np.atleast_2d(np.asarray(covariance))))
    deviations = np.sqrt(np.maximum(np.diag(found), 0.0))
    deviations[deviations == 0.0] = np.nan
    ratios = found / np.outer(deviations, deviations)
    if np.nanmax(np.abs(ratios), initial=0.0) > 1.0 + 1e-9:
        raise ValueError("Expected a covariance that returns can have, got one with a correlation beyond 1")
    ratios = np.clip(ratios, -1.0, 1.0)
    np.fill_diagonal(ratios, np.where(np.isnan(deviations), np.nan, 1.0))
    return np.asarray(ratios, dtype=np.float64)


def _mean_correlation(sample: Matrix, deviations: Matrix, moving: NDArray[np.bool_]) -> float:
    among = np.ix_(moving, moving)
    ratios = sample[among] / np.outer(deviations[moving], deviations[moving])
    size = len(ratios)
    return float((ratios.sum() - np.trace(ratios)) / (size * (size - 1)))


def _alike(sample: Matrix, deviations: Matrix, moving: NDArray[np.bool_]) -> Matrix:
    """The target: the sample's variances, and for each pair the mean correlation."""
    target = _mean_correlation(sample, deviations, moving) * np.outer(deviations, deviations)
    np.fill_diagonal(target, np.diag(sample))
    return np.asarray(target, dtype=np.float64)


def _error(centred: Matrix, sample: Matrix, deviations: Matrix, moving: NDArray[np.bool_]) -> float:
    """pi - rho of the paper: the sample's own error, less what the target shares of it."""
    count = len(centred)
    squares = centred**2
    variances = squares.T @ squares / count - sample**2  # asymptotic variance of each entry
    diagonal = np.diag(sample)
    covariances = (squares * centred).T @ centred / count - diagonal[:, None] * sample  # of a variance (row) with an entry
    safe = np.where(moving, deviations, 1.0)
    np.fill_diagonal(covariances, 0.0)
    shared = _mean_correlation(sample, deviations, moving) * float((covariances * (safe[None, :] / safe[:, None]) * moving[:, None]).sum())
    return float(variances.sum()) - float(np.trace(variances)) - shared
