"""A second instance of a service, as a reserve on another host would be: same record, same bus, other ports."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet.logins import kept, url_as
from tests.faults.fleet import ROOT, Fleet, free_offset


@contextmanager
def a_reserve(fleet: Fleet, service: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """It waits for its lease; asked to leave afterwards, and it must leave orderly."""
    found = fleet.running
    environment = {
        **fleet.environment,
        "PORT_OFFSET": str(free_offset()),
        "DATABASE_URL": url_as(fleet.owner_url, kept(fleet.state)[service]),
        "REDIS_URL": found.redis_url,
    }
    with log.open("wb") as said:
        process = subprocess.Popen([sys.executable, "-m", f"services.{service}"], env=environment, stdout=said, stderr=said, cwd=ROOT)
    try:
        fleet.until(lambda: b"is held by" in log.read_bytes(), f"the reserve of {service} waits for the lease")
        yield process
    finally:
        process.terminate()
        try:
            assert process.wait(20) == 0, log.read_text()[-3000:]
        finally:
            process.kill()
