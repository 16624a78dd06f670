"""Bars beside the calendar of their exchange: sessions and bars that are missing, bars outside, and clocks that are hours wrong.

A session is looked up in the bars, not a bar in the sessions: ten years are 2,500 lookups however many bars they have.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from libs.domain.instruments import Calendar
from libs.quant.calendars import DAY, sessions
from libs.quant.quality.clock_changes import HOUR_NS
from libs.quant.quality.finding import Finding, Kind, Severity
from libs.quant.quality.series import Series

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Ints = NDArray[numpy.int64]
    Floats = NDArray[numpy.float64]
    Bools = NDArray[numpy.bool_]

SHIFTS: Final = (0, *(sign * hours for hours in range(1, 15) for sign in (1, -1)))
"""Hours by which a zone may lie beside UTC, the nearest first."""
BESIDE: Final = 0.002
"""The zone is asked for when more of the bars than this are outside of the sessions, and at least FEW."""
FEW: Final = 5


class Hours(NamedTuple):
    """Sessions, ascending, in market ns."""

    opens: "Ints"
    closes: "Ints"


@lru_cache(maxsize=64)
def hours(calendar: Calendar, begins: int, ends: int) -> Hours:
    """Sessions that overlap the days begins <= day < ends (counted from 1970)."""
    import numpy

    found = list(sessions(calendar, begins * DAY, ends * DAY))
    return Hours(numpy.array([s.open for s in found], numpy.int64), numpy.array([s.close for s in found], numpy.int64))


def beside_the_calendar(series: Series, calendar: Calendar) -> Iterator[Finding]:
    """What the calendar and the bars do not agree on."""
    if not len(series.start):
        return
    known = hours(calendar, int(series.start[0]) // DAY - 1, int(series.start[-1]) // DAY + 2)
    if series.length >= DAY:
        yield from _days(series, known)
    else:
        yield from _within_days(series, known)


def _days(series: Series, known: Hours) -> Iterator[Finding]:
    """The bar of a session is the one that holds its middle: that of the UTC day as well as one from open to open."""
    import numpy

    middle = (known.opens + known.closes) // 2
    inside = (middle >= series.start[0]) & (middle < series.start[-1] + series.length)
    middle = middle[inside]
    row = numpy.searchsorted(series.start, middle, "right") - 1
    held = middle < series.start[row] + series.length
    yield from _missing(series, "missing_session", known.opens[inside][~held], numpy.ones(int((~held).sum()), numpy.int64))
    of_one = numpy.zeros(len(series.start), bool)
    of_one[row[held]] = True
    yield from _outside(series, numpy.flatnonzero(~of_one), int((~of_one).sum()))


def _within_days(series: Series, known: Hours) -> Iterator[Finding]:
    import numpy

    first, end = _rows(series, known, 0)
    outside = _between(first, end, len(series.start))
    if outside.sum() > max(FEW, BESIDE * len(series.start)) and (zone := _zone(series, known)) is not None:
        yield zone  # whatever else is beside the calendar is so for that reason
        return
    begins = numpy.maximum(known.opens, series.start[0])
    ends = numpy.minimum(known.closes, series.start[-1] + series.length)
    grid = numpy.where(end > first, series.start[numpy.minimum(first, len(series.start) - 1)], begins) % series.length
    begins = (begins - grid) // series.length * series.length + grid
    wanted = numpy.maximum(-(-(ends - begins) // series.length), 0)
    short = wanted - (end - first)
    whole = (end == first) & (wanted > 0)
    yield from _missing(series, "missing_session", known.opens[whole], numpy.ones(int(whole.sum()), numpy.int64))
    some = (short > 0) & ~whole
    yield from _missing(series, "gap", known.opens[some], short[some])
    before = numpy.flatnonzero(outside)
    if len(before):
        yield from _outside(series, numpy.append(0, end)[before], int(outside.sum()))


def _rows(series: Series, known: Hours, shift: int) -> "tuple[Ints, Ints]":
    """First row and end of the bars that overlap each session, were all bars `shift` ns later."""
    import numpy

    first = numpy.searchsorted(series.start, known.opens - shift - series.length, "right")
    return first, numpy.maximum(first, numpy.searchsorted(series.start, known.closes - shift, "left"))


def _between(first: "Ints", end: "Ints", count: int) -> "Ints":
    """Bars before the first session, between each two, and after the last."""
    import numpy

    return numpy.asarray(numpy.maximum(numpy.append(first, count) - numpy.append(0, end), 0))


def _zone(series: Series, known: Hours) -> Finding | None:
    """Hours later or earlier at which most bars outside would be inside; for summer and winter apart, as clocks change."""
    import numpy

    at = known.opens % DAY
    seasons = {int(clock): at == clock for clock in numpy.unique(at)}
    beside = [_between(*_rows(series, known, shift * HOUR_NS), len(series.start)) for shift in SHIFTS]
    wrong = {}
    for clock, season in seasons.items():
        counts = [int(outside[1:][season].sum()) for outside in beside]
        best = min(range(len(SHIFTS)), key=counts.__getitem__)
        if counts[best] <= counts[0] // 2 and counts[0] - counts[best] >= FEW:
            wrong[clock] = (SHIFTS[best], counts[0] - counts[best])
    if not wrong:
        return None
    shift, count = max(wrong.values(), key=lambda found: found[1])
    said = f"bars that fit when all are {abs(shift)} h {'later' if shift > 0 else 'earlier'}"
    if len(seasons) == 2 and len(wrong) == 1:
        said += f", in {'summer' if min(seasons) in wrong else 'winter'} only: a change of clocks was missed"
    first = int(series.start[0])
    return _finding("zone", "refuse", series, first, count, "bars in the sessions of the calendar, in UTC", said)


def _missing(series: Series, kind: Kind, opens: "Ints", counts: "Ints") -> Iterator[Finding]:
    if not len(opens):
        return
    total = int(counts.sum())
    if kind == "gap":
        got = f"{total:,} bars missing in {len(opens):,} sessions, at most {int(counts.max()):,} in one"
        yield _finding(kind, "label", series, int(opens[0]), total, "a bar for each stretch of a session", got)
    else:
        yield _finding(kind, "label", series, int(opens[0]), total, "bars in each session", f"{total:,} sessions without one")


def _outside(series: Series, rows: "Ints", count: int) -> Iterator[Finding]:
    if len(rows):
        first = int(series.start[rows[0]])
        yield _finding("outside_session", "label", series, first, count, "bars in sessions only", f"{count:,} outside of them")


def _finding(kind: Kind, severity: Severity, series: Series, first: int, count: int, expected: str, got: str) -> Finding:
    return Finding(kind=kind, severity=severity, symbol=series.symbol, first=first, count=count, expected=expected, got=got)
