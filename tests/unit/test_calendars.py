"""Sessions of the markets: holidays, early closes, the nights on which clocks change, and what the stored table was made from."""

import csv
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import calendar_table
from libs.domain.instruments import Calendar
from libs.domain.times import SECOND
from libs.quant.calendar_exceptions import UNTIL
from libs.quant.calendars import DAY, Session, close_of, is_open, known_to, next_open, overlaps, session_of, sessions

CALENDARS = st.sampled_from(get_args(Calendar))
MOMENTS = st.integers(min_value=-4_000_000_000 * SECOND, max_value=4_000_000_000 * SECOND)  # 1843 to 2096
TABLED = pytest.mark.parametrize("calendar", calendar_table.SOURCES)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def midnight(day: date) -> int:
    return at(day.isoformat())


@pytest.mark.parametrize(
    ("calendar", "opens", "closes"),
    [
        pytest.param("us_equity", "2008-03-07T14:30", "2008-03-07T21:00", id="Friday before summer time"),
        pytest.param("us_equity", "2008-03-10T13:30", "2008-03-10T20:00", id="Monday after"),
        pytest.param("us_equity", "2024-11-01T13:30", "2024-11-01T20:00", id="Friday before winter time"),
        pytest.param("us_equity", "2024-11-04T14:30", "2024-11-04T21:00", id="Monday after that"),
        pytest.param("us_equity", "2015-12-24T14:30", "2015-12-24T18:00", id="Christmas Eve"),
        pytest.param("us_equity", "2026-11-27T14:30", "2026-11-27T18:00", id="day after Thanksgiving"),
        pytest.param("forex", "2014-05-04T21:00", "2014-05-05T21:00", id="a week begins on Sunday evening"),
        pytest.param("forex", "2024-03-07T22:00", "2024-03-08T22:00", id="a week ends on Friday, in winter"),
        pytest.param("forex", "2024-03-10T21:00", "2024-03-11T21:00", id="the next begins in summer"),
        pytest.param("cme_globex", "2020-01-05T23:00", "2020-01-06T23:00", id="Globex begins on Sunday evening"),
        pytest.param("cme_globex", "2019-07-03T22:00", "2019-07-04T17:00", id="Independence Day ends at noon"),
        pytest.param("cme_globex", "2019-07-04T22:00", "2019-07-05T22:00", id="and the next day begins that evening"),
        pytest.param("24/7", "2024-03-09T00:00", "2024-03-10T00:00", id="around the clock a UTC day"),
    ],
)
def test_a_session_has_the_hours_of_its_market(calendar: Calendar, opens: str, closes: str) -> None:
    assert next_open(calendar, at(opens)) == at(opens)
    assert close_of(calendar, at(opens)) == at(closes)
    assert close_of(calendar, at(closes) - 1) == at(closes)


@pytest.mark.parametrize(
    ("calendar", "closed", "reopens"),
    [
        pytest.param("us_equity", "2001-09-10T20:00", "2001-09-17T13:30", id="attacks of 2001"),
        pytest.param("us_equity", "2012-10-26T20:00", "2012-10-31T13:30", id="hurricane of 2012"),
        pytest.param("us_equity", "2024-03-08T21:00", "2024-03-11T13:30", id="weekend with a change of clocks"),
        pytest.param("forex", "2013-12-24T22:00", "2013-12-25T22:00", id="currencies at Christmas"),
        pytest.param("forex", "2017-12-29T22:00", "2018-01-01T22:00", id="currencies at New Year"),
        pytest.param("cme_globex", "2018-12-04T23:00", "2018-12-05T23:00", id="Globex on a day of mourning"),
        pytest.param("cme_globex", "2024-03-28T22:00", "2024-03-31T22:00", id="Globex at Easter"),
    ],
)
def test_a_market_stays_closed_from_one_session_to_the_next(calendar: Calendar, closed: str, reopens: str) -> None:
    assert is_open(calendar, at(closed) - 1)
    assert not is_open(calendar, at(closed))
    assert not overlaps(calendar, at(closed), at(reopens))
    assert next_open(calendar, at(closed)) == at(reopens)


def test_a_closed_market_has_no_session_and_no_close() -> None:
    assert session_of("us_equity", at("2024-03-09T15:00")) is None
    with pytest.raises(ValueError, match="us_equity is closed at 17099964"):
        close_of("us_equity", at("2024-03-09T15:00"))


def test_a_session_that_begins_in_the_evening_belongs_to_the_next_day() -> None:
    sunday = at("2014-05-04T21:00")
    assert session_of("forex", sunday) == Session(sunday, sunday + DAY, date(2014, 5, 5))


def test_an_hour_that_holds_the_open_overlaps_the_session() -> None:
    assert overlaps("us_equity", at("2024-03-11T13:00"), at("2024-03-11T14:00"))
    assert not overlaps("us_equity", at("2024-03-11T13:00"), at("2024-03-11T13:30"))
    assert not overlaps("us_equity", at("2024-03-11T20:00"), at("2024-03-11T21:00"))


