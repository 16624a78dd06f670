"""A live feed of each kind at a sim_venue, and the hand that moves the market behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Final, NamedTuple

from libs.common.clocks import SystemClock
from libs.domain.configuration import VenueConfig
from libs.domain.market import BadRow, Quote, TradeTick
from libs.venues.alpaca.feed import AlpacaFeed
from libs.venues.ccxt_venue.feed import CcxtFeed
from libs.venues.endpoint import Endpoint
from libs.venues.feed import FeedStep, LiveFeed
from libs.venues.reconnecting import Backoff
from tests.conformance.rigs import MILLISECOND, WITHIN_S
from tests.paper import DEPOSIT
from tests.sim_venues import SimVenue

MUTE_AFTER_S: Final = 0.8
PROBE_S: Final = 0.2


async def alpaca_feed(venue: VenueConfig, endpoint: Endpoint, start: int) -> LiveFeed:
    return await AlpacaFeed.open(venue, endpoint, SystemClock(), mute_after_s=MUTE_AFTER_S, backoff=Backoff(0.02, 0.1))


async def ccxt_feed(venue: VenueConfig, endpoint: Endpoint, start: int) -> LiveFeed:
    return await CcxtFeed.open(
        venue,
        endpoint,
        clock=SystemClock(),
        start=start,
        speed=0.0,
        probe_s=PROBE_S,
        mute_after_s=MUTE_AFTER_S,
        backoff=Backoff(0.02, 0.1),
    )


class Kind(NamedTuple):
    dialect: str
    config: VenueConfig
    symbol: str
    numbered: bool  # its trades are: one that was lost is missed


KINDS: Final[Mapping[str, Kind]] = {
    "alpaca": Kind(
        "alpaca",
        VenueConfig(name="alpaca", adapter="alpaca", asset_classes=("equity",), symbols=("ALFA",), requests_per_minute=100_000),
        "ALFA",
        numbered=False,
    ),
    "ccxt": Kind(
        "binance",
        VenueConfig(
            name="binance",
            adapter="ccxt",
            exchange="binance",
            asset_classes=("crypto",),
            symbols=("BTC/USD",),
            requests_per_minute=100_000,
        ),
        "BTC/USD",
        numbered=True,
    ),
}


class FeedRig:
    """A feed that is listened to. Prices of trades tell them apart; each is a millisecond of market time after the one before."""

    def __init__(self, kind: Kind, venue: SimVenue, endpoint: Endpoint) -> None:
        self.kind = kind
        self.venue = venue
        self.steps: list[FeedStep] = []
        self._endpoint = endpoint
        self._listening: asyncio.Task[None] | None = None
        self.feed: LiveFeed

    async def open(self, after: int = 0) -> None:
        opening = alpaca_feed if self.kind.dialect == "alpaca" else ccxt_feed
        self.feed = await opening(self.kind.config, self._endpoint, self.venue.host.now())
        self.steps = []
        self._listening = asyncio.create_task(self._listen(after))
        await self.until(lambda: self.feed.link().up)

    async def _listen(self, after: int) -> None:
        async with aclosing(self.feed.steps(after)) as steps:  # type: ignore[type-var]
            async for step in steps:
                self.steps.append(step)

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None
            await self.feed.close()

    # --- the venue

    async def trades(self, *prices: float) -> None:
        """One trade after another."""
        for price in prices:
            await self.venue.trade(self.kind.symbol, price, 1.0)

    async def quote(self, bid: float, ask: float) -> None:
        await self.venue.quote(self.kind.symbol, bid, ask, 5.0)

    async def fault(self, kind: str, **knob: object) -> None:
        """Hits the next frame of market data, unless `knob` says otherwise."""
        await self.venue.fault(kind, **{"dialect": self.kind.dialect, "what": "market", **knob})

    # --- what the feed told

    def told(self) -> list[float]:
        """Prices of trades, in the order in which they came."""
        return [event.price for step in self.steps for event in step.events if isinstance(event, TradeTick)]

    def quotes(self) -> list[tuple[float, float]]:
        return [(event.bid, event.ask) for step in self.steps for event in step.events if isinstance(event, Quote)]

    def bad(self) -> list[BadRow]:
        return [event for step in self.steps for event in step.events if isinstance(event, BadRow)]

    async def tells(self, *prices: float) -> None:
        """AssertionError when it does not come to have told exactly these trades, in this order."""
        await self.until(lambda: len(self.told()) >= len(prices), f"expected trades {prices}")
        assert self.told() == list(prices)

    async def until(self, holds: Callable[[], bool], what: str = "never came to hold", within_s: float = WITHIN_S) -> None:
        """AssertionError when it does not come to hold, or the feed fails."""
        try:
            async with asyncio.timeout(within_s):
                while not holds():
                    assert self._listening is None or not self._listening.done(), "the feed has ended"
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"{what}; told {self.told()}, the link says {self.feed.link()}") from None


@asynccontextmanager
async def a_feed_rig(kind: Kind, venue: SimVenue) -> AsyncIterator[FeedRig]:
    """A feed that is connected, at a market that stands at this moment."""
    key, secret = await venue.account(f"market_data_{kind.dialect}", kind.dialect, DEPOSIT)
    rig = FeedRig(kind, venue, Endpoint(f"{venue.url}/{kind.dialect}", key, secret, "paper"))
    await venue.pass_time(MILLISECOND / 1e9)
    try:
        await rig.open()
        yield rig
    finally:
        await rig.close()
        await venue.no_faults()
