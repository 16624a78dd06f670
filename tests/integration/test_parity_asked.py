"""Parity of a day, asked of the command and of the service: what they compare, and what they say they cannot."""

import asyncio
from collections.abc import Callable

import pytest

from fleet import record
from libs.common.database import Database
from libs.store import market, sessions
from tests.backtest_commands import fleet
from tests.backtester_process import Service
from tests.factories import NOON, SECOND
from tests.scenes import a_bar, begin, clear


@pytest.mark.parametrize(
    ("changed", "arguments", "code", "said"),
    [
        ({}, ("2013-10-07",), 2, "no session has played 2013-10-07"),
        ({}, ("monday",), 2, "expected a day such as 2013-10-07, got 'monday'"),
        ({}, ("2013-10-07", "--from-files"), 2, "MARKET_DATA_DIR, which is not set"),
        ({"DATABASE_URL": ""}, ("2013-10-07",), 3, "there is no record"),
    ],
)
def test_parity_says_what_it_cannot_compare(
    changed: dict[str, str], arguments: tuple[str, ...], code: int, said: str, environment: dict[str, str]
) -> None:
    assert said in fleet(environment | changed, "parity", *arguments, code=code)["error"]


def test_the_service_compares_a_day_of_an_account_with_its_backtest(service: Callable[[], Service], environment: dict[str, str]) -> None:
    asyncio.run(record.with_database(environment["DATABASE_URL"], with_a_day))
    running = service()
    status, answer = running.ask("/parity", {"account": "paper", "day": "2025-01-06"})
    assert (status, answer["session_id"], answer["mode"], answer["source"]) == (200, "session", "free", "bars stored by the session")
    assert (answer["signals"], answer["equal"]) == (0, False)
    assert {difference["kind"] for difference in answer["differences"]} == {"balance"}
    assert answer["causes"] == {"data": len(answer["differences"])}
    for body, code, said in (
        ({"account": "paperr", "day": "2025-01-06"}, 404, "there is no account 'paperr'"),
        ({"account": "paper", "day": "monday"}, 400, "expected a day such as 2013-10-07, got 'monday'"),
        ({"account": "paper"}, 400, "missing required field `day`"),
        ({"account": "paper", "day": "2031-01-06"}, 422, "no session has played 2031-01-06"),
    ):
        status, problem = running.ask("/parity", body)
        assert (status, said in problem["detail"]) == (code, True)


async def with_a_day(database: Database) -> None:
    """A session without strategies whose deposit was never booked, as a backtest books it."""
    await clear(database)
    await begin(database)
    bars = [a_bar(NOON + n * SECOND, 100.0 + n) for n in range(3)]
    await database.write([*market.store_bars(bars), sessions.advanced("session", NOON + 60 * SECOND, NOON + 60 * SECOND, 0)])
