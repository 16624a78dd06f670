"""Tables on a terminal, and what stands in them: numbers and times written as on pages."""

from collections.abc import Sequence

from libs.pages.numbers import NONE, called, change, moment, money, number, ratio, share, short, time_of_day

__all__ = ["NONE", "called", "change", "moment", "money", "number", "ratio", "share", "short", "table", "time_of_day"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Rows under their heads; the first `left` columns begin flush left, the others are numbers and end flush right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) if n < left else cell.rjust(width) for n, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in (head, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)
