"""`fleet notify test` and `fleet alerts`: whether a person would be told, and what is wrong now."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, NamedTuple

import aiohttp
import msgspec
import typer

from fleet.operating import OK, REFUSED, Answer, Hands, Json, ask
from fleet.tables import moment, table
from libs.common.clocks import SystemClock
from libs.common.database import Database
from libs.domain.faults import lasted
from libs.domain.notifying import TEST
from libs.store import alerts, deliveries
from libs.store.deliveries import Outcome
from libs.store.notifications import notification, store

app = typer.Typer(no_args_is_help=True, help="Try the ways to your phone.")

WITHIN_S: Final = 20.0
LOOK_S: Final = 0.2
HOW: Final = (
    "no channel is on. The shortest way to a phone is Gotify: set GOTIFY_URL and GOTIFY_TOKEN and start the fleet again;"
    " docs/monitoring.md goes through it in five minutes"
)


class Channel(msgspec.Struct):
    """A way to a person, as the monitor has it."""

    state: str  # on, off
    why: str = ""


class _Status(msgspec.Struct):
    channels: Mapping[str, Channel]


class Tried(NamedTuple):
    """What came of a test on one channel."""

    channel: str
    result: Literal["sent", "failed", "off"]
    detail: str


@app.command("test")
def try_command(
    channel: Annotated[str, typer.Option(metavar="NAME", help="gotify, email, slack or discord; else every one that is on.")] = "",
    severity: Annotated[str, typer.Option(help="info, warning or critical: how loud it is.")] = "info",
    json: Json = False,
) -> None:
    """Send a message over every channel, and say what came of it."""
    loud = _severity(severity)

    async def work(hands: Hands) -> Answer:
        channels = await channels_of(hands.running.peer("monitor"))
        if channel and channel not in channels:
            raise LookupError(f"no channel is called {channel!r}; there are: {', '.join(channels)}")
        asked = {name: found for name, found in channels.items() if channel in ("", name)}
        tried = [Tried(name, "off", found.why) for name, found in asked.items() if found.state != "on"]
        on = [name for name, found in asked.items() if found.state == "on"]
        if on:
            tried = await _try(hands, channel, loud, on)
        return told(tried, any_on=any(found.state == "on" for found in channels.values()))

    raise typer.Exit(ask(work, json=json))


def _severity(text: str) -> Literal["info", "warning", "critical"]:
    for known in ("info", "warning", "critical"):
        if text == known:
            return known
    raise typer.BadParameter(f"expected info, warning or critical, got {text!r}", param_hint="--severity")


def told(tried: Sequence[Tried], *, any_on: bool) -> Answer:
    """Words and exit code for what came of a test."""
    lines = [f"{one.channel:<8} {one.result}{f': {one.detail}' if one.detail else ''}" for one in tried]
    well = bool(tried) and all(one.result == "sent" for one in tried)
    if not any_on:
        lines.append(f"fleet: {HOW}")
    return Answer("\n".join(lines), {"ok": well, "channels": [one._asdict() for one in tried]}, OK if well else REFUSED)


async def channels_of(url: str) -> Mapping[str, Channel]:
    """What the monitor says of its channels.

    Raises:
        LookupError: it does not answer.
    """
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(f"{url}/status") as answer:
            return msgspec.json.decode(await answer.read(), type=_Status).channels
    except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError):
        raise LookupError(f"the monitor does not answer at {url}: nobody is told of anything; see docs/runbooks/monitor-down.md") from None


async def _try(hands: Hands, channel: str, severity: Literal["info", "warning", "critical"], on: Sequence[str]) -> list[Tried]:
    clock = SystemClock()
    key = f"{TEST}:{channel}" if channel else TEST
    body = f"Asked for by {hands.by}. If you can read this, the fleet can reach you."
    said = notification(clock, "system", severity, "A test of Tradewinds", body, key=key, link="/")
    await hands.database.write([store([said], "fleet")])
    outcomes: Mapping[str, Outcome] = {}
    deadline = clock.monotonic() + WITHIN_S
    while clock.monotonic() < deadline:
        outcomes = {o.channel: o for o in await deliveries.outcomes(hands.database, said.notification_id) or ()}
        if all(name in outcomes and (outcomes[name].state != "waiting" or outcomes[name].attempts) for name in on):
            break
        await asyncio.sleep(LOOK_S)
    return [_tried(name, outcomes.get(name)) for name in on]


def _tried(name: str, outcome: Outcome | None) -> Tried:
    if outcome is None:
        return Tried(name, "failed", f"the monitor did not take it up within {WITHIN_S:.0f} s; its log says why")
    match outcome.state:
        case "sent":
            return Tried(name, "sent", "")
        case "dropped":
            return Tried(name, "failed", outcome.detail)
    detail = outcome.detail or f"no answer within {WITHIN_S:.0f} s"
    return Tried(name, "failed", f"{detail}; it is tried again for 24 hours")


def alerts_command(
    limit: Annotated[int, typer.Option(min=1, max=200, help="Of those that are over.")] = 10,
    json: Json = False,
) -> None:
    """What is wrong now, and what was."""

    async def work(hands: Hands) -> Answer:
        return await standing(hands.database, datetime.fromtimestamp(SystemClock().now_ns() / 1e9, UTC), limit)

    raise typer.Exit(ask(work, json=json))


async def standing(database: Database, now: datetime, limit: int) -> Answer:
    """Alerts that fire and the last that ended.

    Raises:
        Unreachable: the database is away.
    """
    firing = [(source, fault) for source, faults in (await alerts.firing(database)).items() for fault in faults]
    over = await alerts.over(database, limit)
    rows = [
        [f.severity, f.title, moment(f.since.replace(microsecond=0)), lasted((now - f.since).total_seconds()), source, f.link]
        for source, f in firing
    ]
    text = (
        table(["firing", "what", "since", "for", "by", "runbook"], rows, left=6) if rows else "nothing is wrong, as far as the monitor sees"
    )
    if over:
        ended = [
            [o.severity, o.title, moment(o.since.replace(microsecond=0)), lasted((o.resolved_at - o.since).total_seconds()), o.source]
            for o in over
        ]
        text += "\n\n" + table(["over", "what", "since", "lasted", "by"], ended, left=5)
    data: dict[str, Any] = {
        "firing": [{"source": source, **msgspec.to_builtins(fault)} for source, fault in firing],
        "over": [o._asdict() for o in over],
    }
    return Answer(text, data)
