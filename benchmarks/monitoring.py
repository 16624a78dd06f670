"""What monitoring costs while the market has 10,000 ticks a second: the monitor's process, and what being scraped costs the rest.

A scrape each five seconds is too small to be seen beside the trading, so its price is taken apart from it: scrapes of every
service in a burst, and the CPU time that they add to what the services use in so long anyway.
"""

import time
import urllib.request
from collections.abc import Mapping
from typing import Final

from benchmarks.figures import Figure, middle
from benchmarks.fleet import Fleet, fleet
from benchmarks.idle_fleet import cpu_seconds

FIGURES: Final = ("monitoring_cpu_percent", "monitoring_scrape_ms")
MARKET: Final = {"STOCKS": "20", "TICKS_PER_S": "10000"}
SETTLE_S: Final = 10.0
SECONDS: Final = 20.0
RUNS: Final = 3
SCRAPES: Final = 100  # of every service, in a burst
EVERY_S: Final = 5.0  # as prometheus/prometheus.yml has it


def measure() -> dict[str, Figure]:
    """One fleet; three stretches of trading, a burst of scrapes after each."""
    with fleet("--market", "synthetic", "--speed", "1", market=MARKET) as running:
        time.sleep(SETTLE_S)
        pids = running.pids()
        runs = [_run(running, pids) for _ in range(RUNS)]
        running.stop()
    monitor, scrape_ms = [run[0] for run in runs], [run[1] for run in runs]
    whole = [round(m + ms / 1000 / EVERY_S * 100, 2) for m, ms in zip(monitor, scrape_ms, strict=True)]
    return {
        "monitoring_cpu_percent": Figure(
            value=middle(whole, 2),
            unit="% of one core",
            target=5.0,
            runs=[{"monitor": m, "scrapes": round(w - m, 2)} for m, w in zip(monitor, whole, strict=True)],
            limit="polling each service and reading the record each second; rendering the metrics of eight processes each five",
        ),
        "monitoring_scrape_ms": Figure(
            value=middle(scrape_ms, 2),
            unit="ms CPU, all services once",
            runs=scrape_ms,
            limit="rendering text, in Python, of its series",
        ),
    }


def _run(running: Fleet, pids: Mapping[str, int]) -> tuple[float, float]:
    """Per cent of a core that the monitor uses, and CPU milliseconds of one scrape of all services."""
    before = cpu_seconds(pids)
    time.sleep(SECONDS)
    alone = {name: used - before[name] for name, used in cpu_seconds(pids).items()}
    before, began = cpu_seconds(pids), time.monotonic()
    for _ in range(SCRAPES):
        for port in running.ports.values():
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read()
    share = (time.monotonic() - began) / SECONDS
    added = sum(used - before[name] - alone[name] * share for name, used in cpu_seconds(pids).items())
    return round(alone["monitor"] / SECONDS * 100, 2), round(added / SCRAPES * 1000, 2)
