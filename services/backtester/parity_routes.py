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
from services.backtester.asking import answered
from services.backtester.job import Failed, ParityEnd, ParityJob
from services.backtester.parity_days import day_of
from services.backtester.routes import answering, as_json

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
            said = await answered(job, WORKER, request, context.stopping)
        end = said if isinstance(said, Failed) else msgspec.msgpack.decode(said, type=ParityEnd)
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
