"""`/searches`: asking for one, and what searches have found."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

import msgspec
from aiohttp import web

from libs.common.database import Rejected
from libs.common.runner import Context
from libs.common.settings import Settings
from libs.store import searches
from libs.store.by_id import NotOne
from libs.venues.replay.catalog import named
from services.backtester.asking import answered
from services.backtester.job import Checked, Failed
from services.backtester.routes import answering, as_json, check_places, limit_of
from services.backtester.search_asked import Asked

CHECK: Final = (sys.executable, "-m", "services.backtester.search_check")


def routes(context: Context, bell: asyncio.Event) -> Sequence[web.RouteDef]:
    """What the service answers; `bell` is rung for a search that waits."""
    database = context.database("searches-asked")
    one_at_a_time = asyncio.Lock()

    async def ask(request: web.Request) -> web.Response:
        asked = asked_of(await request.read(), context.settings)
        async with one_at_a_time:
            checked = await _checked(asked, request, context.stopping)
        id_ = uuid4()
        try:
            await database.write([searches.queued(id_, checked.strategy, checked.spec)])
        except Rejected as error:
            raise web.HTTPBadRequest(text=f"it cannot be stored: {error}") from error
        bell.set()
        return as_json({"id": id_}, status=202, headers={"Location": f"/searches/{id_}"})

    async def several(request: web.Request) -> web.Response:
        return as_json({"searches": await searches.listed(database, limit_of(request.query.get("limit", "20")))})

    async def one(request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        try:
            return as_json(await searches.found(database, id_))
        except NotOne as error:
            raise web.HTTPNotFound(text=str(error)) from error

    return [
        web.post("/searches", answering(ask)),
        web.get("/searches", answering(several)),
        web.get("/searches/{id}", answering(one)),
    ]


def asked_of(body: bytes, settings: Settings) -> Asked:
    """What is asked for, as far as its form shows.

    Raises:
        HTTPBadRequest: it is no search, or it reads a file that is not for everybody; the text names the field.
    """
    try:
        asked = msgspec.json.decode(body, type=Asked)
        check_places(asked.backtest, settings)
        if asked.backtest.replay:
            named(asked.backtest.replay)
    except (msgspec.MsgspecError, ValueError) as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    return asked


async def _checked(asked: Asked, request: web.Request, stopping: asyncio.Event) -> Checked:
    """In a process of its own: whoever knows metrics and schemes has numpy.

    Raises:
        HTTPBadRequest: it cannot be run; the text is that of the command.
    """
    said = await answered(asked, CHECK, request, stopping)
    checked = said if isinstance(said, Failed) else msgspec.msgpack.decode(said, type=Checked | Failed)
    if isinstance(checked, Failed):
        raise web.HTTPBadRequest(text=checked.error)
    return checked
