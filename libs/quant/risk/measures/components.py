"""Which position brings the risk: marginal, component and incremental value at risk of normal returns.

Source of all: P. Jorion, Value at Risk, 3rd edition (2007), chapter 7. Values are signed worths in money, shape (positions,);
covariances have the shape (positions, positions) and give the horizon.
"""

import numpy as np
from numpy.typing import ArrayLike

from libs.quant.risk.measures.checks import Vector, same_length, series
from libs.quant.risk.measures.checks import covariance as checked
from libs.quant.risk.measures.normal import deviation, normal_var


def marginal_var(values: ArrayLike, covariance: ArrayLike, confidence: float) -> Vector:
    """By how much the value at risk grows for one more unit of money in each position: z C v / sqrt(v' C v), shape (positions,).

    Negative for a hedge.

    Raises:
        ValueError: the whole does not vary, so nothing has a share of its risk; or values and covariance do not fit.
    """
    held = series(values, "values")
    whole = deviation(held, covariance)
    if whole == 0.0:
        raise ValueError("Expected positions whose worth varies, got a deviation of 0: no position has a share of no risk")
    return np.asarray(normal_var(1.0, confidence) * (np.asarray(covariance, dtype=np.float64) @ held) / whole, dtype=np.float64)


def component_var(values: ArrayLike, covariance: ArrayLike, confidence: float) -> Vector:
    """What each position has in the value at risk of the whole: value x marginal, shape (positions,). They add up to it.

    Raises:
        As `marginal_var`.
    """
    return np.asarray(series(values, "values") * marginal_var(values, covariance, confidence), dtype=np.float64)


def incremental_var(values: ArrayLike, covariance: ArrayLike, confidence: float) -> Vector:
    """By how much the value at risk is larger with each position than without it, shape (positions,). They do not add up.

    Raises:
        ValueError: values and covariance do not fit.
    """
    held = series(values, "values")
    matrix = checked(covariance, len(held))
    shared = matrix @ held
    whole = float(held @ shared)
    without = np.maximum(whole - 2.0 * held * shared + held**2 * np.diag(matrix), 0.0)  # rounding
    return np.asarray(normal_var(1.0, confidence) * (deviation(held, matrix) - np.sqrt(without)), dtype=np.float64)


def var_of_trade(values: ArrayLike, trade: ArrayLike, covariance: ArrayLike, confidence: float) -> float:
    """By how much a trade would change the value at risk, valued anew and not by the marginal: money, negative when it lowers it.

    Args:
        trade: bought (positive) and sold (negative) worth in each position, money, shape (positions,).

    Raises:
        ValueError: the three do not fit.
    """
    held, change = series(values, "values"), series(trade, "trade")
    same_length(len(held), len(change), "values and trade")
    after = normal_var(deviation(held + change, covariance), confidence)
    return after - normal_var(deviation(held, covariance), confidence)
