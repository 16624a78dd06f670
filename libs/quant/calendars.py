"""When a market is open. Sessions are half-open: a market is open at its first nanosecond and closed at its last.

| calendar | sessions | days without, and early closes |
| --- | --- | --- |
| `us_equity` | Monday to Friday 09:30 to 16:00 New York, regular hours only | the exchange's own (XNYS), unscheduled closings too |
| `cme_globex` | 17:00 Chicago of the day before to 17:00, the week from Sunday 17:00 to Friday 17:00 | CMES: below |
| `forex` | 17:00 New York of the day before to 17:00, the week from Sunday 17:00 to Friday 17:00 | those of 25 December and 1 January |
| `24/7` | each UTC day | none |

`us_equity` and `cme_globex` say what exchange-calendars says, from 1990 to `known_to`; outside of that the weekly hours hold
without exceptions. Interruptions within a day (halts of the whole market, late opens) are in none of them.

`cme_globex` is exchange-calendars' one calendar for all of CME Group, which takes the most careful hours. Closed: New Year,
Good Friday, Christmas, days of mourning. Closed from 12:00 to the next session's 17:00: Martin Luther King Day, Presidents' Day,
Memorial Day, Independence Day, Labor Day, Thanksgiving and the day after, Christmas Eve. What it leaves out: the daily halt before
17:00 Chicago (from 16:00, in earlier years 16:15; Friday ends there too), the equity halt of 15:15 to 15:30 of earlier years,
Juneteenth, and that some products trade longer on those days: currencies to 16:00, equity indices to 12:15 on the half days.

`forex` is a convention, not an exchange. exchange-calendars has "24/5", UTC weekdays without a holiday; liquidity follows New York's
clock instead, and dealers quote nothing in the sessions of 25 December and 1 January. One that falls on a weekend is not moved.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from libs.domain.instruments import Calendar
from libs.domain.times import SECOND
from libs.quant import calendar_exceptions

MINUTE: Final = 60 * SECOND
DAY: Final = 24 * 3600 * SECOND

_EPOCH: Final = date(1970, 1, 1)
_LONGEST_PAUSE: Final = 12 * DAY
"""Longer than any market has been closed since 1990 (six days in 2001), with the session before it."""


class Session(NamedTuple):
    """One stretch of trading, from `open` to before `close`; UTC nanoseconds."""

    open: int
    close: int
    date: date  # the trading day it belongs to, which is the local date of its close (of its open, for `24/7`)


class _Hours(NamedTuple):
    """A week's sessions in local time, counted from the midnight that begins the trading day."""

    zone: ZoneInfo
    opens: timedelta
    closes: timedelta
    weekdays: range  # Monday is 0


_WEEK: Final = range(5)
_FROM_THE_EVENING: Final = timedelta(hours=-7)
_HOURS: Final[Mapping[Calendar, _Hours]] = {
    "us_equity": _Hours(ZoneInfo("America/New_York"), timedelta(hours=9.5), timedelta(hours=16), _WEEK),
    "24/7": _Hours(ZoneInfo("UTC"), timedelta(0), timedelta(hours=24), range(7)),
    "forex": _Hours(ZoneInfo("America/New_York"), _FROM_THE_EVENING, timedelta(hours=17), _WEEK),
    "cme_globex": _Hours(ZoneInfo("America/Chicago"), _FROM_THE_EVENING, timedelta(hours=17), _WEEK),
}
_TABLES: Final[Mapping[Calendar, str]] = {
    "us_equity": calendar_exceptions.US_EQUITY,
    "cme_globex": calendar_exceptions.CME_GLOBEX,
}
_FOREX_HOLIDAYS: Final = ((12, 25), (1, 1))


def is_open(calendar: Calendar, ns: int) -> bool:
    """Whether the market is in a session at `ns` (UTC nanoseconds)."""
    return _closing_after(calendar, ns).open <= ns


