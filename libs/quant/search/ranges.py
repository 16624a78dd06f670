"""Which values of a parameter a search tries: `5:50:5`, `5,10,20`, `0.1:2.0`, `0.0001:0.1:log`, or what the strategy declares."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from math import exp, floor, isfinite, log
from typing import Final

import msgspec

from libs.quant.folds.contract import Strategy

Number = int | float
LOG: Final = "log"
LARGEST: Final = 2**53
"""Whole numbers up to here are exact in every place that a parameter passes through."""


class Range(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Values of one parameter: those listed, those of a step, or all between two bounds, both included."""

    low: Number
    high: Number
    whole: bool = False  # the parameter takes whole numbers only
    step: Number | None = None
    log: bool = False  # drawn evenly in the logarithm
    values: tuple[Number, ...] = ()

    @property
    def count(self) -> int | None:
        """How many values there are; None where there is no end of them."""
        if self.values:
            return len(self.values)
        return None if self.step is None else floor((_exact(self.high) - _exact(self.low)) / _exact(self.step)) + 1

    def at(self, n: int) -> Number:
        """The n-th of them, where they can be counted. Steps are decimal: 0.1, 0.2, 0.3 and not 0.30000000000000004."""
        if self.values:
            return self.values[n]
        assert self.step is not None, "it is asked for where there is a count"
        return self.nearest(float(_exact(self.low) + n * _exact(self.step)))

    def part(self, share: float) -> Number:
        """The value at a share of the way, 0 <= share < 1: what a random number draws."""
        if (count := self.count) is not None:
            return self.at(floor(share * count))
        if self.log:
            return min(max(self.nearest(exp(log(self.low) + share * (log(self.high) - log(self.low)))), self.low), self.high)
        return self.low + share * (self.high - self.low)

    def nearest(self, value: float) -> Number:
        """A value that the parameter can take."""
        return round(value) if self.whole else value


def ranges_of(strategy: Strategy, given: Sequence[str], fixed: Mapping[str, Number]) -> dict[str, Range]:
    """What is searched, by parameter, in the order of the strategy's: no order in which they are given changes what is found.

    Args:
        given: texts such as `fast=5:50:5`; none: every parameter with a declared range that is not `fixed`.

    Raises:
        ValueError: one cannot be read, or names no parameter of the strategy; the message says what was expected.
    """
    if given:
        found = dict(_named(strategy, text) for text in given)
        if len(found) != len(given):
            raise ValueError("a parameter has two ranges: give one with all values, such as fast=5,10,20")
    else:
        found = {name: declared(strategy, name) for name in strategy.params._fields if name in strategy.ranges and name not in fixed}
    if both := sorted(found.keys() & fixed.keys()):
        raise ValueError(f"{', '.join(both)}: has a fixed value and a range; give one of them")
    if not found:
        raise ValueError(f"{strategy.name} declares no ranges to search; give some, such as --range {_example(strategy)}")
    return in_order(strategy, found)


def in_order(strategy: Strategy, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The ranges in the order of the strategy's parameters."""
    return {name: ranges[name] for name in strategy.params._fields if name in ranges}


def declared(strategy: Strategy, name: str) -> Range:
    """The range that a strategy declares for a parameter: of whole numbers each one, else all between."""
    low, high = strategy.ranges[name]
    return _range(_is_whole(strategy, name), low, high, 1 if _is_whole(strategy, name) else None)


def _named(strategy: Strategy, text: str) -> tuple[str, Range]:
    name, _, said = (part.strip() for part in text.partition("="))
    if name not in strategy.params._fields:
        raise ValueError(f"--range {text}: {strategy.name} has no parameter {name!r}; it has: {', '.join(strategy.params._fields)}")
    try:
        return name, _read(_is_whole(strategy, name), said)
    except ValueError as error:
        raise ValueError(
            f"--range {text}: {error}. Forms are {name}=LOW:HIGH:STEP, {name}=A,B,C, {name}=LOW:HIGH and {name}=LOW:HIGH:log"
        ) from None


def _read(whole: bool, text: str) -> Range:
    if ":" not in text:
        values = tuple(_number(whole, part) for part in text.split(","))
        if len(set(values)) != len(values):
            raise ValueError("a value is there twice")
        return Range(low=min(values), high=max(values), whole=whole, values=values)
    low, high, *rest = text.split(":")
    if len(rest) > 1:
        raise ValueError("expected at most a low, a high and a step")
    by = rest[0] if rest else ""
    step = None if by == LOG or not by else _number(whole, by)
    return _range(whole, _number(whole, low), _number(whole, high), 1 if whole and not by else step, scaled=by == LOG)


def _range(whole: bool, low: Number, high: Number, step: Number | None, *, scaled: bool = False) -> Range:
    if not low < high:
        raise ValueError(f"expected the low below the high, got {low} and {high}")
    if step is not None and not 0 < step <= high - low:
        raise ValueError(f"expected a step above 0 and at most {high - low:g}, got {step}")
    if scaled and low <= 0:
        raise ValueError(f"expected a low above 0 on a logarithmic scale, got {low}")
    if whole:
        low, high = int(low), int(high)
    return Range(low=low, high=high, whole=whole, step=step, log=scaled)


def _number(whole: bool, text: str) -> Number:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"expected a number, got {text!r}") from None
    if not isfinite(value):
        raise ValueError(f"expected a finite number, got {text!r}")
    if not whole:
        return float(value)
    if value != int(value):
        raise ValueError(f"expected whole numbers, got {text!r}")
    if abs(value) > LARGEST:
        raise ValueError(f"expected whole numbers up to {LARGEST:,}, got {text!r}")
    return int(value)


def _is_whole(strategy: Strategy, name: str) -> bool:
    return strategy.params.__annotations__[name] is int


def _exact(value: Number) -> Decimal:
    return Decimal(repr(value))


def _example(strategy: Strategy) -> str:
    name = next(iter(strategy.params._fields), "name")
    return f"{name}=5:50:5" if _is_whole(strategy, name) else f"{name}=0.1:2.0"
