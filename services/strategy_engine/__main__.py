"""python -m services.strategy_engine"""

import os

from libs.common import runner
from libs.common.runner import Context
from libs.common.settings import Settings, from_environment
from libs.store.builds import declaring
from services.strategy_engine import app


def main() -> None:
    def settings() -> Settings:
        return from_environment(Settings, os.environ)

    async def work(context: Context) -> None:
        await app.work(context, context.settings)

    runner.run("strategy_engine", 9102, settings, declaring(work))


if __name__ == "__main__":
    main()
