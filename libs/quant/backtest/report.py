"""What a backtest was worth: the equity at every bar, and the figures made of it."""

from decimal import Decimal
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

from libs.domain.names import TIMEFRAMES
from libs.quant.backtest.result import Played
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


def equity_curve(tape: Tape, played: Played) -> Equity:
    """Cash plus every position at its last close, at each time at which a finest bar is known.

    An instrument in another currency than the account's is never held (RC-A05), so no rate is needed.
    """
    import numpy as np

    late, length = tape.late_ns, TIMEFRAMES[tape.timeframes[0]]
    columns = tape.bars[tape.timeframes[0]]
    starts = {symbol: np.asarray(c.start, np.int64) for symbol, c in columns.items()}
    known = [times + late for times in starts.values()]
    times = known[0] if len(known) == 1 else np.unique(np.concatenate(known)) if known else np.empty(0, np.int64)
    at = np.searchsorted(np.array([b.at for b in played.balances], np.int64), times, "right") - 1
    values = np.array([b.cash for b in played.balances])[at]
    for symbol in sorted({symbol for b in played.balances for symbol in b.units}):
        units = np.array([b.units.get(symbol, 0.0) for b in played.balances])[at]
        row = np.searchsorted(starts[symbol], times - late, "right") - 1
        price = np.where(row >= 0, np.asarray(columns[symbol].close)[row], 0.0)
        for change in tape.adjustments.changes(symbol):
            before = (times >= change) & (starts[symbol][row] + length - 1 < change)
            price[before] /= tape.adjustments.volume(symbol, change) / tape.adjustments.volume(symbol, change - 1)
        values = values + units * price * float(tape.instruments[symbol].multiplier)
    return Equity(times, values)


def _worth(tape: Tape, played: Played) -> Decimal:
    """What the account is worth at the end, exactly: the last value of the curve without its rounding."""
    total = sum((line.amount for line in played.lines if line.ledger_account == "cash"), Decimal(0))
    for (_, symbol), position in played.positions.items():
        mark = tape.mark(symbol, tape.last_known())
        if position.quantity and mark is not None:
            total += position.quantity * Decimal(repr(mark)) * tape.instruments[symbol].multiplier
    return total


def figures(tape: Tape, played: Played, deposit: Decimal, curve: Equity) -> Figures:
    """The figures of a finished backtest. Sharpe: W. F. Sharpe, The Sharpe Ratio (1994), with no riskless rate."""
    import numpy as np

    values = np.concatenate(([float(deposit)], curve.values))
    highs = np.maximum.accumulate(values)
    returns = np.diff(values) / values[:-1] if (values > 0).all() else np.zeros(0)
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    calendar = next(iter(tape.instruments.values())).calendar
    year = sqrt(bars_per_year(tape.timeframes[0], calendar))
    final = float(_worth(tape, played))
    return Figures(
        final_equity=final,
        total_return=final / float(deposit) - 1,
        max_drawdown=float((1 - values / highs).max()),
        sharpe=float(returns.mean()) / deviation * year if deviation > 0 else 0.0,
        fees=float(sum((trade.commission for trade in played.trades), Decimal(0))),
        trades=len(played.trades),
        orders=len(played.orders),
        refused=len(played.refused),
        bars=tape.count(),
    )
