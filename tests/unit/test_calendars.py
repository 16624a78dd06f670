"""Sessions of the markets, around the nights on which New York changes its clocks."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.quant.calendars import close_of, is_open, next_open

SECOND = 1_000_000_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("opens", "closes"),
    [
        pytest.param("2024-03-08T14:30", "2024-03-08T21:00", id="Friday before summer time"),
        pytest.param("2024-03-11T13:30", "2024-03-11T20:00", id="Monday after"),
        pytest.param("2024-11-01T13:30", "2024-11-01T20:00", id="Friday before winter time"),
        pytest.param("2024-11-04T14:30", "2024-11-04T21:00", id="Monday after that"),
    ],
)
def test_us_hours_follow_new_york_through_the_change_of_clocks(opens: str, closes: str) -> None:
    assert not is_open("us_equity", at(opens) - 1)
    assert is_open("us_equity", at(opens))
    assert is_open("us_equity", at(closes) - 1)
    assert not is_open("us_equity", at(closes))
    assert close_of("us_equity", at(opens)) == at(closes)


def test_the_next_open_after_a_friday_is_monday_on_new_clocks() -> None:
    assert next_open("us_equity", at("2024-03-08T21:00")) == at("2024-03-11T13:30")


def test_an_open_is_its_own_next_open() -> None:
    assert next_open("us_equity", at("2024-03-11T13:30")) == at("2024-03-11T13:30")
    assert next_open("us_equity", at("2024-03-11T13:30") + 1) == at("2024-03-12T13:30")


def test_a_saturday_is_closed_and_has_no_close() -> None:
    saturday = at("2024-03-09T15:00")
    assert not is_open("us_equity", saturday)
    with pytest.raises(ValueError, match="closed"):
        close_of("us_equity", saturday)


def test_around_the_clock_is_a_session_a_day_without_a_break() -> None:
    noon = at("2024-03-09T12:00")
    assert is_open("24/7", noon)
    assert close_of("24/7", noon) == at("2024-03-10T00:00") == next_open("24/7", noon)


@given(st.integers(min_value=0, max_value=4_000_000_000 * SECOND))
def test_every_next_open_begins_a_session_of_six_and_a_half_hours(ns: int) -> None:
    opens = next_open("us_equity", ns)
    assert opens >= ns
    assert not is_open("us_equity", opens - 1)
    assert close_of("us_equity", opens) - opens == 6.5 * 3600 * SECOND
