"""Runs: begun under the lease, ended in the history, never two of a job at once."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from libs.common import metrics
from libs.common.clocks import SECOND, HostClock
from libs.common.database import Database, Unreachable, Write
from libs.common.leases import Lease
from libs.domain.jobs import AnyJob, RunState
from libs.domain.messages import Notification
from libs.store import jobs, notifications
from libs.store.jobs import Run
from services.scheduler.duty import Done, Failed, told_id

log = logging.getLogger(__name__)

PRODUCER: Final = "scheduler"
RUNBOOK: Final = "runbooks/job-failed"
LEFT: Final = "the scheduler ended while it ran"
ASKED_TO_LEAVE: Final = "the scheduler was asked to leave while it ran"
AGAIN_S: Final = 0.2


class Work(Protocol):
    """Does what a job is there for."""

    async def __call__(self, config: AnyJob, run: Run, since: int) -> Done:
        """Raises Failed when it did not go well."""
        ...


class Tell(Protocol):
    """Rings for notifications that are in the record."""

    async def __call__(self, said: Sequence[Notification]) -> None: ...


class Runs:
    """The runs of one holder of the lease. Its tasks belong to a group of the holder: a lost lease ends them all."""

    def __init__(self, database: Database, lease: Lease, clock: HostClock, work: Work, tell: Tell, group: asyncio.TaskGroup) -> None:
        self._database = database
        self._lease = lease
        self._clock = clock
        self._work = work
        self._tell = tell
        self._group = group
        self._since: dict[str, str] = {}  # of what runs: host time, as people read it
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leaving = False

    def running_since(self, job_id: str) -> str | None:
        """When the job's run began, for a person; None when it does not run."""
        return self._since.get(job_id)

    async def take_over(self, configured: Sequence[jobs.Job]) -> None:
        """The record knows of these jobs, and what a predecessor left running has failed.

        Raises:
            LeaseLost: somebody else has taken over from us.
            Unreachable: the database is away.
        """
        await self._database.write([self._guard(), *jobs.configured(configured)])
        for run in await jobs.left_running(self._database):
            log.warning("job %s: %s", run.job_id, LEFT)
            await self._write_end(run, "failed", LEFT, [self._failure(run, LEFT)])
        for job_id, at in (await jobs.last_success(self._database)).items():
            metrics.JOB_SUCCESS.labels(job=job_id).set(at)

    async def begin(self, config: AnyJob, run: Run, since: int, note: str = "") -> bool:
        """Starts a run, unless the record says that it has been, or the job runs already; whether it did.

        Raises:
            LeaseLost: somebody else may act, not we.
            Unreachable: it may have been begun; ask for the same run again.
        """
        if not self._lease.held():
            raise Unreachable("the lease has run out and is not renewed yet")
        if config.id in self._since:
            return False
        self._since[config.id] = f"{datetime.fromtimestamp(self._clock.now_ns() // SECOND, UTC):%Y-%m-%d %H:%M:%S}"
        started = False
        try:
            *_, rows = await self._database.write([self._guard(), jobs.begun(run)])
            started = bool(rows)
        finally:
            if not started:
                del self._since[config.id]
        if started:
            self._tasks[config.id] = task = self._group.create_task(self._run(config, run, since, note))
            task.add_done_callback(lambda _: self._gone(config.id))
        return started

    async def skip(self, run: Run, why: str) -> None:
        """Notes that a run was due and why it is not run. Raises as `begin`."""
        *_, rows = await self._database.write([self._guard(), jobs.skipped(run, why)])
        if rows:
            log.info("job %s skipped: %s", run.job_id, why)
            metrics.JOB_RUNS.labels(job=run.job_id, state="skipped").inc()

    async def refuse(self, run: Run, why: str) -> None:
        """A run that cannot even begin. Raises as `begin`."""
        await self._write_end(run, "failed", why, [])

    async def leave(self, grace_s: float) -> None:
        """Gives what runs so long to end, then ends it."""
        if tasks := list(self._tasks.values()):
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            self._leaving = True
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    # --- inner

    def _gone(self, job_id: str) -> None:
        del self._tasks[job_id], self._since[job_id]

    async def _run(self, config: AnyJob, run: Run, since: int, note: str) -> None:
        log.info("job %s begins%s", config.id, f": {note}" if note else "")
        started = self._clock.monotonic()
        state, detail, told = await self._outcome(config, run, since)
        await self._end(run, state, f"{detail}; {note}" if note else detail, told)
        metrics.JOB_SECONDS.labels(job=config.id).observe(self._clock.monotonic() - started)
        log.log(logging.INFO if state == "done" else logging.WARNING, "job %s %s: %s", config.id, state, detail)

    async def _outcome(self, config: AnyJob, run: Run, since: int) -> tuple[RunState, str, Sequence[Notification]]:
        """How a run ends, whatever it does: a job takes nothing with it."""
        limit = asyncio.timeout(config.timeout_s)
        try:
            async with limit:
                done = await self._work(config, run, since)
        except Failed as failed:
            return "failed", str(failed), failed.told or [self._failure(run, str(failed))]
        except asyncio.CancelledError:
            if not self._leaving:
                raise  # the lease is lost: how it ended is for the successor to say
            return "failed", ASKED_TO_LEAVE, []
        except Exception as error:
            if limit.expired():
                why = f"it took longer than its timeout of {config.timeout_s:g} s"
            elif isinstance(error, Unreachable):
                why = f"the database did not answer: {error}"
            else:
                log.exception("job %s raised", config.id)
                why = f"it raised {type(error).__name__}: {error}"
            return "failed", why, [self._failure(run, why)]
        return "done", done.detail, done.told

    async def _end(self, run: Run, state: RunState, detail: str, told: Sequence[Notification]) -> None:
        """Into the history, however long the database is away.

        Raises:
            LeaseLost: a successor has called it failed.
        """
        while True:
            try:
                resolved = await self._resolved(run) if state == "done" else []
                return await self._write_end(run, state, detail, [*told, *resolved])
            except Unreachable as error:
                log.warning("the end of job %s waits for the database: %s", run.job_id, error)
                await asyncio.sleep(AGAIN_S)

    async def _write_end(self, run: Run, state: RunState, detail: str, told: Sequence[Notification]) -> None:
        writes = [self._guard(), jobs.ended(run.id, state, detail)]
        if told:
            writes.append(notifications.store(told, PRODUCER))
        await self._database.write(writes)
        metrics.JOB_RUNS.labels(job=run.job_id, state=state).inc()
        if state == "done":
            metrics.JOB_SUCCESS.labels(job=run.job_id).set(self._clock.now_ns() / SECOND)
        await self._tell(told)

    def _guard(self) -> Write:
        return Write("select lease_guard(%s, %s)", (self._lease.name, self._lease.epoch))

    def _failure(self, run: Run, why: str) -> Notification:
        key = failed_key(run.job_id)
        return notifications.notification(
            self._clock,
            "system",
            "warning",
            f"Job {run.job_id} failed",
            f"{why[:1].upper()}{why[1:].rstrip('.')}.",
            state="firing",
            key=key,
            link=RUNBOOK,
            id_=told_id(run.id, key, "firing"),
        )

    async def _resolved(self, run: Run) -> list[Notification]:
        return [
            notifications.notification(
                self._clock,
                "system",
                "info",
                f"Job {run.job_id} ended well again",
                "",
                state="resolved",
                key=key,
                link=RUNBOOK,
                id_=told_id(run.id, key, "resolved"),
            )
            for key in await jobs.firing(self._database, PRODUCER, [failed_key(run.job_id)])
        ]


def failed_key(job_id: str) -> str:
    """What is wrong while a job's last run has failed."""
    return f"job_failed:{job_id}"
