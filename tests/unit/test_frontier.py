"""How far a live market has come, by what its venues have told and how their connections are."""

from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.clocks import SECOND
from services.data_collector.frontier import BACK_S, GAPS, HOLD_S, PATIENCE_S, QUIET_S, Estimate, Frontier
from tests.factories import NOON

SPEED = 10.0


def market(seconds: float) -> int:
    return NOON + round(seconds * SECOND)


def a_frontier(*venues: str, lead_s: float = float("inf")) -> Frontier:
    """At host second 0, with every venue connected and nothing missed."""
    estimate = Estimate(NOON, SPEED, lead_s)
    estimate.hear(NOON + 1, 0.0)
    frontier = Frontier(dict.fromkeys(venues, NOON), NOON, estimate, 0.0)
    for venue in venues:
        frontier.link(venue, True, 0.0)
        frontier.hear(venue, NOON + 1, 0.0001)
    frontier.advance(0.0002)
    return frontier


def told_until(frontier: Frontier, host: float, *venues: str, every: float = 0.01) -> float:
    """The venues speak every so many host seconds, without delay."""
    n = 1
    while n * every <= host:
        for venue in venues:
            frontier.hear(venue, market(n * every * SPEED), n * every)
        frontier.advance(n * every)
        n += 1
    return (n - 1) * every


def test_what_every_venue_has_told_has_happened() -> None:
    frontier = a_frontier("stocks", "crypto")
    frontier.hear("stocks", market(2.0), 0.2)
    frontier.hear("crypto", market(1.9), 0.2)
    assert frontier.advance(0.2) == market(1.9)


def test_time_goes_on_while_nothing_happens_as_far_as_what_is_under_way_has_come() -> None:
    frontier = a_frontier("crypto")
    frontier.hear("crypto", market(1.0), 0.1)
    assert frontier.advance(0.1 + PATIENCE_S) == market(1.0)
    assert frontier.advance(0.1 + PATIENCE_S + 1.0) == market(1.0 + SPEED)


def test_time_never_goes_back() -> None:
    frontier = a_frontier("crypto")
    frontier.hear("crypto", market(5.0), 0.1)
    before = frontier.advance(2.0)
    frontier.hear("crypto", market(5.5), 2.0)  # the venue itself has stood still
    assert frontier.advance(2.0 + PATIENCE_S + 0.01) == before


def test_a_lead_is_bounded_where_the_venue_says_how_time_passes() -> None:
    frontier = a_frontier("crypto", lead_s=2.0)
    frontier.hear("crypto", market(1.0), 0.1)
    assert frontier.advance(100.0) == market(1.0 + 2 * SPEED)


def test_a_lost_venue_holds_up_the_others_for_a_while_and_is_then_left_behind() -> None:
    frontier = a_frontier("stocks", "crypto")
    host = told_until(frontier, 1.0, "stocks", "crypto")
    frontier.link("stocks", False, host)
    frontier.hear("crypto", market(20), 2.0)
    assert frontier.advance(2.0) == market(10)
    assert not frontier.behind
    frontier.hear("crypto", market(70), host + HOLD_S + 1)
    assert frontier.advance(host + HOLD_S + 1) == market(10), "the hold is counted from when it was noticed"
    assert frontier.advance(2.0 + HOLD_S + 0.1) == market(70)
    assert frontier.behind == {"stocks"}


def test_a_venue_that_is_back_is_waited_for_until_it_has_told_what_it_missed() -> None:
    frontier = a_frontier("stocks", "crypto")
    host = told_until(frontier, 1.0, "stocks", "crypto")
    frontier.link("stocks", False, host)
    frontier.hear("crypto", market(15), 1.5)
    frontier.link("stocks", True, 1.5)
    frontier.hear("stocks", market(11), 1.6)
    assert frontier.advance(1.6) == market(11)
    frontier.hear("stocks", market(16), 1.65)
    assert frontier.advance(1.65) == market(15)  # crypto has spoken so far, and not for long enough to be believed quiet
    assert not frontier.behind


def test_a_venue_that_is_back_and_missed_nothing_is_waited_for_for_a_second() -> None:
    frontier = a_frontier("stocks", "crypto")
    told_until(frontier, 1.0, "stocks", "crypto", every=0.5)
    frontier.link("stocks", False, 1.0)
    frontier.link("stocks", True, 1.2)
    frontier.hear("crypto", market(20), 2.1)
    assert frontier.advance(2.1) == market(10)
    assert frontier.advance(1.2 + BACK_S + 0.2) == market(20.5)  # where the market was a patience ago


def test_without_any_venue_time_stands_still() -> None:
    frontier = a_frontier("stocks", "crypto")
    told_until(frontier, 1.0, "stocks", "crypto")
    for venue in ("stocks", "crypto"):
        frontier.link(venue, False, 1.0)
    assert not frontier.alive
    assert frontier.advance(60.0) == market(10)


