"""What a backtest was worth: the equity at every bar, and the figures made of it."""

from decimal import Decimal
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

from libs.domain.names import TIMEFRAMES
from libs.quant.backtest.summary import Summary
from libs.quant.backtest.tape import Tape
from libs.quant.price_volatility import bars_per_year

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Times = NDArray[np.int64]


class Equity(NamedTuple):
    """The account's worth in its base currency after everything known at each time."""

    times: "Times"  # market ns at which bars are known
    values: "Floats"


class Figures(NamedTuple):
    """Fractions are of the equity, not per cent."""

    final_equity: float
    total_return: float
    max_drawdown: float  # largest fall from a high, 0 or more
    sharpe: float  # a year's mean over deviation of returns per bar, no interest; 0 when nothing moves
    fees: float
    trades: int  # fills
    orders: int
    refused: int  # signals that risk turned down
    bars: int


def equity_curve(tape: Tape, summary: Summary) -> Equity:
    """Cash plus every position at its last close, at each time at which a finest bar is known.

    An instrument in another currency than the account's is never held (RC-A05), so no rate is needed.
    """
    import numpy as np

    late, length = tape.late_ns, TIMEFRAMES[tape.timeframes[0]]
    columns = tape.bars[tape.timeframes[0]]
    starts = {symbol: np.asarray(c.start, np.int64) for symbol, c in columns.items()}
    known = [times + late for times in starts.values()]
    times = known[0] if len(known) == 1 else np.unique(np.concatenate(known)) if known else np.empty(0, np.int64)
    lasting = _lasting(summary.at, times)
    values = np.repeat(summary.cash, lasting)
    for symbol in sorted(summary.units):
        start, close = starts[symbol], np.asarray(columns[symbol].close)
        row = np.arange(len(times)) if len(known) == 1 else np.searchsorted(start, times - late, "right") - 1
        price = close if len(known) == 1 else np.where(row >= 0, close[row], 0.0)
        for change in tape.adjustments.changes(symbol):
            price = price.copy()
            before = (times >= change) & (start[row] + length - 1 < change)
            price[before] /= tape.adjustments.volume(symbol, change) / tape.adjustments.volume(symbol, change - 1)
        values = values + np.repeat(summary.units[symbol], lasting) * price * float(tape.instruments[symbol].multiplier)
    return Equity(times, values)


def _lasting(at: "Times", times: "Times") -> "Times":
    """For how many of `times` each row of a summary holds: from its moment on until that of the next."""
    import numpy as np

    begins = np.searchsorted(times, at, "left")
    begins[0] = 0
    return np.diff(np.append(begins, len(times)))


def figures(tape: Tape, summary: Summary, deposit: Decimal, curve: Equity) -> Figures:
    """The figures of a finished backtest. Sharpe: W. F. Sharpe, The Sharpe Ratio (1994), with no riskless rate."""
    import numpy as np

    values = np.concatenate(([float(deposit)], curve.values))
    highs = np.maximum.accumulate(values)
    returns = np.diff(values) / values[:-1] if (values > 0).all() else np.zeros(0)
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    calendar = next(iter(tape.instruments.values())).calendar
    year = sqrt(bars_per_year(tape.timeframes[0], calendar))
    final = float(summary.worth)
    return Figures(
        final_equity=final,
        total_return=final / float(deposit) - 1,
        max_drawdown=float((1 - values / highs).max()),
        sharpe=float(returns.mean()) / deviation * year if deviation > 0 else 0.0,
        fees=float(summary.fees),
        trades=summary.fills,
        orders=summary.orders,
        refused=summary.refused,
        bars=tape.count(),
    )
