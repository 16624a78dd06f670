"""python -m services.trade_executor [--standby]

Which of several executors trades is decided by who holds the lease of an account, never by how it was started: --standby only
gives a second one on this machine a name and a port of its own.
"""

import os
import sys
from functools import partial

from libs.common import runner
from libs.common.runner import Context
from libs.common.settings import Settings, from_environment, value_of
from libs.domain.fleet import PORTS, STANDBYS
from libs.store.builds import declaring
from services.trade_executor import app


def main() -> None:
    def settings() -> Settings:
        return from_environment(Settings, os.environ)

    async def work(context: Context) -> None:
        await app.work(context, context.settings, partial(value_of, os.environ))

    if "--standby" in sys.argv[1:]:
        runner.run("trade_executor_standby", STANDBYS["trade_executor_standby"].port, settings, declaring(work))
    else:
        runner.run("trade_executor", PORTS["trade_executor"], settings, declaring(work))


if __name__ == "__main__":
    main()
