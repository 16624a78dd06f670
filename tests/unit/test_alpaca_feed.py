"""Alpaca's market data against frames and pages that are written down: order, repetition, silence, and what was missed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.clocks import SystemClock
from libs.domain.configuration import VenueConfig
from libs.domain.market import BadRow, Quote, TradeTick
from libs.domain.times import SECOND, iso, nanoseconds
from libs.venues.alpaca.feed import AlpacaFeed
from libs.venues.alpaca.ticks import Tick, Timeline
from libs.venues.broker import OutcomeUnknown, WrongKey
from libs.venues.feed import FeedStep
from libs.venues.reconnecting import Backoff
from tests.paper import D
from tests.scripted_alpaca import ScriptedAlpaca, payload, scripted
from tests.waiting import SOON, until

CLOCK = SystemClock()
NOW = nanoseconds(payload("clock")["timestamp"])
VENUE = VenueConfig(name="broker_a", adapter="alpaca", asset_classes=("equity",), symbols=("ALFA", "BRVO"))
QUOTES, TRADES = "GET /v2/stocks/quotes", "GET /v2/stocks/trades"


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedAlpaca]:
    async with scripted() as venue:
        for symbol in VENUE.symbols:
            venue.answer(f"GET /v2/assets/{symbol}", payload("asset", symbol=symbol))
        history(venue)
        yield venue


def history(venue: ScriptedAlpaca, quotes: Any = None, trades: Any = None) -> None:
    venue.answer(QUOTES, {"quotes": quotes, "next_page_token": None})
    venue.answer(TRADES, {"trades": trades or {}, "next_page_token": None})


@asynccontextmanager
async def playing(venue: ScriptedAlpaca, after: int = 0, **terms: Any) -> AsyncIterator[tuple[AlpacaFeed, AsyncIterator[FeedStep]]]:
    """An open feed and its steps, connected again at once; `terms` are those of `AlpacaFeed.open`."""
    feed = await AlpacaFeed.open(VENUE, venue.endpoint(), CLOCK, backoff=Backoff(0.01, 0.01), **terms)
    try:
        async with aclosing(feed.steps(after)) as steps:  # type: ignore[type-var]
            yield feed, steps
    finally:
        await feed.close()


async def following(steps: AsyncIterator[FeedStep], count: int) -> list[FeedStep]:
    async with asyncio.timeout(SOON):
        return [await anext(steps) for _ in range(count)]


def at(seconds: float) -> str:
    """So long after the venue's clock was read."""
    return iso(NOW + round(seconds * SECOND))


def quote(seconds: float, **changed: Any) -> Any:
    return payload("quote", t=at(seconds), **changed)


def trade(seconds: float, number: int, **changed: Any) -> Any:
    return payload("trade", t=at(seconds), i=number, **changed)


def seen(steps: list[FeedStep]) -> list[Any]:
    return [(type(e).__name__, e.symbol, (e.ts - NOW) / SECOND) for step in steps for e in step.events if isinstance(e, Quote | TradeTick)]


# --- opening


async def test_instruments_are_what_the_venue_lists(venue: ScriptedAlpaca) -> None:
    feed = await AlpacaFeed.open(VENUE, venue.endpoint(), CLOCK)
    assert [(i.symbol, i.tick, i.lot, i.calendar, i.asset_class) for i in feed.instruments] == [
        ("ALFA", D("0.01"), D(1), "us_equity", "equity"),
        ("BRVO", D("0.01"), D(1), "us_equity", "equity"),
    ]
    assert (feed.name, feed.live, feed.start) == ("broker_a", True, NOW)
    await feed.close()


async def test_parts_of_shares_trade_where_it_is_configured_and_the_venue_does(venue: ScriptedAlpaca) -> None:
    venue.answer("GET /v2/assets/BRVO", payload("asset", symbol="BRVO", fractionable=False))
    feed = await AlpacaFeed.open(msgspec.structs.replace(VENUE, options={"fractional": True}), venue.endpoint(), CLOCK)
    assert [i.lot for i in feed.instruments] == [D("0.000000001"), D(1)]
    await feed.close()


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (404, {"code": 40410000, "message": "asset not found for BRVO"}, ValueError, "BRVO is not listed"),
        (200, payload("asset", symbol="BRVO", status="inactive"), ValueError, "BRVO is inactive"),
        (200, payload("asset", symbol="BRVO", **{"class": "crypto"}), ValueError, "BRVO is crypto"),
        (403, {"message": "forbidden."}, WrongKey, "does not take the key"),
        (500, "", OutcomeUnknown, "HTTP 500"),
        (404, "<html>nothing here</html>", OutcomeUnknown, "HTTP 404"),
    ],
)
async def test_what_cannot_be_traded_is_told_when_it_is_opened(
    venue: ScriptedAlpaca, status: int, body: Any, error: type[Exception], says: str
) -> None:
    venue.answer("GET /v2/assets/BRVO", body, status)
    with pytest.raises(error, match=says):
        await AlpacaFeed.open(VENUE, venue.endpoint(), CLOCK)


