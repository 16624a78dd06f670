"""`fleet checklist`: what a careful operator looks at before and after the market. Each item is a line and a small function."""

import asyncio
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from os import environ
from typing import Final, Literal, NamedTuple, cast

import msgspec
import typer

from fleet import facts
from fleet.diagnosis import DISK_LOW, LAG_S, MEMORY_LOW, SKEW_S
from fleet.facts import WIDE, Facts
from fleet.log_lines import WIDTH, clean
from fleet.operating import NOTHING_RUNS, OK, REFUSED, USAGE, Answer, Json, failed, tell
from fleet.plan import FleetSettings
from fleet.tables import change, moment
from libs.common.clocks import SystemClock
from libs.common.settings import ConfigError, from_environment
from libs.domain.fleet import SERVICES
from libs.domain.instruments import Calendar
from libs.domain.kill import named, written
from libs.domain.times import SECOND
from libs.quant import calendars

app = typer.Typer(no_args_is_help=True, help="Looks at what should be looked at before and after the market.")

State = Literal["pass", "fail", "skip"]
When = Literal["pre-market", "post-market"]

COLLAR_AT_MOST: Final = 0.2  # a wider one guards against nothing
TESTED_WITHIN: Final = timedelta(days=7)
USUAL_DAYS: Final = 30
DAY: Final = 24 * 3600 * SECOND
NAME_WIDTH: Final = 24


class Result(NamedTuple):
    """How an item came out, with the number seen."""

    state: State
    seen: str
    known: bool = True  # a runbook helps with what was seen, not with what could not be


class Item(NamedTuple):
    """One thing to look at."""

    name: str
    look: Callable[[Facts], Result]
    runbook: str = ""
    when: frozenset[When] = frozenset({"pre-market", "post-market"})


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """An item that was looked at."""

    name: str
    state: State
    seen: str
    runbook: str  # of a failed one


def checked(seen: Facts, when: When) -> list[Checked]:
    """Every item of that time of day, in the order of the list."""
    found = []
    for item in ITEMS:
        if when in item.when:
            result = item.look(seen)
            page = item.runbook if result.state == "fail" and result.known else ""
            found.append(Checked(name=item.name, state=result.state, seen=result.seen, runbook=page))
    return found


def _judged(good: bool, seen: str) -> Result:
    return Result("pass" if good else "fail", seen)


def _none(found: Sequence[str], nothing: str) -> Result:
    """Passed when nothing was found; else what was."""
    return _judged(not found, "; ".join(found) or nothing)


def _unread(seen: Facts) -> Result:
    return Result("fail", f"not known: {seen.record_missing}", known=False)


# --- the looks


def _services(seen: Facts) -> Result:
    wrong = [f"{service.name}: {service.state}" for service in seen.services if service.state != "healthy"]
    ready = f"{len(seen.services) - len(wrong)} of {len(seen.services)} ready"
    return _judged(seen.ready(), "; ".join([ready, *wrong]))


def _servers(seen: Facts) -> Result:
    servers = {"Postgres": seen.postgres, "Redis": seen.redis}
    told = [f"{name} {f'{s.latency_ms:g} ms' if s.ok else s.detail}" for name, s in servers.items() if s is not None]
    return _judged(all(s is None or s.ok for s in servers.values()), ", ".join(told))


def _durable(seen: Facts) -> Result:
    if seen.record is None:
        return _unread(seen)
    settings = seen.record.server.settings
    return _judged(not {"off", "local"} & set(settings.values()), ", ".join(f"{name} {value}" for name, value in settings.items()))


def _roles(seen: Facts) -> Result:
    """Whoever brings a database with one user is served; he should know what that means."""
    if seen.record is None:
        return _unread(seen)
    owners = sorted(SERVICES.keys() & set(seen.record.server.as_owner))
    if not owners:
        return Result("pass", "no service may do more than its own")
    return Result("skip", f"WARNING: {', '.join(owners)} may do anything with the record; DATABASE_ROLES=each gives each a role of its own")


