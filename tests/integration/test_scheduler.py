"""Runs of jobs on a real record: once only, never two at once, ended whatever happens, taken over from the dead."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY

from libs.common import metrics
from libs.common.clocks import SystemClock
from libs.common.database import Database, LeaseLost, Write
from libs.common.leases import Lease
from libs.common.wire import Row
from libs.domain.identity import job_run_id
from libs.domain.jobs import AnyJob, Partitions
from libs.domain.messages import Notification
from libs.quant.schedules import parse
from libs.store import jobs
from libs.store.jobs import BY_SCHEDULE, Run
from services.scheduler.configuration import Planned
from services.scheduler.due import Watch
from services.scheduler.duty import Done, Failed
from services.scheduler.running import ASKED_TO_LEAVE, LEFT, Runs
from tests.factories import MINUTE, NOON, HandClock
from tests.waiting import until

JOB = Partitions(id="upkeep", clock="market", schedule="every 1m", timeout_s=5.0)
OTHER = Partitions(id="other", clock="market", schedule="every 1m")
Work = Callable[[], "asyncio.Future[str] | str"]


class Crash(Exception):
    """Ends whatever a holder still runs."""


class Holder:
    """A scheduler without loops: its runs do what the test says."""

    def __init__(self, database: Database, lease: Lease, group: asyncio.TaskGroup) -> None:
        self.work: Work = lambda: "well done"
        self.told: list[Notification] = []
        self.began: list[tuple[int, int]] = []  # due time and since
        self.lease = lease
        self.runs = Runs(database, lease, SystemClock(), self._work, self._tell, group)

    async def _work(self, config: AnyJob, run: Run, since: int) -> Done:
        self.began.append((run.scheduled_for, since))
        said = self.work()
        return Done(said if isinstance(said, str) else await said)

    async def _tell(self, said: Sequence[Notification]) -> None:
        self.told += said

    async def run(self, n: int = 0, job: AnyJob = JOB) -> bool:
        """The n-th run after noon, to its end."""
        begun = await self.runs.begin(job, a_run(n, job), NOON)
        await self.ended()
        return begun

    async def ended(self) -> None:
        """Nothing runs any more."""
        await until(lambda: self.runs.running_since(JOB.id) is None)

    def watch(self, job: AnyJob = JOB, decided_to: dict[str, int] | None = None, *, database: Database) -> Watch:
        planned = [Planned(job, parse(job.schedule))]
        return Watch(planned, (), "session", decided_to or {}, NOON, database, self.runs)


def a_run(n: int = 0, job: AnyJob = JOB) -> Run:
    at = NOON + n * MINUTE
    return Run(id=job_run_id(job.id, "session", at), job_id=job.id, session_id="session", scheduled_for=at, asked_by=BY_SCHEDULE)


@asynccontextmanager
async def holding(database: Database, name: str = "one") -> AsyncIterator[Holder]:
    """Whoever has just taken the lease; what it still runs at the end is abandoned, as by a crash."""
    lease = Lease(database, "scheduler", name, HandClock())
    await database.write([Write("update leases set released = true", ())])
    assert await lease.acquire((), asyncio.Event())
    try:
        async with asyncio.TaskGroup() as group:
            yield Holder(database, lease, group)
            raise Crash
    except* Crash:
        pass


async def history(database: Database) -> list[Row]:
    return await database.fetch("select job_id, state, detail from job_runs order by scheduled_for, created_at")


async def said(database: Database) -> list[Row]:
    return await database.fetch("select key, severity, state from notifications order by created_at, state")


def forever() -> "asyncio.Future[str]":
    return asyncio.get_running_loop().create_future()


def refused() -> str:
    raise Failed("no room")


def broken() -> str:
    raise RuntimeError("broken")


async def test_a_moment_is_run_once_whoever_comes_after(database: Database) -> None:
    async with holding(database) as first:
        assert await first.run()
        assert not await first.run()
    async with holding(database, "two") as second:
        assert not await second.run()
    assert await history(database) == [("upkeep", "done", "well done")]


async def test_a_begin_whose_answer_was_lost_is_begun_by_asking_again(database: Database) -> None:
    async with holding(database) as holder:
        await database.write([jobs.begun(a_run())])
        assert await holder.run()
    assert await history(database) == [("upkeep", "done", "well done")]


async def test_a_begin_whose_answer_was_lost_is_skipped_when_the_job_runs_by_then(database: Database) -> None:
    async with holding(database) as holder:
        await database.write([jobs.begun(a_run())])
        await holder.runs.skip(a_run(), "still running")
        await holder.runs.skip(a_run(), "again")
    assert await history(database) == [("upkeep", "skipped", "still running")]


async def test_without_the_lease_nothing_is_begun_and_nothing_ended(database: Database) -> None:
    async with holding(database) as old:
        old.work = forever
        await old.runs.begin(JOB, a_run(), NOON)
        async with holding(database, "two") as new:
            await new.runs.take_over([])
            with pytest.raises(LeaseLost):
                await old.runs.skip(a_run(1), "")
        with pytest.raises(LeaseLost):
            await old.runs.begin(OTHER, a_run(1, OTHER), NOON)
    assert await history(database) == [("upkeep", "failed", LEFT)]


async def test_what_a_dead_scheduler_left_running_has_failed_and_is_told(database: Database) -> None:
    async with holding(database) as dead:
        dead.work = forever
        await dead.runs.begin(JOB, a_run(), NOON)
    assert await history(database) == [("upkeep", "running", "")]
    async with holding(database, "two") as successor:
        await successor.runs.take_over([])
        assert [(n.key, n.link) for n in successor.told] == [("job_failed:upkeep", "runbooks/job-failed")]
    assert await history(database) == [("upkeep", "failed", LEFT)]


@pytest.mark.parametrize(
    ("work", "detail"),
    [(refused, "no room"), (broken, "it raised RuntimeError: broken"), (forever, "it took longer than its timeout of 0.05 s")],
)
async def test_a_failure_is_one_sentence_and_a_warning_that_the_next_success_takes_back(
    database: Database, work: Work, detail: str
) -> None:
    hasty = Partitions(id="upkeep", clock="market", schedule="every 1m", timeout_s=0.05)
    async with holding(database) as holder:
        holder.work = work
        await holder.run(job=hasty)
        assert (await history(database))[0] == ("upkeep", "failed", detail)
        assert await said(database) == [("job_failed:upkeep", "warning", "firing")]
        holder.work = lambda: "well done"
        await holder.run(1)
        await holder.run(2)
    assert await said(database) == [("job_failed:upkeep", "warning", "firing"), ("job_failed:upkeep", "info", "resolved")]
    assert [n.state for n in holder.told] == ["firing", "resolved"]


async def test_a_scheduler_that_leaves_waits_a_little_and_then_ends_its_runs_without_an_alarm(database: Database) -> None:
    async with holding(database) as holder:
        holder.work = forever
        await holder.runs.begin(JOB, a_run(), NOON)
        await holder.runs.leave(0.01)
    assert await history(database) == [("upkeep", "failed", ASKED_TO_LEAVE)]
    assert await said(database) == []


async def test_runs_are_counted_and_the_last_success_is_known_after_a_restart(database: Database) -> None:
    def done() -> float:
        return REGISTRY.get_sample_value("tradewinds_job_runs_total", {"job": "upkeep", "state": "done"}) or 0.0

    before = done()
    async with holding(database) as holder:
        await holder.run()
    assert done() == before + 1
    metrics.JOB_SUCCESS.labels(job="upkeep").set(0)
    async with holding(database, "two") as second:
        await second.runs.take_over([])
    [(at,)] = await database.fetch("select extract(epoch from finished_at)::float8 from job_runs")
    assert REGISTRY.get_sample_value("tradewinds_job_last_success_timestamp_seconds", {"job": "upkeep"}) == at


# --- what is due


async def test_what_has_become_due_is_run_once_for_all_of_it(database: Database) -> None:
    async with holding(database) as holder:
        watch = holder.watch(database=database)
        await watch.look(NOON + MINUTE - 1)
        assert await history(database) == []
        await watch.look(NOON + 3 * MINUTE)
        await holder.ended()
    assert holder.began == [(NOON + 3 * MINUTE, NOON)]
    assert await history(database) == [("upkeep", "done", "well done; stands for 3 due times since 2025-01-06T12:01:00Z")]


async def test_a_job_that_still_runs_when_it_is_due_is_skipped_and_never_runs_twice_at_once(database: Database) -> None:
    async with holding(database) as holder:
        watch, answer = holder.watch(database=database), forever()
        holder.work = lambda: answer
        await watch.look(NOON + MINUTE)
        await watch.look(NOON + 2 * MINUTE)
        answer.set_result("at last")
        await holder.ended()
    assert [(state, detail[:19]) for _, state, detail in await history(database)] == [
        ("done", "at last"),
        ("skipped", "still running since"),
    ]


async def test_a_job_that_may_not_be_late_is_skipped_with_the_reason(database: Database) -> None:
    strict = Partitions(id="upkeep", clock="market", schedule="every 1h", misfire="skip", grace_s=60.0)
    async with holding(database) as holder:
        await holder.watch(strict, database=database).look(NOON + 62 * MINUTE)
    assert await history(database) == [("upkeep", "skipped", "0:02:00 late, its grace is 0:01:00")]


async def test_a_restarted_scheduler_goes_on_where_the_history_ends(database: Database) -> None:
    async with holding(database) as first:
        await first.watch(database=database).look(NOON + MINUTE)
        await first.ended()
    async with holding(database, "two") as second:
        watch = second.watch(decided_to=dict(await jobs.decided_to(database, "session")), database=database)
        await watch.look(NOON + MINUTE)
        assert second.began == []
        await watch.look(NOON + 2 * MINUTE)
        await second.ended()
    assert second.began == [(NOON + 2 * MINUTE, NOON + MINUTE)]


async def test_the_record_knows_when_a_job_is_due_next_and_forgets_one_that_is_gone(database: Database) -> None:
    def configured(name: str) -> Any:
        return jobs.Job(job_id=name, about="", clock="market", schedule="every 1m", enabled=True)

    async with holding(database) as holder:
        await holder.runs.take_over([configured("upkeep"), configured("old")])
        await holder.runs.take_over([configured("upkeep")])
        watch = holder.watch(database=database)
        await watch.show()
        assert await database.fetch("select job_id, ns_of(next_at) from jobs") == [("upkeep", NOON + MINUTE)]
        await watch.look(NOON + MINUTE)
        await holder.ended()
    [listed] = await jobs.listed(database)
    assert listed.next_at is not None
    assert (listed.next_at.minute, listed.last.state if listed.last else None) == (2, "done")
