"""What a job is given to work with, and what it hands back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID, uuid5

import aiohttp

from libs.common.clocks import HostClock
from libs.common.database import Database
from libs.common.settings import Settings
from libs.domain.instruments import Calendar
from libs.domain.messages import Notification
from libs.quant.calendars import last_close
from libs.store.control import Control
from libs.store.jobs import BY_SCHEDULE, Run
from libs.store.notifications import Kind, Severity, State, notification
from libs.store.sessions import Session


@dataclass(frozen=True)
class Duty:
    """One run of a job."""

    run: Run
    since: int  # ns of its clock: the run stands for what was due after that
    session: Session | None  # of the run; of a job by host time the one that is played
    calendars: Sequence[Calendar]  # that the job goes by
    database: Database  # of the job alone
    control: Control
    http: aiohttp.ClientSession
    settings: Settings
    clock: HostClock

    def played(self) -> Session:
        """The session.

        Raises:
            Failed: there is none.
        """
        if self.session is None:
            raise Failed("no market is played: there is no session to work on")
        return self.session

    def moment(self) -> int:
        """A market time (ns) within the day that the run is about: the one that has just ended, or by hand the one that goes on."""
        if self.run.asked_by != BY_SCHEDULE:
            return self.run.scheduled_for
        return max(last_close(calendar, self.run.scheduled_for) for calendar in self.calendars) - 1

    def told(
        self, kind: Kind, severity: Severity, title: str, body: str, *, state: State = "note", key: str = "", link: str = ""
    ) -> Notification:
        """A notification that a run makes once, however often it is tried."""
        return notification(self.clock, kind, severity, title, body, state=state, key=key, link=link, id_=told_id(self.run.id, key, state))


def told_id(run: UUID, key: str, state: State) -> UUID:
    """The one word of a run about something."""
    return uuid5(run, f"{key}|{state}")


class Done(NamedTuple):
    """It went well."""

    detail: str  # one sentence for the history
    told: Sequence[Notification] = ()


class Failed(Exception):
    """It did not; the text is one sentence for the history. `told` replaces what is said of any job that fails."""

    def __init__(self, detail: str, told: Sequence[Notification] = ()) -> None:
        super().__init__(detail)
        self.told = told
