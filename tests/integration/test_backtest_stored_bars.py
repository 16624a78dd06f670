"""Backtests run over the bars that sessions stored."""

import asyncio
from collections.abc import Sequence

from fleet import record
from libs.common.database import Database
from libs.store import market, sessions
from tests.backtest_commands import SMA, fleet, run
from tests.factories import NOON, SECOND
from tests.paper import ALFA
from tests.scenes import a_bar


def test_stored_bars_are_run_over(environment: dict[str, str]) -> None:
    prices = [100.0 + n % 20 for n in range(100)]
    asyncio.run(record.with_database(environment["DATABASE_URL"], lambda database: with_bars(database, prices)))
    made = run(environment, "--symbols", "ALFA")
    assert (made["bars"], made["timeframe"], made["source"]) == (100, "1s", "stored 1s bars of ALFA on TEST")
    assert made["trades"] > 0


def test_stored_bars_make_coarser_ones(environment: dict[str, str]) -> None:
    prices = [100.0 + n // 60 % 5 for n in range(900)]
    asyncio.run(record.with_database(environment["DATABASE_URL"], lambda database: with_bars(database, prices)))
    made = run(environment, "--symbols", "ALFA", "--timeframe", "1m")
    assert (made["bars"], made["timeframe"]) == (915, "1s")


def test_stored_bars_that_are_not_there_are_named(environment: dict[str, str]) -> None:
    answer = fleet(environment, "backtest", "run", *SMA, "--symbols", "NONE", code=2)
    assert "there are no such stored bars" in answer["error"]


async def with_bars(database: Database, prices: Sequence[float]) -> None:
    await sessions.register_instruments(database, [ALFA])
    await database.write(market.store_bars([a_bar(NOON + n * SECOND, price) for n, price in enumerate(prices)]))
