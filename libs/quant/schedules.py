"""When a job is due: a rule of the operator's, calendars and a time in; times out. Whose time it is makes no difference here.

| rule | due |
| --- | --- |
| `at open`, `at close`, `at open and close` | where a session of the calendar begins, ends |
| `before open 30m`, `after open 5m`, `before close 1h`, `after close 15m` | so long before or after that |
| `daily 22:10 UTC`, `daily 17:00 America/New_York` | at that time of the zone's clock on trading days of the calendar |
| `every 15m` | at multiples of it, counted from 1970, while the calendar has a session |

A local time that a change of clocks skips is counted on with the offset before the change (02:30 becomes 03:30); one that it
shows twice is the first of the two. With several calendars a job is due whenever one of them says so.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from libs.domain.instruments import Calendar
from libs.domain.times import SECOND
from libs.quant.calendars import DAY, MINUTE, is_open, is_trading_day, next_open, sessions

LOOK_BACK: Final = 31 * DAY
"""What was due longer ago than that, on its own clock, is history."""
FORMS: Final = "at open|close|open and close, before|after open|close 30m, daily 22:10 UTC, every 15m"

_UNITS: Final = {"m": MINUTE, "h": 60 * MINUTE}
_LENGTH: Final = r"(?P<count>[1-9]\d{0,3})(?P<unit>[mh])"
_AT: Final = re.compile(r"at (?P<what>open|close|open and close)")
_BESIDE: Final = re.compile(rf"(?P<side>before|after) (?P<what>open|close) {_LENGTH}")
_DAILY: Final = re.compile(r"daily (?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d) (?P<zone>[A-Za-z][\w+\-/]*)")
_EVERY: Final = re.compile(rf"every {_LENGTH}")


class AtSession(NamedTuple):
    """At an end of each session, or beside it."""

    ends: tuple[Literal["open", "close"], ...]
    offset: int = 0  # ns, below 0 before it


class Daily(NamedTuple):
    """Once each trading day."""

    at: time
    zone: ZoneInfo


class Every(NamedTuple):
    """Again and again."""

    step: int  # ns


Rule = AtSession | Daily | Every


class Schedule(NamedTuple):
    """A rule with the calendars it goes by; without one it is never due."""

    rule: Rule
    calendars: tuple[Calendar, ...]


class Passed(NamedTuple):
    """Due times that have come: the first and the last of them, and how many there are."""

    first: int
    last: int
    times: int


def parse(text: str) -> Rule:
    """A rule as people write it.

    Raises:
        ValueError: it is none; the text says which there are.
    """
    if found := _AT.fullmatch(text):
        return AtSession(_ends(found["what"]))
    if found := _BESIDE.fullmatch(text):
        length = _length(found, at_most="12h")
        return AtSession(_ends(found["what"]), length if found["side"] == "after" else -length)
    if found := _DAILY.fullmatch(text):
        return Daily(time(int(found["hour"]), int(found["minute"])), _zone(found["zone"]))
    if found := _EVERY.fullmatch(text):
        return Every(_length(found, at_most="24h"))
    raise ValueError(f"expected one of {FORMS}, got {text!r}")


def next_due(schedule: Schedule, after: int) -> int | None:
    """The first due time later than `after`; UTC nanoseconds. None when there is none, as of a rule without a calendar."""
    each = (_next(schedule.rule, calendar, after) for calendar in schedule.calendars)
    return min((due for due in each if due is not None), default=None)


def passed(schedule: Schedule, after: int, now: int) -> Passed | None:
    """What was due in (after, now], at most `LOOK_BACK` back; None when nothing was."""
    due = next_due(schedule, max(after, now - LOOK_BACK))
    if due is None or due > now:
        return None
    first, times = due, 0
    while due is not None and due <= now:
        last, times = due, times + 1
        due = next_due(schedule, due)
    return Passed(first, last, times)


def _next(rule: Rule, calendar: Calendar, after: int) -> int | None:
    match rule:
        case AtSession(ends, offset):
            return next(due for due in _ends_of_sessions(calendar, ends, after - offset) if due > after - offset) + offset
        case Daily(at, zone):
            return next(due for due in _daily(calendar, at, zone, after) if due > after)
        case Every(step):
            return _multiple(calendar, step, after)


def _ends_of_sessions(calendar: Calendar, ends: Sequence[str], since: int) -> Iterator[int]:
    for session in sessions(calendar, since, since + LOOK_BACK):
        if "open" in ends:
            yield session.open
        if "close" in ends:
            yield session.close


def _daily(calendar: Calendar, at: time, zone: ZoneInfo, after: int) -> Iterator[int]:
    on = datetime.fromtimestamp(after // SECOND, UTC).astimezone(zone).date()
    while True:
        if is_trading_day(calendar, on):
            yield _moment(on, at, zone)
        on += timedelta(days=1)


def _moment(on: date, at: time, zone: ZoneInfo) -> int:
    return int(datetime.combine(on, at, zone).timestamp()) * SECOND


def _multiple(calendar: Calendar, step: int, after: int) -> int | None:
    """None when no session of a month holds one: midnight, of a market that closes in the afternoon."""
    due = (after // step + 1) * step
    while not is_open(calendar, due):
        due = -(-next_open(calendar, due) // step) * step
        if due > after + LOOK_BACK:
            return None
    return due


def _ends(what: str) -> tuple[Literal["open", "close"], ...]:
    return ("open", "close") if what == "open and close" else ("open",) if what == "open" else ("close",)


def _length(found: re.Match[str], at_most: str) -> int:
    length = int(found["count"]) * _UNITS[found["unit"]]
    if length > int(at_most[:-1]) * _UNITS[at_most[-1]]:
        raise ValueError(f"expected at most {at_most}, got {found[0]!r}")
    return length


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # not known; a folder of zones; no name of one
        raise ValueError(f"expected a time zone such as UTC or America/New_York, got {name!r}") from None
