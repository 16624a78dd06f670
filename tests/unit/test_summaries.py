"""The daily word: when it is due, and what it says."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from libs.domain.faults import Fault
from libs.domain.summaries import Day, Worth, due, summary

FAULT = Fault("feed_stale", "critical", "The market stands still", "", "", datetime(2025, 1, 6, 6, 30, tzinfo=UTC))
DAY = Day(12, 1, 0, [Worth("paper", "USD", Decimal("101234.5"), Decimal("-10"), Decimal("1234.5"))], [])


@pytest.mark.parametrize(
    ("now", "is_due"),
    [
        ("2025-01-06T05:59:59Z", False),  # 06:59:59 in Berlin
        ("2025-01-06T06:00:00Z", True),
        ("2025-01-06T06:59:59Z", True),
        ("2025-01-06T07:00:00Z", False),
        ("2025-07-06T05:00:00Z", True),  # summer time
    ],
)
def test_it_is_due_within_an_hour_of_its_time(now: str, is_due: bool) -> None:
    assert (due(datetime.fromisoformat(now), "07:00", "Europe/Berlin") is not None) == is_due


def test_each_day_has_one_id_also_over_midnight() -> None:
    first = datetime(2025, 1, 6, 23, 50, tzinfo=UTC)
    ids = [due(first + timedelta(minutes=minutes), "23:45", "UTC") for minutes in (0, 5, 40, 24 * 60)]
    assert ids[0] is not None
    assert ids[0] == ids[1] == ids[2] != ids[3]


def test_without_a_time_it_is_never_due() -> None:
    assert due(datetime(2025, 1, 6, tzinfo=UTC), "", "UTC") is None


def test_all_is_well_says_what_was_earned() -> None:
    found = summary([], {"risk_manager": 3 * 3600.0}, DAY)
    assert (found.severity, found.title) == ("info", "All is well")
    assert "- paper: 101,234.50 USD, day -10.00, in all +1,234.50" in found.body
    assert "- last 24 hours: 12 trades, 1 order, 0 refusals" in found.body
    assert "- risk_manager: up 3 h 0 min" in found.body


def test_what_is_not_well_comes_first() -> None:
    found = summary([FAULT], {"risk_manager": None}, None)
    assert (found.severity, found.title) == ("warning", "Not well: 1 fault")
    assert found.body.startswith("- **The market stands still**, since 2025-01-06 06:30 UTC")
    assert "The record does not answer" in found.body
    assert "- risk_manager: not heard" in found.body
