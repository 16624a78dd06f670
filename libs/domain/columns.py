"""Bars of one symbol and timeframe as columns: what backtests run over."""

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
