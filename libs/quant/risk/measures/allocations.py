"""What each strategy's allocation would be, from how the strategies' own returns move: risk parity, or less of what moves together."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from libs.quant.risk.measures.checks import Matrix, Vector, table
from libs.quant.risk.measures.covariance import correlation, shrunk_covariance
from libs.quant.risk.measures.returns import LEAST
from libs.quant.sizing_factors import correlation_scale, risk_parity

Method = Literal["parity", "correlation"]
PER_STRATEGY: Final = 5
"""Returns for each strategy: with fewer a covariance is more noise than measurement, however it is shrunk."""


class Allocations(NamedTuple):
    """Per strategy, in one order."""

    strategies: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]  # of a sum that is not above what it was
    risk_before: tuple[float, ...]  # share of the variance of the whole that each brings; negative: it takes some away
    risk_after: tuple[float, ...]
    mean_correlation: tuple[float, ...]  # with the others, weighed by what they risk
    covariance: Matrix  # of returns on what was allocated, per day squared, shrunk
    correlations: Matrix
    intensity: float  # how far the covariance was drawn to equal correlations
    observations: int


def allocations_of(returns: ArrayLike, allocated: Mapping[str, float], method: Method) -> Allocations:
    """Allocations for the strategies, which keep their order.

    `parity`: the sum stays and every strategy brings the same share of the variance of the whole (Maillard, Roncalli and Teiletche, 2010).
    `correlation`: each is cut by 1 / sqrt(1 + r), with r its mean correlation with the others, weighed by allocation x volatility.

    Args:
        returns: on what was allocated, shape (days, strategies).
        allocated: share of the equity, by strategy.

    Raises:
        ValueError: fewer than two strategies, too few returns, or a strategy whose returns never differ; the message says which.
    """
    names, before = tuple(allocated), np.array(list(allocated.values()), dtype=np.float64)
    least = max(LEAST, PER_STRATEGY * len(names))
    if len(names) < 2:
        raise ValueError(f"allocations are weighed against each other: expected at least two strategies, got {len(names)}")
    moves = np.asarray(returns, dtype=np.float64).reshape(-1, len(names))
    if len(moves) < least:
        raise ValueError(f"expected at least {least} days on which all of {len(names)} strategies have a return, got {len(moves)}")
    moves = table(moves, "returns", least=2)
    for name, column in zip(names, moves.T, strict=True):
        if not np.ptp(column) > 0:
            raise ValueError(f"strategy {name} has the same return on every one of {len(moves)} days: there is no risk to weigh")
    shrunk = shrunk_covariance(moves)
    correlations = correlation(shrunk.covariance)
    beside = _mean_correlations(correlations, before * np.sqrt(np.diag(shrunk.covariance)))
    if method == "parity":
        after = before.sum() * np.array(risk_parity(shrunk.covariance.tolist()))
    else:
        after = before * np.array([correlation_scale(r) for r in beside])
    return Allocations(
        names,
        tuple(before.tolist()),
        tuple(after.tolist()),
        _risk_shares(before, shrunk.covariance),
        _risk_shares(after, shrunk.covariance),
        tuple(beside.tolist()),
        shrunk.covariance,
        correlations,
        shrunk.intensity,
        len(moves),
    )


def _mean_correlations(correlations: Matrix, risks: ArrayLike) -> Vector:
    weights = np.tile(np.asarray(risks, dtype=np.float64), (len(correlations), 1))
    np.fill_diagonal(weights, 0.0)
    return np.asarray(np.clip((correlations * weights).sum(axis=1) / weights.sum(axis=1), -1.0, 1.0), dtype=np.float64)


def _risk_shares(weights: Vector, covariance: Matrix) -> tuple[float, ...]:
    brought = weights * (covariance @ weights)
    return tuple((brought / brought.sum()).tolist())
