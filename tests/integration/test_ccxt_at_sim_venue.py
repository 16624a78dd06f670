"""The ccxt adapter at our own venue's Binance dialect: orders, fills and market data, with the faults that a venue can have."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from libs.domain.instruments import Instrument
from libs.domain.market import BadRow, Quote, TradeTick
from libs.domain.orders import Evidence
from libs.domain.trades import Fill
from libs.venues.broker import OrderReport, OutcomeUnknown, Refused, Report
from libs.venues.ccxt_venue.broker import CcxtBroker
from libs.venues.ccxt_venue.feed import CcxtFeed
from libs.venues.feed import FeedStep
from tests.ccxt_venues import a_broker, a_feed, an_order, soon
from tests.conformance.rigs import eventually
from tests.sim_venues import SimVenue, a_sim_venue
from tests.waiting import until

COIN = Instrument(symbol="BTC/USD", venue="crypto", asset_class="crypto", currency="USD", tick=Decimal("0.01"), lot=Decimal("0.00001"))
QUICK = {"probe_s": 0.2, "mute_after_s": 0.5, "poll_s": 60.0}
numbers = iter(range(1, 1_000_000))


class Rig:
    """A venue, one account's broker, and all that it has reported."""

    def __init__(self, venue: SimVenue, broker: CcxtBroker) -> None:
        self.venue = venue
        self.broker = broker
        self.told: list[Report] = []
        self._came = asyncio.Event()

    async def listen(self) -> None:
        while True:
            self.told += await self.broker.next_reports()
            self._came.set()

    async def until(self, holds: Callable[[], object]) -> None:
        """What comes is waited for, and nothing else."""
        async with asyncio.timeout(5):
            while not holds():
                self._came.clear()
                await self._came.wait()

    async def order(self, price: str = "99", quantity: str = "0.5") -> str:
        """A bid that was accepted."""
        name = f"TWND{next(numbers):027}1"
        await self.broker.submit(an_order(name, symbol="BTC/USD", price=Decimal(price), quantity=Decimal(quantity)), soon())
        return name

    def fills(self, name: str) -> list[Fill]:
        return [report for report in self.told if isinstance(report, Fill) and report.client_order_id == name]

    def ended(self, name: str) -> list[Evidence]:
        seen = (report for report in self.told if isinstance(report, OrderReport) and report.client_order_id == name)
        return [report.evidence for report in seen if report.evidence is not Evidence.ACCEPTED]


@pytest.fixture(scope="module")
async def venue() -> AsyncIterator[SimVenue]:
    async with a_sim_venue() as opened:
        yield opened


@pytest.fixture
async def rig(venue: SimVenue) -> AsyncIterator[Rig]:
    await venue.no_faults()
    await venue.weather()
    await venue.quote("BTC/USD", 99.5, 101.0)
    async with a_rig(venue) as made:
        yield made


@contextlib.asynccontextmanager
async def a_rig(venue: SimVenue, options: Mapping[str, bool] | None = None, **pace: float) -> AsyncIterator[Rig]:
    """A new account, and who listens to it."""
    key, secret = await venue.account(f"main-{next(numbers)}", "binance", {"USD": 100_000})
    async with a_broker(f"{venue.url}/binance", COIN, key=key, secret=secret, options=options, **{**QUICK, **pace}) as broker:
        made = Rig(venue, broker)
        async with listening(made.listen()):
            yield made


