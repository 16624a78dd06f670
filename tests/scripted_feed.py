"""A market of a few written-down steps, and host time that passes only where the collector rests."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from libs.domain.actions import CorporateAction
from libs.domain.instruments import Instrument
from libs.domain.market import BadRow, MarketEvent, Quote, TradeTick
from libs.quant.bars import BarsOf
from libs.quant.fills import FillOn
from libs.venues.feed import FeedStep
from tests.factories import NOON, SECOND, HandClock
from tests.paper import ALFA, COIN


class Crash(Exception):
    """The process is gone in the middle of something."""


class ScriptedFeed:
    """A `MarketDataFeed`. It may end early with a crash, which is how a process dies between two steps."""

    name: str = "scripted"
    instruments: Sequence[Instrument] = (ALFA, COIN)
    timeframes: tuple[str, ...] = ("1s", "1m")
    recorded_bars: bool = False
    live: bool = False
    bars_of: Mapping[str, BarsOf] = {"ALFA": "trade", "BTC/USD": "trade"}
    fill_on: Mapping[str, FillOn] = {"ALFA": "quote", "BTC/USD": "quote"}
    actions: Sequence[CorporateAction] = ()
    start: int = NOON
    speed: float = 10.0

    def __init__(self, script: Sequence[FeedStep], *, seed: int = 1, crash_after: int | None = None) -> None:
        self.seed = seed
        self.taken: list[int] = []  # times of the steps that were asked for
        self._script = script
        self._crash_after = crash_after

    async def steps(self, after: int) -> AsyncIterator[FeedStep]:
        for step in self._script:
            if step.time <= after:
                continue
            if self._crash_after is not None and len(self.taken) == self._crash_after:
                raise Crash
            self.taken.append(step.time)
            yield step


class PassingTime(HandClock):
    """Host time that passes when somebody rests, at once."""

    async def rest(self, seconds: float) -> None:
        self.move(max(seconds, 1e-6))
        await asyncio.sleep(0)


def at(seconds: float, *events: MarketEvent | BadRow) -> FeedStep:
    """What becomes known so long after NOON."""
    return FeedStep(NOON + round(seconds * SECOND), events)


def a_trade(seconds: float, price: float, size: float = 1.0, symbol: str = "ALFA", seq: int = 1) -> TradeTick:
    return TradeTick(venue="TEST", symbol=symbol, seq=seq, ts=NOON + round(seconds * SECOND), price=price, size=size)


def a_spread(seconds: float, bid: float, ask: float, symbol: str = "ALFA", seq: int = 1) -> Quote:
    return Quote(venue="TEST", symbol=symbol, seq=seq, ts=NOON + round(seconds * SECOND), bid=bid, ask=ask, bid_size=100.0, ask_size=100.0)


def trades(*moments: tuple[float, float]) -> list[FeedStep]:
    """One ALFA trade a step: (seconds after NOON, price)."""
    return [at(seconds, a_trade(seconds, price, seq=n)) for n, (seconds, price) in enumerate(moments, 1)]
