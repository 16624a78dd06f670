"""Whether much hangs on little."""

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from libs.quant.risk.measures.checks import series


class Concentration(msgspec.Struct, frozen=True):
    """How the gross exposure is spread."""

    herfindahl: float  # sum of the squared shares: 1 / positions when all are alike, 1 when there is one
    effective_positions: float  # so many equal ones would be spread as much: 1 / herfindahl
    largest: float  # share of the largest


def concentration(values: ArrayLike) -> Concentration:
    """Of the gross exposure, longs and shorts alike.

    Source: O. C. Herfindahl, Concentration in the Steel Industry (1950); A. O. Hirschman (1945).

    Args:
        values: signed worth of each position, money, shape (positions,).

    Raises:
        ValueError: nothing is held, or what is no finite number.
    """
    sizes = np.abs(series(values, "values"))
    gross = float(sizes.sum())
    if gross == 0.0:
        raise ValueError("Expected a position that is worth something, got none: nothing is concentrated")
    shares = sizes / gross
    index = float(shares @ shares)
    return Concentration(index, 1.0 / index, float(shares.max()))
