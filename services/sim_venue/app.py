"""sim_venue: an exchange in a box. Which venue the settings ask for, and its life in the process."""

import asyncio
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Final

from libs.common.runner import Context
from libs.common.settings import ConfigError
from libs.venues.markets import MarketNotFound, named
from services.sim_venue.host import Dialect, Host
from services.sim_venue.listings import by_hand, of_feed
from services.sim_venue.settings import SimVenueSettings
from services.sim_venue.venue import Terms, Venue

_DIALECTS: Final = {"alpaca": "AlpacaDialect", "binance": "BinanceDialect"}


def dialects() -> list[Callable[[Host], Dialect]]:
    """Those that there are."""
    there = [(f"services.sim_venue.{name}", kind) for name, kind in _DIALECTS.items()]
    return [getattr(importlib.import_module(f"{name}.dialect"), kind) for name, kind in there if importlib.util.find_spec(name)]


def venue(context: Context, settings: SimVenueSettings) -> Venue:
    """The venue that the settings describe, not open yet.

    Raises:
        ConfigError: its market is not there.
    """
    feed = None
    if settings.sim_market != "manual":
        try:
            feed = named(settings.sim_market, settings.seed, settings.recordings())
        except MarketNotFound as error:
            raise ConfigError(f"SIM_MARKET={settings.sim_market}: {error}") from error
    listed = of_feed(feed) if feed else by_hand()
    speed = settings.speed or (feed.speed if feed else 0.0)
    return Venue(Terms(feed, listed, settings.seed, speed, folder_of(settings)), context.clock, dialects())


def folder_of(settings: SimVenueSettings) -> Path:
    """Where this venue keeps its log: each market of each seed is a venue of its own."""
    return Path(settings.state_dir) / "sim_venue" / f"{settings.sim_market.replace(':', '-')}-{settings.seed}"


async def work(context: Context, venue: Venue) -> None:
    """Opens the venue and plays its market until asked to stop."""
    await venue.open()
    context.info["market_time_ns"] = venue.host.now
    context.info["listeners"] = venue.host.listeners
    context.info["log_lines"] = lambda: venue.host.written
    plays = venue.terms.feed.name if venue.terms.feed else "a market that is told by hand"
    differences = venue.recovered.differences
    context.readiness.set(
        "service", True, f"open, {plays}" + (f"; {differences} lines of the log came out differently" if differences else "")
    )
    running = asyncio.ensure_future(venue.run())
    asked = asyncio.ensure_future(context.stopping.wait())
    try:
        await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        for task in (running, asked):
            task.cancel()
        await asyncio.wait({running, asked})
        venue.close()
