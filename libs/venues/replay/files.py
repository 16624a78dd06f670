"""Cells of recorded files, row after row, without a word on what they mean."""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from libs.domain.times import NS_PER
from libs.venues.replay.dataset import DataNotFound

if TYPE_CHECKING:
    import pyarrow

Cell = str | int | float | None


class Row(NamedTuple):
    """The cells asked for, in that order, or all that a line has when they are too few or too many."""

    cells: Sequence[Cell]
    whole: bool


_SUFFIXES = (".parquet", ".csv", ".csv.gz")


def files_of(path: Path) -> list[Path]:
    """The file itself, those of a folder, or those that a name with `*` fits, in order of their names.

    Raises:
        DataNotFound: there is none.
    """
    if "*" in path.name:
        files = sorted(path.parent.glob(path.name))
    else:
        files = sorted(file for file in path.iterdir() if file.name.endswith(_SUFFIXES)) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        wanted = f"a file ending in {', '.join(_SUFFIXES)} in {path}" if path.is_dir() else str(path)
        raise DataNotFound(f"{wanted} is not there: set MARKET_DATA_DIR to the folder that holds the recorded markets")
    return files


def rows(file: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The cells of `columns`. Times of Parquet files come as nanoseconds, everything of CSV as text.

    Raises:
        DataNotFound: the file lacks a column or cannot be read as what its name says.
    """
    return _parquet(file, columns) if file.suffix == ".parquet" else _csv(file, columns)


def _parquet(file: Path, columns: Sequence[str]) -> Iterator[Row]:
    # Here, because pyarrow costs 50 MB and a second that the other feeds do without.
    import pyarrow
    import pyarrow.parquet

    try:
        source = pyarrow.parquet.ParquetFile(file)
        _require(file, columns, source.schema_arrow.names)
        for batch in source.iter_batches(batch_size=8192, columns=list(columns)):
            for cells in zip(*(_cells(batch.column(column)) for column in columns), strict=True):
                yield Row(cells, whole=True)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataNotFound(f"{file} cannot be read as Parquet: {error}") from error


def _cells(column: "pyarrow.Array") -> list[Cell]:
    """Python values of a column; times as exact nanoseconds, which datetime could not hold."""
    import pyarrow

    if not pyarrow.types.is_timestamp(column.type):
        return column.to_pylist()  # type: ignore[no-any-return]
    per_unit = NS_PER[column.type.unit]
    return [None if count is None else count * per_unit for count in column.cast(pyarrow.int64()).to_pylist()]


def _csv(file: Path, columns: Sequence[str]) -> Iterator[Row]:
    opener = gzip.open if file.suffix == ".gz" else open
    try:
        # Bytes that are no UTF-8 spoil their row, not the file; a byte-order mark is no part of the first name.
        with opener(file, "rt", encoding="utf-8-sig", errors="replace") as lines:
            names = _split(next(lines, ""))
            _require(file, columns, names)
            wanted = [names.index(column) for column in columns]
            for line in lines:
                # Quotes are no syntax here: one that is never closed must not swallow the rows after it.
                cells = _split(line)
                if len(cells) == len(names):
                    yield Row([cells[at] for at in wanted], whole=True)
                elif cells != [""]:
                    yield Row(cells, whole=False)
    except (OSError, EOFError) as error:
        raise DataNotFound(f"{file} cannot be read as CSV: {error}") from error


def _split(line: str) -> list[str]:
    return [cell.strip(' "\r\n') for cell in line.split(",")]


def _require(file: Path, columns: Sequence[str], names: Sequence[str]) -> None:
    for column in columns:
        if column not in names:
            raise DataNotFound(f"{file} has no column {column!r}; it has {', '.join(names)}")
