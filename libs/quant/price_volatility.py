"""How volatile a price is, and what a position in it is scaled by to have a volatility that was asked for."""

from math import log, sqrt
from typing import Final, NamedTuple

from libs.domain.instruments import Calendar
from libs.domain.names import TIMEFRAMES

_HOUR: Final = 3_600_000_000_000
_DAY: Final = 24 * _HOUR
_SESSIONS: Final[dict[Calendar, tuple[int, float]]] = {
    "us_equity": (252, 6.5),
    "24/7": (365, 24.0),
    "forex": (260, 24.0),
    "cme_globex": (252, 23.0),
}
"""Sessions a year and hours a session."""

DECAY: Final = 0.94
"""Weight of yesterday's variance; RiskMetrics Technical Document (J.P. Morgan, 1996), table 5.8."""
WARMUP: Final = 20
"""Returns before a volatility is believed."""


class Volatility(NamedTuple):
    """Exponentially weighted variance of log returns of one symbol, per bar."""

    close: float = 0.0
    seen: int = 0  # returns
    variance: float = 0.0


def observe(state: Volatility, close: float) -> Volatility:
    """Counts one more close; the first 16 returns weigh equally, then the newest weighs 1 - DECAY."""
    if state.close == 0.0:
        return Volatility(close, 0, 0.0)
    change = log(close / state.close)
    seen = state.seen + 1
    weight = max(1.0 - DECAY, 1.0 / seen)
    return Volatility(close, seen, state.variance + weight * (change * change - state.variance))


def scale(state: Volatility, target: float, timeframe: str, calendar: Calendar) -> float | None:
    """What a position is scaled by to have `target` volatility a year, at most 1; None while too little is known.

    Source: A. Moreira and T. Muir, Volatility-Managed Portfolios (2017), with a cap: nothing is borrowed to reach the target.
    """
    if state.seen < WARMUP:
        return None
    year = sqrt(state.variance * bars_per_year(timeframe, calendar))
    return min(1.0, target / year) if year > 0.0 else 1.0


def sessions_per_year(calendar: Calendar) -> int:
    """Trading days of a year, as measures of daily returns count them."""
    return _SESSIONS[calendar][0]


def bars_per_year(timeframe: str, calendar: Calendar) -> float:
    """Bars of a year of trading, were none missing."""
    length = TIMEFRAMES[timeframe]
    sessions, hours = _SESSIONS[calendar]
    return sessions * (_DAY / length) if length >= _DAY else sessions * hours * (_HOUR / length)
