"""The same market a little different: what of a result hangs on prices that might as well have been others."""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from libs.domain.columns import Columns
from libs.domain.names import TIMEFRAMES
from libs.quant.backtest.tape import Tape
from libs.quant.quality.series import Series, series_of

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]


def later(tape: Tape, bars: int) -> Tape:
    """Without its first `bars` finest bars (of the symbol that has the earliest), and without what lies before the next one.

    Raises:
        ValueError: nothing would be left.
    """
    starts = sorted({start for columns in tape.bars[tape.timeframes[0]].values() for start in columns.start[: bars + 1]})
    if len(starts) <= bars:
        raise ValueError(f"expected more than {bars} bars, got {len(starts)}")
    since = starts[bars]
    return replace(
        tape,
        bars={timeframe: {symbol: _from(c, since) for symbol, c in by_symbol.items()} for timeframe, by_symbol in tape.bars.items()},
        quote_bars={symbol: _from(columns, since) for symbol, columns in tape.quote_bars.items()},
        quotes={symbol: _from(columns, since) for symbol, columns in tape.quotes.items()},
        since=since,
    )


def _from(columns: Any, since: int) -> Any:
    first = bisect_left(columns[0], since)
    return type(columns)(*(column[first:] for column in columns))


def noisy(tape: Tape, share: float, seed: Sequence[int]) -> Tape:
    """Each price of each bar moved by a normal draw, on the grid of its ticks; high and low stay the extremes.

    Quotes stay: what is decided is disturbed, and what it fills at where fills are on quotes is not.

    Args:
        share: deviation of the draw, as a share of the symbol's median true range.
    """
    import numpy

    draw = numpy.random.default_rng(list(seed))
    bars = {
        timeframe: {
            symbol: _moved(series_of(symbol, TIMEFRAMES[timeframe], columns), columns, float(tape.instruments[symbol].tick), share, draw)
            for symbol, columns in sorted(tape.bars[timeframe].items())
        }
        for timeframe in tape.timeframes
    }
    return replace(tape, bars=bars)


def _moved(series: Series, columns: Columns, tick: float, share: float, draw: "numpy.random.Generator") -> Columns:
    import numpy

    prices = numpy.stack((series.open, series.high, series.low, series.close))
    prices += draw.normal(0.0, share * median_true_range(series), prices.shape)
    prices = numpy.maximum(numpy.round(numpy.round(prices / tick) * tick, 10), tick)
    opened, _, _, close = (array("d", row.tobytes()) for row in prices)
    high, low = (array("d", row.tobytes()) for row in (prices.max(axis=0), prices.min(axis=0)))
    return Columns(columns.start, opened, high, low, close, columns.volume)


def median_true_range(series: Series) -> float:
    """In the currency of its prices. True range: the bar's range, from the close before where that lies outside (Wilder 1978)."""
    import numpy

    if not len(series.close):
        return 0.0
    before = numpy.append(series.open[0], series.close[:-1])
    return float(numpy.median(numpy.maximum(series.high, before) - numpy.minimum(series.low, before)))
