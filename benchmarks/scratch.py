"""Room for one measurement: a folder and ports that nobody else uses."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet import running
from fleet.embedded import ports
from libs.domain.fleet import PORTS


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards. Others may enter it: Postgres runs as another user when we are root."""
    folder = Path(tempfile.mkdtemp(prefix="tradewinds-bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_offset() -> int:
    """PORT_OFFSET when it is set, else one under which every service finds its port free."""
    if given := os.environ.get("PORT_OFFSET"):
        return int(given)
    return next(n for n in range(12_000, 22_000, 100) if all(map(ports.is_free, running.offset(PORTS, n).values())))
