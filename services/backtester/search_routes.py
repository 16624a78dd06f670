"""`/searches`: what searches have found. They are made by `fleet backtest search`: one takes all cores, which trading needs."""

from collections.abc import Sequence

from aiohttp import web

from libs.common.runner import Context
from libs.store import searches
from libs.store.by_id import NotOne
from services.backtester.routes import answering, as_json, limit_of


def routes(context: Context) -> Sequence[web.RouteDef]:
    """What the service answers."""
    database = context.database("requests")

    async def several(request: web.Request) -> web.Response:
        return as_json({"searches": await searches.listed(database, limit_of(request.query.get("limit", "20")))})

    async def one(request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        try:
            return as_json(await searches.found(database, id_))
        except NotOne as error:
            raise web.HTTPNotFound(text=str(error)) from error

    return [web.get("/searches", answering(several)), web.get("/searches/{id}", answering(one))]
