"""What must hold for bars that are to be believed: numbers, prices in their places, and times in order and on a grid."""

from collections.abc import Iterator, Mapping, Sequence
from math import nan
from typing import TYPE_CHECKING, Final, NamedTuple

from libs.domain.names import TIMEFRAMES
from libs.domain.times import iso
from libs.quant.quality.clock_changes import is_repeated
from libs.venues.bar_faults import Fault

if TYPE_CHECKING:
    import numpy
    import pyarrow
    from numpy.typing import NDArray

    Bools = NDArray[numpy.bool_]
    Floats = NDArray[numpy.float64]
    Ints = NDArray[numpy.int64]

_PRICES: Final = ("open", "high", "low", "close")
_DAY_NS: Final = TIMEFRAMES["1d"]


class Rows(NamedTuple):
    """The rows of a file whose time can be read, as arrays of one length: symbol after symbol, each in the file's order."""

    number: "Ints"  # in the file, the first is 1
    code: "Ints"  # which symbol
    start: "Ints"  # ns
    values: "Mapping[str, Floats]"

    def steps(self) -> "tuple[Ints, Ints]":
        """Where a row is followed by one of the same symbol, and how much later that one begins, ns."""
        import numpy

        at = numpy.flatnonzero(self.code[1:] == self.code[:-1])
        return at, self.start[at + 1] - self.start[at]


def numbers(column: "pyarrow.ChunkedArray", name: str, rows: Sequence[int]) -> "tuple[Floats, list[Fault]]":
    """The numbers of a column, NaN where a cell has none, and a fault for each such cell. `rows` are their numbers."""
    import numpy
    import pyarrow

    try:
        values = column.cast(pyarrow.float64(), safe=False).fill_null(nan).to_numpy()
    except pyarrow.ArrowException:
        values = numpy.array([_number(text) for text in column.cast(pyarrow.string()).to_pylist()])
    bad = numpy.flatnonzero(~numpy.isfinite(values)).tolist()
    return values, [_number_fault(column[at].as_py(), name, rows[at]) for at in bad]


def _number(text: str | None) -> float:
    try:
        return float(text) if text and text.isascii() and "_" not in text else nan
    except ValueError:
        return nan


def _number_fault(cell: object, name: str, row: int) -> Fault:
    if cell is None or cell == "":
        return Fault(row, name, "missing", "a number", "nothing")
    if isinstance(cell, float) or str(cell).strip("+-").lower() in ("nan", "inf", "infinity"):
        return Fault(row, name, "not_finite", "a finite number", str(cell))
    return Fault(row, name, "not_a_number", "a number", repr(cell))


def price_faults(values: "Mapping[str, Floats]", rows: Sequence[int]) -> Iterator[Fault]:
    """Prices are above 0, volumes not below, and open and close lie between low and high. NaN is passed over."""
    import numpy

    opened, high, low, close = (values[name] for name in _PRICES)
    for name in _PRICES:
        for at in numpy.flatnonzero(values[name] <= 0).tolist():
            yield Fault(rows[at], name, "not_positive", "a price above 0", str(values[name][at]))
    for at in numpy.flatnonzero(values["volume"] < 0).tolist():
        yield Fault(rows[at], "volume", "negative_volume", "0 or more", str(values["volume"][at]))
    positive = numpy.minimum.reduce([opened, high, low, close]) > 0
    top, bottom = numpy.maximum(opened, close), numpy.minimum(opened, close)
    for at in numpy.flatnonzero(positive & (high < top)).tolist():
        yield Fault(rows[at], "high", "high_low", f"at least {top[at]}, the larger of open and close", str(high[at]))
    for at in numpy.flatnonzero(positive & (low > bottom)).tolist():
        yield Fault(rows[at], "low", "high_low", f"at most {bottom[at]}, the smaller of open and close", str(low[at]))


def order_faults(rows: Rows, symbols: Sequence[str], name: str) -> Iterator[Fault]:
    """The bars of a symbol come from the oldest to the newest, each once. `name` is the column of times."""
    at, steps = rows.steps()
    if len(steps) > 1 and (steps < 0).all():
        yield Fault(None, name, "out_of_order", "rows from the oldest to the newest", "the newest first: sort the file by time")
        return
    if len(steps) and steps.min() <= 0:
        for earlier in at[steps < 0].tolist():
            expected = f"a time after {iso(int(rows.start[earlier]))} of row {rows.number[earlier]}"
            yield Fault(int(rows.number[earlier + 1]), name, "out_of_order", expected, iso(int(rows.start[earlier + 1])))
        yield from _duplicates(rows, symbols, name)


def _duplicates(rows: Rows, symbols: Sequence[str], name: str) -> Iterator[Fault]:
    import numpy

    by_time = numpy.lexsort((rows.number, rows.start, rows.code))
    first, again = by_time[:-1], by_time[1:]
    twice = (rows.code[first] == rows.code[again]) & (rows.start[first] == rows.start[again])
    for one, other in zip(first[twice].tolist(), again[twice].tolist(), strict=True):
        equal = all(column[one] == column[other] for column in rows.values.values())
        expected = f"one bar of {symbols[rows.code[one]]} at {iso(int(rows.start[one]))}, which is in row {rows.number[one]}"
        yield Fault(int(rows.number[other]), name, "duplicate", expected, f"another with {'the same' if equal else 'other'} numbers")
    repeated = [start for start in numpy.unique(rows.start[first[twice]]) if is_repeated(int(start))]
    if repeated:
        got = f"the hour of {iso(int(repeated[0]))} twice, as clocks show it that are set back"
        yield Fault(None, name, "local_time", "times in UTC", got)


def timeframe_of(rows: Rows) -> str | None:
    """The least distance of neighbouring rows that is a timeframe; None when none is, or most are nearer than it."""
    import numpy

    distances, counts = numpy.unique(rows.steps()[1], return_counts=True)
    fitting = [name for name, length in TIMEFRAMES.items() if length in distances]
    return fitting[0] if fitting and TIMEFRAMES[fitting[0]] <= distances[counts.argmax()] else None


def usual_distance(rows: Rows) -> str:
    """What lies between most neighbouring rows, for a person."""
    import numpy

    distances, counts = numpy.unique(rows.steps()[1], return_counts=True)
    return f"most {distances[counts.argmax()] / 1e9:g} s apart" if len(distances) else "a single row per symbol"


def grid_faults(rows: Rows, timeframe: str, name: str) -> Iterator[Fault]:
    """Bars begin a whole number of lengths after the first of their UTC day."""
    import numpy

    day = rows.start // _DAY_NS
    begins = numpy.concatenate(([True], (day[1:] != day[:-1]) | (rows.code[1:] != rows.code[:-1])))
    first = numpy.flatnonzero(begins)[numpy.cumsum(begins) - 1]
    for at in numpy.flatnonzero((rows.start - rows.start[first]) % TIMEFRAMES[timeframe]).tolist():
        expected = f"whole bars of {timeframe} after {iso(int(rows.start[first[at]]))} of row {rows.number[first[at]]}"
        yield Fault(int(rows.number[at]), name, "off_grid", expected, iso(int(rows.start[at])))
