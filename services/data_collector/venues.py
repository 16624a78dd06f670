"""The live feed of the venues in config/system.toml: opened when they answer, however long that takes."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from math import inf
from typing import Final, NamedTuple, assert_never

import aiohttp

from libs.common.clocks import HostClock
from libs.common.logs import about
from libs.common.runner import Context
from libs.common.settings import ConfigError
from libs.domain import credentials
from libs.domain.configuration import SystemConfig, VenueConfig
from libs.domain.credentials import Look
from libs.domain.fleet import PORTS
from libs.venues.broker import OutcomeUnknown, WrongKey
from libs.venues.endpoint import Endpoint, Mode
from libs.venues.feed import LiveFeed
from libs.venues.merged import VenuesFeed
from libs.venues.sim_control import DIALECTS, SimControl, SimVenueAway, SimVenueRefused
from services.data_collector.settings import CollectorSettings

log = logging.getLogger(__name__)

AGAIN_S: Final = 0.5
SIM_LEAD_S: Final = 2.0
"""Host seconds for which the time of a simulated market may go on without any event: it is the venue's to stand still, or
to skip a night. The time of the real venues is that of the world."""
_DATA_ACCOUNT: Final = "market_data"
"""At sim_venue, whose Alpaca dialect asks for a key of market data as Alpaca does. It never trades."""


class Market(NamedTuple):
    """Where the market of the venues stands, before any of them is listened to."""

    venue: str  # what the record calls it
    seed: int
    start: int  # market time now, ns
    speed: float
    lead_s: float


class NotYet(Exception):
    """A venue does not answer; the message says which, and how it fails."""


class Venues:
    """The way to the live feed of some venues."""

    def __init__(self, context: Context, settings: CollectorSettings, system: SystemConfig, look: Look) -> None:
        """
        Raises:
            ConfigError: these venues cannot be one live market.
        """
        self._context = context
        self._settings = settings
        self._look = look
        self._mode: Mode = "live" if settings.execution_mode == "live" else "paper"
        self._venues = traded(system)
        self._sim_url = settings.peer("sim_venue", PORTS["sim_venue"])
        self._simulated = all(venue.url == "sim" for venue in self._venues)
        if settings.lockstep:
            raise ConfigError(
                "LOCKSTEP=1 plays a market step by step, and FEED=venues is live: its next step comes when it happens;"
                " set FEED to closes, synthetic or replay:NAME, or LOCKSTEP=0"
            )
        if not self._simulated and any(venue.url == "sim" for venue in self._venues):
            named = ", ".join(f"{venue.name} is {'simulated' if venue.url == 'sim' else 'not'}" for venue in self._venues)
            raise ConfigError(f"config/system.toml: a session has one market time, and {named}; trade them in separate fleets")

    async def opened(self, stack: AsyncExitStack) -> tuple[VenuesFeed, float] | None:
        """The feed of all, once they have all answered, and its lead in host seconds, see `Live`; readiness says what is
        waited for. None when asked to stop first. Its connections are given up with `stack`.

        Raises:
            ConfigError: a venue will never answer as it is configured; the message says why.
        """
        said = ""
        while not self._context.stopping.is_set():
            try:
                async with AsyncExitStack() as opening:
                    market = await self._market()
                    feeds = {venue.name: await self._feed(venue, market, opening) for venue in self._venues}
                    feed = VenuesFeed(
                        feeds, self._context.clock, venue=market.venue, seed=market.seed, start=market.start, speed=market.speed
                    )
                    await stack.enter_async_context(opening.pop_all())
                    return feed, market.lead_s
            except NotYet as error:
                if str(error) != said:  # an outage of a night is one line, not sixty thousand
                    said = str(error)
                    log.warning("waiting for the market: %s", said, extra=about("feed_opened", "failure"))
                self._context.readiness.set("service", False, f"waits for {said}")
            except ValueError as error:
                raise ConfigError(f"config/system.toml: the [[venue]] tables are no market: {error}") from error
            await asyncio.sleep(AGAIN_S)
        return None

    async def _market(self) -> Market:
        if not self._simulated:
            return Market(credentials.REAL_MARKETS[self._mode], 0, self._context.clock.now_ns(), 1.0, inf)
        try:
            async with aiohttp.ClientSession() as http:
                shown = await SimControl(http, self._sim_url).market()
        except SimVenueAway as error:
            raise NotYet(f"sim_venue: {error}") from error
        except SimVenueRefused as error:
            raise ConfigError(f"sim_venue does not say what it plays: {error}") from error
        # Two markets, or two seeds of one, are two venues in the record: their bars must not meet.
        return Market(f"SIM-{shown.feed}-{shown.seed}", shown.seed, shown.market_time, shown.speed, SIM_LEAD_S)

    async def _feed(self, venue: VenueConfig, market: Market, opening: AsyncExitStack) -> LiveFeed:
        try:
            feed = await opened(venue, await self._endpoint(venue), self._context.clock, market)
        except OutcomeUnknown as error:
            raise NotYet(f"venue {venue.name}: {error}") from error
        except WrongKey as error:
            raise ConfigError(f"venue {venue.name}: {error}") from error
        opening.push_async_callback(feed.close)
        return feed

    async def _endpoint(self, venue: VenueConfig) -> Endpoint:
        if venue.url == "sim":
            return await self._at_sim(venue)
        try:
            keys = credentials.keys(venue, self._look)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        return Endpoint(venue.url, keys.key, keys.secret, self._mode)

    async def _at_sim(self, venue: VenueConfig) -> Endpoint:
        dialect = DIALECTS[venue.adapter]
        try:
            async with aiohttp.ClientSession() as http:
                keys = await SimControl(http, self._sim_url).open_account(f"{_DATA_ACCOUNT}_{dialect}", dialect, {"USD": Decimal(0)})
        except SimVenueAway as error:
            raise NotYet(f"sim_venue: {error}") from error
        except SimVenueRefused as error:
            raise ConfigError(f"venue {venue.name}: {error}") from error
        return Endpoint(f"{self._sim_url}/{dialect}", keys.key, keys.secret, "paper")


def traded(system: SystemConfig) -> Sequence[VenueConfig]:
    """The venues that an account is at.

    Raises:
        ConfigError: there is none.
    """
    at = {account.venue for account in system.opened(live=True)}
    found = [venue for venue in system.venue if venue.name in at]
    if not found:
        raise ConfigError("FEED=venues needs a [[venue]] in config/system.toml, and an [[account]] there; there is none")
    return found


async def opened(venue: VenueConfig, endpoint: Endpoint, clock: HostClock, market: Market) -> LiveFeed:
    """The feed of one venue, connecting.

    Raises:
        OutcomeUnknown: it does not answer.
        WrongKey: the key is not for it.
        ValueError: it does not list what is asked for.
    """
    # Each is imported only where it is used: the libraries behind them cost memory that no other market needs.
    match venue.adapter:
        case "alpaca":
            from libs.venues.alpaca.feed import AlpacaFeed

            return await AlpacaFeed.open(venue, endpoint, clock)
        case "ccxt":
            from libs.venues.ccxt_venue.feed import CcxtFeed

            return await CcxtFeed.open(venue, endpoint, clock=clock, start=market.start, speed=market.speed, lead_s=market.lead_s)
        case unknown:
            assert_never(unknown)
