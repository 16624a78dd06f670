"""scheduler: jobs by market time and by host time, and those asked for by hand; only while it holds the lease `scheduler`."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp

from libs.common.consumer import Bell
from libs.common.database import LeaseLost, Unreachable
from libs.common.journal import PostgresJournal
from libs.common.leases import Lease
from libs.common.runner import Context
from libs.common.settings import Settings
from libs.domain.jobs import AnyJob
from libs.domain.messages import Notification
from libs.domain.streams import CONTROL
from libs.quant.calendars import DAY
from libs.store import jobs, notifications, sessions
from libs.store.control import Control
from libs.store.jobs import Run
from services.scheduler import configuration, host_time, kinds
from services.scheduler.configuration import Planned
from services.scheduler.due import schedule_of
from services.scheduler.duty import Done, Duty
from services.scheduler.market_time import MarketTime, calendars_of
from services.scheduler.running import PRODUCER, Runs

log = logging.getLogger(__name__)

LEASE: Final = "scheduler"
LOOK_S: Final = 0.5
LEAVE_S: Final = 4.0
"""How long runs may go on once we are asked to leave; the runner waits a little longer."""


async def work(context: Context, settings: Settings) -> None:
    """Waits for the lease, then runs jobs while it is ours; again when it was lost; until asked to stop."""
    planned = configuration.read(Path(settings.config_dir), settings.environment)
    async with aiohttp.ClientSession() as http:
        await Desk(context, settings, planned, http).run()


class Desk:
    """All jobs of one fleet."""

    def __init__(self, context: Context, settings: Settings, planned: Sequence[Planned], http: aiohttp.ClientSession) -> None:
        self._context = context
        self._settings = settings
        self._planned = {job.config.id: job for job in planned}
        self._http = http
        self._database = context.database("jobs")
        self._queue = context.database("queue")
        self._market = context.database("market time")
        self._clocks = context.database("clock")
        self._own = {job.config.id: context.database(f"job:{job.config.id}") for job in planned}
        self._lease = Lease(context.database("lease"), LEASE, context.holder, context.clock)
        self._bell = Bell()
        self._over = asyncio.Event()  # asked to stop, or the lease is lost

    async def run(self) -> None:
        """Until asked to stop."""
        ending = asyncio.create_task(self._end())
        try:
            while not self._context.stopping.is_set():
                self._over.clear()
                self._context.readiness.set("service", False, "in reserve: another scheduler holds the lease")
                if not await self._lease.acquire((), self._context.stopping):
                    return
                await self._hold()
        finally:
            ending.cancel()
        try:
            await self._lease.release()
        except Unreachable as error:
            log.warning("lease %s not released, it will run out: %s", LEASE, error)

    async def _hold(self) -> None:
        """Under the lease, until asked to stop or it is lost."""
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._lease.keep(self._lost))
                await self._serve()
                keeping.cancel()
        except* LeaseLost:
            log.error("%s stands down: another holder acts, or may", LEASE)

    async def _serve(self) -> None:
        """Raises LeaseLost, in a group, when a write finds a successor."""
        async with asyncio.TaskGroup() as group:
            runs = Runs(self._database, self._lease, self._context.clock, self._work, self._tell, group)
            if not await self._take_over(runs):
                return
            market = MarketTime(self._of("market"), self._market, self._clocks, self._context.bus, self._context.clock, runs)
            background = [
                group.create_task(self._context.bus.listen([CONTROL.of(self._context.name)], self._ring, self._bell.ring)),
                group.create_task(self._by_hand(runs)),
                group.create_task(host_time.run(self._of("host"), self._database, self._context.clock, runs)),
                group.create_task(market.run()),
            ]
            self._context.readiness.set("service", True, f"{len(self._planned)} jobs, epoch {self._lease.epoch}")
            await self._over.wait()
            for task in background:
                task.cancel()
            if self._lease.held():
                await runs.leave(LEAVE_S)
            else:
                raise LeaseLost("its runs are left to a successor", "TW002")

    async def _take_over(self, runs: Runs) -> bool:
        """Whether the record knows of our jobs and of what a predecessor left behind; False when it is all over first."""
        rows = [
            jobs.Job(
                job_id=config.id,
                about=config.about,
                clock=config.clock,
                schedule=f"{config.schedule} ({config.calendar})",
                enabled=config.enabled,
            )
            for config, _ in self._planned.values()
        ]
        while not self._over.is_set():
            try:
                await runs.take_over(rows)
                return True
            except Unreachable as error:
                log.warning("jobs wait for the database: %s", error)
                await asyncio.sleep(LOOK_S)
        return False

    def _of(self, clock: str) -> list[Planned]:
        return [job for job in self._planned.values() if job.config.clock == clock]

    async def _by_hand(self, runs: Runs) -> None:
        """What the operator asks for, in turn; a job that runs already is waited for."""
        while True:
            try:
                for run in await jobs.waiting(self._queue):
                    await self._asked(runs, run)
            except Unreachable as error:
                log.warning("the queue of jobs waits for the database: %s", error)
            await self._bell.wait(LOOK_S)

    async def _asked(self, runs: Runs, run: Run) -> None:
        if (planned := self._planned.get(run.job_id)) is None:
            await runs.refuse(run, "it is not configured any more")
        else:
            await runs.begin(planned.config, run, run.scheduled_for - DAY)

    async def _work(self, config: AnyJob, run: Run, since: int) -> Done:
        database = self._own[config.id]
        session = await (sessions.named(database, run.session_id) if run.session_id else sessions.current(database))
        journal = PostgresJournal(database, self._context.bus, self._context.clock)
        played = await calendars_of(database, session) if session else ()
        return await kinds.done(
            config,
            Duty(
                run=run,
                since=since,
                session=session,
                calendars=schedule_of(self._planned[config.id], played).calendars,
                database=database,
                control=Control(database, journal, self._context.clock, PRODUCER),
                http=self._http,
                settings=self._settings,
                clock=self._context.clock,
            ),
        )

    async def _tell(self, said: Sequence[Notification]) -> None:
        if said:
            await self._context.bus.publish(notifications.bells(said, self._context.sealer, self._context.clock))

    def _ring(self, channel: str, payload: bytes) -> None:
        self._bell.ring()

    def _lost(self, reason: str) -> None:
        log.error("lease lost: %s", reason)
        self._context.readiness.set("service", False, "lease lost")
        self._over.set()

    async def _end(self) -> None:
        await self._context.stopping.wait()
        self._over.set()
