"""`--fresh`: forgets everything that earlier runs left in the state folder."""

import shutil
from pathlib import Path

from fleet.servers import Servers

OURS = ("paper", "sim_venue", "logs")  # beside the servers' own folders; anything else in the folder is not ours to remove


def wipe(state: Path, servers: Servers) -> None:
    """Removes the servers' data, the paper books, the simulated venue and the logs. The state folder must be locked by us.

    Raises:
        ConfigError: the database is the operator's.
    """
    servers.wipe()
    for name in OURS:
        shutil.rmtree(state / name, ignore_errors=True)
