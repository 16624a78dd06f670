"""Jobs by this host's time: APScheduler keeps the timers, the rules are ours, the history is the record's."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from libs.common.clocks import SECOND, HostClock
from libs.common.consumer import Bell
from libs.common.database import Database, Unreachable
from libs.quant.schedules import Schedule, next_due
from libs.store import jobs
from services.scheduler.configuration import Planned
from services.scheduler.due import Watch, schedule_of
from services.scheduler.running import Runs

log = logging.getLogger(__name__)

LOOK_S: Final = 60.0
"""A look without a timer: a host clock that was set back may have eaten one."""
AGAIN_S: Final = 0.5


class DueTrigger(BaseTrigger):  # type: ignore[misc] # APScheduler ships no types
    """Fires when a rule of ours is due."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first due time after both."""
        after = max(now, previous_fire_time or now)
        due = next_due(self._schedule, int(after.timestamp()) * SECOND)
        return None if due is None else datetime.fromtimestamp(due // SECOND, UTC)


async def run(planned: Sequence[Planned], database: Database, clock: HostClock, runs: Runs) -> None:
    """Until cancelled. What was due while nobody held the lease is decided first; a job that has never run begins now.

    Raises:
        LeaseLost: somebody else may act, not we.
    """
    logging.getLogger("apscheduler").setLevel(logging.WARNING)  # it tells of each timer it sets
    bell = Bell()
    timers = AsyncIOScheduler(timezone=UTC)
    # No timer can be too late: what has become due is read from the rule and the history.
    how = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    for job in planned:
        timers.add_job(bell.ring, DueTrigger(schedule_of(job, ())), id=job.config.id, **how)
    timers.start()
    try:
        await _look(planned, database, clock, runs, bell)
    finally:
        timers.shutdown(wait=False)


async def _look(planned: Sequence[Planned], database: Database, clock: HostClock, runs: Runs, bell: Bell) -> None:
    """Whenever the bell rings; again and again while the database is away."""
    began, watch = clock.now_ns(), None
    while True:
        try:
            if watch is None:
                watch = Watch(planned, (), "", await jobs.decided_to(database, ""), began, database, runs)
                await watch.show()
            await watch.look(clock.now_ns())
        except Unreachable as error:
            log.warning("jobs by host time wait for the database: %s", error)
            await asyncio.sleep(AGAIN_S)
        else:
            await bell.wait(LOOK_S)
