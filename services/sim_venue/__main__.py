"""python -m services.sim_venue"""

import os

from aiohttp import web

from libs.common import runner
from libs.common.runner import Context
from libs.common.settings import from_environment
from libs.domain.fleet import PORTS
from services.sim_venue import app
from services.sim_venue.settings import SimVenueSettings
from services.sim_venue.venue import Venue


def main() -> None:
    made: list[Venue] = []

    def settings() -> SimVenueSettings:
        return from_environment(SimVenueSettings, os.environ)

    def mount(context: Context, application: web.Application) -> None:
        made.append(app.venue(context, settings()))
        made[0].mount(application)

    async def work(context: Context) -> None:
        await app.work(context, made[0])

    runner.run("sim_venue", PORTS["sim_venue"], settings, work, mount=mount, needs=())


if __name__ == "__main__":
    main()
