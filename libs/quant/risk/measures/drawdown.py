"""Falls of an equity from its highest."""

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from libs.quant.risk.measures.checks import Vector, series


class Drawdown(msgspec.Struct, frozen=True):
    """The deepest fall of a series, and where it stands now. Falls are shares of the peak; what is counted is observations."""

    deepest: float  # 0: it has never fallen
    current: float
    peak: int  # where the deepest fall began
    trough: int  # and where it was deepest; the peak itself when there was none
    recovered: int | None  # first observation after it that is at the peak again; None: not yet, or there was none
    longest: int  # most observations in a row below an earlier peak


def falls(equity: ArrayLike) -> Vector:
    """How far each observation is below the highest so far, as a share of it, shape (observations,); above 1 where money is owed.

    Raises:
        TooShort: there is no observation.
        ValueError: the first is not above 0, so no share of a peak is defined; or what is no finite number.
    """
    worth = series(equity, "equity", least=1)
    if worth[0] <= 0.0:
        raise ValueError(f"Expected an equity that begins above 0, got {worth[0]}: a fall is a share of the peak before it")
    highs = np.maximum.accumulate(worth)
    return np.asarray((highs - worth) / highs, dtype=np.float64)


def drawdown(equity: ArrayLike) -> Drawdown:
    """The deepest fall from a peak, and the current one.

    Source: M. Magdon-Ismail and A. Atiya, Maximum Drawdown, Risk 17 (2004), as a share of the peak.

    Raises:
        As `falls`.
    """
    worth, below = series(equity, "equity"), falls(equity)
    trough = int(below.argmax())
    if below[trough] == 0.0:
        return Drawdown(0.0, 0.0, trough, trough, None, 0)
    peak = int(worth[: trough + 1].argmax())
    again = np.flatnonzero(worth[trough:] >= worth[peak])
    ends = np.flatnonzero(np.concatenate(([True], below == 0.0, [True])))
    return Drawdown(
        deepest=float(below[trough]),
        current=float(below[-1]),
        peak=peak,
        trough=trough,
        recovered=trough + int(again[0]) if len(again) else None,
        longest=int(np.diff(ends).max()) - 1,
    )
