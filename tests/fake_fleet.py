"""`python -m tests.fake_fleet FOLDER SECONDS BEHAVIOUR...`: `fleet run` with fake services, in their order; steady by default.

Without a terminal it is `fleet run --json`.

SECONDS 0 runs until it is stopped. Everything lies in FOLDER; the servers are those of DATABASE_URL and REDIS_URL, else embedded.
"""

import os
import sys
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from fleet import run, running
from fleet.plan import Options, Plan
from libs.common.settings import ConfigError
from libs.domain.fleet import PORTS
from tests.fleets import configuration, fake


def main() -> int:
    folder, seconds, behaviours = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    config = folder / "config"
    if not config.exists():
        configuration(config)
    options = Options(seconds=seconds or None, json=not sys.stdout.isatty())
    plan = Plan.of(options, {**os.environ, "STATE_DIR": str(folder / "state"), "CONFIG_DIR": str(config)})
    named = zip_longest(PORTS, behaviours, fillvalue="steady")
    plan = replace(plan, services=[fake(name, behaviour, folder) for name, behaviour in named])
    try:
        with running.alone(plan.state):
            return run.play(plan)
    except ConfigError as error:
        print(f"fleet: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
