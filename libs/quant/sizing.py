"""Where floats end: from a wish to whole lots, from a price to whole ticks. Everything later is integers and Decimal."""

import math
from decimal import Decimal
from typing import Final

from libs.domain.orders import Side

_EXACT: Final = 2**53  # beyond it a float64 no longer tells neighbouring integers apart


class Uncountable(ValueError):
    """What is wished for is no number of steps that can be told from its neighbours."""


def to_lots(x: float, lot: float) -> int:
    """Whole lots in the quantity `x`, towards zero; a quotient that misses a whole number by float noise counts as it.

    Args:
        x: signed quantity in shares, coins or contracts.
        lot: smallest step of it, positive.

    Raises:
        Uncountable: `x / lot` is infinite or beyond 2^53.
        ValueError: `x` is NaN, or `lot` is not positive.
    """
    q = _steps(x, lot, "quantity")
    r = math.floor(q + 0.5)
    return r if q == r or _is_noise(q - r, q) else math.trunc(q)


def to_ticks(price: float, tick: float) -> int:
    """The nearest tick to `price`; half way goes up.

    Raises:
        Uncountable, ValueError: as `to_lots`.
    """
    return math.floor(_steps(price, tick, "price") + 0.5)


def ticks_towards(price: float, tick: float, reference: float) -> int:
    """`price` in ticks, rounded towards `reference`, so that a collar never grows by rounding.

    A price on the grid but for float noise stays there. All three in the same currency.

    Raises:
        Uncountable, ValueError: as `to_lots`.
    """
    q = _steps(price, tick, "price")
    r = math.floor(q + 0.5)
    if q == r or _is_noise(q - r, q):
        return r
    return math.floor(q) if price > reference else math.ceil(q)


def against_us(side: Side, ticks: int, bps: Decimal) -> int:
    """`ticks` made worse for `side` by `bps` of itself, then on to the next whole tick: up to buy, down to sell.

    Exact: the shift is a ratio of integers, so a price that lands on a tick stays on it.
    """
    over, under = bps.as_integer_ratio()
    shift = -(-abs(ticks) * over // (under * 10_000))
    return ticks + shift if side == "buy" else ticks - shift


def _steps(x: float, step: float, what: str) -> float:
    if not 0.0 < step < math.inf:
        raise ValueError(f"expected a positive step, got {step!r}")
    q = x / step
    if not abs(q) <= _EXACT:  # true of NaN too, which is a fault and not a wish
        raise (ValueError if math.isnan(q) else Uncountable)(f"{what} {x!r} is no countable number of steps of {step!r}")
    return q


def _is_noise(miss: float, q: float) -> bool:
    return abs(miss) <= 1e-9 or abs(miss) <= min(0.01, 1e-9 * abs(q))
