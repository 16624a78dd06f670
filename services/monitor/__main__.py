"""python -m services.monitor"""

import os
from collections.abc import Sequence

from aiohttp import web

from libs.common import runner
from libs.common.runner import Context
from libs.common.settings import from_environment
from services.monitor import app, routes
from services.monitor.app import Monitor
from services.monitor.settings import MonitorSettings


def main() -> None:
    begun: list[Monitor] = []

    def settings() -> MonitorSettings:
        return from_environment(MonitorSettings, os.environ)

    async def work(context: Context) -> None:
        await app.work(context, settings(), begun)

    def answers(_: Context) -> Sequence[web.RouteDef]:
        return routes.routes(lambda: begun[0], settings().monitor_token)

    runner.run("monitor", 8008, settings, work, answers)


if __name__ == "__main__":
    main()
