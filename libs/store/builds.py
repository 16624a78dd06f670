"""What each process of the money path runs, on record: said before its work begins, and again while it lives."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from libs.common.database import Database, Unreachable, Write
from libs.common.logs import about
from libs.common.runner import Context
from libs.common.settings import Settings, digest
from libs.domain.guards import Build

log = logging.getLogger(__name__)

SCHEMA: Final = "0007"
"""The newest migration: what this code is written for."""

SAY_EVERY_S: Final = 2.0
AGAIN_S: Final = 0.2
CONFIGURED: Final = ("system", "strategies", "risk")
"""Files that decide what is traded, how, and within which limits."""

Work = Callable[[Context], Awaitable[None]]


def build_of(service: str, instance: str, settings: Settings) -> Build:
    """What this process runs.

    Raises:
        ConfigError: its configuration cannot be read.
    """
    config = digest(Path(settings.config_dir), CONFIGURED, settings.environment)
    return Build(service, instance, settings.release, SCHEMA, config)


def declaring(work: Work) -> Work:
    """The work of a service of the money path. Nothing of it begins before the record knows what this process runs, so whoever reads what
    it decided can know too."""

    async def declared(context: Context) -> None:
        role = context.name.removesuffix("_standby")  # a second process of a service is of that service
        build, database = build_of(role, context.holder, context.settings), context.database("build")
        if not await _said(database, build, context.stopping):
            return
        saying = asyncio.create_task(_say_again(database, build))
        try:
            await work(context)
        finally:
            saying.cancel()

    return declared


async def _said(database: Database, build: Build, stopping: asyncio.Event) -> bool:
    """Once it is on record; False when asked to stop first."""
    while not stopping.is_set():
        try:
            await declare(database, build)
            return True
        except Unreachable as error:
            log.warning("waiting for the database: %s", error, extra=about("database_lost", "failure"))
            await asyncio.sleep(AGAIN_S)
    return False


async def _say_again(database: Database, build: Build) -> None:
    while True:
        await asyncio.sleep(SAY_EVERY_S)
        try:
            await declare(database, build)
        except Unreachable:
            continue  # nothing is decided meanwhile either


async def declare(database: Database, build: Build) -> None:
    """Says what a process runs, now; the last word of an older one is kept for a day.

    Raises:
        Unreachable: the database is away.
    """
    service, instance, *what, _ = build
    await database.write(
        [
            Write(
                "insert into builds (service, instance, release, schema_version, config) values (%s, %s, %s, %s, %s)"
                " on conflict (service, instance) do update set at = clock_timestamp()",
                (service, instance, *what),
            ),
            Write("delete from builds where service = %s and at < clock_timestamp() - interval '1 day'", (service,)),
        ]
    )
