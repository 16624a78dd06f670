from libs.common.clocks import SECOND, MarketClock
from tests.factories import HandClock

START = 1_000 * SECOND


def a_clock(speed: float = 10.0) -> tuple[HandClock, MarketClock]:
    host = HandClock()
    market = MarketClock(host)
    market.hear(START, speed)
    return host, market


def test_market_time_is_zero_before_anything_was_heard() -> None:
    assert MarketClock(HandClock()).now() == 0


def test_between_messages_market_time_runs_with_the_host_times_speed() -> None:
    host, market = a_clock(speed=10.0)
    host.move(1.5)
    assert market.now() == START + 15 * SECOND


def test_market_time_runs_ahead_of_the_newest_message_by_two_host_seconds_at_most() -> None:
    host, market = a_clock(speed=10.0)
    host.move(2.0)
    assert market.now() == START + 20 * SECOND
    host.move(60.0)
    assert market.now() == START + 20 * SECOND


def test_what_was_heard_does_not_run_ahead() -> None:
    host, market = a_clock(speed=600.0)
    host.move(1.0)
    assert (market.heard(), market.now()) == (START, START + 600 * SECOND)
    market.hear(START + SECOND, 600.0)
    market.hear(START, 600.0)
    assert market.heard() == START + SECOND


def test_a_message_behind_our_own_reckoning_does_not_turn_time_back() -> None:
    host, market = a_clock(speed=10.0)
    host.move(2.0)
    assert market.now() == START + 20 * SECOND
    market.hear(START + 5 * SECOND, 10.0)
    assert market.now() == START + 20 * SECOND
    host.move(2.0)
    assert market.now() == START + 25 * SECOND


def test_an_older_message_shows_that_the_clock_lives_and_nothing_else() -> None:
    host, market = a_clock(speed=10.0)
    host.move(4.0)
    market.hear(START - SECOND, 600.0)
    assert not market.stale()
    host.move(2.0)
    assert market.now() == START + 20 * SECOND


def test_in_lockstep_host_time_adds_nothing() -> None:
    host, market = a_clock(speed=0.0)
    host.move(1.0)
    assert market.now() == START


def test_three_silent_host_seconds_are_fresh_and_more_are_stale() -> None:
    host, market = a_clock()
    host.move(3.0)
    assert not market.stale()
    host.move(0.001)
    assert market.stale()
    market.hear(START, 10.0)
    assert not market.stale()


def test_a_clock_never_heard_is_stale() -> None:
    assert MarketClock(HandClock()).stale()


def test_another_session_may_begin_earlier() -> None:
    _, market = a_clock()
    market.restart()
    assert market.stale()
    assert market.now() == 0
    market.hear(SECOND, 1.0)
    assert market.now() == SECOND
