"""What is odd about the bars of a file without being wrong, told by its rows; the rules are libs/quant/quality/rules.py."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from libs.quant.quality import rules
from libs.quant.quality.clock_changes import HOUR_NS
from libs.quant.quality.rules import STALE

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Ints = NDArray[numpy.int64]
    Floats = NDArray[numpy.float64]


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
    least = rules.nearest_bars_apart(series.start, series.length)
    if least is not None:
        text = f"the nearest two bars are {least} bars apart: is the timeframe right?"
        yield Label(series.symbol, "sparse", int(series.rows[0]), len(series.rows), text)


def _gaps(series: Series) -> Iterator[Label]:
    yield from _missing(series, "gap", "bars missing", *rules.gaps(series.start, series.length))


def _missing_days(series: Series) -> Iterator[Label]:
    yield from _missing(series, "missing_day", "days without a bar (holidays count)", *rules.missing_days(series.start, series.length))


def _missing(series: Series, kind: str, what: str, at: "Ints", missing: "Ints") -> Iterator[Label]:
    if len(at):
        most = int(missing.argmax())
        row, total = int(series.rows[at[most]]), int(missing.sum())
        text = f"{what}: {total}; the most in one place: {int(missing[most])}, after row {row}"
        yield Label(series.symbol, kind, row, total, text)


def _local_time(series: Series) -> Iterator[Label]:
    for at in rules.skipped_hours(series.start, series.length):
        row = int(series.rows[at])
        text = f"after row {row} just the hour is missing that local clocks skip in spring: are the times UTC?"
        yield Label(series.symbol, "local_time", row, HOUR_NS // series.length, text)


def _stale(series: Series) -> Iterator[Label]:
    runs = rules.stale_runs([*series.prices.values(), series.volume])
    yield from _stretches(series, "stale", f"bars in runs of {STALE} or more equal ones", "run", *runs)


def _zero_volume(series: Series) -> Iterator[Label]:
    yield from _stretches(series, "zero_volume", "bars with volume 0", "stretch", *rules.runs(series.volume == 0))


def _stretches(series: Series, kind: str, what: str, called: str, begins: "Ints", lengths: "Ints") -> Iterator[Label]:
    if len(begins):
        most = int(lengths.argmax())
        row, total = int(series.rows[begins[most]]), int(lengths.sum())
        text = f"{what}: {total}; the longest {called}: {int(lengths[most])}, from row {row}"
        yield Label(series.symbol, kind, row, total, text)


def _spikes(series: Series) -> Iterator[Label]:
    """Bars with a price that is far from both neighbours, which agree. The first and the last bar have only one."""
    found: dict[int, list[str]] = {}
    for name, prices in series.prices.items():
        for at in rules.isolated(prices):
            found.setdefault(int(at), []).append(f"{name} {prices[at]:g} between {prices[at - 1]:g} and {prices[at + 1]:g}")
    for at, odd in sorted(found.items()):
        row = int(series.rows[at])
        yield Label(series.symbol, "spike", row, 1, f"row {row}: {', '.join(odd)}")


def _splits(series: Series) -> Iterator[Label]:
    """Closes that move far and do not come back. Whether it is a split, a half-adjusted series or a crash, prices cannot tell."""
    closes = series.prices["close"]
    for at in rules.steps(closes):
        before, after = float(closes[at - 1]), float(closes[at])
        row, ratio = int(series.rows[at]), rules.simple_ratio(before, after)
        shown = f"{ratio.numerator}:{ratio.denominator}"
        moved = f"close from {before:g} to {after:g} for good (x {after / before:.4g}, nearest simple ratio {shown})"
        text = f"row {row}: {moved}: a split not or only half adjusted for, or a real move"
        yield Label(series.symbol, "possible_split", row, 1, text)
