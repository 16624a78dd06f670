"""data_collector: a feed in, checked and stored market data out, and the clock that everything else goes by."""

import asyncio
import logging
import math
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from libs.common import metrics
from libs.common.clocks import SECOND
from libs.common.database import CopyWriter, Database
from libs.common.ids import uuid7
from libs.common.logs import about
from libs.common.runner import Context
from libs.common.settings import ConfigError, from_toml
from libs.domain.configuration import AccountConfig, SystemConfig
from libs.domain.credentials import Look
from libs.domain.streams import ORDERS_APPROVED, ORDERS_UPDATES, SIGNALS
from libs.quant.bars import GRACE_NS
from libs.quant.fills import terms_of, written
from libs.store import actions, market, sessions
from libs.store.sessions import Session
from libs.venues.feed import MarketDataFeed
from libs.venues.merged import VenuesFeed
from services.data_collector.collect import Collector
from services.data_collector.feeds import LIVE, chosen
from services.data_collector.live import Live
from services.data_collector.lockstep import Lockstep
from services.data_collector.progress import complete_to
from services.data_collector.publish import Publisher
from services.data_collector.settings import CollectorSettings
from services.data_collector.venues import Venues

log = logging.getLogger(__name__)

CONSUMERS = {
    "risk": (SIGNALS.stream or "", ORDERS_UPDATES.stream or ""),
    "executor": (ORDERS_APPROVED.stream or "",),
}
"""Who reads which streams for an account: their cursors begin with the account."""

FORGOTTEN_S: Final = 60
"""Market seconds by which a session may be ahead of its venues, who say their time first and are heard later."""


async def work(context: Context, settings: CollectorSettings, look: Look) -> None:
    """Plays a session of the chosen feed until asked to stop. Where its data end it stays, and the next start begins anew.

    Args:
        look: into the environment, for the keys of venues.

    Raises:
        ConfigError: the feed cannot be played as it is configured.
    """
    system = from_toml(SystemConfig, Path(settings.config_dir), "system", settings.environment)
    if settings.feed != LIVE:
        await _play(context, settings, system, chosen(settings))
        return
    async with AsyncExitStack() as stack:
        found = await Venues(context, settings, system, look).opened(stack)
        if found is not None:
            feed, lead_s = found
            await _play(context, settings, system, feed, lead_s)


async def _play(
    context: Context, settings: CollectorSettings, system: SystemConfig, feed: MarketDataFeed, lead_s: float = math.inf
) -> None:
    """`lead_s` is for a live feed, see `Live`."""
    database = context.database("bars")
    ticks = CopyWriter(context.database("ticks"), "market_quotes", market.QUOTE_COLUMNS, market.QUOTE_TYPES)
    session = await _session(context, settings, system, feed, database)
    context.sealer.session_id, context.sealer.key = session.session_id, session.key
    speed = 0.0 if session.lockstep else session.speed  # in lockstep no market time passes between two steps
    publisher = Publisher(context.bus, context.sealer, context.clock, session.session_id, speed)
    told = await complete_to(database, session, feed) if isinstance(feed, VenuesFeed) and session.horizon else None
    collector = Collector(feed, session, database, ticks, publisher, context.clock, told)
    context.info["market_time_ns"] = lambda: collector.market_time
    metrics.SESSION_PLAYING.set(1)
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(ticks.run())
        if isinstance(feed, VenuesFeed):
            context.info["feeds"] = partial(links, feed)
            playing = Live(feed, collector, context.clock, lead_s, partial(context.readiness.set, "service")).run
        else:
            context.readiness.set("service", True, f"playing {session.feed}")
            playing = Lockstep(feed, collector, database, context.clock).run if session.lockstep else collector.run
        ended = await playing(context.stopping)
        writing.cancel()
    await ticks.flush()
    if not ended:
        await collector.rest()
        return
    finished = about("session_finished", "success", session_id=session.session_id)
    log.info("the data of %s have ended; session %s is finished", session.feed, session.session_id, extra=finished)
    await sessions.finish(database, session.session_id)
    metrics.SESSION_PLAYING.set(0)
    context.readiness.set("service", True, f"{session.feed} has been played to its end")
    await context.stopping.wait()


