"""Has each account's day, once it has ended, compared with the venue's statement to the last digit, and reports what came of it.

The comparison is risk_manager's, which has a way of its own to each venue; here is asked, waited and told.
"""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Final

from libs.domain.messages import Notification
from libs.quant.trading_day import TradingDay, trading_day_of
from libs.store import jobs, sessions, statements
from libs.store.jobs import BY_SCHEDULE
from libs.store.sessions import Account, Session
from libs.store.statements import Compared
from services.scheduler.duty import Done, Duty, Failed

LOOK_S: Final = 0.5
WITHIN_S: Final = 120.0
MOST_DAYS: Final = 31  # that are made up for, as of any job
RUNBOOK: Final = "runbooks/end-of-day"


async def run(duty: Duty) -> Done:
    """By schedule the days that have ended since; by hand the day that goes on, again however often."""
    session, by_hand = duty.played(), duty.run.asked_by != BY_SCHEDULE
    wanted: list[tuple[str, date]] = []
    for account in await sessions.accounts(duty.database, session.session_id):
        for day in due(account, session, duty.run.scheduled_for, by_hand=by_hand):
            *_, rows = await duty.database.write([statements.ask(account.account_id, day.date, day.start, day.end, again=by_hand)])
            if not rows:
                break  # that one was compared, and so were those before it
            wanted.append((account.account_id, day.date))
    if not wanted:
        return Done("no account's day has ended that was not compared")
    return await _reported(duty, await _answered(duty, wanted))


def due(account: Account, session: Session, now: int, *, by_hand: bool) -> list[TradingDay]:
    """The days to compare at a market time (ns): those of the session that have ended, the newest first; by hand what has gone by of the
    day that goes on."""
    today = trading_day_of(now, account.day_starts_at, account.day_tz)
    if by_hand:
        return [today._replace(end=now)]
    found: list[TradingDay] = []
    start = today.start
    while start > session.start_time and len(found) < MOST_DAYS:
        found.append(trading_day_of(start - 1, account.day_starts_at, account.day_tz))
        start = found[-1].start
    return found


async def _answered(duty: Duty, wanted: Sequence[tuple[str, date]]) -> list[Compared]:
    until = duty.clock.monotonic() + WITHIN_S
    while True:
        found = await statements.of_days(duty.database, wanted)
        waiting = [each for each in found if each.state == "asked"]
        if not waiting:
            return found
        if duty.clock.monotonic() > until:
            why = waiting[0].detail or "risk_manager has not read it"
            raise Failed(f"day {waiting[0].day} of {waiting[0].account_id} is not compared: {why}; it stays asked for")
        await asyncio.sleep(LOOK_S)


async def _reported(duty: Duty, found: Sequence[Compared]) -> Done:
    broken = [each for each in found if each.breaks]
    body = "\n".join(map(line, found))
    if broken:
        tickets = "\n\nEach difference is a ticket, and holds back what adds to a book until it is closed:\n\n    fleet doctor"
        told = [_told(duty, each, body + tickets) for each in broken]
        count = sum(each.breaks for each in broken)
        raise Failed(f"{count} {'difference' if count == 1 else 'differences'} with the venue's statement: {line(broken[0])}", told)
    keys = {key(each.account_id): each for each in found}
    wrong = await jobs.firing(duty.database, "scheduler", list(keys))
    resolved = [
        duty.told("risk", "info", f"{keys[one].account_id} agrees with its statement again", "", state="resolved", key=one, link=RUNBOOK)
        for one in wrong
    ]
    title = f"Day {found[0].day}: the record is the venue's statement, to the last digit"
    return Done("; ".join(map(line, found)), [duty.told("report", "info", title, body), *resolved])


def line(each: Compared) -> str:
    """A day of an account in a line."""
    fills = f"{each.fills:,} {'fill' if each.fills == 1 else 'fills'}"
    return f"{each.account_id}, {each.day}: {fills}, {each.detail}"


def key(account_id: str) -> str:
    """What is wrong while the last day of an account differs."""
    return f"day_break:{account_id}"


def _told(duty: Duty, each: Compared, body: str) -> Notification:
    title = f"{each.account_id} is not what the venue's statement of {each.day} says"
    return duty.told("risk", "critical", title, body, state="firing", key=key(each.account_id), link=RUNBOOK)
