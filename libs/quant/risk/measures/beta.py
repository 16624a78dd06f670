"""How much a position moves when its market does."""

import numpy as np
from numpy.typing import ArrayLike

from libs.quant.risk.measures.checks import Vector, same_length, series, table


def betas(returns: ArrayLike, benchmark: ArrayLike) -> Vector:
    """Covariance with the benchmark / variance of the benchmark, shape (positions,): the slope of a regression with an intercept.

    Source: W. F. Sharpe, A Simplified Model for Portfolio Analysis, Management Science 9 (1963).

    Args:
        returns: shape (observations, positions).
        benchmark: returns of the market over the same periods, shape (observations,).

    Raises:
        TooShort: fewer than two observations.
        ValueError: unequal lengths, a benchmark that does not move, or what is no finite number.
    """
    moves, market = table(returns, "returns", least=2), series(benchmark, "benchmark", least=2)
    same_length(len(moves), len(market), "returns and benchmark")
    if np.ptp(market) == 0.0:
        raise ValueError(f"Expected a benchmark that moves, got {market[0]} in every period: nothing can be measured against it")
    away = market - market.mean()
    return np.asarray(moves.T @ away / (away @ away), dtype=np.float64)
