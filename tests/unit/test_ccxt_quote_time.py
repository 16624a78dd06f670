"""The time of quotes whose venue does not say when they were."""

from libs.venues.ccxt_venue.quote_time import QuoteTime
from tests.factories import NOON, SECOND, HandClock

SPEED = 10.0


def after(time: int) -> float:
    """Market seconds after NOON."""
    return round((time - NOON) / SECOND, 6)


def test_it_goes_on_from_the_newest_trade_at_the_speed_of_the_market() -> None:
    clock = HandClock()
    time = QuoteTime(clock, NOON, SPEED)
    clock.seconds += 1.0
    time.hear(NOON + 5 * SECOND)
    clock.seconds += 0.5
    assert after(time.now()) == 10.0


def test_it_never_goes_back() -> None:
    clock = HandClock()
    time = QuoteTime(clock, NOON, SPEED)
    clock.seconds += 1.0
    shown = time.now()
    time.hear(NOON + 5 * SECOND)  # the market was slower than it was taken for
    assert time.now() == shown
    clock.seconds += 1.0
    assert after(time.now()) == 15.0


def test_the_time_of_the_world_goes_on_while_nobody_is_connected() -> None:
    clock = HandClock()
    time = QuoteTime(clock, NOON, 1.0)
    time.lost()
    clock.seconds += 600.0
    assert after(time.now()) == 600.0


def test_a_simulated_market_that_was_away_is_where_its_trades_say_and_not_where_host_time_would_have_it() -> None:
    clock = HandClock()
    time = QuoteTime(clock, NOON, SPEED, lead_s=2.0)
    clock.seconds += 1.0
    time.hear(NOON + 10 * SECOND)
    time.lost()
    clock.seconds += 60.0
    assert after(time.now()) == 10.0
    time.hear(NOON + 11 * SECOND, refilled=True)
    clock.seconds += 0.1
    assert after(time.now()) == 12.0


def test_a_simulated_market_that_says_nothing_is_believed_to_go_on_for_a_while_only() -> None:
    clock = HandClock()
    time = QuoteTime(clock, NOON, SPEED, lead_s=2.0)
    clock.seconds += 60.0
    assert after(time.now()) == 20.0


def test_a_trade_that_was_missed_for_a_moment_does_not_hold_it_up() -> None:
    clock = HandClock()
    time = QuoteTime(clock, NOON, SPEED)
    time.hear(NOON + SECOND)
    clock.seconds += 0.2
    time.hear(NOON + 2 * SECOND, refilled=True)
    assert after(time.now()) == 3.0