def test_an_empty_stretch_overlaps_nothing() -> None:
    assert not overlaps("24/7", at("2024-03-11T13:00"), at("2024-03-11T13:00"))


def test_sessions_are_those_that_a_stretch_touches_and_whole() -> None:
    found = [session.date.isoformat() for session in sessions("us_equity", at("2024-07-03T16:59"), at("2024-07-08T13:30"))]
    assert found == ["2024-07-03", "2024-07-05"]


@given(CALENDARS, MOMENTS)
def test_a_market_is_open_from_its_open_to_before_its_close(calendar: Calendar, ns: int) -> None:
    opens = next_open(calendar, ns)
    session = session_of(calendar, opens)
    assert session is not None
    assert ns <= session.open == opens < session.close == close_of(calendar, opens)
    assert session_of(calendar, session.close - 1) == session
    assert session_of(calendar, session.close) != session
    assert session_of(calendar, opens - 1) != session


@given(CALENDARS, MOMENTS)
def test_the_next_open_is_its_own_next_open_and_nothing_opens_before_it(calendar: Calendar, ns: int) -> None:
    opens = next_open(calendar, ns)
    assert next_open(calendar, opens) == opens
    now = session_of(calendar, ns)
    assert not overlaps(calendar, now.close if now else ns, opens) or opens == ns


@given(CALENDARS, MOMENTS, st.integers(min_value=1, max_value=40 * DAY))
def test_sessions_ascend_without_a_common_moment(calendar: Calendar, start: int, length: int) -> None:
    found = list(sessions(calendar, start, start + length))
    assert all(before.close <= after.open and before.date < after.date for before, after in pairwise(found))
    assert bool(found) == overlaps(calendar, start, start + length)
    assert all(session.open < start + length and start < session.close for session in found)


@given(CALENDARS, MOMENTS, st.integers(min_value=1, max_value=3 * DAY))
def test_a_stretch_overlaps_when_it_begins_in_a_session_or_one_begins_in_it(calendar: Calendar, start: int, length: int) -> None:
    assert overlaps(calendar, start, start + length) == (is_open(calendar, start) or next_open(calendar, start) < start + length)


@TABLED
def test_every_known_session_is_that_of_the_source(calendar: Calendar) -> None:
    source = calendar_table.recorded(calendar_table.SOURCES[calendar], UNTIL)
    expected = [Session(*of_day) for of_day in zip(source.opens_nanos, source.closes_nanos, source.sessions.date, strict=True)]
    assert len(expected) > 9000
    found = sessions(calendar, midnight(calendar_table.SINCE), midnight(UNTIL) + DAY)
    assert [session for session in found if session.date <= UNTIL] == expected


def test_the_stored_table_is_what_the_source_says() -> None:
    assert calendar_table.TABLE.read_text() == calendar_table.source(UNTIL), "run `python -m fleet.calendar_table`"


def test_a_source_with_hours_that_the_table_cannot_say_is_refused() -> None:
    saturday = datetime(2024, 3, 9, tzinfo=UTC)
    with pytest.raises(ValueError, match="NEW: expected no late opens and no weekend sessions, got .*2024, 3, 9"):
        list(calendar_table.exceptions(SimpleNamespace(name="NEW", sessions=[saturday], late_opens=[]), UNTIL))


@TABLED
def test_beyond_the_table_the_weekly_hours_hold(calendar: Calendar) -> None:
    assert known_to(calendar) == UNTIL
    christmas = midnight(date(UNTIL.year + 1, 12, 25))
    last = close_of(calendar, next_open(calendar, midnight(UNTIL + timedelta(days=1))))
    later = list(sessions(calendar, last, christmas + 14 * DAY))
    assert {session.date.weekday() for session in later} == {0, 1, 2, 3, 4}
    assert all(after.date - before.date <= timedelta(days=3) for before, after in pairwise(later))


def test_what_follows_from_the_rule_alone_is_known_for_ever() -> None:
    assert known_to("24/7") == known_to("forex") == date.max


def test_holidays_and_half_days_agree_with_a_second_source(market_data_dir: Path) -> None:
    """The list of Lean. It lacks three early closes; what it has at weekends, on which nothing trades anyway, is left out."""
    with (market_data_dir / "calendars" / "us_equity_holidays.csv").open() as file:
        listed = {date.fromisoformat(row["date"]): row["close_time_local"] for row in csv.DictReader(file)}
    theirs = {day: closes[:5] for day, closes in listed.items() if day.weekday() < 5 and day <= UNTIL}
    ours = dict(calendar_table.exceptions(calendar_table.recorded("XNYS", UNTIL), UNTIL))
    unlisted = {date(1998, 11, 27): "13:00", date(1998, 12, 24): "13:00", date(1999, 12, 31): "13:00"}
    assert {day: closes for day, closes in ours.items() if day.year >= 1998} == theirs | unlisted
