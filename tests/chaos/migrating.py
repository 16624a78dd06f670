"""A migration that is wounded within: CP23."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from fleet import migrate
from tests.chaos.money_path import ROOT, SITE, MoneyPath
from tests.chaos.wounds import Fault, asked_for

NAME: Final = "migration"
SCHEMA: Final = (
    "select 'column', table_name || '.' || column_name, data_type || is_nullable || coalesce(column_default, '')"
    " from information_schema.columns where table_schema = 'public' and table_name !~ '_[0-9]{4}_?[0-9]*$'"
    " union all select 'function', p.oid::regprocedure::text, md5(prosrc) from pg_proc p where pronamespace = 'public'::regnamespace"
    " order by 1, 2, 3"
)


async def wounded(path: MoneyPath, folder: Path, fault: Fault, pause_s: float) -> tuple[float, list[str]]:
    """Migrates a new database, is wounded in the third migration, and migrates again: seconds from the wound until that is done, and
    what is wrong with the schema then.

    Raises:
        TooSlow: the moment was not reached.
    """
    name = f"chaos_{fault}_{time.monotonic_ns()}"
    url = urlunsplit(urlsplit(path.database_url)._replace(path=f"/{name}"))
    await asyncio.to_thread(_run, path.database_url, f"create database {name}")
    asked = asked_for(folder, NAME, "CP23", fault, 3)
    environment = {**os.environ, "PYTHONPATH": f"{SITE}:{ROOT}", "CHAOS_WOUNDS": str(folder), "CHAOS_NAME": NAME}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"from fleet import migrate; migrate.upgrade({url!r})"),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await path.until(lambda: not asked.exists(), "the migration is at CP23", 30.0)
        began = time.monotonic()
        again = asyncio.create_task(asyncio.to_thread(migrate.upgrade, url))
        if fault == "sigstop":  # whoever comes meanwhile waits for it
            await asyncio.sleep(pause_s)
            process.send_signal(signal.SIGCONT)
        await asyncio.wait_for(again, 60.0)
        took_s = time.monotonic() - began
        here, there = await asyncio.to_thread(_run, url, SCHEMA), await asyncio.to_thread(_run, path.database_url, SCHEMA)
        return took_s, [f"S: after {fault} within a migration the schema has {wrong}" for wrong in sorted({*here} ^ {*there})]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await asyncio.to_thread(_run, path.database_url, f"drop database {name} with (force)")


def _run(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        answer = connection.execute(statement.encode())
        return answer.fetchall() if answer.description else []
