from datetime import UTC, datetime
from typing import Any

import pytest

from libs.domain.names import TIMEFRAMES
from libs.quant.risk.silence import silent
from tests.factories import SECOND


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


OPEN = at("2025-01-06T14:30:00")  # New York
NOON = at("2025-01-06T17:00:00")


def after(seconds: float, **changed: Any) -> bool:
    how: dict[str, Any] = {"most_s": 60.0, "speed": 1.0} | changed
    return silent("us_equity", NOON + int(seconds * SECOND), NOON, **how)


def test_a_symbol_is_silent_after_its_time_and_the_slack_of_a_host() -> None:
    assert not after(63)
    assert after(64)


@pytest.mark.parametrize("speed", [10.0, 100.0, 600.0])
def test_however_fast_the_market_is_played_a_word_may_take_three_seconds_of_the_host(speed: float) -> None:
    assert not after(60 + 3 * speed, speed=speed)
    assert after(61 + 3 * speed, speed=speed)


def test_where_only_bars_are_heard_two_of_them_may_pass() -> None:
    bars = {"bar_ns": TIMEFRAMES["1m"], "grace_ns": SECOND}
    assert not after(60 + 3 + 121, **bars)
    assert after(60 + 3 + 122, **bars)


def test_a_market_that_is_shut_is_not_silent_and_one_that_opens_has_its_time_from_the_open() -> None:
    friday = at("2025-01-03T21:00:00")
    assert not silent("us_equity", OPEN - SECOND, friday, most_s=60.0, speed=1.0)
    assert not silent("us_equity", OPEN + 60 * SECOND, friday, most_s=60.0, speed=1.0)
    assert silent("us_equity", OPEN + 64 * SECOND, friday, most_s=60.0, speed=1.0)