def _leases(seen: Facts) -> Result:
    if seen.record is None or seen.record.session is None:
        return _unread(seen) if seen.record is None else Result("skip", "no session yet")
    if seen.record.session.state != "running":
        return Result("skip", f"the session is {seen.record.session.state}")
    held = {lease.name for lease in seen.record.leases if lease.held}
    wanted = [f"{role}:{account}" for account in seen.record.session.accounts for role in ("risk", "executor")]
    free = [name for name in wanted if name not in held]
    return _judged(not free, f"{len(wanted) - len(free)} of {len(wanted)} held" + (f"; nobody holds {', '.join(free)}" if free else ""))


def _consumers(seen: Facts) -> Result:
    if seen.record is None:
        return _unread(seen)
    behind = [lag for lag in seen.record.behind if lag.age_s > LAG_S]
    late = [f"{lag.consumer} {lag.messages:,} behind in {lag.stream}, for {lag.age_s:,.0f} s" for lag in behind]
    return _none(late, "all have read what there is, or do within 5 s")


def _ledger(seen: Facts) -> Result:
    if seen.ledger is None:
        return Result("fail", f"not compared: {seen.ledger_missing}", known=False)
    if seen.ledger:
        return Result("fail", f"{len(seen.ledger)} differences; the first: {seen.ledger[0]}")
    return Result("pass", f"0 differences, {seen.ledger_missing or 'the venue holds the same'}")


def _unknown(seen: Facts) -> Result:
    if seen.record is None:
        return _unread(seen)
    return _none([f"{o.order_id} {o.status} for {o.age_s:,.0f} s" for o in seen.record.unsettled if o.age_s > LAG_S], "0 orders")


def _open(seen: Facts) -> Result:
    if seen.record is None:
        return _unread(seen)
    count = sum(seen.record.orders.values())
    if seen.record.session is not None and "24/7" in seen.record.session.calendars:
        return Result("skip", f"{count} open; this market does not close")
    return _judged(not count, f"{count} open")


def _quarantine(seen: Facts) -> Result:
    if seen.record is None:
        return _unread(seen)
    count = seen.record.quarantined
    return _judged(not count, f"{count} rows" + (f"; the newest: {seen.record.put_aside[0].what}" if count else ""))


def _kill(seen: Facts) -> Result:
    if seen.record is None:
        return _unread(seen)
    return _none(
        [f"{named(k.scope, k.key)}, {written(k.mode)}, since {k.at:%m-%d %H:%M} by {k.by}: {k.reason}" for k in seen.killed], "off"
    )


def _halts(seen: Facts) -> Result:
    if seen.record is None:
        return _unread(seen)
    return _none([f"{h.account_id} by {h.limit_name}, {h.seen:.2%} seen" for h in seen.record.halts], "0 accounts")


def _paused(seen: Facts) -> Result:
    if seen.record is None or seen.record.session is None:
        return Result("skip", "no session yet") if seen.record else _unread(seen)
    return _judged(not seen.record.session.paused, "paused: `fleet resume`" if seen.record.session.paused else "on")


def _limits(seen: Facts) -> Result:
    config = seen.config
    if config.error:
        return Result("fail", config.error)
    if config.collar is None:
        return Result("fail", "no price_collar: every signal is refused")
    if not 0 < config.collar <= COLLAR_AT_MOST:
        return Result("fail", f"price_collar {config.collar:g}, expected above 0 and at most {COLLAR_AT_MOST:g}")
    if config.wide:
        return Result("fail", f"{config.wide}: more than {WIDE:g} times the equity; is a percentage meant? 0.2 is 20%")
    return Result("pass", f"{len(config.limits)} kinds: {', '.join(config.limits)}")


def _configuration(seen: Facts) -> Result:
    changed = seen.config.changed_since_start
    return _none([f"{path} changed since the start" for path in changed], f"fingerprint {seen.config.fingerprint}")


def _calendar(seen: Facts) -> Result:
    session = seen.record.session if seen.record else None
    if session is None:
        return Result("skip", "no session yet") if seen.record else _unread(seen)
    today = datetime.fromtimestamp(session.market_time / SECOND, UTC).date()
    told = [hours(cast(Calendar, name), today) for name in session.calendars]
    return Result("pass", f"{today}: " + "; ".join(told)) if told else Result("skip", "the market has no instruments")


