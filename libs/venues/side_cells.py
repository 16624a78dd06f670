"""The rows of a small file beside the bars, and every fault that is found in them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from libs.domain.names import is_symbol
from libs.venues.bar_cells import header, records
from libs.venues.bar_faults import BadData, Fault
from libs.venues.bar_times import times

if TYPE_CHECKING:
    import pyarrow


class Row(NamedTuple):
    """One row, and the text of its cells by column."""

    number: int  # the first is 1
    at: int  # ns
    cells: Mapping[str, str]


class Sheet:
    """A file as it is read, row for row. Whoever reads it notes what is wrong, and at the end has it refused."""

    def __init__(self, path: Path, time: Sequence[str], needed: Sequence[str], more: Sequence[str]) -> None:
        """
        Args:
            time: what the column of times may be called.
            needed: other columns that must be there.
            more: columns that may be there.

        Raises:
            BadData: the file cannot be read, or a column is missing or there twice.
        """
        self._path = path
        self._columns, self._rows, self._lines, self.faults = _cells(path)
        names = list(self._columns)
        self.time = next((name for name in time if name in names), time[0])
        missing = [
            Fault(None, name, "no_column", f"a column {name}", ", ".join(names)) for name in (self.time, *needed) if name not in names
        ]
        if missing:
            raise BadData(path, missing)
        self._named = [name for name in (*needed, *more) if name in names]

    def __iter__(self) -> Iterator[Row]:
        """The rows whose time can be read."""
        column = self._columns[self.time]
        moments = times(column, self.time, self._rows)
        self.faults += moments.faults
        texts = [["" if cell is None else str(cell).strip() for cell in self._columns[name].to_pylist()] for name in self._named]
        for number, ns, readable, *cells in zip(self._rows, moments.ns.tolist(), moments.readable.tolist(), *texts, strict=True):
            if readable:
                yield Row(number, ns, dict(zip(self._named, cells, strict=True)))

    def fault(self, row: Row, column: str, kind: str, expected: str, got: str = "") -> None:
        """Notes what is wrong in a cell, once; `got` is the cell where nothing else is said."""
        if not any((noted.row, noted.column) == (row.number, column) for noted in self.faults):
            text = row.cells.get(column, "")
            self.faults.append(Fault(row.number, column, kind, expected, got or (repr(text) if text else "nothing")))

    def number(self, row: Row, column: str) -> Decimal | None:
        """Of a cell; None when it is empty or not there."""
        text = row.cells.get(column, "")
        try:
            value = Decimal(text) if text else None
        except InvalidOperation:
            value = Decimal("NaN")
        if value is not None and not value.is_finite():
            self.fault(row, column, "not_a_number", "a number with a decimal point")
            return None
        return value

    def symbol(self, row: Row) -> str:
        """Of a row; what is none is a fault."""
        text = row.cells["symbol"]
        if not is_symbol(text):
            self.fault(row, "symbol", "not_a_symbol", "at most 32 capitals, digits and ./:-")
        return text

    def twice(self, keys: Sequence[tuple[object, ...]], rows: Sequence[Row], what: str) -> None:
        """Notes every row whose key an earlier one has."""
        seen: Counter[tuple[object, ...]] = Counter()
        for key, row in zip(keys, rows, strict=True):
            seen[key] += 1
            if seen[key] > 1:
                self.fault(row, self.time, "twice", what, "it again")

    def refuse(self) -> None:
        """
        Raises:
            BadData: there are faults; each is named with its line where the file has lines.
        """
        if self.faults:
            lines = self._lines
            raise BadData(self._path, [f._replace(line=lines[f.row - 1]) if f.row and lines else f for f in self.faults])


_Cells = tuple[dict[str, "pyarrow.ChunkedArray"], Sequence[int], Sequence[int], list[Fault]]
"""Columns by name, the number of each row, the line of every row of the file ([] where it has none), and rows that are not whole."""


def _cells(path: Path) -> _Cells:
    import pyarrow

    if not path.is_file():
        raise BadData(path, [Fault(None, None, "no_file", "a file", "nothing of that name")])
    if path.suffix == ".parquet":
        return _parquet(path)
    found = records(path)
    names = header(path, found)[0]
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise BadData(path, [Fault(None, name, "column_twice", f"one column {name}", ", ".join(names)) for name in repeated])
    rows, lines, cells, faults = [], [], [], []
    for row, (line, record) in enumerate(found, 1):
        lines.append(line)
        if len(record) == len(names):
            rows.append(row)
            cells.append([cell.strip() for cell in record])
        else:
            faults.append(Fault(row, None, "cells", f"{len(names)} cells", f"{len(record)}: {','.join(record)[:80]!r}"))
    columns = {name: pyarrow.chunked_array([pyarrow.array([cell[n] for cell in cells], pyarrow.string())]) for n, name in enumerate(names)}
    return columns, rows, lines, faults


def _parquet(path: Path) -> _Cells:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise BadData(path, [Fault(None, None, "not_readable", "a Parquet file", str(error))]) from error
    return {name: table.column(name) for name in table.column_names}, range(1, table.num_rows + 1), [], []
