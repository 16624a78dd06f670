"""`/backtests/{id}/report` and `/searches/{id}/report`: the pages that `fleet backtest report` writes, and what they say as JSON."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from libs.common.http import page_of
from libs.common.runner import Context
from libs.pages.hover import HOVER
from libs.pages.page import policy
from libs.store import searches
from libs.store.backtests import Backtest
from libs.store.by_id import NotOne
from services.backtester.asking import answered
from services.backtester.compiling import COMPILED
from services.backtester.job import BacktestReport, Failed, Form, Made, Refused, ReportEnd, ReportJob, SearchReport
from services.backtester.routes import answering, as_json, check_places, found_backtest
from services.backtester.spec import Spec
from services.backtester.stored import stored_of, unfinished

WORKER: Final = (sys.executable, "-m", "services.backtester.report_worker")
JSON: Final = "application/json"


def routes(context: Context) -> Sequence[web.RouteDef]:
    """What the service answers."""
    database = context.database("reports")
    one_at_a_time = asyncio.Lock()

    async def made(job: ReportJob, request: web.Request) -> ReportEnd:
        async with one_at_a_time:
            said = await answered(job, WORKER, request, context.stopping)
        return said if isinstance(said, Failed) else msgspec.msgpack.decode(said, type=ReportEnd)

    async def of_backtest(request: web.Request) -> web.Response:
        form = form_of(request)
        backtest = await found_backtest(database, request.match_info["id"])
        end = await made(_job(backtest, form, context), request)
        if isinstance(end, Refused):
            raise web.HTTPConflict(
                text=f"no report of backtest {backtest.id}: {end.error}. GET /backtests/{backtest.id}?trades=1 still has its figures and"
                " trades; ask for the same backtest once more to have a report of today's"
            )
        if isinstance(end, Failed):
            raise web.HTTPUnprocessableEntity(text=f"backtest {backtest.id} cannot be played again: {end.error}")
        return _answer(end, form)

    async def of_search(request: web.Request) -> web.Response:
        form = form_of(request)
        try:
            search = await searches.found(database, request.match_info["id"])
        except NotOne as error:
            raise web.HTTPNotFound(text=str(error)) from error
        if search.result is None:
            raise web.HTTPConflict(text=unfinished("search", str(search.id), search.state, search.error))
        if form == "json":
            return as_json(search.result)
        end = await made(SearchReport(id=str(search.id), result=search.result), request)
        if not isinstance(end, Made):
            raise web.HTTPUnprocessableEntity(text=f"no page of search {search.id}: {end.error}")
        return _answer(end, form)

    return [
        web.get("/backtests/{id}/report", answering(of_backtest), allow_head=False),
        web.get("/searches/{id}/report", answering(of_search), allow_head=False),
    ]


def form_of(request: web.Request) -> Form:
    """HTML, but for who asks for JSON by `format`, or by an `Accept` that has it and not HTML.

    Raises:
        HTTPBadRequest: the format is another.
    """
    match request.query.get("format"):
        case "html":
            return "html"
        case "json":
            return "json"
        case None:
            accepted = request.headers.get("Accept", "")
            return "json" if JSON in accepted and "text/html" not in accepted else "html"
        case other:
            raise web.HTTPBadRequest(text=f"expected format to be html or json, got {other[:50]!r}")


def _job(backtest: Backtest, form: Form, context: Context) -> BacktestReport:
    """
    Raises:
        HTTPConflict: it has no result.
        HTTPUnprocessableEntity: its data are not for everybody: the CLI may have read them from anywhere.
    """
    if backtest.result is None:
        raise web.HTTPConflict(text=unfinished("backtest", str(backtest.id), backtest.state, backtest.error))
    settings = context.settings
    try:
        check_places(msgspec.convert(backtest.spec, Spec), settings)
    except ValueError as error:  # also of a spec of another release
        raise web.HTTPUnprocessableEntity(
            text=f"backtest {backtest.id} is not played again over HTTP: {error}. `fleet backtest report {backtest.id}` makes its page"
        ) from error
    return BacktestReport(
        stored=stored_of(backtest),
        form=form,
        market_data_dir=settings.market_data_dir,
        database_url=settings.database_url,
        code_dir=str(Path(settings.state_dir).resolve() / COMPILED),
        config_dir=settings.config_dir,
        environment=settings.environment,
    )


def _answer(end: Made, form: Form) -> web.Response:
    if form == "html":
        return page_of(end.body, policy(HOVER))
    return web.Response(body=end.body, content_type=JSON)
