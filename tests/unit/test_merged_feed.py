"""Live feeds of several venues as one timeline."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.clocks import SystemClock
from libs.domain.market import BadRow
from libs.venues.feed import FeedStep
from libs.venues.merged import WINDOW_S, Merge, VenuesFeed
from tests.factories import NOON
from tests.paper import ALFA, COIN
from tests.scripted_feed import Crash, a_spread, a_trade, at, trades
from tests.scripted_live import ScriptedVenue, two_venues


def times(steps: Iterable[FeedStep]) -> list[int]:
    return [(step.time - NOON) // 10**6 for step in steps]


def test_a_step_waits_until_the_other_feed_can_bring_no_older_one() -> None:
    merge = Merge(2)
    merge.add(0, at(0.2), host=0.0)
    assert times(merge.ready(host=WINDOW_S / 2)) == []
    merge.add(1, at(0.1), host=WINDOW_S / 2)
    merge.add(1, at(0.3), host=WINDOW_S / 2)
    assert times(merge.ready(host=WINDOW_S / 2)) == [100, 200]


def test_a_step_waits_no_longer_than_the_window() -> None:
    merge = Merge(2)
    merge.add(0, at(0.2), host=0.0)
    assert merge.wait_s(host=WINDOW_S / 4) == pytest.approx(WINDOW_S * 3 / 4)
    assert times(merge.ready(host=WINDOW_S)) == [200]
    assert merge.wait_s(host=1.0) is None


def test_what_was_overtaken_comes_after_what_overtook_it_and_keeps_its_own_time() -> None:
    merge = Merge(2)
    merge.add(0, at(0.2), host=0.0)
    first = list(merge.ready(host=1.0))
    merge.add(1, at(0.1, a_trade(0.1, 100.0)), host=1.0)
    second = list(merge.ready(host=1.0))
    assert [step.time for step in second] == [first[0].time + 1]
    assert second[0].events == (a_trade(0.1, 100.0),)


ARRIVALS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50), st.floats(0, 0.01)), max_size=60)


@given(ARRIVALS)
def test_every_step_comes_once_ascending_and_each_feeds_own_order_is_kept(arrivals: list[tuple[int, int, float]]) -> None:
    merge, host, clock, given_steps = Merge(3), 0.0, [NOON] * 3, list[FeedStep]()
    for n, (feed, ahead, pause) in enumerate(arrivals):
        host += pause
        clock[feed] += ahead + 1
        row = BadRow(venue=str(feed), symbol="ALFA", ts=clock[feed], reason="", raw=str(n))
        merge.add(feed, FeedStep(clock[feed], [row]), host)
        given_steps += merge.ready(host)
    given_steps += merge.rest()
    assert all(one.time < other.time for one, other in zip(given_steps, given_steps[1:], strict=False))
    rows = [event for step in given_steps for event in step.events]
    assert sorted(int(row.raw) for row in rows if isinstance(row, BadRow)) == list(range(len(arrivals)))
    for number in ("0", "1", "2"):
        own = [row.ts for row in rows if isinstance(row, BadRow) and row.venue == number]
        assert own == sorted(own)


async def told(feed: VenuesFeed, after: int = NOON - 1) -> list[FeedStep]:
    return [step async for step in feed.steps(after)]


async def test_events_carry_the_markets_name_and_are_numbered_anew_by_symbol_and_kind() -> None:
    stocks = [at(0.1, a_trade(0.1, 100.0, seq=7)), at(0.2, a_spread(0.2, 99.0, 101.0, seq=9)), at(0.3, a_trade(0.3, 101.0, seq=11))]
    first, second = ScriptedVenue(ALFA, stocks), ScriptedVenue(COIN, [at(0.2, a_trade(0.2, 5.0, symbol="BTC/USD", seq=40))])
    feed = VenuesFeed({"stocks": first, "crypto": second}, SystemClock(), venue="SIM-3", seed=3, start=NOON, speed=1.0)
    assert {instrument.venue for instrument in feed.instruments} == {"SIM-3"}
    for venue in (first, second):
        venue.pass_to(1)
        venue.end()
    events = [event for step in await told(feed) for event in step.events]
    assert {event.venue for event in events} == {"SIM-3"}
    seqs = sorted((event.symbol, type(event).__name__, event.seq) for event in events if not isinstance(event, BadRow))
    assert seqs == [("ALFA", "Quote", 1), ("ALFA", "TradeTick", 1), ("ALFA", "TradeTick", 2), ("BTC/USD", "TradeTick", 1)]


async def test_what_was_missed_is_asked_of_each_venue() -> None:
    feed, first, second = two_venues(trades((0.1, 100.0), (0.3, 101.0)), [at(0.2, a_trade(0.2, 5.0, symbol="BTC/USD"))])
    for venue in (first, second):
        venue.pass_to(1)
        venue.end()
    assert times(await told(feed, at(0.1).time)) == [200, 300]
    assert first.asked_after == second.asked_after == [at(0.1).time]


async def test_a_venue_that_fails_is_not_hidden_by_one_that_lives() -> None:
    class Failing(ScriptedVenue):
        async def steps(self, after: int) -> AsyncIterator[FeedStep]:
            raise Crash
            yield

    other = ScriptedVenue(COIN)
    feed = VenuesFeed({"stocks": Failing(ALFA), "crypto": other}, SystemClock(), venue="TEST", seed=1, start=NOON, speed=1.0)
    with pytest.raises(Crash):
        async with asyncio.timeout(5):
            await told(feed)


def test_a_symbol_at_two_venues_is_refused() -> None:
    both = {"a": ScriptedVenue(ALFA), "b": ScriptedVenue(msgspec.structs.replace(ALFA, venue="B"))}
    with pytest.raises(ValueError, match="each symbol at one venue, got ALFA at several"):
        VenuesFeed(both, SystemClock(), venue="TEST", seed=1, start=NOON, speed=1.0)


async def test_closing_closes_every_venue() -> None:
    feed, first, second = two_venues([], [])
    await feed.close()
    assert first.closed
    assert second.closed
