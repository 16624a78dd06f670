"""`fleet risk limits`: what holds, since when and why, what waits, and changing it. Works with the fleet running or not."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from fleet import record, running
from fleet.operating import USAGE, Answer, Json, failed, who
from fleet.plan import FleetSettings
from fleet.running import NothingRuns
from libs.common.bus import MemoryBus, RedisBus
from libs.common.clocks import SystemClock
from libs.common.database import Database
from libs.common.journal import PostgresJournal
from libs.common.settings import from_toml
from libs.domain import limits as words
from libs.domain.configuration import RiskConfig
from libs.domain.limits import Change, LimitRow, Standing, amount, differences, scope_of, titled
from libs.store import limits
from libs.store.control import Control

app = typer.Typer(help="The limits of the record: what holds, what waits, and changing it.")

ScopeText = Annotated[
    str, typer.Option("--scope", metavar="SCOPE", help="account:NAME, strategy:ID, symbol:SYMBOL, or each without a key; order; fleet.")
]
NameText = Annotated[str, typer.Option("--name", metavar="NAME", help="As in config/risk.toml: max_daily_loss, ...")]
UnitText = Annotated[str | None, typer.Option("--unit", metavar="UNIT", help="Where there are several: currency or equity.")]
Reason = Annotated[str, typer.Option(help="Why: it stays on record.")]

_HEAD: Final = f"{'VERSION':>7}  {'LIMIT':<44} {'VALUE':>20}  {'SINCE (UTC)':<19}  BY: WHY"

Work = Callable[[Control, Database, RiskConfig], Awaitable[Answer]]


@app.callback(invoke_without_command=True)
def show(context: typer.Context, json: Json = False) -> None:
    """What holds now, what waits out its cool-off, and where config/risk.toml says something else."""
    if context.invoked_subcommand is not None:
        return

    async def work(database: Database, settings: FleetSettings) -> Answer:
        risk = _risk(settings)
        return shown(await limits.now(database), risk)

    raise typer.Exit(record.ask(work, json=json))


@app.command("set")
def set_(
    scope: ScopeText,
    name: NameText,
    value: Annotated[float, typer.Option(help="The most that is let through.")],
    reason: Reason,
    unit: UnitText = None,
    json: Json = False,
) -> None:
    """Set a limit. Tighter than what holds: at once. Looser: after the cool-off."""

    async def work(control: Control, database: Database, risk: RiskConfig) -> Answer:
        return await _changed(control, [asked(scope, name, unit, value)], reason, risk)

    raise typer.Exit(_ask(work, json=json))


@app.command()
def remove(scope: ScopeText, name: NameText, reason: Reason, unit: UnitText = None, json: Json = False) -> None:
    """Take a limit away, after the cool-off."""

    async def work(control: Control, database: Database, risk: RiskConfig) -> Answer:
        return await _changed(control, [asked(scope, name, unit, None)], reason, risk)

    raise typer.Exit(_ask(work, json=json))


@app.command()
def withdraw(version: Annotated[int, typer.Argument(help="Of a looser limit that waits.")], reason: Reason, json: Json = False) -> None:
    """Withdraw a looser limit before it holds."""

    async def work(control: Control, database: Database, risk: RiskConfig) -> Answer:
        return await _changed(control, [words.withdrawal(version, await limits.now(database))], reason, risk)

    raise typer.Exit(_ask(work, json=json))


@app.command("import")
def import_(reason: Reason, json: Json = False) -> None:
    """Bring the limits of config/risk.toml into the record: what is tighter at once, what is looser or gone after the cool-off."""

    async def work(control: Control, database: Database, risk: RiskConfig) -> Answer:
        changes = differences(risk.limit, await limits.now(database))
        if not changes:
            return Answer(f"{limits.FILE} says what the record does: nothing to bring in", {"ok": True, "changes": []})
        return await _changed(control, changes, reason, risk, must_exist=False)

    raise typer.Exit(_ask(work, json=json))


@app.command()
def history(json: Json = False) -> None:
    """Every change there ever was: who, when, why."""

    async def work(database: Database, settings: FleetSettings) -> Answer:
        rows = await limits.history(database)
        return Answer("\n".join([_HEAD, *(_line(row) for row in rows)]) if rows else _NONE, [_data(row) for row in rows])

    raise typer.Exit(record.ask(work, json=json))


_NONE: Final = f"the record has no limits yet: the first start of the fleet gives it those of {limits.FILE}"


def asked(scope: str, name: str, unit: str | None, value: float | None) -> Change:
    """The change that the options ask for.

    Raises:
        ValueError: there can be no such limit.
    """
    known = words.name_of(name)
    return Change(*scope_of(scope), known, words.unit_of(known, unit), value)


def shown(standing: Standing, risk: RiskConfig) -> Answer:
    """Limits that hold, and what waits, for a person."""
    differ = differences(risk.limit, standing) if standing.newest else []
    data = {
        "version": standing.version,
        "holding": [_data(row) for row in standing.holding],
        "pending": [_data(row) for row in standing.pending],
        "file_differs": [change._asdict() for change in differ],
        "cool_off_s": risk.limit_changes.cool_off,
    }
    return Answer("\n".join(_lines(standing, differ, risk.limit_changes.cool_off)), data)


def _lines(standing: Standing, differ: Sequence[Change], cool_off_s: float) -> Iterator[str]:
    if not standing.newest:
        yield _NONE
        return
    yield f"limits, version {standing.version}; of several that apply the tightest wins; what is looser waits {cool_off_s:g} s"
    yield _HEAD
    yield from (_line(row) for row in standing.holding)
    yield from map(pending_text, standing.pending)
    for change in differ:
        yield f"DIFFERS  {limits.FILE} says {titled(change)}: {amount(change.value, change.unit)}"
    if differ:
        yield '         the record holds; bring the file in with `fleet risk limits import --reason "..."`'


def _line(row: LimitRow) -> str:
    value = amount(row.value, row.unit)
    late = f" (from {_time(row.effective_at)} on)" if row.effective_at > row.at else ""
    return f"{row.version:>7}  {titled(row):<44} {value:>20}  {_time(row.at)}  {row.by}: {row.reason}{late}"


def pending_text(row: LimitRow) -> str:
    """A looser limit that waits, and how to withdraw it."""
    wanted = f"{titled(row)} is to be {amount(row.value, row.unit)}"
    return (
        f"WAITS    {wanted} from {_time(row.effective_at)} UTC on ({row.by}: {row.reason})"
        f'\n         withdraw it with `fleet risk limits withdraw {row.version} --reason "..."`'
    )


async def at_start(database: Database, settings: FleetSettings) -> list[str]:
    """What a start says of limits: what waits, and where the file says something else than the record, which holds."""
    standing, risk = await limits.now(database), _risk(settings)
    differ = differences(risk.limit, standing) if standing.newest else []
    waits = [f"limits: {line}" for row in standing.pending for line in pending_text(row).splitlines()]
    if differ:
        what = ", ".join(dict.fromkeys(titled(change) for change in differ))
        waits.append(f"limits: the record holds, and {limits.FILE} differs in {what}; see `fleet risk limits`")
    return waits


async def _changed(control: Control, changes: Sequence[Change], reason: str, risk: RiskConfig, *, must_exist: bool = True) -> Answer:
    cool_off_s = risk.limit_changes.cool_off
    rows = await control.limit(changes, reason, who(), cool_off_s, must_exist=must_exist)
    return Answer("\n".join(_done(row) for row in rows), {"ok": True, "changes": [_data(row) for row in rows]})


def _done(row: LimitRow) -> str:
    what = f"version {row.version}: {titled(row)} is {amount(row.value, row.unit)}"
    if row.effective_at == row.at:
        return f"{what}; risk_manager and trade_executor obey it within a second"
    wait_s = (row.effective_at - row.at) / 1e9
    return (
        f"version {row.version}: {titled(row)} is to be {amount(row.value, row.unit)}, looser than what holds: it waits {wait_s:g} s, until"
        f' {_time(row.effective_at)} UTC\nwithdraw it with `fleet risk limits withdraw {row.version} --reason "..."`'
    )


def _data(row: LimitRow) -> dict[str, object]:
    return row._asdict() | {"at": _iso(row.at), "effective_at": _iso(row.effective_at)}


def _time(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns / 1e9, UTC):%Y-%m-%d %H:%M:%S}"


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat()


def _risk(settings: FleetSettings) -> RiskConfig:
    return from_toml(RiskConfig, Path(settings.config_dir), "risk", settings.environment)


def _ask(work: Work, *, json: bool) -> int:
    """Does the work with the operator's hand on the record; the bell rings where a fleet runs to hear it."""

    async def ordered(database: Database, settings: FleetSettings) -> Answer:
        clock, bus = SystemClock(), _bus(settings)
        try:
            return await work(Control(database, PostgresJournal(database, bus, clock), clock), database, _risk(settings))
        except ValueError as error:
            return failed(str(error), USAGE)
        finally:
            await bus.close()

    return record.ask(ordered, json=json)


def _bus(settings: FleetSettings) -> RedisBus | MemoryBus:
    """That of the fleet that runs; where none does nobody listens."""
    state = Path(settings.state_dir).resolve()
    try:
        found = running.find(state, settings.database_url, settings.redis_url, settings.port_offset, settings.peer_host)
    except NothingRuns:
        return MemoryBus()
    return RedisBus(found.redis_url) if found.redis_url else MemoryBus()
