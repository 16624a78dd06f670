"""`fleet jobs`: what is scheduled, what has run, and running one now."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from shutil import get_terminal_size
from typing import Annotated, Final
from uuid import UUID

import msgspec
import typer

from fleet import operating, record
from fleet.operating import OK, REFUSED, Answer, Hands, Json
from fleet.plan import FleetSettings
from fleet.tables import NONE, moment, table
from libs.common.database import Database
from libs.store import jobs
from libs.store.jobs import Listed, Past

app = typer.Typer(no_args_is_help=True, help="Calendars and jobs: what is due, what has run, and running one now.")

LOOK_S: Final = 0.2
PATIENCE_S: Final = 10.0
"""How long a run may wait while nobody holds the scheduler's lease: a restart takes less."""
BESIDE: Final = 60  # columns that the history needs for all but what came of a run


@app.command("list")
def list_command(json: Json = False) -> None:
    """Every job: when it is due next on its clock, and how it ended last."""

    async def work(database: Database, _: FleetSettings) -> Answer:
        found = await jobs.listed(database)
        return Answer(list_text(found), {"jobs": found})

    raise typer.Exit(record.ask(work, json=json))


@app.command("history")
def history_command(
    job: Annotated[str | None, typer.Option(metavar="ID", help="Of one job.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 20,
    json: Json = False,
) -> None:
    """Runs, the newest first; also what was skipped, and why."""

    async def work(database: Database, _: FleetSettings) -> Answer:
        found = await jobs.history(database, job, limit)
        if job is not None and not found:
            await must_know(database, job)
        return Answer(history_text(found), {"runs": found})

    raise typer.Exit(record.ask(work, json=json))


@app.command("run")
def run_command(
    job: Annotated[str, typer.Argument(metavar="ID", help="As `fleet jobs list` names it.")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it has ended, and say how.")] = True,
    json: Json = False,
) -> None:
    """Run a job now; exit code 1 when it fails. One that is running already is waited for first."""

    async def work(hands: Hands) -> Answer:
        id_ = await hands.control.run_job(job, hands.by)
        if not wait:
            return Answer(f"{job} is queued: see `fleet jobs history --job {job}`", {"ok": True, "id": id_, "state": "queued"})
        return ended(await _awaited(hands.database, id_))

    raise typer.Exit(operating.ask(work, json=json))


async def _awaited(database: Database, id_: UUID) -> Past:
    """The run once it has ended, or as it stands when nobody has served it for some time."""
    alone = 0.0
    while True:
        found = await jobs.found(database, id_)
        if found.finished_at is not None or alone > PATIENCE_S:
            return found
        await asyncio.sleep(LOOK_S)
        alone = 0.0 if await jobs.is_served(database) else alone + LOOK_S


def ended(run: Past) -> Answer:
    """How a run ended, in words; one that has not is waiting for a scheduler."""
    data = {"ok": run.state == "done", **msgspec.to_builtins(run)}
    if run.finished_at is None:
        text = f"{run.job_id} is {run.state}, and no scheduler is at work: see `fleet status`. It is taken up when one is back"
        return Answer(f"fleet: {text}", data, REFUSED)
    if run.state == "done":
        return Answer(f"{run.job_id} done: {run.detail}", data, OK)
    return Answer(f"fleet: {run.job_id} {run.state}: {run.detail}", data, REFUSED)


async def must_know(database: Database, job: str) -> None:
    """Raises LookupError when there is no such job."""
    if job not in (there := await jobs.known(database)):
        raise LookupError(f"no job is called {job!r}; there are: {', '.join(there) or 'none'}")


def list_text(found: Sequence[Listed]) -> str:
    """Jobs as a table, and what ails those whose last run failed."""
    if not found:
        return "no jobs: config/jobs.toml has none, or no scheduler has read it yet"
    rows = [(job.job_id, job.clock, job.schedule, _next(job), _last(job)) for job in found]
    failed = [f"{job.job_id} failed: {job.last.detail}" for job in found if job.last and job.last.state == "failed"]
    return "\n".join([table(("job", "clock", "schedule", "next", "last run"), rows, left=5), *failed])


def _next(job: Listed) -> str:
    if not job.enabled:
        return "by hand only"
    return NONE if job.next_at is None else moment(job.next_at)


def _last(job: Listed) -> str:
    return NONE if job.last is None else f"{job.last.state} {_host(job.last.finished_at or job.last.started_at or job.last.created_at)}"


def history_text(found: Sequence[Past]) -> str:
    """Runs as a table."""
    if not found:
        return "nothing has run yet"
    rows = [(moment(run.scheduled_for), run.job_id, run.state, _took(run), _short(_by(run) + run.detail)) for run in found]
    return table(("due, on its clock", "job", "state", "took", "what came of it"), rows, left=5)


def _by(run: Past) -> str:
    return "" if run.asked_by == jobs.BY_SCHEDULE else f"(by {run.asked_by}) "


def _took(run: Past) -> str:
    if run.started_at is None or run.finished_at is None:
        return NONE
    return f"{(run.finished_at - run.started_at).total_seconds():.1f} s"


def _short(text: str) -> str:
    """On a screen as much as fits on the line; whole where it goes into a file or another program."""
    room = max(40, get_terminal_size().columns - BESIDE) if sys.stdout.isatty() else len(text)
    return text if len(text) <= room else f"{text[: room - 3]}..."


def _host(at: datetime) -> str:
    return moment(at.replace(microsecond=0))
