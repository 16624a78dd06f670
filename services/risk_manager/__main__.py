"""python -m services.risk_manager"""

import os
from functools import partial

from libs.common import runner
from libs.common.runner import Context
from libs.common.settings import Settings, from_environment, value_of
from libs.store.builds import declaring
from services.risk_manager import app


def main() -> None:
    def settings() -> Settings:
        return from_environment(Settings, os.environ)

    async def work(context: Context) -> None:
        await app.work(context, context.settings, partial(value_of, os.environ))

    runner.run("risk_manager", 9103, settings, declaring(work))


if __name__ == "__main__":
    main()
