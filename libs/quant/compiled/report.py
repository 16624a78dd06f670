"""The arithmetic of a backtest's figures over all bars, compiled: libs/quant/backtest/report.py, digit by digit."""

from concurrent.futures import ThreadPoolExecutor
from math import sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from libs.quant.backtest.report import LANES, Held, Measured, Sums
from libs.quant.compiled.extremes import extremes
from libs.quant.compiled.jit import compiled, wide
from libs.quant.compiled.steps import newest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from libs.quant.compiled.layout import Floats, Times

PIECE: Final = 64
TWO_AT_ONCE: Final = 400_000
"""A thread costs more than it saves on a shorter curve."""
SPAN: Final = 1_024  # a multiple of LANES


@compiled
def _begins(at: "Times", times: "Times") -> "Times":
    begins = np.empty(len(at) + 1, np.int64)
    begins[0], begins[-1], hint = 0, len(times), 0
    for n in range(1, len(at)):
        hint = newest(times, 0, len(times), at[n] - 1, hint)
        begins[n] = hint + 1
    return begins


def _curve(held: "Iterable[Held]", cash: "Floats", begins: "Times") -> "Floats":
    values = np.empty(begins[-1])  # by numpy: so large a piece of memory it asks for in large pages
    rest = iter(held)
    if first := next(rest, None):
        _begin(values, cash, begins, *first)
    else:
        _spread(values, cash, begins)
    for each in rest:
        _add(values, begins, *each)
    return values


@compiled
def _spread(values: "Floats", cash: "Floats", begins: "Times") -> None:
    for n in range(len(cash)):
        values[begins[n] : begins[n + 1]] = cash[n]


@compiled
def _begin(values: "Floats", cash: "Floats", begins: "Times", units: "Floats", price: "Floats", multiplier: float) -> None:
    """Cash and the first symbol at once: what is long passes through memory once."""
    for n in range(len(cash)):
        had, holds = cash[n], units[n]
        worth, closes = values[begins[n] : begins[n + 1]], price[begins[n] : begins[n + 1]]
        for row in range(len(worth)):
            worth[row] = had + holds * closes[row] * multiplier


@compiled
def _add(values: "Floats", begins: "Times", units: "Floats", price: "Floats", multiplier: float) -> None:
    for n in range(len(units)):
        holds = units[n]
        worth, closes = values[begins[n] : begins[n + 1]], price[begins[n] : begins[n + 1]]
        for row in range(len(worth)):
            worth[row] += holds * closes[row] * multiplier


@compiled
def _falls(values: "Floats", deposit: float) -> tuple[float, float]:
    """(largest fall, lowest value). Of a piece that neither rises above the high nor falls farther than before only that is asked."""
    high = least = deposit
    fallen = 0.0
    floor = _floor(high, fallen)
    for begin in range(0, len(values), PIECE):
        piece = values[begin : begin + PIECE]
        low, top = extremes(piece)
        least = min(least, low)
        if top <= high and low >= floor:
            continue
        for value in piece:
            if value > high:
                high = value
                floor = _floor(high, fallen)
            elif value < floor:
                fallen = max(fallen, 1 - value / high)
                floor = _floor(high, fallen)
    return fallen, least


@compiled
def _floor(high: float, fallen: float) -> float:
    """A value above it has not fallen farther, however its share is rounded."""
    return high * (1.0 - fallen) * (1.0 + 1e-12)


@wide
def _added(values: "Floats", deposit: float, mean: float, squared: bool) -> float:
    """Returns, or the squares of what they are off the mean, added up as `report.added` does; with a value of 0 no number is."""
    returns = np.zeros(SPAN)  # of a piece that stays in the processor's cache
    a = b = c = d = e = f = g = h = 0.0
    for begin in range(0, len(values), SPAN):
        now = values[begin : begin + SPAN]
        count = len(now)
        if begin == 0:
            returns[0] = (now[0] - deposit) / deposit
            _returns(returns[1:count], now[1:], now[:-1])
        else:
            _returns(returns[:count], now, values[begin - 1 : begin - 1 + count])
        if squared:
            for n in range(count):
                off = returns[n] - mean
                returns[n] = off * off
        returns[count:] = 0.0
        for n in range(0, SPAN, LANES):
            a, b, c, d = a + returns[n], b + returns[n + 1], c + returns[n + 2], d + returns[n + 3]
            e, f, g, h = e + returns[n + 4], f + returns[n + 5], g + returns[n + 6], h + returns[n + 7]
    return a + b + c + d + e + f + g + h


@wide
def _returns(returns: "Floats", now: "Floats", before: "Floats") -> None:
    for n in range(len(returns)):
        returns[n] = (now[n] - before[n]) / before[n]


def _measured(values: "Floats", deposit: float) -> Measured:
    count = len(values)
    if count < TWO_AT_ONCE:
        (fallen, least), total = _falls(values, deposit), _added(values, deposit, 0.0, False)
    else:
        with ThreadPoolExecutor(1) as beside:
            falls = beside.submit(_falls, values, deposit)
            total = _added(values, deposit, 0.0, False)
            fallen, least = falls.result()
    if count < 2 or not least > 0:  # then the total is none
        return Measured(fallen, 0.0, 0.0)
    mean = total / count
    return Measured(fallen, mean, sqrt(_added(values, deposit, mean, True) / (count - 1)))


SUMS: Final = Sums(_begins, _curve, _measured)
