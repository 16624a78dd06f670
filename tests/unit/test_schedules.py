"""When a job is due: known days of the markets, clocks that change, and what holds whatever the rule."""

from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.instruments import Calendar
from libs.domain.times import SECOND, iso
from libs.quant.calendars import DAY, is_open, is_trading_day, last_close
from libs.quant.misfires import Misfire, Verdict, judge
from libs.quant.schedules import LOOK_BACK, Passed, Schedule, next_due, parse, passed

RULES = ("at open", "at close", "at open and close", "before open 30m", "after open 5m", "before close 1h", "after close 5m",
         "daily 22:10 UTC", "daily 17:00 America/New_York", "every 15m", "every 1h")  # fmt: skip
SCHEDULES = st.builds(
    Schedule, st.sampled_from(RULES).map(parse), st.lists(st.sampled_from(get_args(Calendar)), min_size=1, max_size=3).map(tuple)
)
MOMENTS = st.integers(min_value=631_152_000, max_value=4_000_000_000).map(lambda seconds: seconds * SECOND)  # 1990 to 2096


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def due(rule: str, after: str, count: int, *calendars: Calendar) -> list[str]:
    """The next due times after a moment, without the year's digits and seconds."""
    schedule, found, moment = Schedule(parse(rule), calendars), list[int](), at(after)
    while len(found) < count:
        following = next_due(schedule, moment)
        assert following is not None
        found.append(moment := following)
    return [iso(each)[:16] for each in found]


@pytest.mark.parametrize(
    ("rule", "calendar", "after", "expected"),
    [
        pytest.param("at close", "us_equity", "2025-11-26T21:00", ["2025-11-28T18:00", "2025-12-01T21:00"], id="NYSE's half day"),
        pytest.param("after close 5m", "us_equity", "2025-11-28T18:00", ["2025-11-28T18:05", "2025-12-01T21:05"], id="beside it"),
        pytest.param("before open 30m", "us_equity", "2025-03-07T14:00", ["2025-03-10T13:00"], id="the open follows summer time"),
        pytest.param("at open", "us_equity", "2025-10-31T13:30", ["2025-11-03T14:30"], id="and winter time"),
        pytest.param("at open", "forex", "2025-03-07T22:00", ["2025-03-09T21:00", "2025-03-10T21:00"], id="forex week, Sunday 17:00"),
        pytest.param("at close", "forex", "2025-11-07T12:00", ["2025-11-07T22:00", "2025-11-10T22:00"], id="and its Friday"),
        pytest.param("at close", "cme_globex", "2025-07-03T22:00", ["2025-07-04T17:00", "2025-07-07T22:00"], id="Globex, 4 July"),
        pytest.param("at open and close", "24/7", "2025-01-01T12:00", ["2025-01-02T00:00", "2025-01-03T00:00"], id="days without hours"),
        pytest.param("daily 22:10 UTC", "us_equity", "2025-12-24T22:10", ["2025-12-26T22:10"], id="no day on Christmas"),
        pytest.param("daily 22:10 UTC", "24/7", "2025-12-24T22:10", ["2025-12-25T22:10"], id="every day"),
        pytest.param(
            "daily 17:00 America/New_York", "24/7", "2025-03-08T12:00", ["2025-03-08T22:00", "2025-03-09T21:00"], id="a zone's clock"
        ),
        pytest.param(
            "daily 02:30 America/New_York", "24/7", "2025-03-08T12:00", ["2025-03-09T07:30", "2025-03-10T06:30"], id="a skipped hour"
        ),
        pytest.param(
            "daily 01:30 America/New_York", "24/7", "2025-11-01T12:00", ["2025-11-02T05:30", "2025-11-03T06:30"], id="an hour twice"
        ),
        pytest.param("every 1h", "us_equity", "2025-01-06T19:59", ["2025-01-06T20:00", "2025-01-07T15:00"], id="while it is open"),
        pytest.param("every 15m", "24/7", "2025-01-06T19:59", ["2025-01-06T20:00", "2025-01-06T20:15"], id="around the clock"),
    ],
)
def test_a_rule_is_due_when_its_market_says(rule: str, calendar: Calendar, after: str, expected: list[str]) -> None:
    assert due(rule, after, len(expected), calendar) == expected


def test_with_several_calendars_each_has_its_say() -> None:
    assert due("at close", "2025-01-06T12:00", 3, "us_equity", "cme_globex") == ["2025-01-06T21:00", "2025-01-06T23:00", "2025-01-07T21:00"]


def test_a_rule_without_a_calendar_is_never_due() -> None:
    assert next_due(Schedule(parse("at open"), ()), 0) is None


