"""What the fleet costs while nothing is decided: the default market (15 ticks/s) at its natural speed, all strategies paused.

Ticks are checked, stored and published, bars are built and folded; no signal is emitted. Memory is the proportional set
size, so that what processes share is counted once.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure
from benchmarks.fleet import ROOT, Fleet, fleet

FIGURES: Final = ("idle_fleet_pss_mb", "idle_fleet_cpu_percent")
SETTLE_S: Final = 5.0
SECONDS: Final = 20.0
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


def measure() -> dict[str, Figure]:
    """One fleet, observed for twenty seconds."""
    with fleet("--speed", "1", config=ROOT / "config") as running:
        _pause(running)
        time.sleep(SETTLE_S)
        pids = running.pids()
        before, began = cpu_seconds(pids), time.monotonic()
        time.sleep(SECONDS)
        after, seconds = cpu_seconds(pids), time.monotonic() - began
        memory = {service: _pss_mb(pid) for service, pid in pids.items()}
    cpu = {service: round((after[service] - before[service]) / seconds * 100, 2) for service in pids}
    return {
        "idle_fleet_pss_mb": Figure(
            value=max(memory.values()),
            unit="MB, largest service",
            target=110.0,
            runs=[memory],
            limit="the interpreter with aiohttp, psycopg, redis and prometheus_client",
        ),
        "idle_fleet_cpu_percent": Figure(
            value=round(sum(cpu.values()), 1),
            unit="% of one core, all services",
            target=10.0,
            runs=[cpu],
            limit="wake-ups: every tick is heard by three processes, and each service looks at its dependencies once a second",
        ),
    }


def _pause(running: Fleet) -> None:
    environment = os.environ | {"STATE_DIR": str(running.state), "DATABASE_URL": "", "REDIS_URL": ""}
    subprocess.run([sys.executable, "-m", "fleet.cli", "pause"], env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds of CPU each process has used."""
    found = {}
    for service, pid in pids.items():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[service] = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return found


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6, 1)
