"""python -m services.deadman"""

import os
from functools import partial

from libs.common import runner
from libs.common.runner import Context
from libs.common.settings import from_environment, value_of
from libs.domain.fleet import PORTS
from services.deadman import app
from services.deadman.settings import DeadmanSettings


def main() -> None:
    def settings() -> DeadmanSettings:
        return from_environment(DeadmanSettings, os.environ)

    async def work(context: Context) -> None:
        await app.work(context, settings(), partial(value_of, os.environ))

    runner.run("deadman", PORTS["deadman"], settings, work, needs=())


if __name__ == "__main__":
    main()
