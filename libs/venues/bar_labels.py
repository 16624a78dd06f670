"""What is odd about bars without being wrong: a person should know it before believing a backtest over them."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import log
from typing import TYPE_CHECKING, Final, NamedTuple

from libs.domain.names import TIMEFRAMES
from libs.venues.clock_changes import HOUR_NS, is_skipped

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

_DAY_NS: Final = TIMEFRAMES["1d"]
_RATIOS: Final = (Fraction(2, 3), Fraction(2, 5), Fraction(3, 5), *(Fraction(1, n) for n in range(2, 101)))


class Label(NamedTuple):
    """One oddity of one symbol."""

    symbol: str  # empty: of the whole file
    kind: str
    row: int  # of the data, the first is 1: where it is, or begins, or is largest
    bars: int  # how many are concerned
    text: str

    def __str__(self) -> str:
        return f"{self.symbol or 'file'}: {self.kind}: {self.text}"


class Series(NamedTuple):
    """The bars of a symbol as arrays of one length, ascending in start."""

    symbol: str
    length: int  # of a bar, ns
    rows: "Ints"  # their numbers in the file
    start: "Ints"  # ns
    prices: "Mapping[str, Floats]"  # open, high, low, close
    volume: "Floats"


def labels(series: Series) -> list[Label]:
    """What is odd about bars that have no fault."""
    kinds = (_sparse, _gaps, _missing_days, _local_time, _stale, _zero_volume, _spikes, _splits)
    return [label for kind in kinds for label in kind(series)]


def _sparse(series: Series) -> Iterator[Label]:
    import numpy

    distances = numpy.diff(series.start)
    if len(distances) and distances.min() > series.length:
        row = int(series.rows[distances.argmin()])
        least = distances.min() // series.length
        text = f"the nearest two bars are {least} bars apart: is the timeframe right?"
        yield Label(series.symbol, "sparse", row, len(series.rows), text)


def _gaps(series: Series) -> Iterator[Label]:
    """Bars shorter than a day that are missing while the market seems open.

    That is within a UTC day, or at any time where most midnights are passed without a pause; except for pauses that recur
    at the same hours, and for weekends: pauses of less than four days over a weekday that never has a bar.
    """
    import numpy

    start, length = series.start, series.length
    at = numpy.flatnonzero(numpy.diff(start) != length)
    begins, ends = start[at] + length, start[at + 1]
    closed = _closed_days(start, -(-begins // _DAY_NS), ends // _DAY_NS)
    counts = (begins - length) // _DAY_NS == ends // _DAY_NS
    if _round_the_clock(start, length):
        counts |= (closed == 0) | (ends - begins >= 4 * _DAY_NS)
    missing = (ends - begins - closed * _DAY_NS) // length * (counts & ~_recurring(start, begins, ends))
    if length < _DAY_NS and missing.any():
        yield _largest(series, "gap", "bars missing", at, missing)


def _missing_days(series: Series) -> Iterator[Label]:
    """Days without a bar on weekdays that otherwise have some; holidays are among them. Around the clock they are gaps."""
    import numpy

    day = series.start // _DAY_NS
    at = numpy.flatnonzero(numpy.diff(day) > 1)
    missing = day[at + 1] - day[at] - 1 - _closed_days(series.start, day[at] + 1, day[at + 1])
    if missing.any() and not (series.length < _DAY_NS and _round_the_clock(series.start, series.length)):
        yield _largest(series, "missing_day", "days without a bar (holidays count)", at, missing)


def _largest(series: Series, kind: str, what: str, at: "Ints", missing: "Ints") -> Label:
    most = int(missing.argmax())
    row, total = int(series.rows[at[most]]), int(missing.sum())
    text = f"{what}: {total}; the most in one place: {int(missing[most])}, after row {row}"
    return Label(series.symbol, kind, row, total, text)


def _closed_days(start: "Ints", first: "Ints", end: "Ints") -> "Ints":
    """How many of the days first <= day < end (counted from 1970) are weekdays that never have a bar."""
    import numpy

    never = numpy.bincount(start // _DAY_NS % 7, minlength=7) == 0
    before = numpy.concatenate(([0], numpy.cumsum(never)))
    end = numpy.maximum(first, end)
    weeks = end // 7 - first // 7
    return numpy.asarray(weeks * before[7] + before[end % 7] - before[first % 7])


def _round_the_clock(start: "Ints", length: int) -> bool:
    import numpy

    at = numpy.flatnonzero(numpy.diff(start // _DAY_NS) == 1)
    return len(at) > 0 and float(numpy.mean(start[at + 1] - start[at] == length)) > 0.5


def _recurring(start: "Ints", begins: "Ints", ends: "Ints") -> "Bools":
    """Which pauses are as long as a closing time, and come at the same hours often enough to be one."""
    import numpy

    days = len(numpy.unique(start // _DAY_NS))
    hours = numpy.stack((begins % _DAY_NS, ends % _DAY_NS), axis=1)
    _, which, times = numpy.unique(hours, axis=0, return_inverse=True, return_counts=True)
    return (ends - begins >= CLOSING_NS) & (times[which] >= max(3, days / 20))


def _local_time(series: Series) -> Iterator[Label]:
    """Exactly the hour is missing that local clocks skip in spring."""
    import numpy

    for at in numpy.flatnonzero(numpy.diff(series.start) == series.length + HOUR_NS):
        missing = int(series.start[at]) + series.length
        if is_skipped(missing):
            row = int(series.rows[at])
            text = f"after row {row} just the hour is missing that local clocks skip in spring: are the times UTC?"
            yield Label(series.symbol, "local_time", row, HOUR_NS // series.length, text)


def _stale(series: Series) -> Iterator[Label]:
    import numpy

    columns = (*series.prices.values(), series.volume)
    repeats = numpy.logical_and.reduce([column[1:] == column[:-1] for column in columns])
    begins, lengths = _runs(repeats)
    lengths += 1
    begins, lengths = begins[lengths >= STALE], lengths[lengths >= STALE]
    if len(begins):
        most = int(lengths.argmax())
        row, total = int(series.rows[begins[most]]), int(lengths.sum())
        text = f"bars in runs of {STALE} or more equal ones: {total}; the longest run: {int(lengths[most])}, from row {row}"
        yield Label(series.symbol, "stale", row, total, text)


def _zero_volume(series: Series) -> Iterator[Label]:
    begins, lengths = _runs(series.volume == 0)
    if len(begins):
        most = int(lengths.argmax())
        row, total = int(series.rows[begins[most]]), int(lengths.sum())
        text = f"bars with volume 0: {total}; the longest stretch: {int(lengths[most])}, from row {row}"
        yield Label(series.symbol, "zero_volume", row, total, text)


def _runs(mask: "Bools") -> "tuple[Ints, Ints]":
    """Where the stretches of True begin, and how long they are."""
    import numpy

    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate(([False], mask, [False]))))
    return edges[::2], edges[1::2] - edges[::2]


def _spikes(series: Series) -> Iterator[Label]:
    """Bars with a price that is far from both neighbours, which agree. The first and the last bar have only one."""
    found: dict[int, list[str]] = {}
    for name, prices in series.prices.items():
        for at in _isolated(prices):
            found.setdefault(int(at), []).append(f"{name} {prices[at]:g} between {prices[at - 1]:g} and {prices[at + 1]:g}")
    for at, odd in sorted(found.items()):
        row = int(series.rows[at])
        yield Label(series.symbol, "spike", row, 1, f"row {row}: {', '.join(odd)}")


def _isolated(prices: "Floats") -> "Ints":
    import numpy

    before, price, after = prices[:-2], prices[1:-1], prices[2:]
    return numpy.flatnonzero(_apart(price, before, APART) & _apart(price, after, APART) & ~_apart(after, before, AGREE)) + 1


def _apart(price: "Floats", reference: "Floats", fraction: float) -> "Bools":
    import numpy

    return numpy.asarray(abs(price - reference) > fraction * reference)


def _splits(series: Series) -> Iterator[Label]:
    """Closes that move far and do not come back. Whether it is a split, a half-adjusted series or a crash, prices cannot tell."""
    import numpy

    closes = series.prices["close"]
    spikes = set(_isolated(closes).tolist())
    for at in (numpy.flatnonzero(_apart(closes[1:], closes[:-1], MOVE)) + 1).tolist():
        before, after = float(closes[at - 1]), float(closes[at])
        returns = at + 1 < len(closes) and abs(float(closes[at + 1]) - before) <= APART * before
        if not returns and not {at - 1, at} & spikes:
            row = int(series.rows[at])
            moved = f"close from {before:g} to {after:g} for good (x {after / before:.4g}, nearest simple ratio {_ratio(before, after)})"
            text = f"row {row}: {moved}: a split not or only half adjusted for, or a real move"
            yield Label(series.symbol, "possible_split", row, 1, text)


def _ratio(before: float, after: float) -> str:
    """The simple ratio nearest to a change of price, `1:7` for a fall to a seventh."""
    change = log(after) - log(before)
    nearest = min(_RATIOS, key=lambda ratio: abs(abs(change) + log(ratio)))
    terms = (nearest.numerator, nearest.denominator)
    return f"{terms[0]}:{terms[1]}" if change < 0 else f"{terms[1]}:{terms[0]}"
