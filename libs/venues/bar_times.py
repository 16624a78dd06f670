"""The column of starts: one way of writing for the whole file, read to exact nanoseconds."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from libs.domain.times import NS_PER, nanoseconds
from libs.venues.bar_faults import Fault

if TYPE_CHECKING:
    import numpy
    import pyarrow
    from numpy.typing import NDArray

_ISO: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:(?P<between>[T ])\d{2}:\d{2}(?P<seconds>:\d{2}(?:\.(?P<decimals>\d{1,9}))?)?(?P<zone>Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_EARLIEST: Final = 100_000_000 * 1_000_000_000
"""1973-03-03: since then the units of a count since 1970 can be told apart by its size."""
_LATEST: Final = 2**63 - 1
_EXPECTED: Final = "a time such as 2024-03-11T13:30:00Z, or whole s, ms, us or ns since 1970 (from 1973 to 2262)"


class Times(NamedTuple):
    """What a column of times says."""

    ns: "NDArray[numpy.int64]"  # UTC; of a time with a fault 0
    readable: "NDArray[numpy.bool_]"
    zoned: bool  # the file says that its times are UTC, or how far from it; True also of dates without a time of day
    faults: Sequence[Fault]


class _Way(NamedTuple):
    """How a time is written. Two times of a file must agree in all of it."""

    layout: str
    zone: str = ""


def times(column: "pyarrow.ChunkedArray", name: str, rows: Sequence[int]) -> Times:
    """The times of a column of text, integers, timestamps or dates; `rows` are the numbers of its rows in the file."""
    import pyarrow

    if pyarrow.types.is_timestamp(column.type) or pyarrow.types.is_date(column.type):
        return _stamps(column, name, rows)
    texts = column if pyarrow.types.is_large_string(column.type) else column.cast(pyarrow.string())
    return _uniform(texts) or _one_by_one(texts.to_pylist(), name, rows)


def _stamps(column: "pyarrow.ChunkedArray", name: str, rows: Sequence[int]) -> Times:
    import numpy
    import pyarrow

    zoned = pyarrow.types.is_date(column.type) or column.type.tz is not None
    try:
        ns = column.cast(pyarrow.timestamp("ns")).cast(pyarrow.int64()).fill_null(0).to_numpy()
    except pyarrow.ArrowInvalid as error:
        return Times(
            numpy.zeros(len(column), numpy.int64),
            numpy.zeros(len(column), numpy.bool_),
            zoned,
            [Fault(None, name, "not_a_time", "times up to the year 2262", str(error))],
        )
    readable = column.is_valid().to_numpy()
    missing = [Fault(rows[at], name, "missing", "a time", "nothing") for at in numpy.flatnonzero(~readable).tolist()]
    return Times(ns, readable, zoned, missing)


def _uniform(column: "pyarrow.ChunkedArray") -> Times | None:
    """All at once, when every text is written just like the first; None when not, or when one is no time."""
    import numpy
    import pyarrow

    first = column[0].as_py() or "" if len(column) else ""
    way = _way(first)
    if way is None or not all(_alike(chunk, first, way) for chunk in column.chunks):
        return None
    try:
        if way.layout in NS_PER:
            counts = column.cast(pyarrow.int64()).to_numpy()
            if {_unit(int(counts.min())), _unit(int(counts.max()))} != {way.layout}:
                return None
            ns = counts * NS_PER[way.layout]
        else:
            ns = column.cast(pyarrow.timestamp("ns", "UTC" if way.zone else None)).cast(pyarrow.int64()).to_numpy()
    except pyarrow.ArrowInvalid:
        return None
    return Times(ns, numpy.ones(len(ns), numpy.bool_), _says_zone(way), [])


def _alike(chunk: "pyarrow.Array", first: str, way: _Way) -> bool:
    """Whether every text has a digit where `first` has one, and equals it everywhere else and in its zone."""
    import numpy
    import pyarrow

    if chunk.null_count or not len(chunk):
        return not len(chunk)
    width = numpy.int64 if pyarrow.types.is_large_string(chunk.type) else numpy.int32
    ends = numpy.frombuffer(chunk.buffers()[1], width)[chunk.offset : chunk.offset + len(chunk) + 1]
    if (numpy.diff(ends) != len(first)).any():
        return False
    letters = numpy.frombuffer(chunk.buffers()[2], numpy.uint8)[ends[0] : ends[-1]].reshape(len(chunk), len(first))
    example = numpy.frombuffer(first.encode(), numpy.uint8)
    varies = (example >= ord("0")) & (example <= ord("9"))
    varies[len(first) - len(way.zone) :] = False
    digits = letters[:, varies]
    same = (letters[:, ~varies] == example[~varies]).all()
    return bool(same and ((digits >= ord("0")) & (digits <= ord("9"))).all())


def _one_by_one(texts: Sequence[str | None], name: str, rows: Sequence[int]) -> Times:
    """Text after text, measured against the way most are written in."""
    import numpy

    ways = [_way(text) if text else None for text in texts]
    usual = next((way for way, _ in Counter(filter(None, ways)).most_common(1)), None)
    example = ways.index(usual) if usual else 0
    ns, faults = numpy.zeros(len(texts), numpy.int64), []
    readable = numpy.zeros(len(texts), numpy.bool_)
    for at, (text, way) in enumerate(zip(texts, ways, strict=True)):
        if not text:
            faults.append(Fault(rows[at], name, "missing", "a time", "nothing"))
        elif way is None or usual is None or (moment := _moment(text, way)) is None:
            faults.append(Fault(rows[at], name, "not_a_time", _EXPECTED, repr(text)))
        elif way != usual:
            kind = "mixed_offsets" if way.layout == usual.layout else "mixed_times"
            expected = f"a time written like {texts[example]!r} in row {rows[example]}"
            faults.append(Fault(rows[at], name, kind, expected, repr(text)))
        else:
            ns[at], readable[at] = moment, True
    return Times(ns, readable, usual is not None and _says_zone(usual), faults)


def _way(text: str) -> _Way | None:
    if text.isascii() and text.isdecimal():
        unit = _unit(int(text))
        return None if unit is None else _Way(unit)
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    if found["between"] is None:
        return _Way("date")
    seconds, decimals = found["seconds"] is not None, len(found["decimals"] or "")
    return _Way(f"{found['between']}{seconds}{decimals}", found["zone"] or "")


def _unit(count: int) -> str | None:
    """The unit in which `count` since 1970 is a plausible time; None when it is in none."""
    return next((unit for unit, per_unit in NS_PER.items() if _EARLIEST <= count * per_unit <= _LATEST), None)


def _moment(text: str, way: _Way) -> int | None:
    if way.layout in NS_PER:
        return int(text) * NS_PER[way.layout]
    try:
        moment = nanoseconds(text)
    except ValueError:
        return None
    return moment if abs(moment) <= _LATEST else None


def _says_zone(way: _Way) -> bool:
    return bool(way.zone) or way.layout == "date" or way.layout in NS_PER
