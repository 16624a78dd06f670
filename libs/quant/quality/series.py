"""The bars of one symbol as arrays over the memory they lie in."""

from typing import TYPE_CHECKING, NamedTuple

from libs.domain.columns import Columns

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Ints = NDArray[numpy.int64]
    Floats = NDArray[numpy.float64]


class Series(NamedTuple):
    """One row per bar, in the order of the tape."""

    symbol: str
    length: int  # of a bar, ns
    start: "Ints"
    open: "Floats"
    high: "Floats"
    low: "Floats"
    close: "Floats"
    volume: "Floats"


def series_of(symbol: str, length: int, columns: Columns) -> Series:
    """Arrays that share the memory of packed columns; lists are copied."""
    import numpy

    start, *values = columns
    return Series(symbol, length, numpy.asarray(start, numpy.int64), *(numpy.asarray(column, numpy.float64) for column in values))
