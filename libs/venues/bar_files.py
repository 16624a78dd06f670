"""Bars from a person's file: refused when a number or a time in it is wrong, labelled when it is only odd."""

from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from libs.domain.columns import Columns
from libs.domain.names import TIMEFRAMES, is_symbol
from libs.venues.bar_cells import NUMBERS, SUFFIXES, SYMBOL, Table, read, read_by_line
from libs.venues.bar_checks import Rows, grid_faults, numbers, order_faults, price_faults, timeframe_of, usual_distance
from libs.venues.bar_faults import BadData, Fault
from libs.venues.bar_labels import Label, Series, labels
from libs.venues.bar_times import times

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Ints = NDArray[numpy.int64]

__all__ = ["BadData", "Fault", "FileBars", "Label", "read_bars"]

_NAMELESS: Final = "DATA"


class FileBars(NamedTuple):
    """What a file holds."""

    bars: dict[str, Columns]  # in order of the symbols
    timeframe: str
    labels: list[Label]


def read_bars(path: Path, symbol: str | None, timeframe: str | None) -> FileBars:
    """The bars of a .csv, .csv.gz or .parquet file with the columns timestamp, open, high, low, close and volume.

    `ts` and `date` do for `timestamp`; a column `symbol` tells several apart; others are ignored.
    Times are UTC unless each says how far from it; those that say nothing are labelled.

    Args:
        symbol: of a file without a column `symbol`; None: the file's name in capitals if that is a symbol, else DATA.
        timeframe: of the bars; None: the least distance of neighbouring rows that is a timeframe.

    Raises:
        BadData: the file cannot be read, or is no honest record of bars; every fault is named.
    """
    if symbol is not None and not is_symbol(symbol):
        raise BadData(path, [_not_a_symbol(None, symbol)])
    if timeframe is not None and timeframe not in TIMEFRAMES:
        raise BadData(path, [Fault(None, None, "timeframe", f"one of {', '.join(TIMEFRAMES)}", repr(timeframe))])
    table = read(path)
    if table.lines is None and path.suffix != ".parquet":
        with suppress(BadData):
            return _bars(path, table, symbol, timeframe)
        table = read_by_line(path)  # knows the line and the very text of each cell
    return _bars(path, table, symbol, timeframe)


def _bars(path: Path, table: Table, symbol: str | None, timeframe: str | None) -> FileBars:
    import numpy

    if not len(table.rows):
        raise _refusal(path, table, table.faults or [Fault(None, None, "no_rows", "a row for each bar", "none")])
    moments = times(table.columns[table.time], table.time, table.rows)
    faults = [*table.faults, *moments.faults]
    values = {}
    for name in NUMBERS:
        values[name], found = numbers(table.columns[name], name, table.rows)
        faults += found
    symbols, codes = _symbols(path, table, symbol, faults)
    order = numpy.argsort(codes, kind="stable")
    order = order[moments.readable[order]]
    rows = Rows(numpy.asarray(table.rows)[order], codes[order], moments.ns[order], {name: v[order] for name, v in values.items()})
    faults += [*price_faults(values, table.rows), *order_faults(rows, symbols, table.time)]
    if faults:
        raise _refusal(path, table, faults)
    length = timeframe or timeframe_of(rows)
    if length is None:
        expected = f"neighbouring rows one of {', '.join(TIMEFRAMES)} apart, or to be told the timeframe"
        raise BadData(path, [Fault(None, table.time, "timeframe", expected, usual_distance(rows))])
    if off_grid := list(grid_faults(rows, length, table.time)):
        raise _refusal(path, table, off_grid)
    bars, odd = _by_symbol(rows, symbols, length)
    if not moments.zoned and length != "1d":
        odd.insert(0, Label("", "no_zone", 1, len(table.rows), f"{table.time} names no zone and is read as UTC"))
    return FileBars(bars, length, odd)


def _by_symbol(rows: Rows, symbols: Sequence[str], timeframe: str) -> tuple[dict[str, Columns], list[Label]]:
    bars: dict[str, Columns] = {}
    odd: list[Label] = []
    for symbol, code in sorted((symbol, code) for code, symbol in enumerate(symbols)):
        begin, end = rows.code.searchsorted([code, code + 1])
        start, values = rows.start[begin:end], {name: column[begin:end] for name, column in rows.values.items()}
        bars[symbol] = Columns(array("q", start.tobytes()), *(array("d", values[name].tobytes()) for name in NUMBERS))
        volume = values.pop("volume")
        odd += labels(Series(symbol, TIMEFRAMES[timeframe], rows.number[begin:end], start, values, volume))
    return bars, odd


def _symbols(path: Path, table: Table, symbol: str | None, faults: list[Fault]) -> "tuple[list[str], Ints]":
    """The symbols of a table and, row by row, which of them it is; what is no symbol is added to `faults`."""
    import numpy
    import pyarrow

    if SYMBOL not in table.columns:
        return [symbol or _symbol_of(path)], numpy.zeros(len(table.rows), numpy.int64)
    encoded = table.columns[SYMBOL].cast(pyarrow.string()).fill_null("").combine_chunks().dictionary_encode()
    symbols, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(numpy.int64)
    if symbol is not None and symbols != [symbol]:
        faults.append(Fault(None, SYMBOL, "symbol", f"no other symbol than {symbol}", ", ".join(symbols[:5])))
    wrong = [code for code, name in enumerate(symbols) if not is_symbol(name)]
    faults += [_not_a_symbol(table.rows[at], symbols[codes[at]]) for at in numpy.flatnonzero(numpy.isin(codes, wrong)).tolist()]
    return symbols, codes


def _symbol_of(path: Path) -> str:
    suffix = next(suffix for suffix in SUFFIXES if path.name.endswith(suffix))
    name = path.name.removesuffix(suffix).upper()
    return name if is_symbol(name) else _NAMELESS


def _not_a_symbol(row: int | None, text: str) -> Fault:
    return Fault(row, SYMBOL, "not_a_symbol", "at most 32 capitals, digits and ./:-", repr(text) if text else "nothing")


def _refusal(path: Path, table: Table, faults: Iterable[Fault]) -> BadData:
    """With the line beside each row where it is known."""
    lines = table.lines or ()
    return BadData(path, [fault._replace(line=lines[fault.row - 1]) if fault.row and lines else fault for fault in faults])
