"""What has become due on a clock is begun, or skipped and why. The rules are pure: libs/quant/schedules.py and misfires.py."""

from collections.abc import Mapping, Sequence

from libs.common.database import Database
from libs.domain.identity import job_run_id
from libs.domain.instruments import Calendar
from libs.domain.jobs import AnyJob
from libs.domain.times import SECOND
from libs.quant.misfires import judge
from libs.quant.schedules import Passed, Schedule, next_due, passed
from libs.store import jobs
from libs.store.jobs import BY_SCHEDULE, Run
from services.scheduler.configuration import Planned
from services.scheduler.running import Runs


class _Line:
    """A job on its clock: up to where it has been decided, and when it is due next."""

    def __init__(self, config: AnyJob, schedule: Schedule, decided_to: int) -> None:
        self.config = config
        self.schedule = schedule
        self.decided(decided_to)

    def decided(self, to: int) -> None:
        self.decided_to = to
        self.next = next_due(self.schedule, to)

    def passed(self, now: int) -> Passed | None:
        if self.next is None or self.next > now:
            return None
        return passed(self.schedule, self.decided_to, now)


class Watch:
    """The jobs of one clock: the market's of a session, or the host's."""

    def __init__(
        self,
        planned: Sequence[Planned],
        session: tuple[Calendar, ...],
        session_id: str,
        decided_to: Mapping[str, int],
        begins: int,
        database: Database,
        runs: Runs,
    ) -> None:
        """
        Args:
            session: calendars of what is played.
            session_id: "" for host time.
            decided_to: by job, up to where it has been decided, ns; a job that is not in it begins after `begins`.
        """
        self._session_id = session_id
        self._database = database
        self._runs = runs
        self._lines = [
            _Line(job.config, schedule_of(job, session), decided_to.get(job.config.id, begins)) for job in planned if job.config.enabled
        ]

    async def show(self) -> None:
        """Writes down when each job is due next. Raises Unreachable."""
        await self._database.write([jobs.next_due({line.config.id: line.next for line in self._lines})])

    async def rest(self) -> None:
        """Nothing is due on this clock any more. Raises Unreachable."""
        await self._database.write([jobs.next_due(dict.fromkeys((line.config.id for line in self._lines), None))])

    async def look(self, now: int) -> None:
        """Decides on everything that was due until `now`, ns of the clock.

        Raises:
            LeaseLost: somebody else may act, not we.
            Unreachable: what was not decided is due at the next look.
        """
        changed: dict[str, int | None] = {}
        for line in self._lines:
            if (due := line.passed(now)) is not None:
                await self._decide(line, due, now)
                line.decided(due.last)
                changed[line.config.id] = line.next
        if changed:
            await self._database.write([jobs.next_due(changed)])

    async def _decide(self, line: _Line, due: Passed, now: int) -> None:
        config = line.config
        verdict = judge(due, now, config.misfire, int(config.grace_s * SECOND), self._runs.running_since(config.id))
        run = Run(
            id=job_run_id(config.id, self._session_id, verdict.scheduled_for),
            job_id=config.id,
            session_id=self._session_id,
            scheduled_for=verdict.scheduled_for,
            asked_by=BY_SCHEDULE,
        )
        if verdict.runs:
            await self._runs.begin(config, run, line.decided_to, verdict.note)
        else:
            await self._runs.skip(run, verdict.note)


def schedule_of(job: Planned, session: tuple[Calendar, ...]) -> Schedule:
    """A job's rule with its calendars; `session` stands for those of what is played."""
    named = job.config.calendar
    return Schedule(job.rule, session if named == "session" else (named,))
