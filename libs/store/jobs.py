"""Jobs and their history. Written by scheduler under its lease; runs are queued by the operator too."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

import msgspec

from libs.common.database import Database, Write

BY_SCHEDULE: Final = "schedule"
"""Who asks for a run that was due."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a job."""

    id: UUID
    job_id: str
    session_id: str  # "" without a session, and of what goes by host time
    scheduled_for: int  # ns of the job's clock
    asked_by: str  # schedule, or who asked


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """A run as the history has it. `scheduled_for` is on the job's clock, the other times are host time."""

    id: UUID
    job_id: str
    session_id: str
    scheduled_for: datetime
    asked_by: str
    state: str  # queued, running, done, failed, skipped
    detail: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A job with its last run that is not merely skipped."""

    job_id: str
    about: str
    clock: str
    schedule: str
    enabled: bool
    next_at: datetime | None  # on its clock; None: never, or no market is played
    last: Past | None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it is configured."""

    job_id: str
    about: str
    clock: str
    schedule: str  # for a person
    enabled: bool


_PAST: Final[LiteralString] = "id, job_id, session_id, scheduled_for, asked_by, state, detail, created_at, started_at, finished_at"


# --- scheduler


def configured(jobs: Sequence[Job]) -> list[Write]:
    """The jobs there are; those that are not configured any more go, their history stays."""
    return [
        Write("delete from jobs where job_id <> all(%b::text[])", ([job.job_id for job in jobs],)),
        *(
            Write(
                "insert into jobs (job_id, about, clock, schedule, enabled) values (%s, %s, %s, %s, %s) on conflict (job_id) do update"
                " set about = excluded.about, clock = excluded.clock, schedule = excluded.schedule, enabled = excluded.enabled,"
                " next_at = null, updated_at = clock_timestamp()",
                (job.job_id, job.about, job.clock, job.schedule, job.enabled),
            )
            for job in jobs
        ),
    ]


def next_due(due: Mapping[str, int | None]) -> Write:
    """When jobs are due next, ns of their clocks."""
    return Write(
        "update jobs j set next_at = at_ns(d.at), updated_at = clock_timestamp() from unnest(%b::text[], %b::int8[]) d(id, at)"
        " where j.job_id = d.id",
        (list(due), list(due.values())),
    )


def begun(run: Run) -> Write:
    """It runs from now on; gives its id back, and nothing when it was run, skipped or begun by somebody else before.

    A row that is `running` already is a begin of ours whose commit was not answered: the holder of the lease has marked what
    its predecessors left behind.
    """
    return Write(
        "insert into job_runs (id, job_id, session_id, scheduled_for, asked_by, state, started_at)"
        " values (%s, %s, %s, at_ns(%s), %s, 'running', clock_timestamp()) on conflict (id) do update"
        " set state = 'running', started_at = clock_timestamp() where job_runs.state in ('queued', 'running') returning id",
        (run.id, run.job_id, run.session_id, run.scheduled_for, run.asked_by),
    )


def skipped(run: Run, why: str) -> Write:
    """It was due and is not run; gives its id back when that is news. A begin whose commit was not answered is taken back by it."""
    return Write(
        "insert into job_runs (id, job_id, session_id, scheduled_for, asked_by, state, detail, finished_at)"
        " values (%s, %s, %s, at_ns(%s), %s, 'skipped', %s, clock_timestamp()) on conflict (id) do update"
        " set state = 'skipped', detail = excluded.detail, started_at = null, finished_at = excluded.finished_at"
        " where job_runs.state = 'running' returning id",
        (run.id, run.job_id, run.session_id, run.scheduled_for, run.asked_by, why),
    )


def ended(id_: UUID, state: str, detail: str) -> Write:
    """How a run has ended; one that a successor has given up stays so. Gives its id back when that is news."""
    return Write(
        "update job_runs set state = %s, detail = %s, finished_at = clock_timestamp() where id = %s and state in ('queued', 'running')"
        " returning id",
        (state, detail, id_),
    )


async def left_running(database: Database) -> list[Run]:
    """What the record calls running: of a new holder, what its predecessor left behind."""
    return await _runs(database, "running")


