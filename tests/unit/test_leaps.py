"""Steps from far ahead: taken when the market has gone there, refused when only their time was wrong."""

from libs.domain.market import BadRow
from libs.venues.feed import FeedStep
from libs.venues.leaps import FAR_S, Leaps
from tests.factories import NOON
from tests.scripted_feed import a_trade, at

SPEED = 10.0
STOCKS, CRYPTO = 0, 1


def leaps(speed: float = SPEED) -> Leaps:
    return Leaps(NOON, 0.0, speed)


def reasons(step: FeedStep) -> list[str]:
    return [event.reason.split(":")[0] for event in step.events if isinstance(event, BadRow)]


def test_what_is_near_is_taken_at_once() -> None:
    near = at(FAR_S * SPEED)
    assert leaps().judge(STOCKS, near, 0.0) == [near]


def test_a_night_is_skipped_once_a_second_step_is_there_too_and_the_first_is_not_lost() -> None:
    judge = leaps().judge
    assert judge(STOCKS, at(60_000), 0.1) == []
    assert judge(CRYPTO, at(0.1), 0.1) == [at(0.1)], "another venue may still tell of the evening"
    assert judge(STOCKS, at(60_000.5), 0.2) == [at(60_000), at(60_000.5)]
    assert judge(CRYPTO, at(60_000.6), 0.2) == [at(60_000.6)]


def test_a_wrong_time_is_put_aside_when_the_venue_goes_on_where_it_was() -> None:
    judge = leaps().judge
    judge(STOCKS, at(1e9, a_trade(1e9, 100.0)), 0.1)
    (step,) = judge(STOCKS, at(0.2, a_trade(0.2, 101.0)), 0.1)
    assert step.time == at(0.2).time
    assert reasons(step) == ["from_the_future"]
    assert step.events[1] == a_trade(0.2, 101.0)
    assert judge(STOCKS, at(0.3), 0.1) == [at(0.3)]


def test_two_wrong_times_that_do_not_agree_do_not_confirm_each_other() -> None:
    judge = leaps().judge
    judge(STOCKS, at(1e9, a_trade(1e9, 100.0)), 0.1)
    (step,) = judge(STOCKS, at(2e9, a_trade(2e9, 100.0)), 0.1)
    assert step.time == NOON + 10**9
    assert reasons(step) == ["from_the_future"]


def test_a_market_that_stood_still_for_long_is_expected_where_host_time_has_come_to() -> None:
    late = at(3600 * SPEED)
    assert leaps().judge(STOCKS, late, 3600.0) == [late]


def test_where_time_is_moved_by_hand_nothing_is_too_far() -> None:
    assert leaps(0.0).judge(STOCKS, at(1e9), 0.0) == [at(1e9)]