@contextlib.asynccontextmanager
async def listening(reader: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(reader)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_fill_told_by_the_stream_is_the_fill_of_the_history(rig: Rig) -> None:
    name = await rig.order("101")
    await rig.venue.quote("BTC/USD", 99.5, 100.5)
    await rig.until(lambda: rig.fills(name))
    assert rig.fills(name) == list(await rig.broker.fills_since(0))
    (fill,) = rig.fills(name)
    assert (fill.fee_currency, fill.fee) == ("USD", (fill.price * fill.quantity * Decimal("0.001")).quantize(Decimal("1E-8")))
    holdings = await rig.broker.holdings()
    assert holdings.positions == {"BTC/USD": Decimal("0.5")}
    assert holdings.cash == {"USD": Decimal(100_000) - fill.price * fill.quantity - fill.fee}


async def test_a_504_after_the_venue_took_the_order_is_one_post_and_found(rig: Rig) -> None:
    await rig.venue.fault("status_after", what="order_submit", status=504)
    with pytest.raises(OutcomeUnknown):
        await rig.order()
    name = f"TWND{next(numbers) - 1:027}1"
    assert await rig.venue.requests(name) == {"order_submit": 1}
    found = await rig.broker.find(name)
    assert found is not None
    assert found.status == "open"


@pytest.mark.parametrize(
    ("kind", "status", "there"),
    [
        pytest.param("drop_before", 0, False, id="dropped before"),
        pytest.param("drop_after", 0, True, id="dropped after"),
        pytest.param("half", 0, True, id="half an answer"),
        pytest.param("status_before", 500, False, id="500 before"),
        pytest.param("status_before", 503, False, id="503 before"),
        pytest.param("status_after", 502, True, id="502 after"),
    ],
)
async def test_no_fault_of_a_submit_is_a_refusal_or_a_second_post(rig: Rig, kind: str, status: int, there: bool) -> None:
    await rig.venue.fault(kind, what="order_submit", status=status)
    with pytest.raises(OutcomeUnknown):
        await rig.order()
    name = f"TWND{next(numbers) - 1:027}1"
    assert (await rig.venue.requests(name)).get("order_submit", 0) <= 1
    assert (await rig.broker.find(name) is not None) is there


@pytest.mark.parametrize("status", [418, 429])
async def test_an_order_that_was_turned_away_for_the_rate_is_refused_and_the_budget_rests(rig: Rig, status: int) -> None:
    await rig.venue.fault("status_before", what="order_submit", status=status)
    with pytest.raises(Refused):
        await rig.order()
    assert rig.broker.link().budget == 0
    name = f"TWND{next(numbers) - 1:027}1"
    assert (await rig.venue.requests(name)).get("order_submit", 0) <= 1


async def test_an_order_ends_by_our_cancel_with_one_report(rig: Rig) -> None:
    name = await rig.order()
    await rig.broker.cancel(name)
    await rig.until(lambda: rig.ended(name))
    assert rig.ended(name) == [Evidence.CANCELED]


async def test_frames_that_come_twice_or_in_another_order_are_one_fill_each(rig: Rig) -> None:
    name = await rig.order("101", "0.6")
    await rig.venue.fault("duplicate", what="orders", count=None)
    for ask in (100.5, 100.4, 100.3):
        await rig.venue.control(
            "POST", "market", {"quotes": [{"symbol": "BTC/USD", "bid": 99.5, "ask": ask, "bid_size": 1.0, "ask_size": 0.2}]}
        )
    await rig.until(lambda: len(rig.fills(name)) == 3)
    assert [fill.cumulative for fill in rig.fills(name)] == [Decimal("0.2"), Decimal("0.4"), Decimal("0.6")]
    assert rig.fills(name) == list(await rig.broker.fills_since(0))


async def test_a_fill_whose_frame_was_lost_on_a_living_stream_is_found_by_the_next_look(venue: SimVenue) -> None:
    await venue.no_faults()
    await venue.quote("BTC/USD", 99.5, 101.0)
    async with a_rig(venue, poll_s=0.3) as rig:
        name = await rig.order("101")
        await venue.fault("lose", what="orders", count=None)
        await venue.quote("BTC/USD", 99.5, 100.5)
        await rig.until(lambda: rig.fills(name))
        assert rig.broker.link().up


async def test_what_a_mute_stream_did_not_tell_is_read_after_the_next_connection(rig: Rig) -> None:
    name = await rig.order("101")
    await rig.venue.fault("mute", what="orders")
    await rig.venue.quote("BTC/USD", 99.5, 100.5)
    await rig.until(lambda: rig.fills(name))
    assert [fill.quantity for fill in rig.fills(name)] == [Decimal("0.5")]


async def test_what_happened_while_the_stream_was_cut_is_read_after_the_next_connection(rig: Rig) -> None:
    filled, canceled = await rig.order("101"), await rig.order("98")
    await rig.venue.fault("lose", what="orders", count=None)
    await rig.venue.quote("BTC/USD", 99.5, 100.5)
    await rig.broker.cancel(canceled)
    await rig.venue.no_faults()
    rig.broker._exchange.hooks.lost("cut by the test")
    await rig.until(lambda: rig.fills(filled) and rig.ended(canceled))
    assert (len(rig.fills(filled)), rig.ended(canceled)) == (1, [Evidence.CANCELED])


async def test_a_venue_that_shows_an_order_late_is_not_believed_to_lack_it(rig: Rig) -> None:
    await rig.venue.weather(read_lag_s=30.0)
    name = await rig.order()
    assert await rig.broker.find(name) is None
    assert not rig.broker.abilities.absence_is_proof
    await rig.venue.weather()
    assert await rig.broker.find(name) is not None


async def test_signatures_hold_with_a_venue_whose_clock_is_a_minute_off(venue: SimVenue) -> None:
    await venue.weather(clock_skew_ms=60_000.0)
    key, secret = await venue.account(f"main-{next(numbers)}", "binance", {"USD": 100_000})
    async with a_broker(f"{venue.url}/binance", COIN, key=key, secret=secret) as broker:
        assert (await broker.holdings()).cash == {"USD": Decimal(100_000)}
    await venue.weather()


async def test_through_ccxts_unified_streams_the_reports_are_the_same(venue: SimVenue) -> None:
    await venue.no_faults()
    await venue.quote("BTC/USD", 99.5, 101.0)
    async with a_rig(venue, {"unified": True}, mute_after_s=30.0) as rig:
        filled, canceled = await rig.order("101"), await rig.order("98")
        await venue.quote("BTC/USD", 99.5, 100.5)
        await rig.until(lambda: rig.fills(filled))
        await rig.broker.cancel(canceled)
        await rig.until(lambda: rig.ended(canceled))
        assert rig.fills(filled) == list(await rig.broker.fills_since(0))
        assert rig.ended(canceled) == [Evidence.CANCELED]


# --- market data


@pytest.fixture
async def feed(venue: SimVenue) -> AsyncIterator[CcxtFeed]:
    await venue.no_faults()
    await venue.weather()
    terms: dict[str, Any] = {"start": venue.host.now(), "speed": 1.0, "probe_s": 0.2, "mute_after_s": 0.5}
    async with a_feed(f"{venue.url}/binance", "BTC/USD", **terms) as opened:
        yield opened


class Reader:
    """Takes the steps of a feed."""

    def __init__(self, feed: CcxtFeed) -> None:
        self.feed = feed
        self.steps: list[FeedStep] = []
        self._came = asyncio.Event()

    async def read(self, after: int) -> None:
        async with contextlib.aclosing(self.feed.steps(after)) as steps:  # type: ignore[type-var]
            async for step in steps:
                self.steps.append(step)
                self._came.set()

    async def prices(self, count: int) -> list[float]:
        """Of so many trades."""
        await self.until(lambda: len(self._prices()) >= count)
        return self._prices()

    async def until(self, holds: Callable[[], object]) -> None:
        """Looks again at each step."""
        async with asyncio.timeout(5):
            while not holds():
                self._came.clear()
                await self._came.wait()

    def _prices(self) -> list[float]:
        return [event.price for step in self.steps for event in step.events if isinstance(event, TradeTick)]

    def quotes(self) -> list[Quote]:
        return [event for step in self.steps for event in step.events if isinstance(event, Quote)]

    def seqs(self, kind: type) -> list[int]:
        return [event.seq for step in self.steps for event in step.events if isinstance(event, kind) and not isinstance(event, BadRow)]


@contextlib.asynccontextmanager
async def reading(feed: CcxtFeed, after: int = 0) -> AsyncIterator[Reader]:
    """A reader of a feed that is connected."""
    reader = Reader(feed)
    async with listening(reader.read(after)):
        await until(lambda: feed.link().up)
        yield reader


async def tell(venue: SimVenue, *prices: float) -> None:
    """Trades of others, a moment apart."""
    for price in prices:
        await venue.pass_time(0.002)
        await venue.trade("BTC/USD", price, 0.5)


async def test_quotes_and_trades_come_as_they_happen_numbered_and_in_order(venue: SimVenue, feed: CcxtFeed) -> None:
    async with reading(feed) as reader:
        await venue.quote("BTC/USD", 99.5, 100.5)
        await tell(venue, 100.25, 100.0)
        assert await reader.prices(2) == [100.25, 100.0]
    times = [step.time for step in reader.steps]
    assert times == sorted(set(times))
    assert (reader.seqs(TradeTick), reader.seqs(Quote)) == ([1, 2], [1])


async def test_trades_since_a_time_are_asked_for_before_the_live_ones(venue: SimVenue, feed: CcxtFeed) -> None:
    after = venue.host.now()
    await tell(venue, 100.1, 100.2, 100.3)
    async with reading(feed, after) as reader:
        await tell(venue, 100.4)
        assert await reader.prices(4) == [100.1, 100.2, 100.3, 100.4]
    assert feed.link().refilled == 3


@pytest.mark.parametrize("kind", ["lose", "duplicate", "reorder"])
async def test_a_frame_that_is_lost_or_comes_twice_or_late_costs_no_trade(venue: SimVenue, feed: CcxtFeed, kind: str) -> None:
    async with reading(feed) as reader:
        await tell(venue, 100.0)
        await reader.prices(1)
        await venue.fault(kind, what="market")
        await tell(venue, 100.1, 100.2, 100.3)
        assert await reader.prices(4) == [100.0, 100.1, 100.2, 100.3]


async def test_the_first_quote_after_an_outage_is_not_taken_to_be_later_by_the_outage(venue: SimVenue) -> None:
    terms: dict[str, Any] = {"start": venue.host.now(), "speed": 1000.0, "lead_s": 2.0}
    async with a_feed(f"{venue.url}/binance", "BTC/USD", **terms) as feed, reading(feed) as reader:
        sizes = count(1)

        async def told(bid: float) -> bool:
            await venue.quote("BTC/USD", bid, bid + 1, size=next(sizes))  # again, as the subscription may not be there yet
            return any(quote.bid == bid for quote in reader.quotes())

        await tell(venue, 100.0)
        await reader.prices(1)
        await eventually(lambda: told(99.25), lambda: f"only {reader.quotes()} were told")
        await venue.restart()
        await until(lambda: feed.link().up and feed.link().reconnects == 1)
        before = reader.quotes()[-1]
        await eventually(lambda: told(99.75), lambda: f"only {reader.quotes()} were told")
        after = next(quote for quote in reader.quotes() if quote.bid == 99.75)
        assert after.ts == before.ts, "no trade has said since where the market is"


@pytest.mark.parametrize("kind", ["mute", "disconnect"])
async def test_a_socket_that_fell_silent_or_was_cut_is_replaced_and_its_trades_asked_for(
    venue: SimVenue, feed: CcxtFeed, kind: str
) -> None:
    async with reading(feed) as reader:
        await tell(venue, 100.0)
        await reader.prices(1)
        await venue.fault(kind, what="market", count=2)
        await tell(venue, 100.1, 100.2)
        await until(lambda: feed.link().reconnects > 0)
        await venue.no_faults()
        await tell(venue, 100.3)
        assert await reader.prices(4) == [100.0, 100.1, 100.2, 100.3]


async def test_through_ccxts_unified_streams_trades_come_and_are_asked_for(venue: SimVenue) -> None:
    await venue.no_faults()
    after = venue.host.now()
    await tell(venue, 100.1, 100.2)
    terms: dict[str, Any] = {"options": {"unified": True}, "start": venue.host.now()}
    async with a_feed(f"{venue.url}/binance", "BTC/USD", **terms) as feed, reading(feed, after) as reader:
        await tell(venue, 100.3)
        assert sorted(await reader.prices(3)) == [100.1, 100.2, 100.3]
