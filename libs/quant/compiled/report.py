"""The arithmetic of a backtest's figures over all bars, compiled: libs/quant/backtest/report.py, digit by digit."""

from math import sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from libs.quant.backtest.report import Measured, Sums
from libs.quant.compiled.jit import compiled
from libs.quant.compiled.steps import newest

if TYPE_CHECKING:
    from libs.quant.compiled.layout import Floats, Times


def _spread(held: "Floats", begins: "Times") -> "Floats":
    values = np.empty(begins[-1])  # by numpy: so large a piece of memory it asks for in large pages
    _fill(values, held, begins)
    return values


@compiled
def _fill(values: "Floats", held: "Floats", begins: "Times") -> None:
    for n in range(len(held)):
        values[begins[n] : begins[n + 1]] = held[n]


@compiled
def _begins(at: "Times", times: "Times") -> "Times":
    begins = np.empty(len(at) + 1, np.int64)
    begins[0], begins[-1], hint = 0, len(times), 0
    for n in range(1, len(at)):
        hint = newest(times, 0, len(times), at[n] - 1, hint)
        begins[n] = hint + 1
    return begins


@compiled
def _add(values: "Floats", units: "Floats", begins: "Times", price: "Floats", multiplier: float) -> None:
    for n in range(len(units)):
        for row in range(begins[n], begins[n + 1]):
            values[row] += units[n] * price[row] * multiplier


@compiled
def _sums(values: "Floats", deposit: float) -> tuple[float, float, float]:
    """(largest fall, mean return, sum of squares around it). Where nothing moves nothing is divided: much of a curve is flat."""
    before = high = least = deposit
    fallen = added = 0.0
    floor = _floor(high, fallen)
    for value in values:
        if value == before:
            continue
        if value > high:
            high = value
            floor = _floor(high, fallen)
        elif value < floor:
            fallen = max(fallen, 1 - value / high)
            floor = _floor(high, fallen)
        least = value if value < least else least
        if before > 0.0:  # else there is no return, and no mean is asked for
            added += (value - before) / before
        before = value
    if len(values) < 2 or not least > 0:
        return fallen, 0.0, 0.0
    mean, squares, before = added / len(values), 0.0, deposit
    flat = mean * mean
    for value in values:
        if value == before:
            squares += flat
        else:
            off = (value - before) / before - mean
            squares += off * off
            before = value
    return fallen, mean, squares


@compiled
def _floor(high: float, fallen: float) -> float:
    """A value above it has not fallen farther, however its share is rounded."""
    return high * (1.0 - fallen) * (1.0 + 1e-12)


def _measured(values: "Floats", deposit: float) -> Measured:
    fallen, mean, squares = _sums(values, deposit)
    return Measured(fallen, mean, sqrt(squares / (len(values) - 1)) if len(values) > 1 else 0.0)


SUMS: Final = Sums(_begins, _spread, _add, _measured)
