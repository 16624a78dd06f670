"""The record for a command that needs no fleet: of the one that runs, of DATABASE_URL, else the embedded Postgres for a moment."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from os import environ
from pathlib import Path
from typing import Final, TypeVar

import psycopg

from fleet import logins, running
from fleet.embedded.postgres import EmbeddedPostgres
from fleet.embedded.server import ServerError
from fleet.operating import NOTHING_RUNS, REFUSED, USAGE, Answer, failed, tell
from fleet.plan import FleetSettings
from fleet.running import NothingRuns
from libs.common.database import Database, Rejected, Unreachable
from libs.common.settings import ConfigError, from_environment

T = TypeVar("T")
_MIGRATIONS: Final = Path(__file__).parents[1] / "migrations" / "versions"


class NoRecord(Exception):
    """There is no record to be had; the message says why. Exit code 3."""


@contextmanager
def opened(settings: FleetSettings, *, to_write: bool) -> Iterator[str]:
    """The URL of the record, its schema being this release's.

    Args:
        to_write: make a record where there is none yet.

    Raises:
        NoRecord: none can be had.
    """
    state = Path(settings.state_dir).resolve()
    try:
        found = running.find(state, settings.database_url, settings.redis_url, settings.port_offset)
    except NothingRuns as nothing:
        if not to_write and not (state / "postgres").is_dir():
            raise NoRecord(f"there is no record in {state} yet, and no fleet is running; STATE_DIR names another folder") from nothing
    else:
        _bring_up_to_date(found.database_url, settings, ours=found.pid is None)
        yield found.database_url
        return
    with _embedded(state, settings) as url:
        yield url


@contextmanager
def _embedded(state: Path, settings: FleetSettings) -> Iterator[str]:
    server = EmbeddedPostgres(state / "postgres")
    try:
        with running.alone(state):
            url = server.start()
            try:
                _bring_up_to_date(url, settings, ours=True)
                yield logins.prepare(url, settings, environ).operator
            finally:
                server.stop()
    except (ConfigError, ServerError) as error:
        raise NoRecord(str(error)) from error


def _bring_up_to_date(database_url: str, settings: FleetSettings, *, ours: bool) -> None:
    """Raises NoRecord when the schema is not this release's and not `ours` to change, for a fleet is working on it."""
    if revision(database_url) == max(file.name.partition("_")[0] for file in _MIGRATIONS.glob("[0-9]*.py")):
        return
    if not ours:
        raise NoRecord("the fleet that is running is of another release; stop it first")
    from fleet.run import prepare  # what brings a schema up to date takes half a second to load

    try:
        prepare(database_url)
        logins.prepare(database_url, settings, environ)
    except ConfigError as error:
        raise NoRecord(str(error)) from error


def revision(database_url: str) -> str | None:
    """Of the schema there; None in an empty database.

    Raises:
        NoRecord: nobody answers.
    """
    try:
        with psycopg.connect(database_url, connect_timeout=3) as connection:
            row = connection.execute("select to_regclass('alembic_version') is not null").fetchone()
            if row is None or not row[0]:
                return None
            row = connection.execute("select version_num from alembic_version").fetchone()
            return row[0] if row else None
    except psycopg.Error as error:
        raise NoRecord(f"the record does not answer: {str(error).strip()}") from error


def ask(work: Callable[[Database, FleetSettings], Awaitable[Answer]], *, json: bool) -> int:
    """Opens the record to read, does the work, prints the answer; the exit code."""
    return tell(_answer(work), json=json)


def _answer(work: Callable[[Database, FleetSettings], Awaitable[Answer]]) -> Answer:
    try:
        settings = from_environment(FleetSettings, environ)
        with opened(settings, to_write=False) as url:
            return asyncio.run(with_database(url, lambda database: work(database, settings)))
    except ConfigError as error:
        return failed(str(error), USAGE)
    except NoRecord as error:
        return failed(str(error), NOTHING_RUNS)
    except Unreachable as error:
        return failed(f"the record does not answer: {error}", NOTHING_RUNS)
    except LookupError as error:
        return failed(str(error.args[0]), USAGE)
    except Rejected as error:
        return failed(f"the database refused: {error}", REFUSED)


async def with_database(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    """What `work` makes of a connection that is closed afterwards."""
    database = Database(url, "fleet:cli")
    try:
        return await work(database)
    finally:
        await database.close()
