"""A position that is too large for the night is told of once a session, whatever happens to who tells it. Real Postgres."""

import msgspec
import pytest

from libs.common.database import Database
from libs.domain.times import nanoseconds
from libs.store import market
from libs.store.sessions import Account
from tests.factories import SECOND, a_limit
from tests.integration.test_risk_manager import Desk, desk_of, said
from tests.paper import ALFA
from tests.scenes import GRACE, a_bar, begin, record

CLOSE = nanoseconds("2025-01-06T21:00:00Z")
NEXT_CLOSE = nanoseconds("2025-01-07T21:00:00Z")
MOST = a_limit("max_overnight_notional", 1_000)
STOCK = msgspec.structs.replace(ALFA, calendar="us_equity")


@pytest.fixture
async def account(database: Database) -> Account:
    """It holds eleven shares at 100."""
    account = await begin(database)
    await market.ensure_partitions(database, NEXT_CLOSE)
    await database.fetch("insert into cash_balances values ('paper', 'USD', 100000)")
    await database.fetch("insert into positions values ('paper', 'fast', 'ALFA', 11, 100, 0, now())")
    return account


async def looks(desk: Desk, before: float, close: int = CLOSE) -> None:
    """Risk looks so many seconds before a close, ALFA being worth 100."""
    at = close - int(before * SECOND)
    await record(desk.database, [a_bar(at - GRACE - SECOND, 100.0)])
    desk.market.hear(at, 1.0)
    await desk.consumer.drain()


async def test_it_is_told_once_a_session_to_services_and_to_a_person(database: Database, account: Account) -> None:
    desk = await desk_of(database, account, MOST, stock=STOCK)
    await looks(desk, 601.0)
    assert await said(database, "risk.alerts") == []
    for before in (600.0, 599.0, 1.0):
        await looks(desk, before)
    [alert] = await said(database, "risk.alerts")
    assert [alert[name] for name in ("code", "severity", "symbol", "limit", "seen")] == ["RC-B13", "warning", "ALFA", "1000.00", "1100.00"]
    assert await database.fetch("select severity, title from notifications") == [
        ("warning", "ALFA is about to be held over night by paper: RC-B13")
    ]


async def test_who_takes_over_does_not_tell_it_again_and_the_next_session_does(database: Database, account: Account) -> None:
    first = await desk_of(database, account, MOST, stock=STOCK)
    await looks(first, 600.0)
    await first.lease.release()
    again = await desk_of(database, account, MOST, holder="two", stock=STOCK)
    await looks(again, 300.0)
    assert len(await said(database, "risk.alerts")) == 1
    await looks(again, 600.0, NEXT_CLOSE)
    assert len(await said(database, "risk.alerts")) == 2
