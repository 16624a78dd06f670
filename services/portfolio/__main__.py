"""python -m services.portfolio"""

import os

from libs.common import runner
from libs.common.runner import Context
from libs.common.settings import Settings, from_environment
from services.portfolio import app


def main() -> None:
    def settings() -> Settings:
        return from_environment(Settings, os.environ)

    async def work(context: Context) -> None:
        await app.work(context, context.settings)

    runner.run("portfolio", 9105, settings, work)


if __name__ == "__main__":
    main()
