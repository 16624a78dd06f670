"""Ticks by binary COPY into the partitioned table, through the writer that data_collector uses."""

import time
from collections.abc import Sequence
from typing import Final

import uvloop

from benchmarks.figures import Figure, middle
from benchmarks.record import record
from libs.common.database import CopyWriter, Database
from libs.domain.market import Quote
from libs.store import market

FIGURES: Final = ("rows_written_per_s",)
RUNS: Final = 5
ROWS: Final = 200_000
START: Final = 1_736_173_800_000_000_000


def measure() -> dict[str, Figure]:
    """Five times the same rows, made beforehand; the last is committed when the time is taken."""
    with record() as urls:
        rates = uvloop.run(_rates(urls.database))
    return {
        "rows_written_per_s": Figure(
            value=middle(rates, 0),
            unit="rows/s",
            target=200_000,
            better="higher",
            anchor=400_000,
            runs=rates,
            limit="encoding each row in Python on one core, while Postgres routes it to its partition on the other",
        )
    }


async def _rates(url: str) -> Sequence[float]:
    rows = [tuple(market.tick_row(_quote(n))) for n in range(ROWS)]
    database = Database(url, "bench")
    await market.ensure_partitions(database, START)
    rates = [round(ROWS / await _seconds(database, rows)) for _ in range(RUNS)]
    await database.close()
    return rates


async def _seconds(database: Database, rows: list[tuple[object, ...]]) -> float:
    writer = CopyWriter(database, "market_quotes", market.QUOTE_COLUMNS, market.QUOTE_TYPES)
    began = time.perf_counter()
    writer.add(rows)
    await writer.flush()
    return time.perf_counter() - began


def _quote(n: int) -> Quote:
    bid = 100 + n % 1000 / 100
    return Quote(
        venue="BENCH", symbol=f"S{n % 20:03}", seq=n, ts=START + n * 100_000, bid=bid, ask=bid + 0.02, bid_size=300.0, ask_size=500.0
    )
