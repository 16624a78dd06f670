"""What measures are made of, checked once at the door: finite numbers, of one length, and enough of them.

Everywhere in this package a P&L is positive when it gains, and a value at risk or a shortfall is positive when it loses. Money is in
the account's currency, returns are simple fractions (0.01 is 1 %). All of it is float64: these are estimates, nothing is booked by them.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]
"""Shape (n,)."""
Matrix = NDArray[np.float64]
"""Shape (rows, columns): observations in rows, the oldest first; one column per position."""

_SLACK: Final = 1e-10
"""How far rounding may carry a covariance from symmetry, and variances below zero, as a share of the largest."""


class TooShort(ValueError):
    """There are fewer observations than the measure needs: it is not defined yet, which is no fault of the input."""


def series(values: ArrayLike, what: str, *, least: int = 1) -> Vector:
    """One column of finite numbers.

    Raises:
        TooShort: fewer than `least`.
        ValueError: it has another shape, or holds what is no finite number; the message says where.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1:
        raise ValueError(f"Expected {what} as one column of numbers, got an array of shape {found.shape}")
    _must_be_finite(found, what)
    if len(found) < least:
        raise TooShort(f"{what}: expected at least {least} observations, got {len(found)}")
    return found


def table(values: ArrayLike, what: str, *, least: int = 1) -> Matrix:
    """Observations in rows, one column or more, all finite.

    Raises:
        TooShort: fewer than `least` rows.
        ValueError: it has another shape, or holds what is no finite number; the message says where.
    """
    try:
        found = np.asarray(values, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"Expected {what} as a table of numbers whose rows are of one length: {error}") from None
    if found.ndim != 2 or found.shape[1] < 1:
        raise ValueError(f"Expected {what} as rows of observations and columns of positions, got an array of shape {found.shape}")
    _must_be_finite(found, what)
    if len(found) < least:
        raise TooShort(f"{what}: expected at least {least} observations, got {len(found)}")
    return found


def share(value: float, what: str) -> float:
    """A number between 0 and 1, neither of them.

    Raises:
        ValueError: it is something else.
    """
    if not 0.0 < value < 1.0:
        raise ValueError(f"Expected {what} above 0 and below 1, got {value}")
    return float(value)


def same_length(one: int, other: int, what: str) -> None:
    """ValueError: two things that go together are of unequal length; `what` names both."""
    if one != other:
        raise ValueError(f"Expected {what} of one length, got {one} and {other}")


def covariance(values: ArrayLike, size: int) -> Matrix:
    """A covariance matrix of so many positions. A singular one is sound: two positions may move as one.

    Whether it has a negative eigenvalue, which no returns can give, is found where it matters: `not_negative`.

    Raises:
        ValueError: it has another shape, is not finite, or not symmetric.
    """
    found = table(values, "covariance")
    if found.shape != (size, size):
        raise ValueError(f"Expected a covariance of shape {(size, size)}, one row and column for each position, got {found.shape}")
    if np.abs(found - found.T).max() > _SLACK * float(np.abs(found).max()):
        raise ValueError("Expected a symmetric covariance, got one that differs from its transpose")
    return found


def not_negative(variance: float, scale: float) -> float:
    """A variance that came out of a covariance; 0 where rounding made it a little less.

    Args:
        scale: what a variance of the same covariance can be at the most: its error is a share of that.

    Raises:
        ValueError: it is below 0: no returns have that covariance.
    """
    if variance < -_SLACK * scale:
        raise ValueError(f"Expected a covariance that returns can have, got one by which a portfolio has the variance {variance:g}")
    return max(0.0, variance)


def _must_be_finite(values: NDArray[np.float64], what: str) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        where = ", ".join(str(int(n)) for n in bad[0])
        raise ValueError(f"Expected finite numbers in {what}, got {values[tuple(bad[0])]} at [{where}], and {len(bad)} such in all")
