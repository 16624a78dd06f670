"""The core: commands and market events in, reports out. Pure and deterministic: a seed, the listings and the same input in
the same order make the same venue to the last report. No clock but the market time that it is told.
"""

from collections.abc import Mapping, Sequence
from typing import Self, assert_never

from libs.domain.market import MarketEvent
from libs.quant.sim_venue import accounts, amendments, ordering, settling, snapshots
from libs.quant.sim_venue.commands import (
    Bust,
    Cancel,
    CancelAll,
    Command,
    Configure,
    Correct,
    Halt,
    OpenAccount,
    Refusal,
    Replace,
    Submit,
    Transfer,
)
from libs.quant.sim_venue.hearing import hear, known_at, moment_of
from libs.quant.sim_venue.listings import Agents, Listing, VenueRules
from libs.quant.sim_venue.reports import Outcome, Report
from libs.quant.sim_venue.state import Core


class Exchange:
    """One venue, all of its accounts."""

    def __init__(
        self, listings: Mapping[str, Listing], *, seed: int = 0, rules: VenueRules | None = None, agents: Agents | None = None
    ) -> None:
        """`agents`: who quotes and takes in every `book` beside the market; None: nobody.

        Raises:
            ValueError: money of a listing's lot and tick is finer than 12 decimals.
        """
        self._core = Core(listings, seed, VenueRules() if rules is None else rules, agents)

    @property
    def now(self) -> int:
        """Market time, as last heard."""
        return self._core.now

    @property
    def rules(self) -> VenueRules:
        return self._core.rules

    def execute(self, command: Command) -> Outcome:
        """Does what is asked, at once, or refuses and leaves everything as it was. Never raises for what a client sends."""
        core = self._core
        core.at = core.now
        refusal = _done(core, command)
        if refusal is not None:
            return Outcome([], refusal)
        settling.settle(core)
        return Outcome(core.told_now())

    def hear(self, events: Sequence[MarketEvent], market_time: int) -> list[Report]:
        """The market moves on: what that fills, triggers and ends. Events of unknown symbols and older ones do nothing."""
        core = self._core
        core.now = max(core.now, market_time)
        for event in events:
            market = core.markets.get(event.symbol)
            if market is None or market.heard_before(type(event).__name__, moment_of(event)):
                continue
            core.at = known_at(event)
            settling.expire(core, core.at - 1)
            hear(core, market, event)
            settling.settle(core, market)
        core.at = core.now
        settling.expire(core, core.now)
        settling.tick(core)
        return core.told_now()

    def depth(self, symbol: str, levels: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks as (ticks, lots), best first: what the market shows and, in `book`, the accounts' resting orders.

        Raises:
            KeyError: the symbol is not listed.
        """
        market = self._core.markets[symbol]
        if market.booked:
            return market.book.bids.depth(levels), market.book.asks.depth(levels)
        most = max(levels, 0)
        return [market.bid][:most] if market.bid else [], [market.ask][:most] if market.ask else []

    def snapshot(self) -> bytes:
        """All of its state; `restore` gives back a venue that answers every further input alike."""
        return snapshots.taken(self._core)

    @classmethod
    def restore(cls, listings: Mapping[str, Listing], snapshot: bytes) -> Self:
        """A venue as it was. ValueError: the bytes are no snapshot of this version, or of other listings."""
        venue = cls.__new__(cls)
        venue._core = snapshots.restored(listings, snapshot)
        return venue


def _done(core: Core, command: Command) -> Refusal | None:
    match command:
        case OpenAccount():
            return accounts.open_account(core, command)
        case Transfer():
            return accounts.transfer(core, command)
        case Submit():
            return ordering.submit(core, command)
        case Cancel():
            return ordering.cancel(core, command)
        case CancelAll():
            return ordering.cancel_all(core, command)
        case Replace():
            return ordering.replace(core, command)
        case Halt():
            return ordering.halt(core, command)
        case Bust():
            return amendments.bust(core, command)
        case Correct():
            return amendments.correct(core, command)
        case Configure():
            return accounts.configure(core, command)
        case _:
            assert_never(command)
