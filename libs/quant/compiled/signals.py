"""Signals of one book as rows of the desk."""

from typing import TYPE_CHECKING

from libs.quant.compiled.jit import compiled

if TYPE_CHECKING:
    from libs.quant.compiled.layout import Floats, Rows, Times


@compiled
def write_signals(
    rows: "Rows", book: int, bar_time: "Times", target: "Floats", scale: "Floats", price: "Floats", decided_after: int, valid_for: int
) -> None:
    """Into the first rows, one for each bar that something was said on.

    Args:
        rows: of the kind SIGNAL.
        bar_time: market ns.
        decided_after: ns from there to the decision.
        valid_for: ns from there to the end of the signal.
    """
    for n in range(len(bar_time)):
        row, start = rows[n], bar_time[n]
        row.time, row.book, row.bar_time, row.valid_until = start + decided_after, book, start, start + valid_for
        row.target, row.scale, row.price, row.verdict = target[n], scale[n], price[n], 0
