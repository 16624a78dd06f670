"""`fleet status`: how the fleet is, in one look."""

import asyncio
from collections.abc import Mapping, Sequence

import aiohttp
import msgspec

from fleet import venue_links
from fleet.events import clock, day
from fleet.running import Running
from fleet.screen.words import counted
from fleet.venue_links import VenueLink
from libs.common.database import Database
from libs.common.http import ReadyAnswer
from libs.domain.kill import MEANING, named, written
from libs.domain.limits import LimitRow, amount, titled
from libs.domain.losses import percent
from libs.store import activity, alerts, control, halts, limits, reconciliation
from libs.store.activity import Standing
from libs.store.control import Killed
from libs.store.disarmed import DisarmedSeen, disarmed
from libs.store.halts import HaltStanding
from libs.store.reconciliation import Standing as Difference
from libs.store.reconciliation import holding

ANSWER_WITHIN_S = 2.0


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What `fleet status --json` prints."""

    healthy: bool  # every service is ready, no order is UNKNOWN, record and venue agree, no critical alert fires
    pid: int | None
    since: str
    services: dict[str, str]  # healthy, or what is wrong
    venues: Mapping[str, VenueLink]  # by account
    unknown_orders: int  # what became of them, or of their cancel, is not known
    critical: Sequence[str]  # critical alerts that fire, by key
    session: Standing | None
    paused: str  # " since ... by ..."; "" when it is not
    killed: Sequence[Killed]
    halts: Sequence[HaltStanding]
    disarmed: Sequence[DisarmedSeen] = ()  # by the state of the system
    looser: Sequence[LimitRow]  # limits that wait to hold
    differences: Sequence[Difference]  # between record and venue, undecided: what adds to a book of their accounts waits

    @property
    def _verdict(self) -> str:
        """Whether it is well, and what is wrong in so many words."""
        unwell = sum(state != "healthy" for state in self.services.values())
        wrong = [
            *([f"{unwell} of {len(self.services)} services not ready"] if unwell else []),
            *([f"{counted(self.unknown_orders, 'UNKNOWN order')} (docs/runbooks/unknown-order.md)"] if self.unknown_orders else []),
            *([f"{counted(len(self.differences), 'difference')} with the venue (`fleet doctor`)"] if self.differences else []),
            *([f"critical: {', '.join(self.critical)} (`fleet alerts`)"] if self.critical else []),
        ]
        return "healthy" if self.healthy else f"NOT healthy: {'; '.join(wrong)}"

    @property
    def _trading(self) -> str:
        if fleet := next((killed for killed in self.killed if killed.scope == "fleet"), None):
            return f"STOPPED by the kill switch ({written(fleet.mode)})"
        if self.paused:
            return f"paused{self.paused}: no new signals; go on with `fleet resume`"
        return "on, but for what is stopped below" if self.killed or self.halts or self.differences or self.disarmed else "on"

    def text(self) -> str:
        """For a person: what is, since when, and what to do."""
        began = f" since {self.since} UTC" if self.since else ""
        lines = [f"fleet      {self._verdict}{began}{f', process {self.pid}' if self.pid else ''}"]
        lines += [f"service    {name}: {state}" for name, state in self.services.items()]
        lines += [f"venue      {venue_text(account, link)}" for account, link in self.venues.items()]
        if self.session is None:
            lines.append("session    none yet")
        else:
            s = self.session
            lines.append(
                f"session    {s.feed}, seed {s.seed}, {s.speed:g}x, {s.state}; market time {day(s.market_time)} {clock(s.market_time)}"
            )
            lines += [f"worth      equity {s.equity[c]:,.2f} {c}, cash {s.cash[c]:,.2f}" for c in s.equity]
        lines.append(f"trading    {self._trading}")
        stopped = [*map(killed_text, self.killed), *map(halt_text, self.halts), *map(difference_text, self.differences)]
        stopped += map(disarmed_text, self.disarmed)
        stopped += map(looser_text, self.looser)
        return "\n".join([*lines, *stopped])


def venue_text(account: str, link: VenueLink) -> str:
    """How an account's venue is."""
    figures = [f"last answer in {link.took}" if link.took else "", f"{link.left} of its request budget left" if link.left else ""]
    traded = f"traded by {link.by}, epoch {link.epoch}" if link.by else "traded by nobody"
    return ", ".join([f"{link.venue}, account {account}: {link.state}", *filter(None, figures if link.up else []), traded])