# --- the stream


async def test_quotes_and_trades_come_as_they_are_told_to_the_nanosecond(venue: ScriptedAlpaca) -> None:
    async with playing(venue) as (_, steps):
        venue.frames.put_nowait([quote(1.000000001), trade(1.25, 7)])
        told, traded = await following(steps, 2)
        assert told == (
            NOW + SECOND + 1,
            [Quote(venue="broker_a", symbol="ALFA", seq=1, ts=NOW + SECOND + 1, bid=99.99, ask=100.01, bid_size=3, ask_size=1)],
        )
        assert traded.events == [TradeTick(venue="broker_a", symbol="ALFA", seq=1, ts=NOW + 1_250_000_000, price=100.01, size=25)]
    assert [said["action"] for said in venue.said] == ["auth", "subscribe"]
    assert venue.said[1]["quotes"] == venue.said[1]["trades"] == ["ALFA", "BRVO"]


async def test_repeated_and_late_frames_are_dropped_and_counted(venue: ScriptedAlpaca) -> None:
    async with playing(venue) as (feed, steps):
        for frame in ([trade(1, 1)], [trade(1, 1)], [trade(1, 2)], [trade(2, 3)], [trade(1.5, 4)], [trade(1, 1)], [trade(3, 5)]):
            venue.frames.put_nowait(frame)
        told = await following(steps, 4)
        assert [event.seq for step in told for event in step.events if isinstance(event, TradeTick)] == [1, 2, 3, 4]
        assert [second for *_, second in seen(told)] == [1, 1, 2, 3]
        assert feed.dropped() == (2, 1)


async def test_a_symbol_that_was_overtaken_by_another_keeps_its_time(venue: ScriptedAlpaca) -> None:
    async with playing(venue) as (_, steps):
        venue.frames.put_nowait([trade(2, 1)])
        venue.frames.put_nowait([trade(1, 2, S="BRVO")])
        first, second = await following(steps, 2)
        assert second.time == first.time + 1
        assert seen([second]) == [("TradeTick", "BRVO", 1)]


async def test_what_cannot_be_read_is_put_aside_and_the_rest_of_its_frame_is_taken(venue: ScriptedAlpaca) -> None:
    async with playing(venue) as (_, steps):
        one_sided = quote(1, bp=0)
        venue.frames.put_nowait([trade(1, 1, p=None), 5, {"T": "of the future", "S": "ALFA"}, one_sided, trade(2, 2, p="100.02", s="1")])
        good, bad = await following(steps, 2)
        assert seen([good]) == [("TradeTick", "ALFA", 2)]
        assert [(row.symbol, row.reason[:10]) for row in bad.events if isinstance(row, BadRow)] == [
            ("ALFA", "unreadable"),
            ("", "unreadable"),
        ]


async def test_an_error_of_the_venue_leads_to_another_connection(venue: ScriptedAlpaca) -> None:
    async with playing(venue) as (feed, steps):
        venue.frames.put_nowait([trade(1, 1)])
        await following(steps, 1)
        venue.frames.put_nowait([{"T": "error", "code": 407, "msg": "slow client"}])
        await until(lambda: feed.link() == (True, "", 1, 0))
        venue.frames.put_nowait([trade(2, 2)])
        assert seen(await following(steps, 1)) == [("TradeTick", "ALFA", 2)]


# --- what was missed


async def test_a_resumed_session_first_gives_what_it_missed_in_order(venue: ScriptedAlpaca) -> None:
    history(venue, {"ALFA": [quote(-2), quote(-4)], "BRVO": [quote(-3)]}, {"BRVO": [trade(-2, 1)]})
    async with playing(venue, after=NOW - 10 * SECOND) as (feed, steps):
        told = await following(steps, 3)
        assert seen(told) == [("Quote", "ALFA", -4), ("Quote", "BRVO", -3), ("Quote", "ALFA", -2), ("TradeTick", "BRVO", -2)]
        await until(lambda: feed.link() == (True, "", 0, 4))
    asked = [s.query for s in venue.seen if s.path.endswith("quotes")]
    assert [(q["start"], q.get("end"), q["symbols"], q["feed"]) for q in asked] == [(iso(NOW - 10 * SECOND + 1), None, "ALFA,BRVO", "iex")]


