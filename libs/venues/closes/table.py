"""Real daily closes, from the data file that the package skfolio carries: 20 stocks of the S&P 500, 1990 to 2022.

The package itself is never imported: only its file is read, so nothing that it depends on has to be installed.
"""

import csv
import gzip
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Final, NamedTuple

FILE: Final = Path("datasets", "data", "sp500_dataset.csv.gz")


class ClosesNotFound(Exception):
    """The closes are not there, or are not what they should be; the message says what to do."""


class Closes(NamedTuple):
    """Adjusted closes (splits and dividends are in them), in dollars, by symbol; one for each of `dates`."""

    dates: Sequence[date]
    of: Mapping[str, Sequence[float]]


def installed() -> Path | None:
    """The data file; None when the package that carries it is not installed."""
    spec = find_spec("skfolio")
    path = Path(spec.origin).parent / FILE if spec is not None and spec.origin else None
    return path if path is not None and path.is_file() else None


def closes(symbols: Sequence[str], first: date, path: Path | None = None) -> Closes:
    """The closes of some stocks, from `first` on; of the installed package unless a file is named.

    Raises:
        ClosesNotFound: there is no such file, it lacks a symbol, or holds something that is no close; with file and line.
    """
    path = path or installed()
    if path is None:
        raise ClosesNotFound("the package skfolio, which carries the closes, is not installed; `--market synthetic` needs none")
    try:
        with gzip.open(path, "rt", newline="") as text:
            return _read(csv.DictReader(text), symbols, first, path)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ClosesNotFound(f"{path}: expected gzipped CSV: {error}") from error


def _read(rows: "csv.DictReader[str]", symbols: Sequence[str], first: date, path: Path) -> Closes:
    missing = sorted({"Date", *symbols} - set(rows.fieldnames or ()))
    if missing:
        raise ClosesNotFound(f"{path}: expected the columns {', '.join(missing)}, which it does not have")
    dates: list[date] = []
    found: dict[str, list[float]] = {symbol: [] for symbol in symbols}
    for line, row in enumerate(rows, start=2):
        try:
            on, prices = date.fromisoformat(row["Date"]), [float(row[symbol]) for symbol in symbols]
        except (TypeError, ValueError) as error:
            raise ClosesNotFound(f"{path}, line {line}: {error}") from error
        if not all(isfinite(price) and price > 0 for price in prices) or (dates and on <= dates[-1]):
            raise ClosesNotFound(f"{path}, line {line}: expected a later date and prices above 0, got {row}")
        if on >= first:
            dates.append(on)
            for symbol, price in zip(symbols, prices, strict=True):
                found[symbol].append(price)
    if len(dates) < 2:
        raise ClosesNotFound(f"{path}: expected closes from {first} on, its last day is {dates[-1] if dates else 'earlier'}")
    return Closes(dates, found)
