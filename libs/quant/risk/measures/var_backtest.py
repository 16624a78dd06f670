"""Whether a value at risk was right: how often it was passed, and whether that happened in clusters.

A hit is a period whose loss was larger than what was forecast for it. With the right model hits come in a share 1 - confidence of all
periods, and one says nothing about the next.
"""

from math import erfc, exp, log, sqrt
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from libs.quant.risk.measures.checks import Vector, same_length, series, share
from libs.quant.risk.measures.historical import historical_var

Hits = NDArray[np.bool_]
REJECTED_BELOW: Final = 0.05
"""A test whose p-value is lower says that the model is wrong: one time in twenty it will say so of a right one."""


class Verdict(NamedTuple):
    """A likelihood ratio and how likely so large a one is when the model is right."""

    statistic: float
    p_value: float

    @property
    def rejected(self) -> bool:
        return self.p_value < REJECTED_BELOW


class VarBacktest(msgspec.Struct, frozen=True):
    """Forecasts of one confidence beside what came."""

    confidence: float
    window: int  # periods that each forecast was made from
    periods: int  # forecast
    hits: int
    expected: float  # hits that the right model has on average
    kupiec: Verdict  # as many as there should be
    independence: Verdict  # one says nothing about the next
    conditional_coverage: Verdict  # both

    @property
    def rejected(self) -> bool:
        return self.kupiec.rejected or self.independence.rejected or self.conditional_coverage.rejected


def hits(pnl: ArrayLike, forecasts: ArrayLike) -> Hits:
    """Periods whose loss was larger than its value at risk, shape (periods,).

    Args:
        pnl: of each period, money.
        forecasts: value at risk of the same periods, made before each, money.

    Raises:
        ValueError: unequal lengths, or what is no finite number.
    """
    came, feared = series(pnl, "P&L"), series(forecasts, "forecasts")
    same_length(len(came), len(feared), "P&L and forecasts")
    return np.asarray(-came > feared, dtype=np.bool_)


def kupiec(hits: int, periods: int, confidence: float) -> Verdict:
    """Proportion of failures: the likelihood ratio of the observed share of hits beside 1 - confidence; chi squared, 1 degree.

    Source: P. Kupiec, Techniques for Verifying the Accuracy of Risk Measurement Models, Journal of Derivatives 3 (1995).

    Raises:
        ValueError: no period, more hits than periods, or a confidence that is none.
    """
    expected = 1.0 - share(confidence, "confidence")
    if not (periods >= 1 and 0 <= hits <= periods):
        raise ValueError(f"Expected one period or more and between 0 and as many hits, got {hits} hits in {periods} periods")
    return _one_degree(2.0 * (_likelihood(hits, periods, hits / periods) - _likelihood(hits, periods, expected)))


def independence(hits: Hits) -> Verdict:
    """The likelihood ratio of hits that depend on the period before beside hits that do not; chi squared, 1 degree.

    0 where there is nothing to tell apart: no hit, or nothing but hits. Source: P. F. Christoffersen, Evaluating Interval Forecasts,
    International Economic Review 39 (1998).

    Raises:
        ValueError: fewer than two periods.
    """
    found = np.asarray(hits, dtype=np.bool_)
    if found.ndim != 1 or len(found) < 2:
        raise ValueError(f"Expected the hits of two periods or more, got an array of shape {found.shape}")
    after_hit, after_none = found[1:][found[:-1]], found[1:][~found[:-1]]
    again, first = int(after_hit.sum()), int(after_none.sum())
    together = (again + first) / (len(found) - 1)
    apart = _likelihood(again, len(after_hit), again / max(len(after_hit), 1)) + _likelihood(
        first, len(after_none), first / max(len(after_none), 1)
    )
    return _one_degree(2.0 * (apart - _likelihood(again + first, len(found) - 1, together)))


def conditional_coverage(hits: Hits, confidence: float) -> Verdict:
    """As many as there should be, and independent: the sum of both statistics; chi squared, 2 degrees. Source: as `independence`.

    Raises:
        ValueError: fewer than two periods, or a confidence that is none.
    """
    statistic = kupiec(int(np.sum(hits)), len(hits), confidence).statistic + independence(hits).statistic
    return Verdict(statistic, exp(-statistic / 2.0))


def backtest(pnl: ArrayLike, window: int, confidence: float) -> VarBacktest:
    """Forecasts of each period the historical value at risk of the `window` periods before it, and judges them all.

    Args:
        pnl: of each period, money, shape (observations,), the oldest first.

    Raises:
        TooShort: fewer than window + 2 observations, or a window too short for the confidence.
        ValueError: confidence outside 0 to 1, or what is no finite number.
    """
    came = series(pnl, "P&L", least=window + 2)
    found = hits(came[window:], rolling_var(came, window, confidence))
    count = int(found.sum())
    return VarBacktest(
        confidence=confidence,
        window=window,
        periods=len(found),
        hits=count,
        expected=len(found) * (1.0 - confidence),
        kupiec=kupiec(count, len(found), confidence),
        independence=independence(found),
        conditional_coverage=conditional_coverage(found, confidence),
    )


def rolling_var(pnl: Vector, window: int, confidence: float) -> Vector:
    """For each period from the window's end on, the historical value at risk of the `window` before it, shape (observations - window,).

    Raises:
        TooShort: a window too short for the confidence.
    """
    past = np.lib.stride_tricks.sliding_window_view(pnl[:-1], window)
    return np.array([historical_var(before, confidence) for before in past])


def _likelihood(hits: int, periods: int, probability: float) -> float:
    """Logarithm; 0 log 0 is 0."""
    misses = periods - hits
    return (hits * log(probability) if hits else 0.0) + (misses * log(1.0 - probability) if misses else 0.0)


def _one_degree(statistic: float) -> Verdict:
    kept = max(statistic, 0.0)  # rounding
    return Verdict(kept, erfc(sqrt(kept / 2.0)))
