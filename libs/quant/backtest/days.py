"""An equity curve by trading days and by months: what figures are made of that do not hang on the length of the bars."""

from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from libs.quant.backtest.report import Equity
from libs.quant.trading_day import trading_day_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Days(NamedTuple):
    """The account's worth at the end of each trading day on which a bar ended, oldest first."""

    dates: list[date]
    values: "Floats"  # base currency


def days_of(curve: Equity, starts_at: str = "00:00", tz: str = "UTC", grace_ns: int = 0) -> Days:
    """The last worth of each trading day. A bar that ends as a day does is the day's last.

    A day is named by the local date on which it begins, as in `trading_day_of`. Days without a bar are none: a weekend, a holiday.

    Args:
        grace_ns: how long after its end a bar is known, as the tape has it.

    Raises:
        As `trading_day_of`.
    """
    import numpy as np

    ends = curve.times - grace_ns
    dates, last, row = [], [], 0
    while row < len(ends):
        day = trading_day_of(int(ends[row]) - 1, starts_at, tz)
        row = int(np.searchsorted(ends, day.end, "right"))
        dates.append(day.date)
        last.append(row - 1)
    return Days(dates, curve.values[last])


def months_of(days: Days, deposit: float) -> dict[int, dict[int, float | None]]:
    """Returns by year and month (1 to 12), the whole year as month 0. None after the account was worth nothing."""
    years: dict[int, dict[int, float | None]] = {}
    before = dict.fromkeys(("month", "year"), deposit)
    for n, (day, value) in enumerate(zip(days.dates, days.values.tolist(), strict=True)):
        year = years.setdefault(day.year, {0: None})
        year[0] = value / before["year"] - 1 if before["year"] > 0 else None
        year[day.month] = value / before["month"] - 1 if before["month"] > 0 else None
        after = days.dates[n + 1] if n + 1 < len(days.dates) else day
        if (after.year, after.month) != (day.year, day.month):
            before["month"] = value
        if after.year != day.year:
            before["year"] = value
    return years
