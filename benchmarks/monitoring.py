"""What monitoring costs while the market has 10,000 ticks a second: the monitor's process, and what being scraped costs the rest.

A scrape each five seconds is too small to be seen beside the trading, so its price is taken apart from it: many scrapes of
every service in a row, and the CPU time that they add to what the services use anyway.
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
SCRAPES: Final = 20  # of every service, within a stretch of SECONDS
EVERY_S: Final = 5.0  # as prometheus/prometheus.yml has it


def measure() -> dict[str, Figure]:
    """One fleet; three stretches, each once left alone and once scraped."""
    with fleet("--market", "synthetic", "--speed", "1", market=MARKET) as running:
        time.sleep(SETTLE_S)
        pids = running.pids()
        stretches = [_stretch(running, pids) for _ in range(RUNS)]
        running.stop()
    monitor = [round(alone["monitor"] / SECONDS * 100, 2) for alone, _ in stretches]
    scrape_ms = [round(max(0.0, sum(scraped.values()) - sum(alone.values())) / SCRAPES * 1000, 2) for alone, scraped in stretches]
    whole = [round(m + ms / 1000 / EVERY_S * 100, 2) for m, ms in zip(monitor, scrape_ms, strict=True)]
    return {
        "monitoring_cpu_percent": Figure(
            value=middle(whole, 2),
            unit="% of one core",
            target=5.0,
            runs=[{"monitor": m, "scrapes": round(w - m, 2)} for m, w in zip(monitor, whole, strict=True)],
            limit="polling each service and reading the record each second; rendering the metrics of nine processes each five",
        ),
        "monitoring_scrape_ms": Figure(
            value=middle(scrape_ms, 2),
            unit="ms CPU, all services once",
            runs=scrape_ms,
            limit="rendering text, in Python, of some 2,000 series",
        ),
    }


def _stretch(running: Fleet, pids: Mapping[str, int]) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """CPU seconds of each service, left alone and scraped."""
    alone = _used(running, pids, scrapes=0)
    return alone, _used(running, pids, scrapes=SCRAPES)


def _used(running: Fleet, pids: Mapping[str, int], scrapes: int) -> Mapping[str, float]:
    before, ends = cpu_seconds(pids), time.monotonic() + SECONDS
    for _ in range(scrapes):
        for port in running.ports.values():
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read()
        time.sleep(SECONDS / scrapes / 2)
    time.sleep(max(0.0, ends - time.monotonic()))
    return {name: used - before[name] for name, used in cpu_seconds(pids).items()}
