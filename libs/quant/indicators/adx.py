"""Average directional index: how much of the movement has gone one way, 0 to 100, and the movement each way.

    +DM = rise of the high where it is positive and more than the fall of the low, else 0; -DM the other way round
    S = S' - S' / length + x, of +DM, -DM and the true range; its first value is the sum of the first length - 1
    +DI = 100 * S(+DM) / S(range), -DI likewise, DX = 100 * |+DI - -DI| / (+DI + -DI)
    ADX = (ADX' * (length - 1) + DX) / length, its first value is the mean of the first `length` DX

+DI and -DI are NaN until `length` + 1 bars have been seen, ADX until 2 * length. A bar with a NaN or infinite input gives
NaN and leaves the state as it was. Where nothing has moved +DI and -DI are 0; a bar without DX adds 0 to the first ADX and
leaves later ones as they were.

Source: Wilder (1978), New Concepts in Technical Trading Systems.
"""

from math import isfinite, nan
from typing import Final, NamedTuple

from libs.quant.indicators.atr import true_range
from libs.quant.indicators.lengths import checked


class State(NamedTuple):
    """The last bar, and what has been smoothed so far."""

    length: int
    seen: int  # at most 2 * length
    high: float
    low: float
    close: float
    plus: float  # S(+DM)
    minus: float  # S(-DM)
    reach: float  # S(range)
    adx: float


class Lines(NamedTuple):
    """0 to 100."""

    adx: float
    plus_di: float
    minus_di: float


_NONE: Final = Lines(nan, nan, nan)


def init(length: int) -> State:
    """Nothing seen. ValueError if `length` < 2."""
    return State(checked(length, 2), 0, nan, nan, nan, 0.0, 0.0, 0.0, 0.0)


def step(state: State, high: float, low: float, close: float) -> tuple[State, Lines]:
    """The lines with one more bar."""
    if not isfinite(high + low + close):
        return state, _NONE
    length, seen, previous_high, previous_low, previous_close, plus, minus, reach, adx = state
    if seen == 0:
        return State(length, 1, high, low, close, plus, minus, reach, adx), _NONE
    if seen >= length:
        plus -= plus / length
        minus -= minus / length
        reach -= reach / length
    rise, fall = high - previous_high, previous_low - low
    if rise > fall and rise > 0.0:
        plus += rise
    elif fall > rise and fall > 0.0:
        minus += fall
    reach += true_range(high, low, previous_close)
    moved = plus + minus
    if seen >= length and reach != 0.0 and moved != 0.0:
        dx = 100.0 * abs(plus - minus) / moved
        adx = adx + dx / length if seen < 2 * length else (adx * (length - 1) + dx) / length
    if seen < 2 * length:
        seen += 1
    lines = _NONE
    if seen > length:
        plus_di, minus_di = (100.0 * plus / reach, 100.0 * minus / reach) if reach != 0.0 else (0.0, 0.0)
        lines = Lines(adx if seen == 2 * length else nan, plus_di, minus_di)
    return State(length, seen, high, low, close, plus, minus, reach, adx), lines
