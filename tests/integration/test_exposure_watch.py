"""What an account holds is looked at after every fill, shown, and answered when it is too much."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from libs.common.bus import MemoryBus
from libs.common.consumer import Bell
from libs.common.database import Database
from libs.common.journal import PostgresJournal
from libs.domain.measuring import MeasureName, ResponseConfig
from libs.store import control
from libs.store.control import Control
from libs.store.sessions import Account
from services.risk_manager.exposures import AfterFills, ExposureWatch
from services.risk_manager.responding import Responding
from tests.factories import NOON, SECOND, HandClock
from tests.integration.test_risk_manager import Desk, desk_of
from tests.scenes import a_bar, begin, record
from tests.waiting import until_so


@pytest.fixture
async def account(database: Database) -> Account:
    """A margin account, funded, and ALFA is worth 100."""
    account = replace(await begin(database), kind="margin")
    await database.fetch("insert into cash_balances values ('paper', 'USD', 100000)")
    await record(database, [a_bar(NOON - SECOND, 100.0)])
    return account


class Watched:
    """A desk whose hop is watched, and what responds to it."""

    def __init__(self, database: Database, account: Account, measure: MeasureName, most: float) -> None:
        self.database, self.host = database, HandClock()
        control_ = Control(database, PostgresJournal(database, MemoryBus(), self.host), self.host, "risk_manager", cool_off_s=0.0)
        response = ResponseConfig(measure=measure, most=most, step="reduce_only")
        self.responding = Responding(database, control_, account, [response], self.host, calm_s=60.0)
        self.watch = ExposureWatch(account, self.responding)

    async def stops(self) -> bool:
        return [mode for _, _, mode in await control.kills(self.database)] == ["reduce_only"]

    async def told(self) -> list[str]:
        return [row[0] for row in await self.database.fetch("select state from notifications order by created_at, id")]


async def hold(desk: Desk, lots: int) -> None:
    """The book of fast in ALFA is so large, and risk has looked."""
    await desk.database.fetch(
        "insert into positions values ('paper', 'fast', 'ALFA', %s, 100, 0, now())"
        " on conflict (account_id, strategy_id, symbol) do update set quantity = excluded.quantity",
        (lots,),
    )
    await desk.consumer.drain()


def shown(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"tradewinds_risk_{name}_ratio", {"account": "paper", **labels})


async def test_what_a_fill_makes_too_large_stops_the_account(database: Database, account: Account) -> None:
    watched = Watched(database, account, "strategy_exposure", 0.5)
    desk = await desk_of(database, account, exposures=watched.watch)
    await hold(desk, 100)
    assert not watched.watch.found
    await hold(desk, 1_001)
    assert [str(breach) for breach in watched.watch.found] == ["strategy_exposure 50.02%, at most 50.00%"]
    running = asyncio.create_task(watched.watch.run())
    await until_so(watched.stops)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert not watched.watch.found, "a look is responded to once"


async def test_what_is_held_is_shown_and_taken_off_when_it_is_not_or_nobody_can_say(database: Database, account: Account) -> None:
    desk = await desk_of(database, account, exposures=Watched(database, account, "drawdown", 1.0).watch)
    await hold(desk, 100)
    assert (shown("strategy_exposure", strategy="fast"), shown("margin_used")) == pytest.approx((1 / 11, 0.25 / 11))
    await hold(desk, 0)
    assert (shown("strategy_exposure", strategy="fast"), shown("margin_used")) == (None, 0.0)
    await hold(desk, 100)
    await database.fetch("insert into cash_balances values ('paper', 'EUR', 1)")
    await desk.consumer.drain()
    assert (shown("strategy_exposure", strategy="fast"), shown("margin_used")) == (None, None)


async def test_the_fall_from_the_peak_is_bounded_as_it_is_at_every_look(database: Database, account: Account) -> None:
    watched = Watched(database, account, "drawdown", 0.04)
    desk = await desk_of(database, account, exposures=watched.watch)
    await desk.consumer.drain()
    await database.fetch("update cash_balances set balance = 95000")
    await desk.consumer.drain()
    assert [str(breach) for breach in watched.watch.found] == ["drawdown 5.00%, at most 4.00%"]


async def test_what_goes_back_and_forth_over_its_bound_is_told_once_until_it_was_calm(database: Database, account: Account) -> None:
    watched = Watched(database, account, "net_exposure", 0.5)
    desk = await desk_of(database, account, exposures=watched.watch)
    for lots in (2_000, 0, 2_000, 0):
        await hold(desk, lots)
        await watched.responding.respond(watched.watch.found)
        watched.host.move(59.9)
    assert await watched.told() == ["firing"]
    watched.host.move(0.2)
    await watched.responding.respond([])
    assert await watched.told() == ["firing", "resolved"]


class Rung(Bell):
    """A bell that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def ring(self) -> None:
        self.times += 1
        super().ring()


def fills(*accounts: str) -> bytes:
    """A message of trades.executed, as far as a bell reads it."""
    return b"[" + b",".join(b'{"payload":{"account_id":"%s"}}' % account.encode() for account in accounts) + b"]"


async def test_a_burst_of_fills_leads_to_one_look_at_each_account_that_traded() -> None:
    bells = {account_id: Rung() for account_id in ("one", "two", "idle")}
    after = AfterFills(bells)
    for _ in range(3):
        after.hear("trades.executed", fills("one", "two", "one", "of another session"))
    await bells["two"].wait(10.0)
    assert {account_id: bell.times for account_id, bell in bells.items()} == {"one": 1, "two": 1, "idle": 0}
    after.hear("trades.executed", fills("one"))
    await bells["one"].wait(10.0)
    await bells["one"].wait(10.0)
    assert bells["one"].times == 2