async def waiting(database: Database) -> list[Run]:
    """What was asked for by hand, in that order."""
    return await _runs(database, "queued")


async def _runs(database: Database, state: str) -> list[Run]:
    rows = await database.fetch(
        "select id, job_id, session_id, ns_of(scheduled_for), asked_by from job_runs where state = %s"
        " and state in ('queued', 'running') order by created_at, id",
        (state,),
    )
    return [Run(id=id_, job_id=job_id, session_id=session_id, scheduled_for=at, asked_by=by) for id_, job_id, session_id, at, by in rows]


async def decided_to(database: Database, session_id: str) -> Mapping[str, int]:
    """By job the last due time that has been decided on in a session ("" for host time), ns."""
    rows = await database.fetch(
        "select job_id, ns_of(max(scheduled_for)) from job_runs where session_id = %s and asked_by = %s group by 1",
        (session_id, BY_SCHEDULE),
    )
    return dict(rows)


async def last_success(database: Database) -> Mapping[str, float]:
    """By job, host seconds since the epoch at which it last ended well."""
    rows = await database.fetch("select job_id, extract(epoch from max(finished_at))::float8 from job_runs where state = 'done' group by 1")
    return dict(rows)


async def firing(database: Database, producer: str, keys: Sequence[str]) -> list[str]:
    """Which of these keys the producer said are wrong and has not resolved."""
    rows = await database.fetch(
        "select distinct on (key) key, state from notifications where producer = %s and key = any(%b::text[])"
        " order by key, created_at desc, id desc",
        (producer, list(keys)),
    )
    return [key for key, state in rows if state == "firing"]


# --- the operator


def queued(id_: UUID, job_id: str, by: str) -> Write:
    """A run that somebody asks for, at this moment of the job's clock, in the session played last."""
    return Write(
        "insert into job_runs (id, job_id, session_id, scheduled_for, asked_by, state)"
        " select %s, j.job_id, case j.clock when 'host' then '' else coalesce(s.session_id, '') end,"
        " case j.clock when 'host' then clock_timestamp() else coalesce(at_ns(s.market_time), clock_timestamp()) end, %s, 'queued'"
        " from jobs j left join (select session_id, market_time from sessions order by played_at desc limit 1) s on true"
        " where j.job_id = %s",
        (id_, by, job_id),
    )


async def listed(database: Database) -> list[Listed]:
    """Every job."""
    rows = await database.fetch(
        f"select j.job_id, j.about, j.clock, j.schedule, j.enabled, j.next_at, r.* from jobs j left join lateral"
        f" (select {_PAST} from job_runs r where r.job_id = j.job_id and r.state <> 'skipped' order by created_at desc limit 1) r on true"
        " order by j.job_id"
    )
    return [
        Listed(
            job_id=row[0],
            about=row[1],
            clock=row[2],
            schedule=row[3],
            enabled=row[4],
            next_at=row[5],
            last=None if row[6] is None else _past(row[6:]),
        )
        for row in rows
    ]


async def history(database: Database, job_id: str | None, limit: int) -> list[Past]:
    """Runs, the newest first."""
    rows = await database.fetch(
        f"select {_PAST} from job_runs where %(job)s::text is null or job_id = %(job)s order by created_at desc, id desc limit %(limit)s",
        {"job": job_id, "limit": limit},
    )
    return [_past(row) for row in rows]


async def found(database: Database, id_: UUID) -> Past:
    """One run.

    Raises:
        LookupError: it is gone.
    """
    rows = await database.fetch(f"select {_PAST} from job_runs where id = %s", (id_,))
    if not rows:
        raise LookupError(f"the run {id_} is not in the record any more")
    return _past(rows[0])


async def known(database: Database) -> list[str]:
    """The ids of all jobs."""
    return [row[0] for row in await database.fetch("select job_id from jobs order by job_id")]


async def is_served(database: Database) -> bool:
    """Whether a scheduler holds its lease: what is queued is taken within a second."""
    rows = await database.fetch(
        "select exists (select from leases where name = 'scheduler' and not released and expires_at > clock_timestamp())"
    )
    return bool(rows[0][0])


def _past(row: Sequence[object]) -> Past:
    return msgspec.convert(dict(zip(Past.__struct_fields__, row, strict=True)), Past)
