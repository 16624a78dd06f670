"""What is said without an occasion: the daily word to the operator, and a sign of life to a service outside."""

import asyncio
import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

import aiohttp

from libs.common.clocks import HostClock
from libs.common.database import Database, Unreachable
from libs.domain.configuration import NotificationsConfig
from libs.domain.health import overall
from libs.domain.summaries import Day, due, summary
from libs.store import monitoring
from libs.store.notifications import notification
from services.monitor.desk import Desk
from services.monitor.times import utc
from services.monitor.watch import Watch

log = logging.getLogger(__name__)

LOOK_S: Final = 20.0
SIGN_EVERY_S: Final = 60.0
ANSWER_WITHIN_S: Final = 10.0


async def tell_daily(database: Database, watch: Watch, desk: Desk, config: NotificationsConfig, clock: HostClock) -> None:
    """Once a day, at the hour that is configured, until cancelled. The day's id keeps a restart from saying it twice."""
    told = None
    while True:
        id_ = due(utc(clock), config.daily_summary, config.tz)
        if id_ is not None and id_ != told:
            told = id_
            day, again = await _day(database, id_, clock)
            if not again:
                up = {name: eye.uptime_s if eye.seen.ready else None for name, eye in watch.services.items()}
                found = summary(watch.faults.firing, up, day)
                await desk.say([notification(clock, "report", found.severity, found.title, found.body, id_=id_)])
        await asyncio.sleep(LOOK_S)


async def _day(database: Database, id_: UUID, clock: HostClock) -> tuple[Day | None, bool]:
    """The day as the record has it, None without a record; and whether its summary has been told."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await monitoring.day(database, utc(clock) - timedelta(days=1)), await monitoring.told(database, id_)
    except (Unreachable, TimeoutError) as error:
        log.warning("the daily summary is made without the record: %s", str(error) or "no answer")
        return None, False


async def give_signs(http: aiohttp.ClientSession, url: str, watch: Watch) -> None:
    """Fetches an address each minute while the fleet is not down: whoever is there misses it when this machine dies.

    The address is a secret: it is in no log.
    """
    while True:
        if overall([fault.severity for fault in watch.faults.firing]) != "down":
            try:
                async with http.get(url, timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)) as answer:
                    if answer.status >= 400:
                        log.warning("the sign of life was answered with %d", answer.status)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                log.warning("the sign of life reached nobody: %s", type(error).__name__)
        await asyncio.sleep(SIGN_EVERY_S)
