"""How long the blocks of a stationary bootstrap should be, from how long a series remembers."""

from math import ceil, log10, sqrt
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from libs.quant.risk.measures.checks import Vector, series
from libs.quant.validation.sharpe import ROUNDING

_BAND: Final = 2.0
"""Times sqrt(log10(n) / n): an autocorrelation within it is taken for none. The paper's c."""
_QUIET: Final = 5
"""Lags in a row without autocorrelation after which the series is taken to have forgotten, at the least. The paper's K_N."""


def block_length(values: ArrayLike) -> float:
    """The mean block length with the least error of the bootstrapped variance of the mean; 1 of what does not remember at all.

    (2 G^2 / D)^(1/3) n^(1/3), with G the sum of lambda(k/M) |k| R(k), D = 2 g^2, g the sum of lambda(k/M) R(k), over lags k from -M to M,
    R the autocovariance and lambda a flat-top window. Never above min(3 sqrt(n), n / 3).

    Sources: D. N. Politis and H. White, Automatic Block-Length Selection for the Dependent Bootstrap, Econometric Reviews 23 (2004), with D
    as corrected by A. Patton, D. N. Politis and H. White, Econometric Reviews 28 (2009).

    Args:
        values: shape (n,), the oldest first.

    Raises:
        TooShort: fewer than two values.
        ValueError: what is no finite number.
    """
    seen = series(values, "values", least=2)
    count = len(seen)
    away = seen - seen.mean()
    largest = float(np.abs(away).max())
    if not largest > ROUNDING * np.abs(seen).max():
        return 1.0
    quiet = max(_QUIET, ceil(sqrt(log10(count))))
    covariance = _autocovariance(away / largest, min(ceil(sqrt(count)) + quiet, count - 1))
    width = _bandwidth(covariance / covariance[0], quiet, _BAND * sqrt(log10(count) / count))
    lags = np.arange(1, width + 1)
    weighed = np.minimum(1.0, 2.0 * (1.0 - lags / width)) * covariance[1 : width + 1]
    rise, level = 2.0 * float(lags @ weighed), float(covariance[0]) + 2.0 * float(weighed.sum())
    if level == 0.0:
        return _most(count)
    return float(min(max(1.0, (rise * rise / (level * level) * count) ** (1.0 / 3.0)), _most(count)))


def _most(count: int) -> float:
    return max(1.0, float(ceil(min(3.0 * sqrt(count), count / 3.0))))


def _autocovariance(away: Vector, most: int) -> Vector:
    """Of lags 0 to `most`, n in the denominator."""
    return np.array([away[lag:] @ away[: len(away) - lag] for lag in range(most + 1)]) / len(away)


def _bandwidth(correlation: Vector, quiet: int, band: float) -> int:
    """M: twice the lag after which so many in a row are within the band; where no such run is found, all lags there are."""
    most = len(correlation) - 1
    loud = np.flatnonzero(np.abs(correlation[1:]) >= band) + 1
    edges = np.concatenate(([0], loud, [most + 1]))
    long = np.flatnonzero(np.diff(edges) > quiet)
    last = int(edges[long[0]]) if len(long) else most
    return max(1, min(2 * max(last, 1), most))
