"""What an operator's command needs: the running fleet, its record, and an answer in words or JSON with a stable exit code."""

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from os import environ, getuid
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
import typer

from fleet import running
from fleet.plan import FleetSettings
from fleet.running import NothingRuns, Running
from libs.common.bus import RedisBus
from libs.common.clocks import SystemClock
from libs.common.database import Database, Rejected, Unreachable
from libs.common.journal import PostgresJournal
from libs.common.settings import ConfigError, Settings, from_environment, from_toml
from libs.domain.configuration import RiskConfig
from libs.store.control import Control

OK: Final = 0
REFUSED: Final = 1  # or the fleet is unhealthy
USAGE: Final = 2
NOTHING_RUNS: Final = 3

Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


class Answer(NamedTuple):
    """What a command has to say."""

    text: str
    data: object
    code: int = OK


class Hands(NamedTuple):
    """What a command works with."""

    running: Running
    database: Database
    control: Control
    by: str


def ask(work: Callable[[Hands], Awaitable[Answer]], *, json: bool, page: bool = False) -> int:
    """Finds the fleet, does the work, prints the answer as `tell` does; the exit code."""
    answer = _answer(work)
    return tell(answer, json=json, page=page and answer.code in (OK, REFUSED))


def cool_off(settings: Settings) -> float:
    """How long a kill switch stays on at the least, s.

    Raises:
        ConfigError: config/risk.toml cannot be read.
    """
    return _risk(settings).kill_switch.cool_off


def risk() -> RiskConfig:
    """config/risk.toml.

    Raises:
        ConfigError: it cannot be read.
    """
    return _risk(from_environment(FleetSettings, environ))


def _risk(settings: Settings) -> RiskConfig:
    return from_toml(RiskConfig, Path(settings.config_dir), "risk", settings.environment)


def tell(answer: Answer, *, json: bool, page: bool = False) -> int:
    """Prints an answer; its exit code. A page is what was asked for, whatever it says; else bad news goes to stderr."""
    if json:
        print(msgspec.json.encode(answer.data).decode())
    else:
        print(answer.text, file=sys.stderr if answer.code and not page else sys.stdout)
    return answer.code


def _answer(work: Callable[[Hands], Awaitable[Answer]]) -> Answer:
    try:
        settings = from_environment(FleetSettings, environ)
        found = running.find(
            Path(settings.state_dir).resolve(), settings.database_url, settings.redis_url, settings.port_offset, settings.peer_host
        )
        return asyncio.run(_with_hands(found, work, cool_off(settings)))
    except ConfigError as error:
        return failed(str(error), USAGE)
    except NothingRuns as error:
        return failed(str(error), NOTHING_RUNS)
    except Unreachable as error:
        return failed(f"the fleet's database does not answer: {error}; try again, and see what `fleet run` says", NOTHING_RUNS)
    except LookupError as error:
        return failed(str(error.args[0]), REFUSED)
    except Rejected as error:
        return failed(f"the database refused: {error}", REFUSED)


async def _with_hands(found: Running, work: Callable[[Hands], Awaitable[Answer]], cool_off_s: float) -> Answer:
    clock, database, bus = SystemClock(), Database(found.database_url, "fleet:cli"), RedisBus(found.redis_url or "redis://127.0.0.1:6379")
    try:
        return await work(
            Hands(found, database, Control(database, PostgresJournal(database, bus, clock), clock, cool_off_s=cool_off_s), who())
        )
    finally:
        await database.close()
        await bus.close()


def who() -> str:
    """Who asks, for the record: the user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in many containers
        return f"uid {getuid()}"


def failed(text: str, code: int) -> Answer:
    """An answer that nothing was done."""
    return Answer(f"fleet: {text}", {"ok": False, "error": text}, code)
