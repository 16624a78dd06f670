"""Bars of one symbol and timeframe as columns: what backtests run over."""

import hashlib
import sys
from array import array
from collections.abc import Mapping
from typing import NamedTuple


class Columns(NamedTuple):
    """One row per bar, ascending in start; prices in the instrument's currency."""

    start: list[int]  # market ns
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


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


def data_fingerprint(bars: Mapping[str, Columns]) -> str:
    """32 hex digits (BLAKE2b, 16 bytes) that two sources share only when they hold the same bars.

    Hashed are the values alone, symbol after symbol in order of their names: starts as int64, then open, high, low,
    close and volume as float64, all little-endian. So the file format does not matter, nor does the order of rows in it.
    """
    digest = hashlib.blake2b(digest_size=16)
    for symbol in sorted(bars):
        start, *floats = bars[symbol]
        digest.update(_little_endian(array("q", start)))
        for column in floats:
            digest.update(_little_endian(array("d", column)))
    return digest.hexdigest()


def _little_endian(values: "array[int] | array[float]") -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()
