"""The market of sim_venue as it is played, told, kept on its tape and gone on with."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path

import pytest

from libs.common.clocks import SECOND, HostClock
from libs.domain.market import Quote, TradeTick
from libs.domain.names import TIMEFRAMES
from libs.quant.bars import BarBuilder
from libs.venues.feed import FeedStep
from libs.venues.markets import named
from services.sim_venue.market import Pump
from services.sim_venue.tape import Tape
from tests.sim_venues import SimVenue, a_sim_venue

MINUTE = 60 * SECOND


class StandingClock(HostClock):
    """Host time that passes only when it is told to."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def now_ns(self) -> int:
        return int(self.at * SECOND)

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
async def venue(clock: StandingClock, tmp_path: Path) -> AsyncIterator[SimVenue]:
    async with a_sim_venue("synthetic", dialects=[], clock=clock, folder=tmp_path) as venue:
        yield venue


async def play(venue: SimVenue, clock: StandingClock, host_s: float, *, in_order: bool = True, speed: float = 10.0) -> Pump:
    """Plays the market for so long of host time."""
    feed = venue.venue.terms.feed
    assert feed is not None
    ends, ended = clock.at + host_s, asyncio.Event()

    async def sleep(seconds: float) -> None:
        if clock.at >= ends:
            ended.set()
            await asyncio.Event().wait()
        clock.at = min(ends, clock.at + max(seconds, 1e-6))

    pump = Pump(venue.host, feed, speed, clock, in_order=in_order, sleep=sleep)
    playing = asyncio.create_task(pump.run())
    await ended.wait()
    playing.cancel()
    return pump


async def test_market_time_runs_at_its_speed(venue: SimVenue, clock: StandingClock) -> None:
    began = venue.host.now()
    await play(venue, clock, 30)
    assert abs(venue.host.now() - began - 300 * SECOND) <= SECOND


async def test_market_time_never_passes_an_event_that_was_not_heard(venue: SimVenue, clock: StandingClock) -> None:
    await play(venue, clock, 5)
    clock.at += 3_600  # the host stands still
    newest = max(quote.ts for symbol in venue.host.listings if (quote := venue.host.tape.quote(symbol)))
    feed = venue.venue.terms.feed
    assert feed is not None
    assert newest <= venue.host.now() < next(feed.timeline(venue.host.exchange.now)).time


async def test_a_market_that_was_stopped_goes_on_where_it_stood(venue: SimVenue, clock: StandingClock) -> None:
    await play(venue, clock, 10)
    stood = venue.host.now()
    await venue.restart()
    assert venue.host.now() == stood
    await play(venue, clock, 1)
    assert venue.host.now() - stood <= 11 * SECOND


async def test_after_a_kill_it_goes_on_no_earlier_than_it_was_seen(venue: SimVenue, clock: StandingClock) -> None:
    await play(venue, clock, 10.9)
    seen = venue.host.now()
    venue.host.open = False
    await venue.restart()
    assert venue.host.now() < seen
    pump = await play(venue, clock, 0.01, in_order=venue.venue.recovered.in_order)
    assert pump.now() >= seen


async def test_who_watches_gets_every_event_once_and_in_order(venue: SimVenue, clock: StandingClock) -> None:
    watching = venue.host.market()
    began = venue.host.exchange.now
    await play(venue, clock, 3)
    venue.host.close()
    got = [event async for events in watching for event in events]
    feed = venue.venue.terms.feed
    assert feed is not None
    steps = feed.timeline(began)
    played: list[object] = []
    while len(played) < len(got):
        played += next(steps).events
    assert got == played
    assert len(got) > 400


async def test_who_does_not_read_is_cut_off(venue: SimVenue) -> None:
    watching = venue.host.market()
    feed = venue.venue.terms.feed
    assert feed is not None
    for step in islice(feed.timeline(venue.host.exchange.now), 10_001):
        venue.host.hear(step)
    assert [events async for events in watching] == []
    assert watching.overrun


