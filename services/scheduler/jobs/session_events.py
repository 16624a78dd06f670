"""Opens and closes of the markets that are played. A market that goes on through the end of its day says nothing."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from libs.domain.instruments import Calendar
from libs.domain.times import iso
from libs.quant.calendars import is_open, sessions
from services.scheduler.duty import Done, Duty

NAMES: Final[Mapping[Calendar, str]] = {
    "us_equity": "NYSE",
    "cme_globex": "CME Globex",
    "forex": "Forex",
    "24/7": "The market around the clock",
}
MOST: Final = 20
"""Lines of a notification: a market that was away for months is not told day by day."""


class Event(NamedTuple):
    """A market opens or closes."""

    at: int  # market ns
    calendar: Calendar
    what: Literal["opens", "closes"]

    def text(self) -> str:
        return f"{NAMES[self.calendar]} {self.what}"


async def run(duty: Duty) -> Done:
    """Tells what has opened and closed since the last run."""
    duty.played()
    found = events(duty.calendars, duty.since, duty.run.scheduled_for)
    if not found:
        return Done("every market goes on without a break")
    title = "; ".join(event.text() for event in found if event.at == found[-1].at)
    body = "\n".join(f"- {iso(event.at)} {event.text()}" for event in found[-MOST:])
    return Done("; ".join(f"{event.text()} at {iso(event.at)}" for event in found[-3:]), [duty.told("system", "info", title, body)])


def events(calendars: Sequence[Calendar], after: int, until: int) -> list[Event]:
    """What happens in (after, until], in order of time. Where one session follows the other at once, nothing does."""
    found: list[Event] = []
    for calendar in calendars:
        for session in sessions(calendar, after, until + 1):
            if after < session.open and not is_open(calendar, session.open - 1):
                found.append(Event(session.open, calendar, "opens"))
            if session.close <= until and not is_open(calendar, session.close):
                found.append(Event(session.close, calendar, "closes"))
    return sorted(found)
