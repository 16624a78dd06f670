"""What is odd about a series of bars without being wrong. Each rule says where, and how much; who asks finds the words.

Arrays have one row per bar, ascending in start. A million bars take milliseconds: days are looked up, not counted bar by bar.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import log
from typing import TYPE_CHECKING, Final

from libs.domain.names import TIMEFRAMES
from libs.quant.quality.clock_changes import HOUR_NS, is_skipped

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Ints = NDArray[numpy.int64]
    Floats = NDArray[numpy.float64]
    Bools = NDArray[numpy.bool_]

STALE: Final = 5
"""Bars in a row with the same five numbers that no longer look like a market."""
APART: Final = 0.3
"""A price is out of line when it is further than this fraction from the one beside it."""
AGREE: Final = 0.1
"""Two prices agree within this fraction."""
MOVE: Final = 0.4
"""A close further than this fraction from the one before may be a split."""
CLOSING_NS: Final = 900_000_000_000
"""A pause this long that recurs at the same hours, three times and on one day in twenty, is a closing time and no gap."""

DAY_NS: Final = TIMEFRAMES["1d"]
_RATIOS: Final = (Fraction(2, 3), Fraction(2, 5), Fraction(3, 5), *(Fraction(1, n) for n in range(2, 101)))


def nearest_bars_apart(start: "Ints", length: int) -> int | None:
    """How many lengths lie between the two nearest bars, where no two are as near as the length says."""
    import numpy

    distances = numpy.diff(start)
    least = int(distances.min()) if len(distances) else length
    return least // length if least > length else None


def gaps(start: "Ints", length: int) -> "tuple[Ints, Ints]":
    """Bars shorter than a day that are missing while the market seems open: (rows before them, how many).

    That is within a UTC day, or at any time where most midnights are passed without a pause; except for pauses that recur
    at the same hours, and for weekends: pauses of less than four days over a weekday that never has a bar.
    """
    import numpy

    at = numpy.flatnonzero(numpy.diff(start) != length)
    begins, ends = start[at] + length, start[at + 1]
    days, firsts = _days(start)
    closed = _closed_days(days, -(-begins // DAY_NS), ends // DAY_NS)
    counts = (begins - length) // DAY_NS == ends // DAY_NS
    if _round_the_clock(start, length, days, firsts):
        counts |= (closed == 0) | (ends - begins >= 4 * DAY_NS)
    missing = (ends - begins - closed * DAY_NS) // length * (counts & ~_recurring(len(days), begins, ends))
    where = (missing > 0) & (length < DAY_NS)
    return at[where], missing[where]


def missing_days(start: "Ints", length: int) -> "tuple[Ints, Ints]":
    """Days without a bar on weekdays that otherwise have some: (rows before them, how many).

    Holidays are among them. Around the clock they are gaps.
    """
    import numpy

    days, firsts = _days(start)
    after = numpy.flatnonzero(numpy.diff(days) > 1)
    missing = days[after + 1] - days[after] - 1 - _closed_days(days, days[after] + 1, days[after + 1])
    where = (missing > 0) & (length >= DAY_NS or not _round_the_clock(start, length, days, firsts))
    return firsts[after + 1][where] - 1, missing[where]


def _days(start: "Ints") -> "tuple[Ints, Ints]":
    """The UTC days that have a bar, counted from 1970, and the first row of each."""
    import numpy

    if not len(start):
        return start, start
    days = numpy.arange(start[0] // DAY_NS, start[-1] // DAY_NS + 1)
    firsts = numpy.searchsorted(start, days * DAY_NS)
    some = numpy.diff(numpy.append(firsts, len(start))) > 0
    return days[some], firsts[some]


def _closed_days(days: "Ints", first: "Ints", end: "Ints") -> "Ints":
    """How many of the days first <= day < end are weekdays that never have a bar."""
    import numpy

    never = numpy.bincount(days % 7, minlength=7) == 0
    before = numpy.concatenate(([0], numpy.cumsum(never)))
    end = numpy.maximum(first, end)
    weeks = end // 7 - first // 7
    return numpy.asarray(weeks * before[7] + before[end % 7] - before[first % 7])


def _round_the_clock(start: "Ints", length: int, days: "Ints", firsts: "Ints") -> bool:
    import numpy

    next_day = firsts[1:][numpy.diff(days) == 1]
    return len(next_day) > 0 and float(numpy.mean(start[next_day] - start[next_day - 1] == length)) > 0.5


def _recurring(days: int, begins: "Ints", ends: "Ints") -> "Bools":
    """Which pauses are as long as a closing time, and come at the same hours often enough to be one."""
    import numpy

    hours = numpy.stack((begins % DAY_NS, ends % DAY_NS), axis=1)
    _, which, times = numpy.unique(hours, axis=0, return_inverse=True, return_counts=True)
    return (ends - begins >= CLOSING_NS) & (times[which] >= max(3, days / 20))


def skipped_hours(start: "Ints", length: int) -> list[int]:
    """Rows after which exactly the hour is missing that local clocks skip in spring."""
    import numpy

    rows = numpy.flatnonzero(numpy.diff(start) == length + HOUR_NS).tolist()
    return [row for row in rows if is_skipped(int(start[row]) + length)]


def stale_runs(columns: "Sequence[Floats]") -> "tuple[Ints, Ints]":
    """Runs of STALE or more bars with the same numbers: (first rows, lengths)."""
    import numpy

    repeats = columns[0][1:] == columns[0][:-1]
    for column in columns[1:]:
        repeats &= column[1:] == column[:-1]
    begins, lengths = runs(numpy.asarray(repeats))
    long = lengths + 1 >= STALE
    return begins[long], lengths[long] + 1


def runs(mask: "Bools") -> "tuple[Ints, Ints]":
    """Where the stretches of True begin, and how long they are."""
    import numpy

    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate(([False], mask, [False]))))
    return edges[::2], edges[1::2] - edges[::2]


def isolated(prices: "Floats") -> "Ints":
    """Rows with a price far from both neighbours, which agree. The first and the last row have only one."""
    import numpy

    before, price, after = prices[:-2], prices[1:-1], prices[2:]
    return numpy.flatnonzero(_apart(price, before, APART) & _apart(price, after, APART) & ~_apart(after, before, AGREE)) + 1


def steps(closes: "Floats") -> list[int]:
    """Rows whose close is far from the one before and does not come back. Split, half-adjusted or crash: prices cannot tell."""
    import numpy

    far = (numpy.flatnonzero(_apart(closes[1:], closes[:-1], MOVE)) + 1).tolist()
    spikes = set(isolated(closes).tolist()) if far else set()
    return [at for at in far if not _returns(closes, at) and not {at - 1, at} & spikes]


def _returns(closes: "Floats", at: int) -> bool:
    before = float(closes[at - 1])
    return at + 1 < len(closes) and abs(float(closes[at + 1]) - before) <= APART * before


def _apart(price: "Floats", reference: "Floats", fraction: float) -> "Bools":
    import numpy

    return numpy.asarray(abs(price - reference) > fraction * reference)


def simple_ratio(before: float, after: float) -> Fraction:
    """The simple ratio nearest to a change of price: 1/7 for a fall to a seventh, 7 for a rise to seven times."""
    change = log(after) - log(before)
    nearest = min(_RATIOS, key=lambda ratio: abs(abs(change) + log(ratio)))
    return nearest if change < 0 else 1 / nearest