def test_midnight_of_a_market_that_closes_in_the_afternoon_never_comes() -> None:
    assert next_due(Schedule(parse("every 24h"), ("us_equity",)), at("2025-01-06")) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("at noon", "expected one of at open"),
        ("every 0m", "expected one of"),
        ("daily 24:00 UTC", "expected one of"),
        ("daily 12:00", "expected one of"),
        ("every 25h", "expected at most 24h, got 'every 25h'"),
        ("before open 13h", "expected at most 12h"),
        ("daily 12:00 Mars/Olympus", "expected a time zone such as UTC"),
        ("daily 12:00 America", "expected a time zone"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)


@given(SCHEDULES, MOMENTS)
def test_the_next_due_time_is_the_next_of_every_moment_before_it(schedule: Schedule, after: int) -> None:
    found = next_due(schedule, after)
    assert found is not None
    assert after < found <= after + LOOK_BACK
    assert {next_due(schedule, moment) for moment in (found - 1, (after + found) // 2)} == {found}


@given(SCHEDULES, MOMENTS, st.integers(min_value=0, max_value=3 * DAY))
def test_what_passed_is_what_was_due_one_after_another(schedule: Schedule, after: int, length: int) -> None:
    now, each = after + length, list[int]()
    moment = next_due(schedule, max(after, now - LOOK_BACK))
    while moment is not None and moment <= now:
        each.append(moment)
        moment = next_due(schedule, moment)
    assert passed(schedule, after, now) == (Passed(each[0], each[-1], len(each)) if each else None)


@given(st.sampled_from(get_args(Calendar)), MOMENTS)
def test_the_last_close_ended_a_session_that_nothing_has_followed(calendar: Calendar, ns: int) -> None:
    closed = last_close(calendar, ns)
    assert closed <= ns
    assert is_open(calendar, closed - 1)
    assert next_due(Schedule(parse("at close"), (calendar,)), closed) > ns  # type: ignore[operator]


def test_a_trading_day_is_one_that_a_session_belongs_to() -> None:
    days = [datetime(2025, 11, day).date() for day in range(26, 31)]  # noqa: DTZ001 - dates
    assert [is_trading_day("us_equity", day) for day in days] == [True, False, True, False, False]


# --- misfires

NOW = at("2025-01-06T15:00")
ONCE = Passed(NOW - 60 * SECOND, NOW - 60 * SECOND, 1)
THRICE = Passed(NOW - 180 * SECOND, NOW - 60 * SECOND, 3)


@pytest.mark.parametrize(
    ("due_times", "misfire", "grace_s", "running", "expected"),
    [
        pytest.param(ONCE, "run once", 0, None, Verdict(ONCE.last, True, ""), id="late is no matter"),
        pytest.param(
            THRICE, "run once", 0, None, Verdict(ONCE.last, True, "stands for 3 due times since 2025-01-06T14:57:00Z"), id="coalesced"
        ),
        pytest.param(ONCE, "skip", 60, None, Verdict(ONCE.last, True, ""), id="exactly at its grace"),
        pytest.param(ONCE, "skip", 59, None, Verdict(ONCE.last, False, "0:01:00 late, its grace is 0:00:59"), id="a second beyond"),
        pytest.param(ONCE, "run once", 0, "14:00:00", Verdict(ONCE.last, False, "still running since 14:00:00"), id="never twice at once"),
        pytest.param(
            THRICE,
            "skip",
            0,
            None,
            Verdict(ONCE.last, False, "0:01:00 late, its grace is 0:00:00 (the last of 3 due times since 2025-01-06T14:57:00Z)"),
            id="all of them skipped",
        ),
    ],
)
def test_due_times_that_have_passed_are_run_once_or_skipped_with_the_reason(
    due_times: Passed, misfire: Misfire, grace_s: int, running: str | None, expected: Verdict
) -> None:
    assert judge(due_times, NOW, misfire, grace_s * SECOND, running) == expected


def test_a_jump_over_closed_hours_makes_one_run_of_what_they_held() -> None:
    schedule = Schedule(parse("every 1h"), ("24/7",))
    found = passed(schedule, at("2025-01-06T21:00"), at("2025-01-07T14:30"))
    assert found == Passed(at("2025-01-06T22:00"), at("2025-01-07T14:00"), 17)


def test_what_was_due_longer_than_a_month_ago_is_history() -> None:
    schedule = Schedule(parse("daily 12:00 UTC"), ("24/7",))
    found = passed(schedule, at("2020-01-01"), at("2025-01-31T13:00"))
    assert found is not None
    assert (iso(found.first)[:10], found.times) == ("2025-01-01", 31)
