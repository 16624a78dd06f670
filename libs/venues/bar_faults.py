"""What makes a file of bars unfit for a backtest, in words that lead a person to the cell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

LISTED: Final = 10
"""Faults that a message lists; the others are counted."""


class Fault(NamedTuple):
    """One thing that is wrong, in one cell, one row, or the whole file."""

    row: int | None  # of the data, the first is 1; None: the file as a whole
    column: str | None  # as the file calls it; None: the row as a whole
    kind: str
    expected: str
    got: str
    line: int | None = None  # of the file, the first is 1; None: the file has no lines

    def __str__(self) -> str:
        place = [] if self.row is None else [f"row {self.row}" if self.line is None else f"row {self.row} (line {self.line})"]
        place += [] if self.column is None else [f"column {self.column}"]
        return f"{', '.join(place) or 'file'}: {self.kind}: expected {self.expected}, got {self.got}"


class BadData(Exception):
    """A file cannot be used. The message names file, rows, columns, what was expected and what came."""

    def __init__(self, file: Path, faults: Sequence[Fault]) -> None:
        """`faults` in any order; they are kept by row, those of the whole file first."""
        self.file = file
        self.faults = sorted(faults, key=lambda fault: fault.row or 0)
        super().__init__(_message(file, self.faults))


def _message(file: Path, faults: Sequence[Fault]) -> str:
    if len(faults) == 1:
        return f"{file}: {faults[0]}"
    which = "" if len(faults) <= LISTED else f", the first {LISTED}"
    return "\n  ".join([f"{file}: {len(faults)} faults{which}:", *map(str, faults[:LISTED])])