def hours(calendar: Calendar, day: date) -> str:
    """A trading day's hours in words; a shorter one than usual is called so.

    Without a session it is closed: a holiday or the weekend.
    """
    if day > calendars.known_to(calendar):
        return f"{calendar} not known after {calendars.known_to(calendar)}"
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
    around = list(calendars.sessions(calendar, start - USUAL_DAYS * DAY, start + 2 * DAY))
    usual = Counter(s.close - s.open for s in around).most_common(1)
    found = next((s for s in around if s.date == day), None)
    if found is None:
        return f"{calendar} closed"
    if found.close - found.open == DAY:
        return f"{calendar} open all day"
    opens, closes = (datetime.fromtimestamp(ns / SECOND, UTC) for ns in (found.open, found.close))
    short = " (short day)" if found.close - found.open < usual[0][0] else ""
    return f"{calendar} {opens:%H:%M} to {closes:%H:%M} UTC{short}"


def _strategies(seen: Facts) -> Result:
    if seen.record is None:
        return _unread(seen)
    on = [s.strategy_id for s in seen.strategies if s.enabled and not s.rests]
    rest = sum(s.rests for s in seen.strategies)
    broken = [s.strategy_id for s in seen.strategies if s.failed]
    told = f"{len(on)} of {len(seen.strategies) - rest} on" + (f"; failed: {', '.join(broken)}" if broken else "")
    return _judged(bool(on) and not broken, told)


def _venues(seen: Facts) -> Result:
    if not seen.venues.venues:
        return Result("fail", "not known: trade_executor does not say", known=False)
    money = "REAL money" if seen.venues.mode == "live" else "no real money"
    told = [f"{account} at {link.venue} {link.state}" for account, link in seen.venues.venues.items()]
    return _judged(all(link.up for link in seen.venues.venues.values()), "; ".join([money, *told]))


