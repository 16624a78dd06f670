"""python -m services.scheduler"""

import os

from libs.common import runner
from libs.common.runner import Context
from libs.common.settings import Settings, from_environment
from libs.domain.fleet import PORTS
from services.scheduler import app


def main() -> None:
    def settings() -> Settings:
        return from_environment(Settings, os.environ)

    async def work(context: Context) -> None:
        await app.work(context, context.settings)

    runner.run("scheduler", PORTS["scheduler"], settings, work)


if __name__ == "__main__":
    main()