async def _session(
    context: Context, settings: CollectorSettings, system: SystemConfig, feed: MarketDataFeed, database: Database
) -> Session:
    """The session to go on with, or a new one."""
    mode = "lockstep" if settings.lockstep else "free"
    speed = feed.speed if feed.live else settings.speed or feed.speed
    await sessions.register_instruments(database, feed.instruments)
    await database.write(actions.store(feed.actions))
    found = await sessions.resumable(database, feed.name, feed.seed, mode)
    if found is not None and feed.live and (why := _another_market(found, feed)):
        log.warning("session %s cannot go on, another is opened: %s", found.session_id, why, extra=about("session_resumed", "failure"))
        await sessions.finish(database, found.session_id)
        found = None
    if found is not None:
        told = about("session_resumed", "success", session_id=found.session_id)
        log.info("resuming session %s of %s at market time %d", found.session_id, found.feed, found.market_time, extra=told)
        await sessions.resume(database, found.session_id, speed)
        return await _reread(database)
    session = Session(
        session_id=str(uuid7(context.clock)),
        feed=feed.name,
        seed=feed.seed,
        mode=mode,
        speed=speed,
        venue=feed.instruments[0].venue,
        timeframes=tuple(feed.timeframes),
        grace_ns=0 if feed.recorded_bars else GRACE_NS,
        start_time=feed.start,
        fills={
            "on": dict(feed.fill_on),
            "latency_ns": int(system.paper.latency_ms * SECOND / 1000),
            "terms": written(terms_of(msgspec.structs.asdict(system.paper))),
        },
        market_time=feed.start,
        horizon=0,
        step=0,
        paused=False,
    )
    await sessions.open_new(database, session, [in_currency(account, feed) for account in to_open(system, feed)], CONSUMERS)
    told = about("session_opened", "success", session_id=session.session_id)
    log.info("opened session %s of %s", session.session_id, session.feed, extra=told)
    return await _reread(database)


def to_open(system: SystemConfig, feed: MarketDataFeed) -> list[AccountConfig]:
    """The accounts that trade on the feed.

    Raises:
        ConfigError: none does.
    """
    found = system.opened(live=feed.live)
    if found:
        return found
    wanted = "another venue than paper" if feed.live else "venue paper"
    raise ConfigError(f"config/system.toml: {feed.name} is traded by accounts at {wanted}, and there is none; add an [[account]] there")


def in_currency(account: AccountConfig, feed: MarketDataFeed) -> AccountConfig:
    """The account as a session opens it: `market` becomes the currency of the feed's instruments.

    Raises:
        ConfigError: they are priced in several.
    """
    if account.base_currency != "market":
        return account
    currencies = sorted({instrument.currency for instrument in feed.instruments})
    if len(currencies) != 1:
        raise ConfigError(
            f"config/system.toml, account {account.name}: base_currency is market, and {feed.name} is priced in {', '.join(currencies)}:"
            " name one of them"
        )
    return msgspec.structs.replace(account, base_currency=currencies[0])


def links(feed: VenuesFeed) -> dict[str, object]:
    """For /info: how the connection to each venue is."""
    return {name: venue.link()._asdict() for name, venue in feed.feeds.items()}


def _another_market(found: Session, feed: MarketDataFeed) -> str:
    """Why a live session cannot go on with what its venues play now; "" when it can."""
    venue = feed.instruments[0].venue
    if venue != found.venue:
        return f"it played {found.venue}, and the venues play {venue} now"
    if feed.start < found.market_time - FORGOTTEN_S * SECOND:
        return f"its market time is {found.market_time}, and the venues are at {feed.start}: they have begun anew"
    return ""


async def _reread(database: Database) -> Session:
    session = await sessions.current(database)
    if session is None:
        raise RuntimeError("the session that was just opened is gone")
    return session
