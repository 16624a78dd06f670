"""Bars that cannot be: numbers that are none, prices out of their places, times that do not ascend. Nothing else is asked of such."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from libs.domain.times import iso
from libs.quant.quality.clock_changes import is_repeated
from libs.quant.quality.finding import Finding, Kind
from libs.quant.quality.series import Series

if TYPE_CHECKING:
    from libs.quant.quality.rules import Bools

_PRICES: Final = ("open", "high", "low", "close")
_SHOWN: Final = "{count} that are not, the first {value:g}"


def impossible(series: Series) -> Iterator[Finding]:
    """What no market can have sent."""
    yield from _order(series)
    yield from _numbers(series)


def _order(series: Series) -> Iterator[Finding]:
    import numpy

    steps = numpy.diff(series.start)
    if not len(steps) or steps.min() > 0:
        return
    back, again = numpy.flatnonzero(steps < 0), numpy.flatnonzero(steps == 0)
    if len(back):
        at = int(back[0])
        got = f"{iso(int(series.start[at + 1]))} after {iso(int(series.start[at]))}"
        yield _refused("out_of_order", series, at + 1, len(back), "bars from the oldest to the newest", got)
    if len(again):
        at = int(again[0])
        local = ", in the hour that local clocks show twice in autumn" if is_repeated(int(series.start[at])) else ""
        yield _refused("duplicate", series, at, len(again), "one bar for each start", f"{len(again)} starts again{local}")


def _numbers(series: Series) -> Iterator[Finding]:
    """A least and a largest of each column tells the good from the bad; where there is a bad one, it is looked for."""
    import numpy

    columns = {name: getattr(series, name) for name in (*_PRICES, "volume")}
    wrong = {name: c for name, c in columns.items() if not numpy.isfinite(c.min(initial=0.0)) or not numpy.isfinite(c.max(initial=0.0))}
    for name, column in wrong.items():
        yield from _found("not_finite", series, ~numpy.isfinite(column), f"numbers as {name}", "{count} that are none")
    if wrong:
        return
    for name in _PRICES:
        if len(columns[name]) and columns[name].min() <= 0:
            yield from _found("not_positive", series, columns[name] <= 0, f"a {name} above 0", _SHOWN, name)
    if len(series.volume) and series.volume.min() < 0:
        yield from _found("negative_volume", series, series.volume < 0, "volumes of 0 or more", _SHOWN, "volume")
    beside = (series.high < numpy.maximum(series.open, series.close)) | (series.low > numpy.minimum(series.open, series.close))
    yield from _found("high_low", series, beside, "open and close within low and high", "{count} bars with one outside")


def _found(kind: Kind, series: Series, mask: "Bools", expected: str, got: str, name: str = "close") -> Iterator[Finding]:
    import numpy

    rows = numpy.flatnonzero(mask)
    if len(rows):
        said = got.format(count=len(rows), value=float(getattr(series, name)[rows[0]]))
        yield _refused(kind, series, int(rows[0]), len(rows), expected, said)


def _refused(kind: Kind, series: Series, row: int, count: int, expected: str, got: str) -> Finding:
    first = int(series.start[row])
    return Finding(kind=kind, severity="refuse", symbol=series.symbol, first=first, count=count, expected=expected, got=got)