async def test_pages_are_followed_to_the_last_and_a_day_is_the_most(venue: ScriptedAlpaca) -> None:
    venue.answer(QUOTES, {"quotes": None, "next_page_token": None})
    pages = [{"trades": {"ALFA": [trade(-3, 1)]}, "next_page_token": "two"}, {"trades": {"ALFA": [trade(-2, 2)]}, "next_page_token": None}]

    async def page(request: web.Request) -> web.StreamResponse:
        last = "end" not in request.query
        answer = pages[request.query.get("page_token") == "two"] if last else {"trades": {}, "next_page_token": None}
        return web.json_response(answer)

    venue.handle(TRADES, page)
    async with playing(venue, after=1) as (_, steps):
        assert seen(await following(steps, 2)) == [("TradeTick", "ALFA", -3), ("TradeTick", "ALFA", -2)]
    starts = [s.query["start"] for s in venue.seen if s.path.endswith("trades")]
    assert starts[0] == iso(NOW - 24 * 3600 * SECOND)
    assert len(starts) == 25


async def test_after_a_cut_the_gap_is_filled_once(venue: ScriptedAlpaca) -> None:
    async with playing(venue) as (feed, steps):
        venue.frames.put_nowait([trade(1, 1)])
        await following(steps, 1)
        history(venue, trades={"ALFA": [trade(1, 1), trade(2, 2), trade(3, 3)]})
        venue.frames.put_nowait(None)
        assert seen(await following(steps, 2)) == [("TradeTick", "ALFA", 2), ("TradeTick", "ALFA", 3)]
        venue.frames.put_nowait([trade(2, 2), trade(3, 3), trade(4, 4)])
        assert seen(await following(steps, 1)) == [("TradeTick", "ALFA", 4)]
        assert feed.link() == (True, "", 1, 2)
        assert feed.dropped() == (0, 2)


async def test_a_history_that_is_not_whole_keeps_the_feed_down(venue: ScriptedAlpaca) -> None:
    venue.answer(TRADES, {"trades": {"ALFA": [trade(-3, 1)]}, "next_page_token": "same"})
    async with playing(venue, after=NOW - SECOND) as (feed, steps):
        reading = asyncio.ensure_future(anext(steps))
        await until(lambda: "same page again" in feed.link().detail)
        assert not feed.link().up
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


# --- silence


async def test_a_mute_socket_is_connected_again(venue: ScriptedAlpaca) -> None:
    async with playing(venue, mute_after_s=0.1) as (feed, steps):
        reading = asyncio.ensure_future(anext(steps))
        await until(lambda: feed.link().up)
        venue.mute = True
        await until(lambda: feed.link().reconnects == 1)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


@pytest.mark.parametrize(("is_open", "stays"), [(True, False), (False, True)])
async def test_a_market_without_ticks_is_believed_only_while_it_is_closed(venue: ScriptedAlpaca, is_open: bool, stays: bool) -> None:
    venue.answer("GET /v2/clock", payload("clock", is_open=is_open))
    async with playing(venue, mute_after_s=0.1, quiet_after_s=0.05) as (_, steps):
        reading = asyncio.ensure_future(anext(steps))
        await until(lambda: venue.count("GET /v2/clock") >= 5)
        assert (venue.connections == 1) is stays
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


# --- the timeline


ticks = st.builds(
    Tick,
    time=st.integers(1, 8),
    kind=st.sampled_from(["q", "t"]),
    symbol=st.sampled_from(["A", "B"]),
    values=st.sampled_from([(1.0, 2.0, 3.0, 4.0), (2.0, 2.5, 1.0, 1.0)]),
    name=st.sampled_from(["", "x"]),
).map(lambda tick: tick._replace(values=tick.values[:2]) if tick.kind == "t" else tick)


@settings(max_examples=50)
@given(st.lists(st.lists(ticks, max_size=5), max_size=8))
def test_steps_ascend_numbers_have_no_gap_and_nothing_goes_back_within_its_own(frames: list[list[Tick]]) -> None:
    timeline = Timeline("v", 0)
    steps = [step for frame in frames for step in timeline.steps(frame)]
    times = [step.time for step in steps]
    assert times == sorted(set(times))
    events = [event for step in steps for event in step.events if isinstance(event, Quote | TradeTick)]
    for kind in (Quote, TradeTick):
        for symbol in "AB":
            own = [event for event in events if isinstance(event, kind) and event.symbol == symbol]
            assert [event.seq for event in own] == list(range(1, len(own) + 1))
            assert [event.ts for event in own] == sorted(event.ts for event in own)
    assert len(events) + timeline.late + timeline.repeated == sum(map(len, frames))