def _feed(seen: Facts) -> Result:
    session = seen.record.session if seen.record else None
    if seen.record is None:
        return _unread(seen)
    if session is None or session.state != "running":
        return Result("skip", f"the session is {session.state}" if session else "no session yet")
    at = moment(datetime.fromtimestamp(session.market_time // SECOND, UTC))
    return _judged(seen.market_moves is True, f"market time {at} UTC" + ("" if seen.market_moves else ", which stands still"))


def _disk(seen: Facts) -> Result:
    free = seen.host.disk_free
    return _judged(free > DISK_LOW, f"{free:.1%} free, {seen.host.disk_free_bytes / 1e9:,.0f} GB")


def _memory(seen: Facts) -> Result:
    free = seen.host.memory_free
    return Result("skip", "this system does not say") if free is None else _judged(free > MEMORY_LOW, f"{free:.1%} available")


def _clock(seen: Facts) -> Result:
    ahead = seen.postgres.clock_ahead_s if seen.postgres else None
    return _unread(seen) if ahead is None else _judged(abs(ahead) <= SKEW_S, f"{ahead * 1000:+.0f} ms against the database's")


def _backup(_: Facts) -> Result:
    return Result("skip", "the fleet makes none yet: back up the database yourself (pg_dump)")


def _notifications(seen: Facts) -> Result:
    names = seen.channels
    if names is None:
        return Result("fail", "the monitor does not answer: nobody is told of anything")
    if not names:
        return Result("skip", "no channel is on: nobody is told of anything, see docs/monitoring.md")
    if seen.record is None:
        return _unread(seen)
    sent = {channel.channel: channel.last_sent for channel in seen.record.channels}
    untested = [name for name in names if (at := sent.get(name)) is None or seen.at - at > TESTED_WITHIN]
    told = f"{', '.join(names)}"
    return _judged(not untested, told if not untested else f"{told}; nothing sent in 7 days on {', '.join(untested)}: test it")


def _jobs(seen: Facts) -> Result:
    if seen.record is None:
        return _unread(seen)
    jobs = seen.record.jobs
    if not jobs:
        return Result("skip", "no job has run yet")
    bad = [f"{job.job_id}: {job.detail}" for job in jobs if job.state == "failed"]
    return _none(bad, f"the last run of each of {len(jobs)} did its work")


def _alerts(seen: Facts) -> Result:
    if seen.record is None:
        return _unread(seen)
    return _none([f"{alert.key} since {alert.since:%m-%d %H:%M}" for alert in seen.record.alerts], "0 alerts")


def _earned(seen: Facts) -> Result:
    days = seen.record.earned if seen.record else []
    if not days:
        return Result("skip", "no trading day has ended yet")
    return Result("pass", ", ".join(f"{d.account_id} {change(d.pnl)} {d.currency} on {d.day}" for d in days))


def _complaints(seen: Facts) -> Result:
    bad = [c for c in seen.complaints if c.line.level in ("error", "critical") and seen.at - c.line.at < timedelta(days=1)]
    return _judged(not bad, f"{len(bad)} kinds of error within a day" + ("; `fleet logs --level error --since 1d`" if bad else ""))


PRE: Final = frozenset[When]({"pre-market"})
POST: Final = frozenset[When]({"post-market"})

ITEMS: Final = (
    Item("services ready", _services, "service-down"),
    Item("servers answer", _servers, "server-down"),
    Item("commits are durable", _durable, "server-down", PRE),
    Item("own database roles", _roles, "", PRE),
    Item("leases held", _leases, "lease-lost", PRE),
    Item("consumers keep up", _consumers, "journal-lag"),
    Item("ledger balances", _ledger, "ledger-difference"),
    Item("no order unknown", _unknown, "unknown-order"),
    Item("no order open", _open, "unknown-order", POST),
    Item("nothing in quarantine", _quarantine, "quarantine"),
    Item("kill switch off", _kill, "kill-switch"),
    Item("no account halted", _halts, "loss-limit"),
    Item("trading not paused", _paused, "", PRE),
    Item("limits are sane", _limits, "", PRE),
    Item("configuration as read", _configuration, "", PRE),
    Item("market today", _calendar, "", PRE),
    Item("strategies on", _strategies, "strategy-failed"),
    Item("feed is fresh", _feed, "feed-stale", PRE),
    Item("venues connected", _venues, "service-down"),
    Item("disk", _disk, "disk"),
    Item("memory", _memory, "memory"),
    Item("clock", _clock, "clock-skew"),
    Item("backup", _backup),
    Item("notifications", _notifications, "notifications-stuck"),
    Item("jobs", _jobs, "job-failed"),
    Item("no alert", _alerts),
    Item("no errors in logs", _complaints, "", POST),
    Item("last day's profit", _earned),
)
"""Another check is a line here and a function above."""


# --- the command


@app.command("pre-market")
def pre_market(json: Json = False) -> None:
    """Before the market opens: may it trade today?"""
    raise typer.Exit(_run("pre-market", json=json))


@app.command("post-market")
def post_market(json: Json = False) -> None:
    """After it has closed: is everything settled, and nothing left for tomorrow?"""
    raise typer.Exit(_run("post-market", json=json))


def _run(when: When, *, json: bool) -> int:
    try:
        settings = from_environment(FleetSettings, environ)
    except ConfigError as error:
        return tell(failed(str(error), USAGE), json=json)
    seen = asyncio.run(facts.gather(settings, environ, SystemClock()))
    if seen.nothing_runs:
        return tell(failed(seen.nothing_runs, NOTHING_RUNS), json=json)
    found = checked(seen, when)
    good = all(item.state != "fail" for item in found)
    data = {"ok": good, "checklist": when, "at": seen.at, "items": found}
    return tell(Answer(text(when, seen.at, found), data, OK if good else REFUSED), json=json, page=True)


def text(when: When, at: datetime, found: Sequence[Checked]) -> str:
    """For a person."""
    count = Counter(item.state for item in found)
    failed_ = f", {count['fail']} FAILED" if count["fail"] else ""
    lines = [f"{when} checklist at {at:%Y-%m-%d %H:%M:%S} UTC: {count['pass']} passed{failed_}, {count['skip']} skipped", ""]
    for item in found:
        word = "FAIL" if item.state == "fail" else item.state
        page = f" (docs/runbooks/{item.runbook}.md)" if item.runbook else ""
        head = f"{word}  {item.name:<{NAME_WIDTH}}"
        lines += textwrap.wrap(head + clean(item.seen) + page, WIDTH, subsequent_indent=" " * len(head), break_on_hyphens=False)
    return "\n".join(lines)
