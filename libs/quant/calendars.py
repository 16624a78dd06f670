"""When a market is open. Sessions are half-open: a market is open at its first nanosecond and closed at its last."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from libs.domain.instruments import Calendar

SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
DAY: Final = 24 * 3600 * SECOND

_EPOCH: Final = date(1970, 1, 1)
_NEW_YORK: Final = ZoneInfo("America/New_York")


def is_open(calendar: Calendar, ns: int) -> bool:
    """Whether the market is in a session at `ns` (UTC nanoseconds).

    `us_equity` is Monday to Friday 09:30 to 16:00 New York time; holidays and early closes are not known here yet, they
    come with exchange-calendars. `24/7` is always open, in sessions of one UTC day.
    """
    session = _session(calendar, ns // DAY)
    return session is not None and session[0] <= ns < session[1]


def next_open(calendar: Calendar, ns: int) -> int:
    """Start of the first session that begins at or after `ns`; UTC nanoseconds."""
    day = ns // DAY
    while (session := _session(calendar, day)) is None or session[0] < ns:
        day += 1
    return session[0]


def close_of(calendar: Calendar, ns: int) -> int:
    """End of the session that `ns` lies in; UTC nanoseconds.

    Raises:
        ValueError: the market is closed at `ns`.
    """
    session = _session(calendar, ns // DAY)
    if session is None or not session[0] <= ns < session[1]:
        raise ValueError(f"{calendar} is closed at {ns}: there is no session to close")
    return session[1]


@lru_cache(maxsize=4096)
def _session(calendar: Calendar, day: int) -> tuple[int, int] | None:
    """Open and close of the session of a UTC day, counted from the epoch. New York's hours never cross midnight UTC."""
    if calendar == "24/7":
        return day * DAY, (day + 1) * DAY
    on = _EPOCH + timedelta(days=day)
    if on.weekday() >= 5:
        return None
    return _new_york(on, 9, 30), _new_york(on, 16, 0)


def _new_york(on: date, hour: int, minute: int) -> int:
    local = datetime(on.year, on.month, on.day, hour, minute, tzinfo=_NEW_YORK)
    return (local.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * SECOND