def test_bars_of_the_tape_are_those_of_the_house() -> None:
    feed = named("synthetic", 3, None)
    tape, builder = Tape(feed.bars_of), BarBuilder("SYNTH-3", "ALFA", ["1m", "5m", "1h"])
    for step in islice(feed.timeline(0), 40_000):
        tape.hear(step.events, step.time)
        for event in step.events:
            if isinstance(event, Quote | TradeTick) and event.symbol == "ALFA":
                builder.add(event)
    built = builder.close(2**62)
    for timeframe in ("1m", "5m", "1h"):
        expected = [(b.start, b.open, b.high, b.low, b.close, b.volume) for b in built if b.timeframe == timeframe]
        got = [(b.start, b.open, b.high, b.low, b.close, b.volume) for b in tape.bars("ALFA", timeframe, 0, 2**62, 10_000)]
        assert got == expected
        assert len(got) >= 1


def test_a_range_of_bars_is_the_oldest_of_it() -> None:
    feed = named("synthetic", 3, None)
    tape = Tape(feed.bars_of)
    for step in islice(feed.timeline(0), 20_000):
        tape.hear(step.events, step.time)
    everything = tape.bars("ALFA", "1m", 0, 2**62, 10_000)
    assert tape.bars("ALFA", "1m", everything[2].start, everything[6].start, 3) == everything[2:5]
    assert tape.bars("ALFA", "1m", everything[2].start + 1, 2**62, 1) == everything[3:4]
    assert tape.bars("NOPE", "1m", 0, 2**62, 10) == ()
    assert {bar.start % TIMEFRAMES["1m"] for bar in everything} == {0}


def test_what_the_tape_no_longer_holds_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.sim_venue.tape.TICKS_HELD", 100)
    feed = named("synthetic", 3, None)
    whole, short = [], Tape(feed.bars_of, feed.timeline)
    for step in islice(feed.timeline(0), 5_000):
        short.hear(step.events, step.time)
        whole += [event for event in step.events if isinstance(event, TradeTick) and event.symbol == "ALFA"]
    first, last = whole[10].ts, whole[-10].ts
    expected = [trade for trade in whole if first <= trade.ts < last]
    assert list(short.trades("ALFA", first, last, 10_000)) == expected
    assert list(short.trades("ALFA", first, last, 7)) == expected[:7]


def long_ago(steps: int, drawn: list[int]) -> Tape:
    """A tape that holds nothing of a long market but its last trade, and notes how much of it is drawn again."""

    def again(after: int) -> Iterator[FeedStep]:
        for n in range(after + 1, steps):
            drawn.append(n)
            yield FeedStep(time=n * SECOND, events=(trade_at(n),))

    tape, heard = Tape({}, lambda after: again(after // SECOND)), Tape({})
    for n in range(steps - 1_000, steps):
        heard.hear((trade_at(n),), n * SECOND)
    tape.recall(heard.kept(), steps * SECOND)
    return tape


def trade_at(n: int) -> TradeTick:
    return TradeTick(venue="SIM", symbol="ALFA", seq=n, ts=n * SECOND, price=100.0, size=1.0)


def test_bars_of_seconds_draw_no_more_of_an_old_market_than_they_show() -> None:
    drawn: list[int] = []
    bars = long_ago(50_000, drawn).bars("ALFA", "1s", 10 * SECOND, 2**62, 100)
    assert [bar.start // SECOND for bar in bars] == list(range(10, 110))
    assert len(drawn) < 200


async def test_others_are_served_while_an_old_market_is_drawn_again() -> None:
    drawn: list[int] = []
    tape, turns = long_ago(200_000, drawn), 0
    asked = asyncio.ensure_future(tape.older_trades("ALFA", 10 * SECOND, 2**62, 1_000_000))
    while not asked.done():
        tape.hear((trade_at(200_000 + turns),), (200_000 + turns) * SECOND)
        turns += 1
        await asyncio.sleep(0)
    seqs = [trade.seq for trade in asked.result()]
    assert seqs == list(range(10, seqs[-1] + 1))
    assert turns > 5
