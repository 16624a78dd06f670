"""`fleet risk kill`, `close-all` and `rearm`: through the record, or through the kill file when the record is away."""

from os import environ
from pathlib import Path
from typing import Annotated, Final

import typer

from fleet import kill_file, losses, operating
from fleet.operating import USAGE, Answer, Hands, Json, ask, tell, who
from fleet.plan import FleetSettings
from libs.common.database import Unreachable
from libs.common.settings import ConfigError, from_environment
from libs.common.within import within
from libs.domain.kill import MEANING, FileKill, Mode, Scope, mode_of, named, scope_of, written

ANSWER_WITHIN_S: Final = 2.0  # then a kill goes by the file

ScopeText = Annotated[str, typer.Option("--scope", metavar="SCOPE", help="fleet, account:NAME, strategy:ID or symbol:SYMBOL.")]
ModeText = Annotated[str, typer.Option("--mode", metavar="MODE", help="halt, reduce-only or flatten.")]
KillReason = Annotated[str, typer.Option(help="For the record, and for whoever finds trading stopped.")]
BreakGlass = Annotated[bool, typer.Option("--break-glass", help="Write the kill file in STATE_DIR, and ask no server.")]


def kill(
    reason: KillReason, scope: ScopeText = "fleet", mode: ModeText = "halt", break_glass: BreakGlass = False, json: Json = False
) -> None:
    """Stop trading: nothing new leaves, and open orders are cancelled. Works without Redis, and without Postgres by a file."""
    raise typer.Exit(_kill(FileKill(*_scope(scope), _mode(mode), reason), break_glass, json))


def close_all(reason: KillReason, break_glass: BreakGlass = False, json: Json = False) -> None:
    """Cancel every order and close every position of the fleet, and keep it so until it is re-armed (kill --mode flatten)."""
    raise typer.Exit(_kill(FileKill("fleet", "", "flatten", reason), break_glass, json))


def rearm(
    reason: Annotated[str, typer.Option(help="Why it may go on: for the record.")],
    scope: ScopeText = "fleet",
    json: Json = False,
) -> None:
    """Allow orders again: after a kill, once it has cooled off, or where an account passed a loss limit."""
    found, key = _scope(scope)

    async def work(hands: Hands) -> Answer:
        try:
            await hands.control.may_rearm(found, key, reason)
            kill_file.lift(_state(), found, key)  # first: while it says so trade_executor would put it on record again
            done = await hands.control.rearm(found, key, reason, hands.by)
        except ValueError as error:
            return operating.failed(str(error), USAGE)
        halts = [halt._asdict() for halt in done.halts]
        return Answer(losses.rearmed_text(scope, done), {"ok": True, "scope": scope, "active": False, "halts": halts})

    raise typer.Exit(ask(work, json=json))


def _kill(kill: FileKill, break_glass: bool, json: bool) -> int:
    if break_glass:
        return tell(_by_file(kill, ""), json=json)

    async def work(hands: Hands) -> Answer:
        try:
            await within(ANSWER_WITHIN_S, hands.control.kill(kill.scope, kill.key, kill.mode, kill.reason, hands.by))
        except (Unreachable, TimeoutError) as error:
            return _by_file(kill, f"the fleet's database does not answer ({error})")
        except ValueError as error:
            return operating.failed(str(error), USAGE)
        return Answer(f"killed {_words(kill)}{_then(kill)}", _data(kill, "record"))

    return ask(work, json=json)


def _by_file(kill: FileKill, because: str) -> Answer:
    try:
        path = kill_file.add(_state(), kill._replace(reason=f"{kill.reason} (by {who()})"))
    except ConfigError as error:
        return operating.failed(str(error), USAGE)
    why = f"{because}: " if because else ""
    text = (
        f"{why}killed {_words(kill)} by the file {path}\n"
        "trade_executor obeys it within 200 ms and cancels directly at the venue; once Postgres answers it goes on record. If"
        f" trade_executor does not run, or in another STATE_DIR, nobody obeys it: cancel at the venue itself{_then(kill)}"
    )
    return Answer(text, _data(kill, "file") | {"file": str(path)})


def _words(kill: FileKill) -> str:
    return f"{named(kill.scope, kill.key)} ({written(kill.mode)}): {MEANING[kill.mode]}"


def _then(kill: FileKill) -> str:
    return f'\nwatch it with `fleet risk status`; rearm with `fleet risk rearm --scope {named(kill.scope, kill.key)} --reason "..."`'


def _data(kill: FileKill, by: str) -> dict[str, object]:
    return {"ok": True, "scope": named(kill.scope, kill.key), "mode": written(kill.mode), "active": True, "by": by}


def _state() -> Path:
    return Path(from_environment(FleetSettings, environ).state_dir).resolve()


def _scope(text: str) -> tuple[Scope, str]:
    try:
        return scope_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--scope") from error


def _mode(text: str) -> Mode:
    try:
        return mode_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--mode") from error
