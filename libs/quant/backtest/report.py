"""What a backtest was worth: the equity at every bar, and the figures made of it."""

from decimal import Decimal
from math import sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

from libs.domain.names import TIMEFRAMES
from libs.quant.backtest.summary import Summary
from libs.quant.backtest.tape import Tape
from libs.quant.price_volatility import bars_per_year

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Times = NDArray[np.int64]


LANES: Final = 8


class Equity(NamedTuple):
    """The account's worth in its base currency after everything known at each time."""

    times: "Times"  # market ns at which bars are known
    values: "Floats"

    def after(self, moment: int) -> "Equity":
        """What of it was known after `moment`, market ns: of an account that began then."""
        later = self.times > moment
        return Equity(self.times[later], self.values[later])


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


def equity_curve(tape: Tape, summary: Summary, sums: "Sums | None" = None) -> Equity:
    """Cash plus every position at its last close, at each time at which a finest bar is known.

    An instrument in another currency than the account's is never held (RC-A05), so no rate is needed.
    """
    sums = sums or PLAIN
    times = known_times(tape)
    begins = sums.begins(summary.at, times) if summary.begins is None else summary.begins
    return Equity(times, sums.curve(_held(tape, summary, times), summary.cash, begins))


def _held(tape: Tape, summary: Summary, times: "Times") -> "Iterator[Held]":
    """Symbol by symbol in the order of their names; only one symbol's prices are worked out at once."""
    import numpy as np

    late, length = tape.late_ns, TIMEFRAMES[tape.timeframes[0]]
    columns = tape.bars[tape.timeframes[0]]
    starts = {symbol: np.asarray(c.start, np.int64) for symbol, c in columns.items()}
    for symbol in sorted(summary.units):
        start, price = starts[symbol], np.asarray(columns[symbol].close)
        if len(starts) > 1:
            row = np.searchsorted(start, times - late, "right") - 1
            price = np.where(row >= 0, price[row], 0.0)
        else:
            row = np.arange(len(times)) if tape.adjustments.changes(symbol) else start
        for change in dict.fromkeys(tape.adjustments.changes(symbol)):  # several actions may hold from one moment on
            price = price.copy()
            before = (times >= change) & (start[row] + length - 1 < change)
            price[before] /= tape.adjustments.volume(symbol, change) / tape.adjustments.volume(symbol, change - 1)
        yield Held(summary.units[symbol], price, float(tape.instruments[symbol].multiplier))


def known_times(tape: Tape) -> "Times":
    """Every time at which a finest bar is known, ascending; worked out once for a tape."""
    import numpy as np

    kept: Times | None = tape.kept.get("known")
    if kept is None:
        finest = tape.bars[tape.timeframes[0]].values()
        known = [np.asarray(columns.start, np.int64) + tape.late_ns for columns in finest]
        kept = known[0] if len(known) == 1 else np.unique(np.concatenate(known)) if known else np.empty(0, np.int64)
        tape.kept["known"] = kept
    return kept


class Sums(NamedTuple):
    """The arithmetic over all bars. Whoever does it adds up in the order of `added`, so that all find the same."""

    begins: "Callable[[Times, Times], Times]"
    """(moments, times), both ascending -> at which of the times each row of a summary begins to hold, and where the last one ends."""
    curve: "Callable[[Iterable[Held], Floats, Times], Floats]"
    """(what was held, cash, at which bar each row of both begins to hold and where the last one ends) -> worth at every bar."""
    measured: "Callable[[Floats, float], Measured]"
    """(values, deposit) -> what they come to."""


class Held(NamedTuple):
    """One symbol on the way of an account."""

    units: "Floats"  # of each row of a summary
    price: "Floats"  # of each bar
    multiplier: float


class Measured(NamedTuple):
    """Of an equity curve that begins with the deposit."""

    max_drawdown: float
    mean: float  # of returns per bar
    deviation: float  # of them; 0 where there are none


def _begins(at: "Times", times: "Times") -> "Times":
    import numpy as np

    begins = np.searchsorted(times, at, "left")
    begins[0] = 0
    return np.append(begins, len(times))


def _curve(held: "Iterable[Held]", cash: "Floats", begins: "Times") -> "Floats":
    import numpy as np

    rows = np.diff(begins)
    values = np.repeat(cash, rows)
    for units, price, multiplier in held:
        values += np.repeat(units, rows) * price * multiplier
    return values


def _measured(values: "Floats", deposit: float) -> Measured:
    import numpy as np

    values = np.concatenate(([deposit], values))
    drawdown = float((1 - values / np.maximum.accumulate(values)).max())
    if len(values) < 3 or not (values > 0).all():
        return Measured(drawdown, 0.0, 0.0)
    returns = np.diff(values) / values[:-1]
    mean = added(returns) / len(returns)
    return Measured(drawdown, mean, sqrt(added((returns - mean) ** 2) / (len(returns) - 1)))


def added(values: "Floats") -> float:
    """The sum of at least one value, in an order that leaves a processor free to add several at once: every eighth one on its own,
    each from the first to the last, and then the eight sums in their order."""
    import numpy as np

    rows = np.zeros((-(-len(values) // LANES), LANES))
    rows.ravel()[: len(values)] = values
    return float(np.cumsum(np.cumsum(rows, axis=0)[-1])[-1])


PLAIN: Final = Sums(_begins, _curve, _measured)


def figures(tape: Tape, summary: Summary, deposit: Decimal, curve: Equity, sums: Sums = PLAIN) -> Figures:
    """The figures of a finished backtest. Sharpe: W. F. Sharpe, The Sharpe Ratio (1994), with no riskless rate."""
    found = sums.measured(curve.values, float(deposit))
    calendar = next(iter(tape.instruments.values())).calendar
    year = sqrt(bars_per_year(tape.timeframes[0], calendar))
    final = float(summary.worth)
    return Figures(
        final_equity=final,
        total_return=final / float(deposit) - 1,
        max_drawdown=found.max_drawdown,
        sharpe=found.mean / found.deviation * year if found.deviation > 0 else 0.0,
        fees=float(summary.fees),
        trades=summary.fills,
        orders=summary.orders,
        refused=summary.refused,
        bars=tape.count(),
    )
