"""The adapter of a configured venue: for whoever trades there, and for whoever only has to end what is open."""

from collections.abc import Mapping
from typing import assert_never

from libs.common.clocks import HostClock
from libs.domain.configuration import VenueConfig
from libs.domain.instruments import Instrument
from libs.venues.broker import Broker
from libs.venues.budget import Budget
from libs.venues.endpoint import Endpoint


def adapter(
    venue: VenueConfig, endpoint: Endpoint, instruments: Mapping[str, Instrument] | None, clock: HostClock, *, listens: bool = True
) -> Broker:
    """One account's broker, not connected yet.

    Args:
        instruments: by symbol, what is traded; None: whatever the venue lists, for one that sends no orders.
        listens: whether it hears the venue's reports from `connect` on; one that does not never has its `link` up.

    Raises:
        ValueError: there is no such venue.
        WrongKey: its mode and its address do not go together.
    """
    # Each is imported only where it is used: the libraries behind them cost memory that nobody else needs.
    match venue.adapter:
        case "alpaca":
            from libs.venues.alpaca.broker import AlpacaBroker

            budget = Budget(venue.requests_per_minute, clock=clock)
            return AlpacaBroker(endpoint, instruments=instruments or {}, clock=clock, budget=budget, listens=listens)
        case "ccxt":
            from libs.venues.ccxt_venue.broker import CcxtBroker

            return CcxtBroker(venue, endpoint, instruments, clock=clock, listens=listens)
        case unknown:
            assert_never(unknown)


def load_library(venue: VenueConfig) -> None:
    """Imports what the adapter of a venue needs, a second's work with ccxt: for whoever may have to be quick later."""
    match venue.adapter:
        case "alpaca":
            import libs.venues.alpaca.broker
        case "ccxt":
            import libs.venues.ccxt_venue.broker
            import libs.venues.ccxt_venue.exact  # noqa: F401
        case unknown:
            assert_never(unknown)


async def connected(broker: Broker) -> Broker:
    """The broker, which is let go of when it cannot be had.

    Raises:
        WrongKey, OutcomeUnknown: as `Broker.connect`.
    """
    try:
        await broker.connect()
    except BaseException:
        await broker.disconnect()
        raise
    return broker
