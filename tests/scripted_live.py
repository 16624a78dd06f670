"""A venue that speaks when a test lets it, can be cut off, and gives later what it could not tell."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from libs.common.clocks import SystemClock
from libs.domain.actions import CorporateAction
from libs.domain.instruments import Instrument
from libs.quant.bars import BarsOf
from libs.quant.fills import FillOn
from libs.venues.feed import FeedLink, FeedStep
from libs.venues.merged import VenuesFeed
from tests.factories import NOON, SECOND
from tests.paper import ALFA, COIN


class ScriptedVenue:
    """A `LiveFeed`. Its script is what happens there; it has happened as far as `pass_to` says."""

    name: str = "scripted"
    seed: int = 1
    timeframes: tuple[str, ...] = ("1s", "1m")
    recorded_bars: bool = False
    live: bool = True
    times_quotes: bool = True
    actions: Sequence[CorporateAction] = ()
    start: int = NOON
    speed: float = 10.0

    def __init__(self, instrument: Instrument, script: Sequence[FeedStep] = ()) -> None:
        self.instruments: Sequence[Instrument] = (instrument,)
        self.bars_of: Mapping[str, BarsOf] = {instrument.symbol: "trade"}
        self.fill_on: Mapping[str, FillOn] = {instrument.symbol: "quote"}
        self.closed = False
        self.asked_after: list[int] = []
        self._script = list(script)
        self._now = NOON
        self._up = True
        self._ended = False
        self._reconnects = self._refilled = 0
        self._changed = asyncio.Event()

    def pass_to(self, seconds: float) -> None:
        """Everything up to so long after NOON has happened."""
        self._now = NOON + round(seconds * SECOND)
        self._changed.set()

    def cut(self) -> None:
        """The socket is gone; what happens now is not told."""
        self._up = False

    def mend(self) -> None:
        """Connected again."""
        self._up = True
        self._reconnects += 1
        self._changed.set()

    def end(self) -> None:
        """Nothing more will ever come."""
        self._ended = True
        self._changed.set()

    def _happened(self, step: FeedStep) -> bool:
        """Each follows the one before it; a time from another age is an error of the venue, told when its turn comes."""
        return step.time <= self._now or step.time > NOON + 10**15

    def link(self) -> FeedLink:
        return FeedLink(self._up, "" if self._up else "cut off by the test", self._reconnects, self._refilled)

    async def close(self) -> None:
        self.closed = True

    async def steps(self, after: int) -> AsyncIterator[FeedStep]:
        self.asked_after.append(after)
        self._told = 0
        while True:
            while self._up and self._told < len(self._script) and self._happened(step := self._script[self._told]):
                self._told += 1
                if step.time > after:
                    yield step
            if self._ended:
                return
            await self._changed.wait()
            self._changed.clear()


def two_venues(
    stocks: Sequence[FeedStep],
    crypto: Sequence[FeedStep],
    *,
    speed: float = 10.0,
    venue: str = "TEST",
    start: int = NOON,
    seed: int = 1,
) -> tuple[VenuesFeed, ScriptedVenue, ScriptedVenue]:
    """ALFA at one venue, BTC/USD at another, as one feed; and the venues."""
    first, second = ScriptedVenue(ALFA, stocks), ScriptedVenue(COIN, crypto)
    feed = VenuesFeed({"stocks": first, "crypto": second}, SystemClock(), venue=venue, seed=seed, start=start, speed=speed)
    return feed, first, second
