"""Where a trading day begins: the nights on which clocks change, dates that a zone left out, and any moment at all."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.times import SECOND
from libs.quant.trading_day import trading_day, trading_day_of, trading_day_start

ZONES = st.sampled_from(["UTC", "America/New_York", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu"])
MOMENTS = st.integers(min_value=0, max_value=2_000_000_000 * SECOND)
TIMES = st.times().map(lambda t: t.strftime("%H:%M"))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("now", "starts_at", "tz", "start", "end"),
    [
        pytest.param("2024-07-01T00:00", "00:00", "UTC", "2024-07-01T00:00", "2024-07-02T00:00", id="its first nanosecond is of it"),
        pytest.param("2024-07-01T20:59", "17:00", "America/New_York", "2024-06-30T21:00", "2024-07-01T21:00", id="until the evening"),
        pytest.param("2024-03-10T12:00", "00:00", "America/New_York", "2024-03-10T05:00", "2024-03-11T04:00", id="23 hours in spring"),
        pytest.param("2024-11-03T12:00", "00:00", "America/New_York", "2024-11-03T04:00", "2024-11-04T05:00", id="25 hours in autumn"),
        pytest.param("2024-03-10T07:29", "02:30", "America/New_York", "2024-03-09T07:30", "2024-03-10T07:30", id="a time that was skipped"),
        pytest.param("2024-11-03T06:40", "01:30", "America/New_York", "2024-11-03T05:30", "2024-11-04T06:30", id="a time shown twice"),
        pytest.param("2006-10-29T02:45", "00:00", "America/St_Johns", "2006-10-29T02:30", "2006-10-30T03:30", id="midnight shown twice"),
        pytest.param("2011-12-30T12:00", "00:00", "Pacific/Apia", "2011-12-30T10:00", "2011-12-31T10:00", id="a date left out"),
    ],
)
def test_a_day_begins_when_the_local_clock_says_so(now: str, starts_at: str, tz: str, start: str, end: str) -> None:
    found = trading_day_of(at(now), starts_at, tz)
    assert (found.start, found.end) == (at(start), at(end))


def test_a_day_is_named_by_the_date_on_which_it_begins() -> None:
    assert trading_day(at("2024-07-01T20:59"), "17:00", "America/New_York") == date(2024, 6, 30)
    assert trading_day(at("2024-07-01T21:00"), "17:00", "America/New_York") == date(2024, 7, 1)


@given(MOMENTS, TIMES, ZONES)
def test_days_follow_one_another_without_a_gap(now: int, starts_at: str, tz: str) -> None:
    day = trading_day_of(now, starts_at, tz)
    assert day.start <= now < day.end
    assert trading_day_start(day.end - 1, starts_at, tz) == day.start
    assert trading_day_start(day.end, starts_at, tz) == day.end
