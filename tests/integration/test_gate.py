"""The gate on a real record: what the controls read there, no two accounts in the same room, and what disables a strategy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from libs.common.database import Database, Write
from libs.common.journal import Hop, Outgoing
from libs.domain.configuration import AccountConfig, LimitConfig
from libs.domain.market import Bar, QuoteBar
from libs.domain.messages import Signal
from libs.quant.calendars import DAY
from libs.store import market, sessions
from libs.store.control import Control, CoolingOff
from libs.store.sessions import Account
from tests.factories import NOON, SECOND, a_limit, a_signal
from tests.integration.test_risk_manager import NOW, Desk, desk_of, nth, orders, say, verdicts
from tests.scenes import CONSUMERS, GRACE, SESSION, a_bar, begin, clear, record

ACCOUNTS = 25
ROOM = 10


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, "test")
    yield database
    await database.close()


@pytest.fixture
async def account(database: Database) -> Account:
    """Funded, and ALFA is worth 100."""
    await clear(database)
    account = await begin(database)
    await database.fetch("insert into cash_balances values ('paper', 'USD', 100000)")
    await record(database, [a_bar(NOON - SECOND, 100.0)])
    return account


@asynccontextmanager
async def desks(url: str, database: Database, *limits: LimitConfig) -> AsyncIterator[dict[str, Desk]]:
    """A desk for each of ACCOUNTS accounts, each with connections of its own."""
    await clear(database)
    await begin(database)
    await database.fetch("delete from accounts")
    await database.fetch("update sessions set state = 'finished'")
    session = replace(SESSION, session_id="many")
    names = [f"account{n}" for n in range(ACCOUNTS)]
    configured = [AccountConfig(name=name, base_currency="USD", deposit=Decimal(100_000)) for name in names]
    await sessions.open_new(database, session, configured, CONSUMERS)
    await database.fetch("insert into cash_balances select account_id, 'USD', 100000 from accounts")
    await record(database, [a_bar(NOON - SECOND, 100.0), a_bar(NOON - SECOND, 20_000.0, "BTC/USD")], session)
    async with AsyncExitStack() as stack:
        found = {}
        for account in await sessions.accounts(database, session.session_id):
            own = Database(url, account.account_id)
            stack.push_async_callback(own.close)
            found[account.account_id] = await desk_of(own, account, *limits, session=session)
        yield found


async def said(found: dict[str, Desk], *signals: Signal) -> None:
    """The signals are there, and all accounts decide at once."""
    first = next(iter(found.values()))
    await say(first.journal, first.sealer, *signals)
    await asyncio.gather(*(desk.consumer.drain() for desk in found.values()))


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(a_limit("max_open_orders", ROOM, scope="fleet", unit="count"), id="open orders"),
        pytest.param(a_limit("max_gross_exposure", 10_000, scope="fleet"), id="gross exposure"),
    ],
)
async def test_of_a_hundred_approvals_of_many_accounts_at_once_exactly_ten_find_room(
    url: str, database: Database, limit: LimitConfig
) -> None:
    async with desks(url, database, limit) as found:
        signals = [
            a_signal(0.01, strategy_id=s, symbol=y, reference_price=p, account_id=account_id, session_id=account_id)
            for account_id in found
            for s in ("fast", "slow")
            for y, p in (("ALFA", 100.0), ("BTC/USD", 20_000.0))
        ]
        await said(found, *signals)
    assert len(signals) == 100
    assert await database.fetch("select count(*) from orders") == [(ROOM,)]
    refused = await database.fetch("select code, count(*) from risk_assessments where verdict = 'REFUSED' group by 1")
    assert refused == [("RC-B06" if limit.name == "max_open_orders" else "RC-B02", 90)]


async def test_accounts_that_do_not_share_a_limit_do_not_wait_for_each_other(url: str, database: Database) -> None:
    async with desks(url, database, a_limit("max_open_orders", 1, unit="count")) as found:
        await said(found, *(a_signal(0.01, account_id=account_id, session_id=account_id) for account_id in found))
    assert await database.fetch("select count(*) from orders") == [(ACCOUNTS,)]
    assert await database.fetch("select version from risk_fleet") == []


async def test_the_same_signal_ten_thousand_times_is_one_order(database: Database, account: Account) -> None:
    desk, signal = await desk_of(database, account), nth(0, 0.1)
    await say(desk.journal, desk.sealer, signal)
    await desk.consumer.drain()
    body = desk.sealer.seal("signals", signal, ts_event_ns=NOW)
    for _ in range(10):
        await desk.journal.commit(Hop(out=[Outgoing("signals", "signals.fast", signal.signal_id, body)] * 1_000))
    await desk.consumer.drain()
    assert await orders(database) == [("buy", 100, "APPROVED")]
    assert await verdicts(database) == [("APPROVED", "")]


def later(bars: int) -> Signal:
    """The same target again, so many bars later."""
    return nth(bars, 0.1, decided_at=NOW + bars * SECOND)


REPEATS = a_limit("max_repeated_entries", 1, scope="strategy", unit="count")


async def test_a_strategy_that_enters_again_and_again_is_disabled_until_a_person_re_arms_it(database: Database, account: Account) -> None:
    desk = await desk_of(database, account, REPEATS)
    first = nth(0, 0.1)
    await desk.judge(first)
    await desk.ended((await database.fetch("select id from orders"))[0][0], "EXPIRED")
    await desk.judge(later(1), nth(2, 0.1, decided_at=NOW + SECOND))
    assert await verdicts(database) == [("APPROVED", ""), ("REFUSED", "RC-B09"), ("REFUSED", "RC-C01")]
    switches = await database.fetch("select scope, key, mode, set_by, reason from kill_switch where active")
    reason = "RC-B09 fast enters ALFA again and again (seen 2, limit 1)"
    assert switches == [("strategy", "fast", "reduce_only", "risk_manager", reason)]
    [(severity, title)] = await database.fetch("select severity, title from notifications")
    assert (severity, title) == ("critical", "Strategy fast of paper may only reduce its books: RC-B09")
    with pytest.raises(CoolingOff):
        await Control(database, desk.journal, desk.host).rearm("strategy", "fast", "looked at", "ann")


async def test_what_a_strategy_entered_counts_on_after_a_restart(database: Database, account: Account) -> None:
    desk = await desk_of(database, account, REPEATS)
    await desk.judge(nth(0, 0.1))
    await desk.ended((await database.fetch("select id from orders"))[0][0], "EXPIRED")
    await desk.lease.release()
    successor = await desk_of(database, account, REPEATS, holder="two")
    await successor.judge(later(1))
    assert await verdicts(database) == [("APPROVED", ""), ("REFUSED", "RC-B09")]


async def test_what_a_person_has_halted_stays_halted(database: Database, account: Account) -> None:
    await database.fetch(
        "insert into kill_switch (scope, key, active, mode, reason, set_by) values ('strategy', 'fast', true, 'halt', 'drill', 'ann')"
    )
    await database.write([Write("select strategy_disable('fast', 'too often', 'risk_manager')", ())])
    assert await database.fetch("select mode, set_by from kill_switch where key = 'fast'") == [("halt", "ann")]


@pytest.mark.parametrize(("before", "expected"), [(90.0, ("APPROVED", "")), (50.0, ("REFUSED", "RC-A08"))])
async def test_the_close_before_is_read_from_the_record(
    database: Database, account: Account, before: float, expected: tuple[str, str]
) -> None:
    await record(database, [a_bar(NOON, before), a_bar(NOON + SECOND, 100.0)])
    desk = await desk_of(database, account, a_limit("max_price_jump", 0.25, unit="fraction"))
    await desk.judge(nth(2, 0.1, decided_at=NOW + 2 * SECOND))
    assert await verdicts(database) == [expected]


@pytest.mark.parametrize(("ask", "expected"), [(100.5, ("APPROVED", "")), (99.0, ("REFUSED", "RC-A08")), (103.0, ("REFUSED", "RC-A08"))])
async def test_how_the_newest_quote_bar_closed_is_read_where_the_symbol_fills_on_them(
    database: Database, account: Account, ask: float, expected: tuple[str, str]
) -> None:
    sides = {name: 99.5 for name in ("bid_open", "bid_high", "bid_low", "bid_close")} | {"bid_size": 1.0, "ask_size": 1.0}
    asks = {name: ask for name in ("ask_open", "ask_high", "ask_low", "ask_close")}
    quotes = QuoteBar(venue="TEST", symbol="ALFA", seq=1, timeframe="1s", start=NOON, **sides, **asks)
    await database.write(market.store_bars([quotes]))
    await record(database, [a_bar(NOON, 100.0)])
    session = replace(SESSION, fills={"on": {"ALFA": "quote_bar", "BTC/USD": "quote"}, "latency_ns": 0})
    desk = await desk_of(database, account, a_limit("max_spread", 0.02, unit="fraction"), session=session)
    await desk.judge(nth(1, 0.1, decided_at=NOW + SECOND))
    assert await verdicts(database) == [expected]


@pytest.mark.parametrize(("traded", "expected"), [(1_000.0, ("APPROVED", "")), (999.0, ("REFUSED", "RC-A06"))])
async def test_what_trades_on_an_average_day_is_read_once_the_day_is_over(
    database: Database, account: Account, traded: float, expected: tuple[str, str]
) -> None:
    today = NOON + DAY
    await market.ensure_partitions(database, today)
    volumes = [of_volume(a_bar(NOON, 100.0), traded - 10.0), a_bar(NOON + SECOND, 100.0)]
    await record(database, [*volumes, of_volume(a_bar(today, 100.0), 1.0)])
    desk = await desk_of(database, account, a_limit("max_adv_share", 0.1, unit="fraction"))
    desk.market.hear(today + SECOND + GRACE, 1.0)
    await desk.judge(a_signal(0.1, bar_time=today, decided_at=today + SECOND + GRACE, valid_until=today + 9 * SECOND))
    assert await verdicts(database) == [expected]


def of_volume(bar: Bar, volume: float) -> Bar:
    return msgspec.structs.replace(bar, volume=volume)


@pytest.mark.parametrize(("more", "expected"), [(39, ("APPROVED", "")), (40, ("REFUSED", "RC-B08"))])
async def test_what_became_of_the_last_hours_orders_is_read(
    database: Database, account: Account, more: int, expected: tuple[str, str]
) -> None:
    desk = await desk_of(database, account, a_limit("max_order_to_trade", 40, unit="count"))
    await desk.judge(nth(0, 0.1))
    await desk.ended((await database.fetch("select id from orders"))[0][0], "EXPIRED")
    await database.fetch(
        "insert into orders select (jsonb_populate_record(o, jsonb_build_object('id', gen_random_uuid(), 'leg', n, 'client_order_id', n)"
        ")).*"
        " from orders o, generate_series(1, %s) n",
        (more,),
    )
    await desk.judge(later(1))
    assert (await verdicts(database))[1] == expected
