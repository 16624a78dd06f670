"""The core: commands and market events in, reports out. Pure and deterministic: a seed, the listings and the same input in
the same order make the same venue to the last report. No clock but the market time that it is told.
"""

from collections.abc import Mapping, Sequence
from typing import Self

from libs.domain.market import MarketEvent
from libs.quant.sim_venue.commands import Command
from libs.quant.sim_venue.listings import Listing, VenueRules
from libs.quant.sim_venue.reports import Outcome, Report


class Exchange:
    """One venue, all of its accounts."""

    def __init__(self, listings: Mapping[str, Listing], *, seed: int = 0, rules: VenueRules | None = None) -> None: ...

    now: int  # market time, as last heard
    rules: VenueRules

    def execute(self, command: Command) -> Outcome:
        """Does what is asked, at once, or refuses and leaves everything as it was. Never raises for what a client sends."""
        raise NotImplementedError

    def hear(self, events: Sequence[MarketEvent], market_time: int) -> list[Report]:
        """The market moves on: what that fills, triggers and ends. Events of unknown symbols and older ones do nothing."""
        raise NotImplementedError

    def depth(self, symbol: str, levels: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks as (ticks, lots), best first: what the market shows and, in `book`, the accounts' resting orders."""
        raise NotImplementedError

    def snapshot(self) -> bytes:
        """All of its state; `restore` gives back a venue that answers every further input alike."""
        raise NotImplementedError

    @classmethod
    def restore(cls, listings: Mapping[str, Listing], snapshot: bytes) -> Self:
        """A venue as it was. ValueError: the bytes are no snapshot of this version, or of other listings."""
        raise NotImplementedError
