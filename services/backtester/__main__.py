"""python -m services.backtester"""

import asyncio
import os
from collections.abc import Sequence

from aiohttp import web

from libs.common import runner
from libs.common.runner import Context
from libs.common.settings import Settings, from_environment
from services.backtester import app, parity_routes, report_routes, routes, search_routes


def main() -> None:
    bells = app.Bells(asyncio.Event(), asyncio.Event())

    def settings() -> Settings:
        return from_environment(Settings, os.environ)

    async def work(context: Context) -> None:
        await app.work(context, context.settings, bells)

    def answers(context: Context) -> Sequence[web.RouteDef]:
        return [
            *routes.routes(context, bells.backtests),
            *search_routes.routes(context, bells.searches),
            *report_routes.routes(context),
            *parity_routes.routes(context),
        ]

    runner.run("backtester", 9107, settings, work, answers)


if __name__ == "__main__":
    main()
