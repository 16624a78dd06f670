"""python -m services.data_collector"""

import os
from functools import partial

from libs.common import runner
from libs.common.runner import Context
from libs.common.settings import from_environment, value_of
from libs.store.builds import declaring
from services.data_collector import app
from services.data_collector.settings import CollectorSettings


def main() -> None:
    def settings() -> CollectorSettings:
        return from_environment(CollectorSettings, os.environ)

    async def work(context: Context) -> None:
        await app.work(context, settings(), partial(value_of, os.environ))

    runner.run("data_collector", 9101, settings, declaring(work))


if __name__ == "__main__":
    main()
