"""The Alpaca adapter at a sim_venue that does what venues do at their worst. The venue counts what reaches it."""

import asyncio
import itertools
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from libs.common.clocks import SystemClock
from libs.domain.configuration import VenueConfig
from libs.domain.market import Quote, TradeTick
from libs.domain.orders import Evidence
from libs.venues.alpaca.feed import AlpacaFeed
from libs.venues.broker import OutcomeUnknown, Refused, Undone
from libs.venues.feed import FeedStep
from libs.venues.reconnecting import Backoff
from tests.conformance.rigs import RemoteRig, a_remote_rig, a_venue_for, told, told_end, told_fills
from tests.paper import NEVER_LATE, D, a_quote
from tests.sim_venues import SimVenue
from tests.waiting import SOON, until

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py imports websockets.legacy
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderSide, TimeInForce
    from alpaca.trading.requests import LimitOrderRequest

NAMES = itertools.count()
UNKNOWN_WHETHER = [
    ("status_before", {"status": 504}),
    ("status_after", {"status": 504}),
    ("status_before", {"status": 429}),
    ("status_after", {"status": 429}),
    ("status_after", {"status": 500}),
    ("drop_before", {}),
    ("drop_after", {}),
    ("half", {}),
]


@pytest.fixture(scope="module")
async def venue() -> AsyncIterator[SimVenue]:
    async with a_venue_for("alpaca") as venue:
        yield venue


@pytest.fixture
async def rig(venue: SimVenue) -> AsyncIterator[RemoteRig]:
    async with a_remote_rig("alpaca", venue, f"desk_{next(NAMES)}") as rig:
        yield rig


# --- orders


@pytest.mark.parametrize(("kind", "how"), UNKNOWN_WHETHER)
async def test_an_order_whose_answer_is_no_answer_was_sent_once_and_looking_tells(
    rig: RemoteRig, monkeypatch: pytest.MonkeyPatch, kind: str, how: dict[str, Any]
) -> None:
    monkeypatch.setattr("libs.venues.alpaca.requests.LONGEST_PAUSE_S", 0.05)  # after a 429
    order = rig.order()
    await rig.venue.fault(kind, what="order_submit", **how)
    with pytest.raises(OutcomeUnknown):
        await rig.broker.submit(order, NEVER_LATE)
    assert (await rig.venue.requests(order.client_order_id))["order_submit"] == 1
    assert (await rig.broker.find(order.client_order_id) is None) is kind.endswith("before")


