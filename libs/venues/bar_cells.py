"""The cells of a file of bars, without a word on what they mean."""

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

from libs.venues.bar_faults import BadData, Fault

if TYPE_CHECKING:
    import pyarrow

SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")
TIMES: Final = ("timestamp", "ts", "date")
"""What the column of starts may be called; the first one found is taken."""
NUMBERS: Final = ("open", "high", "low", "close", "volume")
SYMBOL: Final = "symbol"

_DELIMITERS: Final = {";": "semicolons", "\t": "tabs", "|": "bars (|)"}


class Table(NamedTuple):
    """The columns that bars are made of, row for row as they stand in the file."""

    time: str  # what the file calls the column of starts
    columns: Mapping[str, "pyarrow.ChunkedArray"]  # text or numbers, of one length
    rows: Sequence[int]  # the number of each row; rows that are not whole are left out
    lines: Sequence[int] | None = None  # the line of every row, also of those left out; None: not known
    faults: Sequence[Fault] = ()  # rows that are not whole


def read(path: Path) -> Table:
    """All rows at once, numbers as numbers where the file allows it.

    Raises:
        BadData: no such file, not what its name says, or not the columns of bars.
    """
    if not path.is_file():
        raise _file_fault(path, "no_file", "a file", "a folder" if path.is_dir() else "nothing of that name")
    if not path.name.endswith(SUFFIXES):
        raise _file_fault(path, "file_type", f"a name ending in {', '.join(SUFFIXES)}", path.name)
    return _parquet(path) if path.suffix == ".parquet" else _csv(path)


def read_by_line(path: Path) -> Table:
    """A CSV as text with the line of each row, to say what is wrong where. Takes seconds for a million rows.

    Raises:
        BadData: as `read`.
    """
    import pyarrow

    found = records(path)
    names = header(path, found)[0]
    time, wanted = _wanted(path, names)
    places = [(name, names.index(name)) for name in wanted]
    cells: dict[str, list[str]] = {name: [] for name in wanted}
    rows, lines, faults = [], [], []
    for row, (line, record) in enumerate(found, 1):
        lines.append(line)
        if len(record) == len(names):
            rows.append(row)
            for name, place in places:
                cells[name].append(record[place].strip())
        else:
            faults.append(Fault(row, None, "cells", f"{len(names)} cells", f"{len(record)}: {','.join(record)[:80]!r}"))
    columns = {name: pyarrow.chunked_array([pyarrow.array(texts, pyarrow.string())]) for name, texts in cells.items()}
    return Table(time, columns, rows, lines, faults)


def _csv(path: Path) -> Table:
    # Here and below, because pyarrow costs 50 MB and a second that no live service has to spend.
    import pyarrow
    import pyarrow.csv

    names, line = header(path, records(path))
    time, wanted = _wanted(path, names)
    types = {name: pyarrow.float64() if name in NUMBERS else pyarrow.string() for name in wanted}
    unique = [name if name in wanted else f"{name} {place}" for place, name in enumerate(names)]
    try:
        table = pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(column_names=unique, skip_rows=line),
            convert_options=pyarrow.csv.ConvertOptions(include_columns=wanted, column_types=types, null_values=[]),
        )
    except (pyarrow.ArrowException, OSError):
        return read_by_line(path)
    return Table(time, {name: table.column(name) for name in wanted}, range(1, table.num_rows + 1))


def _parquet(path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        source = pyarrow.parquet.ParquetFile(path)
        time, wanted = _wanted(path, source.schema_arrow.names)
        table = source.read(columns=wanted)
    except (pyarrow.ArrowException, OSError) as error:
        raise _file_fault(path, "not_readable", "a Parquet file", str(error)) from error
    columns = {name: _decoded(table.column(name)) for name in wanted}
    return Table(time, columns, range(1, table.num_rows + 1))


def _decoded(column: "pyarrow.ChunkedArray") -> "pyarrow.ChunkedArray":
    """Numbers, times and text as they are, everything else as text."""
    import pyarrow
    from pyarrow import types

    if types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    plain = (
        types.is_integer,
        types.is_floating,
        types.is_decimal,
        types.is_timestamp,
        types.is_date,
        types.is_string,
        types.is_large_string,
    )
    if any(is_of(column.type) for is_of in plain):
        return column
    texts = [None if cell is None else str(cell) for cell in column.to_pylist()]
    return pyarrow.chunked_array([pyarrow.array(texts, pyarrow.string())])


def records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of a CSV that are not blank, cut into cells, each with the number of the line at which it begins.

    Raises:
        BadData: it cannot be read.
    """
    try:
        with _opened(path) as file:
            reader, begins = csv.reader(file), 1
            for record in reader:
                line, begins = begins, reader.line_num + 1
                if record:
                    yield line, record
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise _file_fault(path, "not_readable", "a CSV file", str(error)) from error


def _opened(path: Path) -> TextIO:
    # Bytes that are no UTF-8 spoil their cell, not the file; a byte-order mark is no part of the first name.
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def header(path: Path, lines: Iterator[tuple[int, list[str]]]) -> tuple[list[str], int]:
    """The names of the columns, and the line they stand in, out of the first of `records`.

    Raises:
        BadData: the file is empty, or no CSV with commas in UTF-8.
    """
    line, record = next(lines, (0, []))
    if not line:
        raise _file_fault(path, "empty", "a line that names the columns", "an empty file")
    text = ",".join(record)
    if "\ufffd" in text or "\0" in text:
        raise _file_fault(path, "encoding", "text in UTF-8", f"bytes that are no such text in line {line}")
    if found := next((mark for mark in _DELIMITERS if len(record) == 1 and mark in text), None):
        raise _file_fault(path, "delimiter", "commas between the cells", _how_to_convert(found))
    return [name.strip() for name in record], line


def _how_to_convert(delimiter: str) -> str:
    return (
        f"{_DELIMITERS[delimiter]}: save it again with commas, for instance in pandas "
        f"read_csv(old, sep={delimiter!r}).to_csv(new, index=False), with decimal=',' where numbers have a decimal comma"
    )


def _wanted(path: Path, names: Sequence[str]) -> tuple[str, list[str]]:
    """The name of the time column, and of all columns to read, in the order of our own."""
    time = next((name for name in TIMES if name in names), None)
    wanted = [time or TIMES[0], *NUMBERS, *([SYMBOL] if SYMBOL in names else [])]
    there = ", ".join(names)
    faults = [Fault(None, name, "no_column", f"a column {name}", there) for name in wanted[1:] if name not in names]
    if time is None:
        faults.insert(0, Fault(None, TIMES[0], "no_column", f"a column {', '.join(TIMES[:-1])} or {TIMES[-1]}", there))
    faults += [Fault(None, name, "column_twice", f"one column {name}", there) for name in wanted if names.count(name) > 1]
    if faults:
        raise BadData(path, faults)
    return wanted[0], wanted


def _file_fault(path: Path, kind: str, expected: str, got: str) -> BadData:
    return BadData(path, [Fault(None, None, kind, expected, got)])
