"""The port every source of market data speaks through."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from libs.domain.actions import CorporateAction
from libs.domain.instruments import Instrument
from libs.domain.market import BadRow, MarketEvent
from libs.quant.bars import BarsOf
from libs.quant.fills import FillOn


class FeedStep(NamedTuple):
    """Everything that became known at one moment of market time, quotes before trades before bars, then by symbol."""

    time: int
    events: Sequence[MarketEvent | BadRow]


class MarketDataFeed(Protocol):
    """One timeline of market data.

    A recorded or synthetic feed gives its steps as fast as they are asked for and the collector paces them; a live
    feed gives each when it happens, first those that it missed since `after`, as far as the venue still has them. A live
    feed connects again by itself, for ever; a socket that says nothing for long is a dead one.
    """

    name: str  # of the session: "closes", "synthetic", "replay:equities"
    seed: int
    instruments: Sequence[Instrument]
    timeframes: tuple[str, ...]  # of the bars it leads to, finest first
    recorded_bars: bool  # bars come whole from the feed and are not built from ticks
    bars_of: Mapping[str, BarsOf]  # by symbol; those the feed gives and those to be built from its ticks
    fill_on: Mapping[str, FillOn]  # by symbol
    actions: Sequence[CorporateAction]  # all of its timeline
    live: bool  # it gives each step when it happens, and can be neither paced nor played in lockstep
    start: int  # market time at which a new session begins
    speed: float  # market seconds per host second unless the operator says otherwise

    def steps(self, after: int) -> AsyncIterator[FeedStep]:
        """Steps later than `after`, each time once, ascending; ends where the data ends.

        Closed hours are skipped, not waited through. The same `after` always gives the same steps.
        """
        ...


class FeedLink(NamedTuple):
    """How the connection of a live feed is."""

    up: bool  # connected and subscribed; a socket that says nothing for long is not
    detail: str  # what is wrong, or waited for; "" when nothing is
    reconnects: int  # since it was opened
    refilled: int  # events that its stream had missed and that were asked for afterwards


class LiveFeed(MarketDataFeed, Protocol):
    """The feed of one venue, as it happens."""

    times_quotes: bool  # the venue says when its quotes were; else their time is a guess, from which no market time follows

    def link(self) -> FeedLink:
        """How the connection is at this moment; asks nobody."""
        ...

    async def close(self) -> None:
        """Gives up its connections; a second time does nothing."""
        ...