def next_open(calendar: Calendar, ns: int) -> int:
    """Start of the first session that begins at or after `ns`; UTC nanoseconds."""
    session = _closing_after(calendar, ns)
    return session.open if session.open >= ns else _closing_after(calendar, session.close).open


def close_of(calendar: Calendar, ns: int) -> int:
    """End of the session that `ns` lies in; UTC nanoseconds.

    Raises:
        ValueError: the market is closed at `ns`.
    """
    session = session_of(calendar, ns)
    if session is None:
        raise ValueError(f"{calendar} is closed at {ns}: there is no session to close")
    return session.close


def session_of(calendar: Calendar, ns: int) -> Session | None:
    """The session that `ns` (UTC nanoseconds) lies in; None while the market is closed."""
    session = _closing_after(calendar, ns)
    return session if session.open <= ns else None


def overlaps(calendar: Calendar, start: int, end: int) -> bool:
    """Whether some moment of [start, end) (UTC nanoseconds) is in a session: an hour from 09:00 holds the open of 09:30."""
    return start < end and _closing_after(calendar, start).open < end


def sessions(calendar: Calendar, start: int, end: int) -> Iterator[Session]:
    """The sessions that overlap [start, end) (UTC nanoseconds), whole and ascending."""
    while overlaps(calendar, start, end):
        session = _closing_after(calendar, start)
        yield session
        start = session.close


def last_close(calendar: Calendar, ns: int) -> int:
    """End of the last session that had ended at `ns`; UTC nanoseconds."""
    return max(session.close for session in sessions(calendar, ns - _LONGEST_PAUSE, ns) if session.close <= ns)


def is_trading_day(calendar: Calendar, on: date) -> bool:
    """Whether a session belongs to the day."""
    return _closes(calendar, on) is not None


def known_to(calendar: Calendar) -> date:
    """Last trading day whose hours are known; later ones follow the weekly rule. `date.max` where the rule is all there is."""
    return calendar_exceptions.UNTIL if calendar in _TABLES else date.max


def _closing_after(calendar: Calendar, ns: int) -> Session:
    """The first session whose close is later than `ns`.

    Every trading day closes later than the UTC midnight that begins it, and at the latest at the one that ends it.
    """
    day = ns // DAY
    session = _from(calendar, day)
    return session if ns < session.close else _from(calendar, day + 1)


@lru_cache(maxsize=4096)
def _from(calendar: Calendar, day: int) -> Session:
    """The session of a trading day, counted from the epoch, or the first one after it. Cached: rows ask in order of time."""
    hours = _HOURS[calendar]
    on = _EPOCH + timedelta(days=day)
    while (closes := _closes(calendar, on)) is None:
        on += timedelta(days=1)
    midnight = datetime.combine(on, time(), hours.zone)
    return Session(_ns(midnight + hours.opens), _ns(midnight + closes), on)


def _closes(calendar: Calendar, on: date) -> timedelta | None:
    """Local time of the close, counted from midnight; None for a day without a session."""
    hours = _HOURS[calendar]
    if on.weekday() not in hours.weekdays or (calendar == "forex" and (on.month, on.day) in _FOREX_HOLIDAYS):
        return None
    return _exceptions(calendar).get(on, hours.closes)


@lru_cache
def _exceptions(calendar: Calendar) -> Mapping[date, timedelta | None]:
    """Early closes, counted from midnight, and None for days without a session."""
    found: dict[date, timedelta | None] = {}
    for line in _TABLES.get(calendar, "").split("\n"):
        year, *entries = line.split(" ")
        for day, _, closes in (entry.partition("=") for entry in entries):
            found[date.fromisoformat(f"{year}-{day}")] = _since_midnight(closes) if closes else None
    return found


def _since_midnight(clock: str) -> timedelta:
    hours, minutes = clock.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def _ns(local: datetime) -> int:
    """UTC nanoseconds. A timedelta added to a local time moves the hands of its clock, whatever time passes: so are hours meant."""
    return int(local.timestamp()) * SECOND
