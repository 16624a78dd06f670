"""The invented price of one symbol: a function of the seed, the symbol and the time, with nothing carried along.

Within a minute the price runs in straight lines between five knots: the level at the minute's start, three in between at
drawn times, the level at the next minute's start. The level of a minute is

    base x exp(volatility x (slow waves + a draw of the minute alone))

so it reverts to the base, has stretches that trend, never comes near zero, and any minute can be computed by itself.
docs/synthetic.md says the same in more words and gives the figures.
"""

from hashlib import blake2b
from math import exp, pi, sin
from random import Random
from typing import Final, NamedTuple

MINUTE_MS: Final = 60_000

_WAVES: Final = ((390, 150e-4), (97, 40e-4), (23, 15e-4))
"""Periods in minutes and amplitudes (fractions of the price) of the slow waves; phases are drawn per seed and symbol."""

_LEVEL: Final = 8e-4  # half width of the draw at a minute's start, as a fraction of the price
_KNOT: Final = 6e-4  # half width of the draw at a knot, around the straight line between two levels
_KNOTS: Final = 3


class Symbol(NamedTuple):
    """What is invented of a symbol besides its `Instrument`. Whole ticks and lots; a draw takes one of 1..most."""

    name: str
    volatility: float  # 1.0 makes one-minute moves of about 8 basis points
    ticks_per_unit: int  # of the currency
    lots_per_unit: int  # of the share or coin
    most_spread: int  # ticks
    most_quoted: int  # lots on one side of a quote...
    quoted_step: int  # ...times this
    most_traded: int  # lots


class Line(NamedTuple):
    """A straight piece of the price within a minute: from `begin` on, at `level` and rising by `slope` a millisecond."""

    begin: int  # milliseconds into the minute
    level: float  # ticks
    slope: float  # ticks per millisecond


def generator(seed: int, symbol: str, minute: int) -> Random:
    """The one source of everything drawn within a minute of a symbol."""
    return Random(hashed(f"{seed}|{symbol}|{minute}"))


def level(seed: int, symbol: Symbol, base: float, minute: int) -> float:
    """The price at the start of a minute (counted from the epoch), in the currency; it reverts to `base`."""
    bend = _LEVEL * (2 * unit(f"{seed}|{symbol.name}|level|{minute}") - 1)
    for period, amplitude in _WAVES:
        phase = unit(f"{seed}|{symbol.name}|wave|{period}")
        bend += amplitude * sin(2 * pi * (minute / period + phase))
    return base * exp(symbol.volatility * bend)


def lines(draw: Random, symbol: Symbol, opening: float, closing: float) -> list[Line]:
    """The pieces of the price of one minute between the levels at its start and its end, in order."""
    pieces = []
    begin, start = 0, opening * symbol.ticks_per_unit
    for knot in range(1, _KNOTS + 2):
        share = 1.0
        bend = 0.0
        if knot <= _KNOTS:
            share = (knot + (draw.random() - 0.5) * 0.7) / (_KNOTS + 1)
            bend = symbol.volatility * _KNOT * (2 * draw.random() - 1)
        end = int(share * MINUTE_MS)
        stop = (opening + (closing - opening) * share) * (1 + bend) * symbol.ticks_per_unit
        pieces.append(Line(begin, start, (stop - start) / (end - begin)))
        begin, start = end, stop
    return pieces


def hashed(text: str) -> int:
    """64 bits that depend on the text alone."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def unit(text: str) -> float:
    """A draw from 0 up to 1 that depends on the text alone."""
    return hashed(text) / 2**64
