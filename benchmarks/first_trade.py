"""From `fleet run --fresh` to the first booked trade, as a newcomer sees it once everything is installed."""

import time
from typing import Final

import psycopg

from benchmarks.figures import Figure, middle
from benchmarks.fleet import ROOT, Failed, fleet

FIGURES: Final = ("first_trade_seconds",)
RUNS: Final = 3
TRADES_WITHIN_S: Final = 60.0


def measure() -> dict[str, Figure]:
    """Three runs, each from nothing: new servers, new schema, the default market and configuration."""
    runs = [_run() for _ in range(RUNS)]
    return {
        "first_trade_seconds": Figure(
            value=middle(runs, 1),
            unit="s",
            target=60.0,
            runs=runs,
            limit="initdb and the first start of every process; then a strategy needs eight bars, at ten times the market's speed",
        )
    }


def _run() -> float:
    """Host seconds, from the start of the command to the commit of the trade.

    Raises:
        Failed: there was no trade.
    """
    began = time.time()
    deadline = time.monotonic() + TRADES_WITHIN_S
    with fleet(config=ROOT / "config") as running, psycopg.connect(running.database_url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = connection.execute(
                "select extract(epoch from at)::float8 from journal where stream = 'trades.executed' and no = 1"
            ).fetchone()
            if row is not None:
                return round(float(row[0]) - began, 2)
            time.sleep(0.1)
    raise Failed(f"no trade within {TRADES_WITHIN_S:g} s")
