"""The results that a Monte Carlo plays with, out of the fills of a backtest."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, Protocol


class Filled(Protocol):
    """What is looked at of a fill."""

    @property
    def strategy_id(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def executed_at(self) -> datetime: ...
    @property
    def pnl(self) -> Decimal: ...  # realised by this fill, before commission
    @property
    def commission(self) -> Decimal: ...


class TradeResult(NamedTuple):
    """What one moment's fills of a strategy in a symbol realised, less all it paid in that symbol since the close before."""

    at: datetime
    gain: Decimal  # currency of the account


def results_of(fills: Iterable[Filled]) -> list[TradeResult]:
    """The closed trades, in order of their time. A fill that realised nothing to the last digit closes nothing.

    It hangs on no position, so a split between opening and closing does no harm; a position that is closed in parts is several trades.
    Fees paid since the last close belong to what is still held, and count nowhere.

    Args:
        fills: in order of their time.
    """
    owed: dict[tuple[str, str], Decimal] = {}
    gains: dict[tuple[datetime, str, str], Decimal] = {}
    for fill in fills:
        owner = fill.strategy_id, fill.symbol
        owed[owner] = owed.get(owner, Decimal(0)) + fill.commission
        if fill.pnl:
            key = (fill.executed_at, *owner)
            gains[key] = gains.get(key, Decimal(0)) + fill.pnl - owed.pop(owner)
    return [TradeResult(at, gain) for (at, _, _), gain in sorted(gains.items())]


def by_day(results: Iterable[TradeResult], first: date, last: date) -> list[Decimal]:
    """What each UTC day from the first to the last realised; weekends and days without a close are days of 0.

    Raises:
        ValueError: a trade of another day.
    """
    days = {first + timedelta(n): Decimal(0) for n in range((last - first).days + 1)}
    for result in results:
        day = result.at.astimezone(UTC).date()
        if day not in days:
            raise ValueError(f"Expected trades from {first} to {last}, got one of {day}")
        days[day] += result.gain
    return list(days.values())


def shares(gains: Sequence[Decimal], deposit: Decimal, *, compounded: bool) -> list[float]:
    """Each gain as a share of the deposit with all gains before it, or of the deposit alone, shape (gains,).

    Raises:
        ValueError: all of it was lost before the last gain, so that nothing is left that the rest could be a share of.
    """
    found, worth = [], deposit
    for n, gain in enumerate(gains):
        if worth <= 0:
            raise ValueError(f"Expected an account that is worth something before each result, got {worth:,.2f} before number {n + 1}")
        found.append(float(gain / worth))
        if compounded:
            worth += gain
    return found