def killed_text(killed: Killed) -> str:
    """One kill switch that is on."""
    scope = named(killed.scope, killed.key)
    return (
        f"kill       {scope} is stopped ({written(killed.mode)}) since {killed.at:%Y-%m-%d %H:%M:%S} UTC by {killed.by}: {killed.reason}"
        f"\n           {MEANING[killed.mode]}"
        f'\n           rearm with `fleet risk rearm --scope {scope} --reason "..."`'
    )


def halt_text(halt: HaltStanding) -> str:
    """An account that may only close."""
    return (
        f"halted     {halt.account_id} only closes since {day(halt.since)} {clock(halt.since)} market time: {halt.limit},"
        f"\n           {percent(halt.seen)} of {halt.reference:,.2f} lost, limit {percent(halt.most)}; find out why, then"
        f'\n           `fleet risk rearm --scope account:{halt.account_id} --reason "..."`'
    )


def difference_text(found: Difference) -> str:
    """A difference that holds an account back."""
    item = found.item
    return (
        f"differs    {item.account_id} sends nothing that adds to a book since {found.found_at:%Y-%m-%d %H:%M:%S} UTC: {item.kind}"
        f" {item.key}: ours {item.ours},\n           the venue's {item.theirs}; decide with `fleet doctor`"
    )


def disarmed_text(found: DisarmedSeen) -> str:
    """One reason that disarms an account."""
    return (
        f"disarmed   {found.account_id} sends nothing that adds to a book since {found.since:%Y-%m-%d %H:%M:%S} UTC: {found.text}"
        f"\n           ({found.code}); it is armed again by itself (docs/runbooks/disarmed.md)"
    )


def looser_text(row: LimitRow) -> str:
    """A looser limit that waits."""
    return (
        f"loosens    {titled(row)} is to be {amount(row.value, row.unit)} from {clock(row.effective_at)} UTC on ({row.by}: {row.reason})"
        f'\n           withdraw it with `fleet risk limits withdraw {row.version} --reason "..."`'
    )


async def status(running: Running, database: Database) -> Status:
    """Asks every service and the record.

    Raises:
        Unreachable: the database is away.
    """
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)) as http:
        states = await asyncio.gather(*(state_of(http, running.peer(name)) for name in running.ports))
        venues = (await venue_links.asked(http, running)).venues
    standing = await activity.standing(database)
    services = dict(zip(running.ports, states, strict=True))
    unknown, firing = await activity.unknown_orders(database), await alerts.firing(database)
    differences = holding(await reconciliation.standing(database))
    critical = sorted({fault.key for faults in firing.values() for fault in faults if fault.severity == "critical"})
    return Status(
        healthy=all(state == "healthy" for state in states) and not unknown and not critical and not differences,
        pid=running.pid,
        since=running.since,
        services=services,
        venues=venues,
        unknown_orders=unknown,
        critical=critical,
        session=standing,
        paused=await _paused(database) if standing is not None and standing.paused else "",
        killed=await control.killed(database),
        halts=await halts.in_force(database),
        disarmed=await disarmed(database),
        looser=(await limits.now(database)).pending,
        differences=differences,
    )


async def _paused(database: Database) -> str:
    last = await control.last_pause(database)
    return f" since {last[0]:%Y-%m-%d %H:%M:%S} UTC by {last[1]}" if last else " by other means than `fleet pause`"


async def state_of(http: aiohttp.ClientSession, url: str) -> str:
    """`healthy`, or what is wrong with the service at that base URL."""
    try:
        async with http.get(f"{url}/ready") as answer:
            body = msgspec.json.decode(await answer.read(), type=ReadyAnswer)
    except TimeoutError:
        return "does not answer"
    except (aiohttp.ClientError, msgspec.MsgspecError):
        return "down"
    wrong = [f"{name}: {check.detail or 'failing'}" for name, check in body.checks.items() if check.status != "ok"]
    return "healthy" if body.ready else "not ready: " + ("; ".join(wrong) or "no reason given")
