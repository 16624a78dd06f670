"""When an account's trading day began. A day is named by the local date on which it begins."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from libs.domain.times import SECOND

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)


class TradingDay(NamedTuple):
    """From `start` to before `end`, UTC nanoseconds: 23 or 25 hours where the clocks change within it."""

    start: int
    end: int
    date: date


def trading_day_of(now_ns: int, starts_at: str, tz: str) -> TradingDay:
    """The trading day that market time `now_ns` lies in.

    Args:
        starts_at: local time of day, such as "17:00". On a day whose clock skips it, the day begins as many minutes
            later as the clock skips; on one that shows it twice, at the first.
        tz: an IANA time zone, such as "America/New_York".

    Raises:
        ValueError: `starts_at` is no time of day.
        ZoneInfoNotFoundError: `tz` is no time zone.
    """
    zone = _zone(tz)
    local = (_EPOCH + timedelta(seconds=now_ns // SECOND)).astimezone(zone).date()
    at = time.fromisoformat(starts_at)
    # A clock set back over midnight shows yesterday's date again on a day that has begun: so tomorrow is looked at too.
    for day in (local + _DAY, local, local - _DAY):
        start = _moment(day, at, zone)
        if start <= now_ns:
            return TradingDay(start, _next(start, day, at, zone), day)
    raise AssertionError(f"no trading day begins within a day before {now_ns}")


def trading_day_start(now_ns: int, starts_at: str, tz: str) -> int:
    """UTC nanoseconds at which the trading day of `now_ns` began; see `trading_day_of`."""
    return trading_day_of(now_ns, starts_at, tz).start


def trading_day(now_ns: int, starts_at: str, tz: str) -> date:
    """The local date on which the trading day of `now_ns` began; see `trading_day_of`."""
    return trading_day_of(now_ns, starts_at, tz).date


def _next(start: int, day: date, at: time, zone: ZoneInfo) -> int:
    """Start of the day after: a date that a zone has left out altogether begins with the one that follows it."""
    while (end := _moment(day := day + _DAY, at, zone)) <= start:
        pass
    return end


@lru_cache(maxsize=64)
def _zone(tz: str) -> ZoneInfo:
    return ZoneInfo(tz)


@lru_cache(maxsize=1024)
def _moment(day: date, at: time, zone: ZoneInfo) -> int:
    """UTC nanoseconds at which the clock shows `at` on `day`; of a time it skips, by the offset it had before (PEP 495)."""
    return (datetime.combine(day, at, zone) - _EPOCH) // timedelta(seconds=1) * SECOND
