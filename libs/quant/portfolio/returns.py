"""Measures of daily returns, as simple fractions in float64: 0.01 is 1 %.

All of them take the returns of completed days in order and `days`, the trading days of a year (252 for US stocks, 365 for
crypto). None where the measure is not defined: too few returns, nothing to divide by, or a return that is no finite number.
Below that is said where it differs. The same numbers as the library empyrical gives, which the tests compare with.
"""

from collections.abc import Sequence
from math import fsum, isfinite, sqrt
from typing import Final, NamedTuple

_MOST: Final = 1e100


class Statistics(NamedTuple):
    """All of them; each None until it is defined."""

    observations: int = 0  # returns that they are made of
    sharpe: float | None = None
    sortino: float | None = None
    calmar: float | None = None
    volatility: float | None = None
    cagr: float | None = None
    max_drawdown: float | None = None


def statistics(returns: Sequence[float], days: float) -> Statistics:
    """Every measure of the same returns."""
    return Statistics(
        observations=len(returns),
        sharpe=sharpe(returns, days),
        sortino=sortino(returns, days),
        calmar=calmar(returns, days),
        volatility=volatility(returns, days),
        cagr=cagr(returns, days),
        max_drawdown=max_drawdown(returns),
    )


def volatility(returns: Sequence[float], days: float) -> float | None:
    """Standard deviation of the returns (n - 1 in the denominator) x sqrt(days). From two returns on."""
    if len(returns) < 2 or not _all_finite(returns):
        return None
    return _deviation(returns) * sqrt(days)


def sharpe(returns: Sequence[float], days: float) -> float | None:
    """Mean / standard deviation (n - 1) x sqrt(days), with no riskless rate. From two different returns on.

    Source: W. F. Sharpe, The Sharpe Ratio, Journal of Portfolio Management 21 (1994), ex post.
    """
    if len(returns) < 2 or not _all_finite(returns) or _all_equal(returns):
        return None
    return _mean(returns) / _deviation(returns) * sqrt(days)


def sortino(returns: Sequence[float], days: float) -> float | None:
    """Mean / downside deviation x sqrt(days); the latter is sqrt(mean(min(return, 0) ^ 2)) over all returns.

    From two returns on, one of them below 0. Source: F. A. Sortino and L. N. Price, Performance Measurement in a Downside
    Risk Framework, Journal of Investing 3 (1994), with a minimal acceptable return of 0.
    """
    if len(returns) < 2 or not _all_finite(returns):
        return None
    downside = sqrt(fsum(min(r, 0.0) ** 2 for r in returns) / len(returns))
    return _mean(returns) / downside * sqrt(days) if downside > 0 else None


def cagr(returns: Sequence[float], days: float) -> float | None:
    """Compound annual growth: (product of 1 + return) ^ (days / n) - 1. From one return on.

    None once a return is below -1: what is owed has no rate of growth. Few days make it large; so many digits would
    overflow a float, that is None too.
    """
    grown = _growth(returns)
    if grown is None:
        return None
    try:
        return float(grown[-1] ** (days / len(returns))) - 1.0
    except OverflowError:
        return None


def max_drawdown(returns: Sequence[float]) -> float | None:
    """Largest fall of the compounded returns from their highest before, as a share of it: 0 to 1.

    From one return on; the start counts as a high. None once a return is below -1.
    """
    grown = _growth(returns)
    if grown is None:
        return None
    high, deepest = 1.0, 0.0
    for value in grown:
        high = max(high, value)
        deepest = max(deepest, (high - value) / high)
    return deepest


def calmar(returns: Sequence[float], days: float) -> float | None:
    """CAGR / largest drawdown, over all returns there are. Only where there was a drawdown.

    Source: T. W. Young, Calmar Ratio: A Smoother Tool, Futures (October 1991), which takes 36 months.
    """
    growth, fall = cagr(returns, days), max_drawdown(returns)
    return growth / fall if growth is not None and fall else None


def _growth(returns: Sequence[float]) -> list[float] | None:
    """What 1 has become after each return."""
    if not returns or not _all_finite(returns) or min(returns) < -1.0:
        return None
    grown, values = 1.0, []
    for r in returns:
        grown *= 1.0 + r
        values.append(grown)
    return values if isfinite(grown) else None


def _all_finite(returns: Sequence[float]) -> bool:
    """Nor so large that its square is none."""
    return all(abs(r) < _MOST for r in returns)


def _all_equal(returns: Sequence[float]) -> bool:
    """Then they have no deviation, whatever rounding makes of it."""
    return all(r == returns[0] for r in returns)


def _mean(returns: Sequence[float]) -> float:
    return fsum(returns) / len(returns)


def _deviation(returns: Sequence[float]) -> float:
    if _all_equal(returns):
        return 0.0
    mean = _mean(returns)
    return sqrt(fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
