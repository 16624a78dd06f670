"""Value at risk and expected shortfall of a sample: past days replayed on today's positions, or paths that were drawn."""

from math import ceil, floor
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from libs.quant.risk.measures.checks import Matrix, TooShort, Vector, same_length, series, share, table

_ROUNDING: Final = 1e-9
"""0.01 x 500 must count as five days, whatever a float makes of it."""


def scenario_pnl(values: ArrayLike, returns: ArrayLike) -> Vector:
    """What today's positions would have made in each past period, shape (observations,).

    Args:
        values: signed worth of each position now, money, shape (positions,).
        returns: shape (observations, positions).

    Raises:
        ValueError: unequal lengths, or what is no finite number.
    """
    held, moves = series(values, "values"), table(returns, "returns")
    same_length(len(held), moves.shape[1], "values and the columns of returns")
    return np.asarray(moves @ held, dtype=np.float64)


def historical_var(pnl: ArrayLike, confidence: float) -> float:
    """The loss that was reached or passed in a share 1 - confidence of the sample: the ceil(n (1 - confidence))-th worst, as it stands.

    Horizon: that of the P&L given. Of 500 days at 99 % it is the fifth worst, as in J. C. Hull, Options, Futures, and Other
    Derivatives, chapter Value at Risk, historical simulation. Nothing is interpolated: the loss happened.

    Raises:
        TooShort: fewer observations than 1 / (1 - confidence): such a loss is not in the sample.
        ValueError: confidence outside 0 to 1, or what is no finite number.
    """
    sample, tail = _sample(pnl, confidence)
    rank = ceil(tail - _ROUNDING) - 1
    return -float(np.partition(sample, rank)[rank])


def historical_cvar(pnl: ArrayLike, confidence: float) -> float:
    """Expected shortfall: the mean of the worst share 1 - confidence of the sample; the last of them counts in part.

    Never below `historical_var` of the same sample, and coherent: that of a sum is at most the sum of those of its parts. Source:
    C. Acerbi and D. Tasche, On the coherence of expected shortfall, Journal of Banking and Finance 26 (2002), definition 2.6.

    Raises:
        As `historical_var`.
    """
    sample, _ = _sample(pnl, confidence)
    return -float(_tail_weights(sample, confidence) @ sample)


def component_cvar(pnl: ArrayLike, confidence: float) -> Vector:
    """What each position has in the expected shortfall of the whole, shape (positions,); they add up to it.

    Each is the position's own mean loss in the worst periods of the whole. Source: D. Tasche, Risk contributions and performance
    measurement (1999).

    Args:
        pnl: of each position in each period, shape (observations, positions).

    Raises:
        As `historical_var`.
    """
    parts: Matrix = table(pnl, "P&L of the positions")
    whole, _ = _sample(parts.sum(axis=1), confidence)
    return np.asarray(-(_tail_weights(whole, confidence) @ parts), dtype=np.float64)


def _sample(pnl: ArrayLike, confidence: float) -> tuple[Vector, float]:
    """The sample, and how many of it are its tail (with a fraction)."""
    tail_share = 1.0 - share(confidence, "confidence")
    sample = series(pnl, "P&L", least=1)
    tail = len(sample) * tail_share
    if tail < 1.0 - _ROUNDING:
        raise TooShort(f"P&L: expected at least {ceil(1.0 / tail_share - _ROUNDING)} observations at {confidence:g}, got {len(sample)}")
    return sample, tail


def _tail_weights(sample: Vector, confidence: float) -> Vector:
    """Weights that sum to 1: equal on the worst, less on the one where the tail ends, 0 on the others."""
    tail = len(sample) * (1.0 - confidence)
    whole = floor(tail + _ROUNDING)
    order = np.argsort(sample, kind="stable")
    weights = np.zeros(len(sample))
    weights[order[:whole]] = 1.0 / tail
    if whole < len(sample):
        weights[order[whole]] = max(0.0, 1.0 - whole / tail)
    return weights
