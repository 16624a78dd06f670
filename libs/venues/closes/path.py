"""The simulated way of a price from one real close to the next. Nothing is carried along: any minute is computed by itself.

Overnight the price makes a drawn part of the way to the day's close, and a drawn error besides. From the open on it is a
Brownian bridge in the logarithm of the price, which ends at the real close: its Karhunen-Loeve expansion

    B(x) = sum over k of Z_k sqrt(2) sin(k pi x) / (k pi),    x from 0 at the open to 1 at the close,

cut after `_TERMS`, with what is finer than that added as a draw of each minute. Source of the expansion: Loeve, Probability
Theory II (1978), 37.5; Z_k are independent standard normal draws of the seed, the symbol and the day.
"""

from functools import lru_cache
from math import exp, log, pi, sin, sqrt
from random import Random
from typing import Final, NamedTuple

from libs.venues.synthetic.process import hashed, unit

_TERMS: Final = 60
_FINE: Final = 4e-4  # half width of the draw of a minute, as a fraction of the price
_OVERNIGHT: Final = 0.5  # most of the way to the close that is made before the open
_SURPRISE: Final = 0.25  # deviation of the open from there, in days' volatilities


class Day(NamedTuple):
    """What is known of one trading day of a symbol."""

    number: int  # of the session's days
    before: float  # the real close before
    close: float  # the real close
    volatility: float  # of a day: deviation of the logarithmic returns of the closes before


class Bridge(NamedTuple):
    """What was drawn of a day."""

    opening: float  # logarithm of the price
    terms: tuple[float, ...]


@lru_cache(maxsize=256)
def bridge(seed: int, symbol: str, day: Day) -> Bridge:
    """The draws of one day of one symbol."""
    draw = Random(hashed(f"{seed}|{symbol}|day|{day.number}"))
    way = log(day.close / day.before)
    opening = log(day.before) + draw.random() * _OVERNIGHT * way + _SURPRISE * day.volatility * draw.gauss(0.0, 1.0)
    return Bridge(opening, tuple(draw.gauss(0.0, 1.0) * sqrt(2) / (k * pi) for k in range(1, _TERMS + 1)))


def level(seed: int, symbol: str, day: Day, minute: int, minutes: int) -> float:
    """The price at the start of a minute of the day, `minutes` being those it has; at its end (minute == minutes) the real close.

    In the currency of the closes.
    """
    drawn = bridge(seed, symbol, day)
    x = minute / minutes
    way = drawn.opening + (log(day.close) - drawn.opening) * x
    if minute in (0, minutes):
        return exp(way)
    bend = sum(term * sin(k * pi * x) for k, term in enumerate(drawn.terms, start=1))
    fine = _FINE * (2 * unit(f"{seed}|{symbol}|fine|{day.number}|{minute}") - 1)
    return exp(way + day.volatility * bend + fine)