def test_a_silence_that_is_not_like_a_venue_is_taken_for_a_mute_socket() -> None:
    frontier = a_frontier("stocks", "crypto")
    host = told_until(frontier, 1.0, "stocks", "crypto")
    frontier.hear("crypto", market(20), host + 1.0)
    assert frontier.advance(host + 1.0) == market(10)
    assert frontier.advance(host + 1.0 + HOLD_S + 0.1) > market(19)
    assert "stocks" in frontier.behind
    frontier.hear("crypto", market(10 + SPEED * QUIET_S), host + QUIET_S)
    frontier.advance(host + QUIET_S)
    assert "stocks" not in frontier.behind, "it has nothing to say, or its adapter would have noticed"


def test_a_venue_that_has_closed_holds_nobody_up() -> None:
    frontier = a_frontier("stocks", "crypto")
    host = told_until(frontier, 1.0, "stocks", "crypto")
    frontier.hours("stocks", False)
    frontier.hear("crypto", market(20), host + 1.0)
    assert frontier.advance(host + 1.0) == market(20 - PATIENCE_S * SPEED)


def test_a_venue_that_speaks_seldom_is_not_suspected() -> None:
    frontier = a_frontier("stocks", "crypto")
    host = told_until(frontier, 40.0, "stocks", every=1.0)
    silence = GAPS / 4
    frontier.hear("crypto", market((host + silence) * SPEED), host + silence)
    assert frontier.advance(host + silence) == market((host + silence - PATIENCE_S) * SPEED)


def test_one_stall_does_not_make_a_venue_one_that_speaks_seldom() -> None:
    frontier = a_frontier("stocks", "crypto")
    told_until(frontier, 0.1, "stocks", "crypto")
    for n in range(20):
        frontier.hear("stocks", market(50 + n / 10), 5.0 + n / 100)
        frontier.hear("crypto", market(50 + n / 10), 5.0 + n / 100)
        frontier.advance(5.0 + n / 100)
    frontier.hear("crypto", market(60), 6.0)
    assert frontier.advance(6.0) == market(51.9)


def test_a_simulated_market_that_was_away_goes_on_from_where_it_stood() -> None:
    frontier = a_frontier("crypto", lead_s=2.0)
    told_until(frontier, 1.0, "crypto")
    frontier.link("crypto", False, 1.0)
    frontier.link("crypto", True, 3.0)
    assert frontier.advance(3.0 + PATIENCE_S + 0.1) == market(10)
    frontier.hear("crypto", market(10.1), 3.5)
    assert frontier.advance(3.5) == market(10.1)


def test_what_comes_after_a_suspicious_silence_is_waited_for_whole() -> None:
    frontier = a_frontier("stocks", "crypto")
    told_until(frontier, 1.0, "stocks", "crypto")
    frontier.hear("crypto", market(20), 2.0)
    frontier.advance(2.0)
    frontier.hear("stocks", market(10.1), 2.0)  # the first of what had piled up
    assert frontier.advance(2.001) == market(10.1)


def test_a_venue_that_had_told_less_than_the_session_when_it_stopped_is_incomplete_until_it_has_caught_up() -> None:
    frontier = Frontier({"stocks": market(3.0), "crypto": market(10.0)}, market(10.0), Estimate(market(10.0), SPEED, 2.0), 0.0)
    for venue in ("stocks", "crypto"):
        frontier.link(venue, True, 0.1)
    frontier.hear("crypto", market(11.0), 0.2)
    frontier.hear("stocks", market(9.9), 0.2)
    assert (frontier.advance(0.2), frontier.incomplete, frontier.behind) == (market(10.0), frozenset({"stocks"}), frozenset())
    frontier.hear("stocks", market(11.0), 0.21)
    assert (frontier.advance(0.21), frontier.incomplete) == (market(11.0), frozenset())


def test_a_night_that_one_venue_skips_first_leaves_the_other_time_for_its_last_words() -> None:
    frontier = a_frontier("stocks", "crypto")
    told_until(frontier, 1.0, "stocks", "crypto")
    frontier.hear("crypto", market(60_000), 1.001)
    assert frontier.advance(1.002) == market(10)
    frontier.hear("stocks", market(10.05), 1.005)
    frontier.hear("stocks", market(60_000.1), 1.006)
    assert frontier.advance(1.007) == market(60_000)


DELIVERIES = st.lists(
    st.tuples(st.sampled_from(["stocks", "crypto"]), st.floats(0.0, 3.0), st.floats(0.0, PATIENCE_S)), min_size=1, max_size=60
)


@given(DELIVERIES)
@example([("stocks", 0.0, 0.0078125), ("stocks", 0.125, 0.0), ("stocks", 0.0, PATIENCE_S)])  # two within the grain of the past
def test_no_event_of_a_connected_venue_comes_after_its_time(deliveries: list[tuple[str, float, float]]) -> None:
    """Whatever the pauses, as long as none is under way for longer than the patience and a socket keeps its order."""
    frontier = a_frontier("stocks", "crypto")
    happened, arrivals, last = 0.01, list[tuple[float, str, int]](), {"stocks": 0.0, "crypto": 0.0}
    for venue, pause, delay in deliveries:
        happened += pause / SPEED
        last[venue] = max(last[venue], happened + delay)
        arrivals.append((last[venue], venue, market(happened * SPEED)))
    for came, venue, time in sorted(arrivals):
        assert frontier.advance(came - 1e-6) <= time
        frontier.hear(venue, time, came)
