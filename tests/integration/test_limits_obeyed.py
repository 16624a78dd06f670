"""risk_manager and trade_executor decide by the limits that are on record at that moment, and say by which."""

import asyncio
import logging

import pytest

from libs.common.bus import MemoryBus
from libs.common.clocks import SystemClock
from libs.common.database import Database
from libs.common.journal import PostgresJournal
from libs.domain.configuration import LimitName, LimitUnit
from libs.domain.limits import Change
from libs.store import halts, limits
from libs.store.control import Control
from libs.store.sessions import Account
from tests.desks import an_approval, statuses
from tests.factories import NOON, SECOND, HandClock, a_limit
from tests.integration.test_risk_manager import desk_of, nth, verdicts
from tests.scenes import a_bar, begin, record
from tests.scripted_broker import ScriptedBroker
from tests.stages import Desk
from tests.waiting import until


@pytest.fixture
async def account(database: Database) -> Account:
    """Funded, and ALFA is worth 100."""
    account = await begin(database)
    await record(database, [a_bar(NOON - SECOND, 100.0)])
    return account


async def ask(database: Database, name: LimitName, value: float | None, cool_off: float = 300.0) -> int:
    """An operator's word; the version that came of it."""
    control = Control(database, PostgresJournal(database, MemoryBus(), HandClock()), HandClock())
    unit: LimitUnit = "fraction" if name == "max_daily_loss" else "currency"
    [row] = await control.limit([Change("account", "*", name, unit, value)], "because", "ann", cool_off)
    return row.version


async def funded(database: Database, cash: int = 100_000) -> None:
    await database.fetch("insert into cash_balances values ('paper', 'USD', %s)", (cash,))


async def decided_by(database: Database) -> list[str]:
    """By which limits each signal was judged, as its assessment says."""
    rows = await database.fetch(
        "select checks->0->>0, checks->0->>3 from signals join risk_assessments using (signal_id) order by bar_time"
    )
    assert {code for code, _ in rows} == {"RC-C09"}
    return [stamp for _, stamp in rows]


async def test_a_tighter_limit_judges_the_very_next_signal_without_a_restart(database: Database, account: Account) -> None:
    await funded(database)
    desk = await desk_of(database, account)
    await desk.judge(nth(1, 0.1))
    await ask(database, "max_order_notional", 100.0)
    await desk.judge(nth(2, 0.3, symbol="BTC/USD"), nth(3, 0.3, strategy_id="slow"))
    assert (await verdicts(database))[::2] == [("APPROVED", ""), ("REFUSED", "RC-A05")]
    assert await decided_by(database) == ["version 1", "version 2", "version 2"]


async def test_a_looser_limit_judges_nothing_before_it_has_cooled_off(database: Database, account: Account) -> None:
    await funded(database)
    desk = await desk_of(database, account, a_limit("max_order_notional", 100.0))
    await ask(database, "max_order_notional", None)
    await desk.judge(nth(1, 0.5))
    assert (await verdicts(database), await decided_by(database)) == ([("REFUSED", "RC-A05")], ["version 2, 3 waits"])
    await ask(database, "max_order_notional", 1e6, cool_off=0.0)
    await desk.judge(nth(2, 0.5))
    assert (await verdicts(database))[1] == ("APPROVED", "")


async def test_who_begins_within_the_cool_off_waits_for_its_end_too(database: Database, account: Account) -> None:
    await funded(database)
    first = await desk_of(database, account, a_limit("max_order_notional", 100.0))
    await ask(database, "max_order_notional", 1e6)
    await first.lease.release()
    again = await desk_of(database, account, holder="two")
    await again.judge(nth(1, 0.5))
    assert (await verdicts(database), await decided_by(database)) == ([("REFUSED", "RC-A05")], ["version 2, 3 waits"])


async def test_a_tighter_loss_limit_halts_at_the_next_look_and_a_looser_one_lifts_nothing(database: Database, account: Account) -> None:
    await funded(database, 50_000)
    await database.fetch("insert into positions values ('paper', 'fast', 'ALFA', 500, 100, 0, now())")
    desk = await desk_of(database, account, a_limit("max_daily_loss", 0.5, unit="fraction"))
    await desk.consumer.drain()
    desk.market.hear(await record(database, [a_bar(NOON + SECOND, 90.0)]), 1.0)
    await desk.consumer.drain()
    assert await halts.in_force(database) == []
    await ask(database, "max_daily_loss", 0.03)
    await desk.consumer.drain()
    [halt] = await halts.in_force(database)
    assert (halt.limit, halt.most, halt.seen) == ("max_daily_loss", 0.03, 0.05)
    await ask(database, "max_daily_loss", 0.9, cool_off=0.0)
    await desk.consumer.drain()
    assert len(await halts.in_force(database)) == 1
    assert await database.fetch("select max_daily_loss from risk_states") == [(0.9,)]


async def test_which_limits_held_from_which_moment_of_market_time_on_is_on_record(database: Database, account: Account) -> None:
    await funded(database)
    desk = await desk_of(database, account, a_limit("max_order_notional", 1e6))
    await desk.consumer.drain()
    begun = desk.market.now()
    version = await ask(database, "max_order_notional", 100.0)
    desk.market.hear(begun + SECOND, 1.0)
    await desk.consumer.drain()
    await desk.lease.release()
    again = await desk_of(database, account, holder="two")
    again.market.hear(begun + 2 * SECOND, 1.0)
    await again.consumer.drain()
    assert await limits.used(database, "paper") == [(begun, [1, 2]), (begun + SECOND, [1, version])]


async def test_an_approved_order_that_a_tighter_limit_does_not_let_through_is_denied_before_it_is_sent(
    database: Database, account: Account
) -> None:
    await limits.begin(database, [a_limit("max_order_notional", 1e6)], "test")
    desk = await Desk(database, account, ScriptedBroker()).begin()
    await desk.trade(an_approval(1))
    await ask(database, "max_order_notional", 10.0)
    await desk.trade(an_approval(2, "slow"))
    assert (await statuses(database))[1] == "DENIED"
    rows = await database.fetch("select event, detail from order_events where event in ('submit', 'deny') order by at")
    assert rows[0] == ("submit", "limits version 1")
    assert rows[1][1].startswith("RC-A05: notional")
    assert rows[1][1].endswith("(limits version 2)")


async def test_both_obey_a_tighter_limit_within_a_second_without_a_bell(
    url: str, database: Database, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await funded(database)
    others = [Database(url, name) for name in ("risk", "executor")]
    risk = await desk_of(others[0], account, a_limit("max_order_notional", 1e6))
    executor = await Desk(others[1], account, ScriptedBroker()).begin()
    over, clock = asyncio.Event(), SystemClock()
    running = [asyncio.create_task(desk.consumer.run(over)) for desk in (risk, executor)]
    await until(lambda: {"paper is judged by limits version 2", "orders of paper are sent by limits version 2"} <= set(caplog.messages))
    asked_at = clock.monotonic()
    await ask(database, "max_order_notional", 10.0)
    await until(lambda: {"paper is judged by limits version 3", "orders of paper are sent by limits version 3"} <= set(caplog.messages))
    assert clock.monotonic() - asked_at < 1.0
    over.set()
    await asyncio.gather(*running)
    for other in others:
        await other.close()
