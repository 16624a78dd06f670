"""config/jobs.toml, read and checked as a whole: what is due when must be known before anything is started."""

from pathlib import Path
from typing import NamedTuple

from libs.common.settings import ConfigError, from_toml, located
from libs.domain.jobs import KINDS, AnyJob, JobConfig, JobsConfig
from libs.quant.schedules import AtSession, Rule, parse


class Planned(NamedTuple):
    """A job with its rule understood."""

    config: AnyJob
    rule: Rule


def read(folder: Path, environment: str) -> list[Planned]:
    """Every job.

    Raises:
        ConfigError: naming file, line and what was expected.
    """
    try:
        jobs = from_toml(JobsConfig, folder, "jobs", environment).job
    except ConfigError as error:
        known = f"; kinds are {', '.join(KINDS)}" if "Invalid value" in str(error) and "kind" in str(error) else ""
        raise ConfigError(f"{error}{known}") from error
    planned = []
    for n, job in enumerate(jobs):
        try:
            if job.id in {other.id for other in jobs[:n]}:
                raise _Wrong("id", f"another job is called {job.id!r}: each needs a name of its own")
            planned.append(Planned(job, _rule(job)))
        except _Wrong as wrong:
            raise ConfigError(located(folder / "jobs.toml", "jobs", f"{wrong.complaint} - at `$.job[{n}].{wrong.key}`")) from wrong
    return planned


class _Wrong(Exception):
    def __init__(self, key: str, complaint: str) -> None:
        super().__init__(complaint)
        self.key = key
        self.complaint = complaint


def _rule(job: JobConfig) -> Rule:
    """Raises _Wrong when the job is never due."""
    if job.clock == "host" and job.calendar == "session":
        raise _Wrong("calendar", "a job by host time has no session; expected the name of a calendar, or clock = market")
    try:
        rule = parse(job.schedule)
    except ValueError as error:
        raise _Wrong("schedule", str(error)) from error
    if job.kind == "session_events" and not isinstance(rule, AtSession):
        raise _Wrong("schedule", "what opens and closes is told when it does: expected at open, at close or at open and close")
    return rule
