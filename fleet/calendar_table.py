"""Writes libs/quant/calendar_exceptions.py from exchange-calendars: `python -m fleet.calendar_table`.

Live services read that module, because exchange-calendars brings pandas with it, which costs a second and 45 MB.
"""

import importlib
import warnings
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final

TABLE: Final = Path(__file__).parents[1] / "libs" / "quant" / "calendar_exceptions.py"
SINCE: Final = date(1990, 1, 1)
SOURCES: Final[Mapping[str, str]] = {"us_equity": "XNYS", "cme_globex": "CMES"}
"""Names at exchange-calendars of the calendars that have exceptions."""

_HEAD: Final = '''\
"""Days on which a market keeps other hours than its weekly rule says.

Made by `python -m fleet.calendar_table` with exchange-calendars {version}; do not edit. One line a year: `MM-DD` is a day
without a session, `MM-DD=HH:MM` one that closes at that local time.
"""

from datetime import date
from typing import Final

SINCE: Final = {since}
UNTIL: Final = {until}
"""First and last day that the source was asked for."""
'''


def recorded(name: str, until: date | None = None) -> Any:
    """A calendar of exchange-calendars from `SINCE` to `until`; None is as far as it looks ahead, a year from today."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls what pandas 4 will drop
        library = importlib.import_module("exchange_calendars")
        return library.get_calendar(name, start=SINCE.isoformat(), end=until and until.isoformat())


def exceptions(calendar: Any, until: date) -> Iterator[tuple[date, str]]:
    """Each weekday without a session (``) and each early close (`HH:MM`, local), ascending.

    Raises:
        ValueError: the calendar has what the table cannot say: a late open, or a session at a weekend.
    """
    days = {day.date(): day for day in calendar.sessions}
    weekend = [day for day in days if day.weekday() >= 5]
    if len(calendar.late_opens) or weekend:
        raise ValueError(f"{calendar.name}: expected no late opens and no weekend sessions, got {[*calendar.late_opens, *weekend]}")
    early = {day.date(): f"{calendar.session_close(day).tz_convert(calendar.tz):%H:%M}" for day in calendar.early_closes}
    for number in range((until - SINCE).days + 1):
        day = SINCE + timedelta(days=number)
        if day in early:
            yield day, early[day]
        elif day.weekday() < 5 and day not in days:
            yield day, ""


def source(until: date | None = None) -> str:
    """The text of the module, known to `until`; None is as far as exchange-calendars looks ahead."""
    calendars = {ours: recorded(theirs, until) for ours, theirs in SOURCES.items()}
    until = until or min(calendar.last_session.date() for calendar in calendars.values())
    version = importlib.import_module("exchange_calendars").__version__
    head = _HEAD.format(version=version, since=_literal(SINCE), until=_literal(until))
    tables = (f'\n{ours.upper()}: Final = """\n{_lines(calendar, until)}"""\n' for ours, calendar in calendars.items())
    return head + "".join(tables)


def _lines(calendar: Any, until: date) -> str:
    years = groupby(exceptions(calendar, until), key=lambda found: found[0].year)
    return "".join(f"{year} {' '.join(_entry(*found) for found in of_year)}\n" for year, of_year in years)


def _literal(day: date) -> str:
    return f"date({day.year}, {day.month}, {day.day})"


def _entry(day: date, closes: str) -> str:
    return f"{day:%m-%d}={closes}" if closes else f"{day:%m-%d}"


def main() -> None:
    """Writes the table anew, as far ahead as exchange-calendars looks."""
    TABLE.write_text(source())
    print(f"wrote {TABLE.relative_to(TABLE.parents[2])}")


if __name__ == "__main__":
    main()
