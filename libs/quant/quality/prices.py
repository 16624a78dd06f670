"""Prices and volumes that may have been, and mostly were not: spikes, stretches that stand still, bars in which nothing was traded."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from libs.quant.quality import rules
from libs.quant.quality.finding import Finding, Kind
from libs.quant.quality.series import Series

if TYPE_CHECKING:
    from libs.quant.quality.rules import Floats, Ints

WINDOW: Final = 256
"""Bars over which the usual move is taken."""
FAR: Final = 40.0
"""Usual moves by which a bar reaches beyond both neighbours, from which on it is a spike. The usual move is the median absolute
deviation of returns around it: of a normal distribution 0.67 deviations, so this is 27 of them."""
LEAST: Final = 0.01
"""A spike is at least this fraction of the price."""
_BLINK: Final = 1e-4
"""The least usual move: where prices hardly change, a tick is many times the median."""


def odd_prices(series: Series, traded: bool) -> Iterator[Finding]:
    """
    Args:
        traded: whether it fills on its bars; the volume of others is not asked for.
    """
    yield from _spikes(series)
    columns = [series.close, series.open, series.high, series.low, series.volume]
    yield from _stretches("stale", series, *rules.stale_runs(columns), "numbers that change", "bars in runs of equal ones")
    if traded:
        yield from _stretches("zero_volume", series, *rules.runs(series.volume == 0), "a volume for each bar", "bars without")


def _stretches(kind: Kind, series: Series, begins: "Ints", lengths: "Ints", expected: str, what: str) -> Iterator[Finding]:
    if len(begins):
        total, longest = int(lengths.sum()), int(lengths.max())
        got = f"{total:,} {what}, at most {longest:,} in a row"
        yield _label(kind, series, int(begins[0]), total, expected, got)


def _spikes(series: Series) -> Iterator[Finding]:
    import numpy

    reach, rows = _reach(series)
    if not len(rows):
        return
    usual = _usual_moves(series.close)[rows // WINDOW]
    far = reach > numpy.maximum(FAR * usual, LEAST)
    if far.any():
        rows, reach = rows[far], reach[far]
        got = f"{len(rows):,} that go further and come back, by {float(reach.max()):.1%} at most (usual move {float(usual[far][0]):.2%})"
        expected = f"bars within {FAR:g} usual moves of both neighbours"
        yield _label("spike", series, int(rows[0]), len(rows), expected, got)


def _reach(series: Series) -> "tuple[Floats, Ints]":
    """Bars whose high or low lies more than LEAST beyond those of both neighbours, and by which fraction of the price."""
    import numpy

    above = series.high[1:-1] / numpy.maximum(series.high[:-2], series.high[2:])
    below = numpy.minimum(series.low[:-2], series.low[2:]) / series.low[1:-1]
    reach = numpy.maximum(above, below) - 1.0
    rows = numpy.flatnonzero(reach > LEAST)
    return reach[rows], rows + 1


def _usual_moves(close: "Floats") -> "Floats":
    """Median absolute deviation of the returns in each stretch of WINDOW bars; the last stretch may be shorter."""
    import numpy

    moves = numpy.diff(close) / close[:-1]
    whole = len(moves) // WINDOW * WINDOW
    stretches = [numpy.abs(_less_median(moves[:whole].reshape(-1, WINDOW)))] if whole else []
    usual = [numpy.median(stretch, axis=1) for stretch in stretches]
    rest = moves[-WINDOW:] if whole else moves
    usual.append(numpy.median(numpy.abs(_less_median(rest.reshape(1, -1))), axis=1))
    return numpy.asarray(numpy.maximum(numpy.concatenate(usual), _BLINK))


def _less_median(moves: "Floats") -> "Floats":
    import numpy

    return numpy.asarray(moves - numpy.median(moves, axis=1, keepdims=True))


def _label(kind: Kind, series: Series, row: int, count: int, expected: str, got: str) -> Finding:
    first = int(series.start[row])
    return Finding(kind=kind, severity="label", symbol=series.symbol, first=first, count=count, expected=expected, got=got)
