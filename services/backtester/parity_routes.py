"""`POST /parity`: a day of an account beside its backtest, answered when it has been played. One after another."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import web

from libs.common.database import Database
from libs.common.runner import Context
from libs.store import sessions
from services.backtester import process
from services.backtester.job import Failed, ParityEnd, ParityJob
from services.backtester.parity_days import day_of
from services.backtester.routes import answering, as_json

LIMIT_S: Final = 1800.0
LOOK_S: Final = 0.5
"""Between two looks whether somebody still waits for the answer."""
MOST: Final = 100
"""Differences in an answer: `fleet parity` lists them all."""
WORKER: Final = (sys.executable, "-m", "services.backtester.parity_worker")


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be compared."""

    account: str  # account_id, which belongs to one session
    day: str  # as 2013-10-07, market time, UTC


def routes(context: Context) -> Sequence[web.RouteDef]:
    """What the service answers about parity."""
    database = context.database("parity")
    one_at_a_time = asyncio.Lock()

    async def ask(request: web.Request) -> web.Response:
        job = await _job(await request.read(), context, database)
        async with one_at_a_time:
            end = await _played(job, request, context.stopping)
        if isinstance(end, Failed):
            raise web.HTTPUnprocessableEntity(text=end.error)
        return as_json(end)

    return [web.post("/parity", answering(ask))]


async def _job(body: bytes, context: Context, database: Database) -> ParityJob:
    """Raises HTTPBadRequest or HTTPNotFound for what cannot be compared."""
    try:
        asked = msgspec.json.decode(body, type=Asked)
        day_of(asked.day)
    except (msgspec.MsgspecError, ValueError) as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    session_id = await sessions.of_account(database, asked.account)
    if session_id is None:
        raise web.HTTPNotFound(text=f"there is no account {asked.account!r}")
    settings = context.settings
    return ParityJob(
        account=asked.account,
        day=asked.day,
        session_id=session_id,
        most=MOST,
        database_url=settings.database_url,
        config_dir=settings.config_dir,
        environment=settings.environment,
    )


async def _played(job: ParityJob, request: web.Request, stopping: asyncio.Event) -> ParityEnd:
    """Raises HTTPServiceUnavailable or HTTPGatewayTimeout when it is given up before its end."""
    asking = asyncio.ensure_future(process.asked(job, WORKER))
    try:
        async with asyncio.timeout(LIMIT_S):
            while not asking.done():
                if stopping.is_set():
                    raise web.HTTPServiceUnavailable(text="the service leaves; ask its successor")
                if request.transport is None or request.transport.is_closing():
                    raise web.HTTPServiceUnavailable(text="nobody waits for the answer any more")
                await asyncio.wait({asking}, timeout=LOOK_S)
        said = asking.result()
        return said if isinstance(said, Failed) else msgspec.msgpack.decode(said, type=ParityEnd)
    except TimeoutError:
        raise web.HTTPGatewayTimeout(text=f"it was not played within {LIMIT_S:g} s") from None
    finally:
        asking.cancel()
        await asyncio.wait({asking})
