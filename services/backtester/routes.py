"""`/backtests`: asking for one, and reading what came of it. Faults are problem+json whose `detail` says what was expected."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import msgspec
from aiohttp import web

from libs.common.database import Database, Rejected, Unreachable
from libs.common.runner import Context
from libs.common.settings import Settings
from libs.quant.folds.registry import configured
from libs.store import backtests
from libs.store.by_id import NotOne
from libs.venues.replay.catalog import named
from services.backtester.spec import Spec

MOST: Final = 1_000
Handler = Callable[[web.Request], Awaitable[web.Response]]


def routes(context: Context, bell: asyncio.Event) -> Sequence[web.RouteDef]:
    """What the service answers; `bell` is rung for a backtest that waits."""
    database = context.database("requests")

    async def ask(request: web.Request) -> web.Response:
        spec = spec_of(await request.read(), context.settings)
        id_ = uuid4()
        try:
            await database.write([backtests.queued(id_, msgspec.json.encode(spec))])
        except Rejected as error:
            raise web.HTTPBadRequest(text=f"it cannot be stored: {error}") from error
        bell.set()
        return as_json({"id": id_}, status=202, headers={"Location": f"/backtests/{id_}"})

    async def several(request: web.Request) -> web.Response:
        return as_json({"backtests": await backtests.listed(database, limit_of(request.query.get("limit", "20")))})

    async def one(request: web.Request) -> web.Response:
        found = await found_backtest(database, request.match_info["id"])
        answer = msgspec.to_builtins(found)
        if request.query.get("trades") == "1":
            answer["trades"] = await backtests.trades(database, found.id)
        return as_json(answer)

    return [
        web.post("/backtests", answering(ask)),
        web.get("/backtests", answering(several)),
        web.get("/backtests/{id}", answering(one)),
    ]


def spec_of(body: bytes, settings: Settings) -> Spec:
    """A backtest that can be queued.

    Raises:
        HTTPBadRequest: it is none, or it reads a file that is not for everybody; the text names the field.
    """
    try:
        spec = msgspec.json.decode(body, type=Spec)
        for config in spec.configured():
            configured(config)
        check_places(spec, settings)
        if spec.replay:
            named(spec.replay)
    except (msgspec.MsgspecError, ValueError) as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    return spec


def check_places(spec: Spec, settings: Settings) -> None:
    """Raises ValueError for a file that lies elsewhere than data do: over HTTP nobody reads arbitrary files."""
    for name in ("data", "actions", "funding"):
        _check_place(name, getattr(spec, name), settings)


def _check_place(name: str, file: str, settings: Settings) -> None:
    if not file:
        return
    folders = [Path(settings.state_dir).resolve() / "data"]
    if (recordings := settings.recordings()) is not None:
        folders.append(recordings.resolve())
    path = Path(file)
    if not path.is_absolute() or not any(path.resolve().is_relative_to(folder) for folder in folders):
        raise ValueError(f"expected {name} to be the whole path of a file below {' or '.join(map(str, folders))}, got {file!r}")


def limit_of(text: str) -> int:
    """How many are wanted.

    Raises:
        HTTPBadRequest: it is no such number.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MOST)) and 1 <= int(text) <= MOST):
        raise web.HTTPBadRequest(text=f"expected limit to be a whole number from 1 to {MOST}, got {text[:50]!r}")
    return int(text)


async def found_backtest(database: Database, text: str) -> backtests.Backtest:
    """The backtest of an id.

    Raises:
        HTTPNotFound: there is none.
    """
    try:
        return await backtests.found(database, str(UUID(text)))
    except (ValueError, NotOne):
        raise web.HTTPNotFound(text=f"there is no backtest {text!r}") from None


def answering(handler: Handler) -> Handler:
    """The handler, with a problem instead of a crash while the record is away."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Unreachable as error:
            raise web.HTTPServiceUnavailable(text="the record does not answer; try again in a moment") from error

    return answer


def as_json(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A body as JSON."""
    return web.Response(body=msgspec.json.encode(body), status=status, headers=headers, content_type="application/json")