async def test_a_slow_answer_is_unknown_after_five_seconds_and_its_order_is_there(rig: RemoteRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.venues.alpaca.requests.TOTAL_S", 0.1)
    await rig.restart()  # with the shorter limit
    order = rig.order()
    await rig.venue.fault("late_answer", what="order_submit", seconds=30)
    with pytest.raises(OutcomeUnknown, match="Timeout"):
        await rig.broker.submit(order, NEVER_LATE)
    assert (await rig.broker.find(order.client_order_id)) is not None
    assert (await rig.venue.requests(order.client_order_id))["order_submit"] == 1


async def test_an_order_that_is_not_shown_yet_is_not_proven_absent(rig: RemoteRig) -> None:
    await rig.venue.weather(read_lag_s=60, requests_per_minute=1_000_000)
    await rig.broker.submit(rig.order(), NEVER_LATE)
    assert await rig.broker.find(rig.order().client_order_id) is None
    assert not rig.broker.abilities.absence_is_proof
    await rig.broker.cancel(rig.order().client_order_id)  # its id at the venue is known from the answer
    assert (await told_end(rig, rig.order().client_order_id)).evidence is Evidence.CANCELED


@pytest.mark.parametrize(("kind", "how"), [("drop_after", {}), ("status_after", {"status": 504})])
async def test_a_cancel_whose_answer_is_lost_is_sent_once_and_its_end_is_told(rig: RemoteRig, kind: str, how: dict[str, Any]) -> None:
    order = rig.order()
    await rig.broker.submit(order, NEVER_LATE)
    await rig.venue.fault(kind, what="order_cancel", **how)
    with pytest.raises(OutcomeUnknown):
        await rig.broker.cancel(order.client_order_id)
    assert (await told_end(rig, order.client_order_id)).evidence is Evidence.CANCELED
    with pytest.raises(Refused):
        await rig.broker.cancel(order.client_order_id)


async def test_maintenance_stops_new_orders_and_ends(rig: RemoteRig) -> None:
    await rig.venue.weather(maintenance=True)
    with pytest.raises(OutcomeUnknown):
        await rig.broker.submit(rig.order(), NEVER_LATE)
    assert not rig.broker.link().up
    await rig.venue.weather(requests_per_minute=1_000_000)
    assert await rig.broker.open_orders() == []
    assert rig.broker.link().detail == ""


# --- reports


@pytest.mark.parametrize("kind", ["mute", "disconnect", "lose"])
async def test_a_fill_that_the_stream_did_not_tell_is_found(rig: RemoteRig, kind: str) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await told(rig, lambda heard: bool(heard))
    await rig.venue.fault(kind, what="orders")
    await rig.show(5, ask=100.0, size=100)
    if kind == "lose":  # the socket is alive and well: the caller's poll finds it
        assert [f.quantity for f in await rig.broker.fills_since(rig.at(0))] == [D(10)]
    else:
        assert [f.quantity for f in await told_fills(rig, D(10))] == [D(10)]


@pytest.mark.parametrize("kind", ["duplicate", "reorder"])
async def test_frames_that_come_twice_or_out_of_order_make_the_same_fills(rig: RemoteRig, kind: str) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.venue.fault(kind, what="orders", count=None)
    for moment in range(1, 5):
        await rig.show(moment, ask=100.0, size=2)
    await rig.venue.no_faults()
    await rig.show(6, ask=100.0, size=2)
    fills = await told_fills(rig, D(10))
    assert sorted(fills, key=lambda f: f.cumulative) == list(await rig.broker.fills_since(rig.at(0)))


@pytest.mark.parametrize("what", ["bust", "correct"])
async def test_an_execution_that_is_taken_back_is_told(rig: RemoteRig, what: str) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(5, ask=100.0, size=100)
    await told_fills(rig, D(10))
    execution = max(rig.venue.host.view.accounts[rig.account].executions)
    await rig.venue.control("POST", what, {"execution": execution} | ({"price": "99.5"} if what == "correct" else {}))
    [report] = await told(rig, lambda heard: any(isinstance(r, Undone) for r in heard))
    assert isinstance(report, Undone)
    assert (report.quantity, report.price, report.corrected) == (D(10), D("99.5" if what == "correct" else "100"), what == "correct")


async def test_a_venue_that_dies_and_comes_back_is_found_with_all_it_has_done(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.venue.restart()
    await rig.show(5, ask=100.0, size=100)
    assert [f.quantity for f in await told_fills(rig, D(10))] == [D(10)]
    await until(lambda: rig.broker.link().up)


# --- what alpaca-py does, so that nobody moves the order path there


@pytest.mark.parametrize(("retries", "posts"), [(None, 4), (0, 1)])
async def test_alpaca_py_sends_an_order_four_times_at_a_504_unless_its_private_field_is_changed(
    rig: RemoteRig, retries: int | None, posts: int
) -> None:
    client = TradingClient(rig.endpoint.key, rig.endpoint.secret, url_override=rig.endpoint.url)
    client._retry_wait = 0  # three seconds each
    if retries is not None:
        client._retry = retries
    id_ = rig.order().client_order_id
    order = LimitOrderRequest(symbol="ALFA", qty=1, limit_price=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id=id_)
    await rig.venue.fault("status_before", what="order_submit", status=504, count=None)
    with pytest.raises(APIError):
        await asyncio.to_thread(client.submit_order, order)
    assert (await rig.venue.requests(id_))["order_submit"] == posts


# --- market data

DATA = VenueConfig(name="broker_a", adapter="alpaca", asset_classes=("equity",), symbols=("ALFA",), requests_per_minute=100_000)


@asynccontextmanager
async def playing(rig: RemoteRig) -> AsyncIterator[tuple[AlpacaFeed, AsyncIterator[FeedStep]]]:
    feed = await AlpacaFeed.open(DATA, rig.endpoint, SystemClock(), mute_after_s=0.3, backoff=Backoff(0.02, 0.1))
    reading: set[asyncio.Task[FeedStep]] = set()
    try:
        async with aclosing(feed.steps(rig.venue.host.now())) as steps:  # type: ignore[type-var]
            reading.add(asyncio.ensure_future(anext(steps)))  # it connects once it is read
            await until(lambda: feed.link().up)

            async def all_steps() -> AsyncIterator[FeedStep]:
                yield await reading.pop()
                async for step in steps:
                    yield step

            yield feed, all_steps()
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
    finally:
        await feed.close()


async def shown(rig: RemoteRig, moments: range) -> None:
    """At each moment a quote whose bid size says which it was, and a trade of that size."""
    for moment in moments:
        quote = a_quote(rig.at(moment), bid=99.0, ask=101.0, size=float(moment))
        trade = TradeTick(venue="TEST", symbol="ALFA", seq=1, ts=rig.at(moment), price=100.0, size=float(moment))
        await rig.venue.show(quote, trade, at=rig.at(moment))


async def heard(steps: AsyncIterator[FeedStep], last: int) -> list[FeedStep]:
    """Until quote and trade of the moment have come."""
    found: list[FeedStep] = []
    missing = {Quote, TradeTick}
    async with asyncio.timeout(SOON):
        while missing:
            step = await anext(steps)
            found.append(step)
            for event in step.events:
                size = event.bid_size if isinstance(event, Quote) else event.size if isinstance(event, TradeTick) else 0
                if size == last:
                    missing.discard(type(event))
    return found


def sizes(steps: Sequence[FeedStep]) -> tuple[list[float], list[float]]:
    """What quotes and trades came, each in order; they are numbered without a gap, and steps ascend."""
    assert [step.time for step in steps] == sorted({step.time for step in steps})
    events = [event for step in steps for event in step.events]
    quotes = [event for event in events if isinstance(event, Quote)]
    trades = [event for event in events if isinstance(event, TradeTick)]
    for own in (quotes, trades):
        assert [event.seq for event in own] == list(range(1, len(own) + 1))
    return [quote.bid_size for quote in quotes], [trade.size for trade in trades]


@pytest.mark.parametrize("kind", ["disconnect", "mute"])
async def test_what_a_broken_stream_missed_comes_in_order_and_once(rig: RemoteRig, kind: str) -> None:
    async with playing(rig) as (feed, steps):
        await shown(rig, range(1, 4))
        await rig.venue.fault(kind, what="market")
        await shown(rig, range(4, 7))
        await until(lambda: feed.link().up and feed.link().reconnects == 1)
        await shown(rig, range(7, 9))
        everything = [float(moment) for moment in range(1, 9)]
        assert sizes(await heard(steps, 8)) == (everything, everything)
        assert feed.link().refilled >= 6


@pytest.mark.parametrize("kind", ["duplicate", "reorder", "lose"])
async def test_a_stream_that_stumbles_never_goes_back_and_never_repeats(rig: RemoteRig, kind: str) -> None:
    async with playing(rig) as (feed, steps):
        await rig.venue.fault(kind, what="market", count=6)
        await shown(rig, range(1, 7))
        await rig.venue.no_faults()
        await shown(rig, range(7, 9))
        for came in sizes(await heard(steps, 8)):
            assert came == sorted(set(came))
            assert {7.0, 8.0} <= set(came) <= {float(moment) for moment in range(1, 9)}
            assert kind != "duplicate" or len(came) == 8


async def test_a_resumed_feed_begins_with_what_happened_while_nobody_listened(rig: RemoteRig) -> None:
    async with playing(rig) as (_, steps):
        await shown(rig, range(1, 3))
        first = await heard(steps, 2)
    await shown(rig, range(3, 6))
    feed = await AlpacaFeed.open(DATA, rig.endpoint, SystemClock())
    async with aclosing(feed.steps(first[-1].time)) as steps:  # type: ignore[type-var]
        assert sizes(await heard(steps, 5)) == ([3.0, 4.0, 5.0], [3.0, 4.0, 5.0])
    await feed.close()
