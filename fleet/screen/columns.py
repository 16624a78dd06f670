"""Tables for a terminal: columns that give way by rank where it is narrow, under a rule that carries their heads."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.text import Text

RULE: Final = "dim"
GAP: Final = 2


class Column(NamedTuple):
    """One column; those of a higher rank are left out first."""

    head: str
    width: int
    rank: int = 0
    left: bool = False  # flush left, as names are; numbers end flush right
    most: int = 0  # cells it may grow to where there is room; 0: it does not


def line(*parts: str | Text | tuple[str, str], width: int) -> Text:
    """Parts side by side, exactly so many cells wide: what is too long ends with an ellipsis."""
    text = Text.assemble(*parts, no_wrap=True, overflow="crop")
    text.truncate(width, overflow="ellipsis", pad=True)
    return text


class Grid:
    """Columns fitted into a width."""

    def __init__(self, title: str, columns: Sequence[Column], width: int) -> None:
        self._title = title
        self._width = width
        self._kept = _kept(columns, width)
        spare = width - 1 - sum(columns[n].width + GAP for n in self._kept)
        self._columns: list[tuple[int, Column]] = []
        for n in self._kept:
            column = columns[n]
            more = min(max(0, column.most - column.width), max(0, spare))
            spare -= more
            self._columns.append((n, column._replace(width=column.width + more)))

    def width_of(self, head: str) -> int:
        """Of the column under that head; 0 when it was left out."""
        return next((column.width for _, column in self._columns if column.head == head), 0)

    def rule(self) -> Text:
        """The first line: title and heads on a rule."""
        found = rule(self._title, self._width)
        taken = len(self._title) + 4
        at = 1
        for _, column in self._columns:
            head = f" {column.head} "
            begins = at - 1 if column.left else at + column.width - len(column.head) - 1
            if column.head and begins >= taken and begins + len(head) <= self._width:
                found.plain = found.plain[:begins] + head + found.plain[begins + len(head) :]
                taken = begins + len(head)
            at += column.width + GAP
        return found

    def row(self, *cells: str | Text) -> Text:
        """One line: a cell for each column, those left out included."""
        text = Text(" ", no_wrap=True, overflow="crop")
        for n, column in self._columns:
            given = cells[n]
            cell = given.copy() if isinstance(given, Text) else Text(given)
            if cell.cell_len > column.width:
                cell.truncate(column.width, overflow="ellipsis")
            cell.align("left" if column.left else "right", column.width)
            text.append_text(cell)
            text.append(" " * GAP)
        text.truncate(self._width, overflow="crop", pad=True)
        return text


def rule(title: str, width: int, style: str = "bold") -> Text:
    """A title on a rule, as wide as said."""
    head = f" {title} " if title else ""
    text = Text.assemble(("─", RULE), (head, style), ("─" * max(0, width - 1 - len(head)), RULE), no_wrap=True, overflow="crop")
    text.truncate(width, overflow="crop", pad=True)
    return text


def _kept(columns: Sequence[Column], width: int) -> list[int]:
    """Those that fit, by rank."""
    kept = list(range(len(columns)))
    while len(kept) > 1 and 1 + sum(columns[n].width + GAP for n in kept) - GAP > width:
        kept.remove(max(kept, key=lambda n: (columns[n].rank, n)))
    return kept
