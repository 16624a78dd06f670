"""How an account and its strategies perform: today's gain, the fall from the highest worth, and what each day returned."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from libs.domain.instruments import Calendar
from libs.quant.calendars import overlaps
from libs.quant.portfolio.activity import Activity
from libs.quant.portfolio.returns import Statistics, statistics
from libs.quant.portfolio.valuation import NOBODY, ZERO, Part, Worth, gross, net, share
from libs.quant.price_volatility import sessions_per_year
from libs.quant.trading_day import TradingDay

_NOTHING: Final = Activity()


class DayEnd(NamedTuple):
    """How a strategy, or the account (strategy ""), stood when a trading day ended."""

    strategy_id: str
    day: TradingDay
    total_pnl: Decimal
    day_return: float | None


class Before(NamedTuple):
    """What is known of a strategy, or of the account, when a trading day begins."""

    total_pnl: Decimal = ZERO  # when the last day before it ended
    statistics: Statistics = Statistics()


class Figures(NamedTuple):
    """One strategy, or the account; money in the base currency, shares are of the account's equity."""

    part: Part
    day_pnl: Decimal  # realised, unrealised and fees since the trading day began, less what was paid in
    total_pnl: Decimal  # the same since the account was opened
    day_return: float | None  # day_pnl / the equity that the day began with; None when that is not above 0
    peak: Decimal  # highest equity so far; of a strategy its highest gain
    drawdown: float  # fall from the peak; of a strategy as a share of the account's peak
    gross: float
    net: float
    turnover: float  # traded today
    activity: Activity  # today
    fees: Decimal  # today
    statistics: Statistics  # of completed days


def figures(
    worth: Worth,
    before: Mapping[str, Before],
    peaks: Mapping[str, Decimal],
    activities: Mapping[str, Activity],
    rates: Mapping[str, float],
) -> dict[str, Figures]:
    """Figures by strategy, of all that have a part in the account or had one; those of the account itself under "".

    Day P&L and returns of the strategies add up to the account's, as their gains do.

    Args:
        before: as of the day's begin, by strategy; missing ones began today.
        peaks: so far, by strategy.
        activities: of today, by strategy; that of "" is the whole account's.
    """
    whole = worth.whole
    equity = whole.worth
    day_pnl = worth.gain - before.get(NOBODY, Before()).total_pnl
    began_with = equity - day_pnl
    high = max(peaks.get(NOBODY, worth.paid_in), equity)
    found = {}
    for name in sorted({*worth.parts, *before, NOBODY}):
        part = whole if name == NOBODY else worth.parts.get(name, Part())
        gain = worth.gain if name == NOBODY else part.worth
        then = before.get(name, Before())
        peak = high if name == NOBODY else max(peaks.get(name, ZERO), gain)
        activity = activities.get(name, _NOTHING)
        found[name] = Figures(
            part=part,
            day_pnl=gain - then.total_pnl,
            total_pnl=gain,
            day_return=float((gain - then.total_pnl) / began_with) if began_with > 0 else None,
            peak=peak,
            drawdown=drawdown(peak - part.worth, high),
            gross=gross(part, equity),
            net=net(part, equity),
            turnover=share(activity.turnover(rates), equity),
            activity=activity,
            fees=activity.paid(rates),
            statistics=then.statistics,
        )
    return found


def drawdown(fall: Decimal, peak: Decimal) -> float:
    """Fall from the highest equity as a share of it: 0 to 1, also when more than all is lost."""
    return min(1.0, max(0.0, share(fall, peak)))


def before_today(ends: Iterable[DayEnd], calendars: Collection[Calendar]) -> dict[str, Before]:
    """What the ends of earlier days, in order, tell about each strategy and about the account.

    A day counts among the returns when one of the calendars has a session in it. A year has as many of them as the
    sparsest calendar whose sessions all those days meet: an account that is also valued on Saturdays has more than 252.
    """
    by_strategy: dict[str, list[DayEnd]] = {}
    for end in ends:
        by_strategy.setdefault(end.strategy_id, []).append(end)
    found = {}
    for name, days in by_strategy.items():
        open_days = [d for d in days if any(_trades(calendar, d.day) for calendar in calendars)]
        returns = [d.day_return for d in open_days if d.day_return is not None]
        found[name] = Before(days[-1].total_pnl, statistics(returns, days_per_year([d.day for d in open_days], calendars)))
    return found


def days_per_year(days: Sequence[TradingDay], calendars: Collection[Calendar]) -> int:
    """Sessions a year of the sparsest calendar that has one in each of the days; of the densest when none does."""
    years = {calendar: sessions_per_year(calendar) for calendar in calendars}
    fitting = [year for calendar, year in years.items() if all(_trades(calendar, day) for day in days)]
    return min(fitting) if fitting else max(years.values())


def _trades(calendar: Calendar, day: TradingDay) -> bool:
    return overlaps(calendar, day.start, day.end)
