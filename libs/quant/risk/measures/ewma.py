"""Volatility that remembers yesterday better than last year: exponentially weighted covariance."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from libs.quant.risk.measures.checks import Matrix, share, table

DAILY_DECAY: Final = 0.94
"""RiskMetrics' optimal decay of daily returns (Technical Document, section 5.3.2); half of the weight lies on the last eleven days."""


def ewma_covariance(returns: ArrayLike, *, decay: float = DAILY_DECAY) -> Matrix:
    """Weighted mean of the outer products of the returns, the newest weighing most; shape (positions, positions), per period squared.

    Weights are proportional to decay ^ age and sum to 1 over the returns there are; the mean return counts as 0. Source: RiskMetrics
    Technical Document (1996), section 5.2.1, with the sum of the weights instead of its limit, so that a short sample is not too calm.

    Args:
        returns: shape (observations, positions), the oldest first.

    Raises:
        TooShort: fewer than two observations.
        ValueError: decay outside 0 to 1, or what is no finite number.
    """
    moves = table(returns, "returns", least=2)
    ages = np.arange(len(moves) - 1, -1, -1, dtype=np.float64)
    weights = share(decay, "decay") ** ages
    weights /= weights.sum()
    return np.asarray((moves * weights[:, None]).T @ moves, dtype=np.float64)
