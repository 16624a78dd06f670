"""Bars of one symbol and timeframe as columns: what backtests run over."""

from array import array
from collections.abc import Iterable, MutableSequence
from typing import NamedTuple


class Columns(NamedTuple):
    """One row per bar, ascending in start; prices in the instrument's currency."""

    start: MutableSequence[int]  # market ns
    open: MutableSequence[float]
    high: MutableSequence[float]
    low: MutableSequence[float]
    close: MutableSequence[float]
    volume: MutableSequence[float]

    @property
    def packed(self) -> "Columns":
        """The same with eight bytes for each number, which numpy and compiled code read where they lie."""
        start, *values = self
        return Columns(start if isinstance(start, array) else array("q", start), *map(_packed, values))


def _packed(values: Iterable[float]) -> "array[float]":
    return values if isinstance(values, array) else array("d", values)


class QuoteBarColumns(NamedTuple):
    """Quote bars of one symbol, one row per bar, ascending in start."""

    start: list[int]
    bid_open: list[float]
    bid_high: list[float]
    bid_low: list[float]
    bid_close: list[float]
    bid_size: list[float]
    ask_open: list[float]
    ask_high: list[float]
    ask_low: list[float]
    ask_close: list[float]
    ask_size: list[float]


class QuoteColumns(NamedTuple):
    """Quotes of one symbol in the order in which they came; several may share a moment."""

    ts: list[int]
    bid: list[float]
    ask: list[float]
    bid_size: list[float]
    ask_size: list[float]
