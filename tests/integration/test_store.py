"""The record itself: its schema, market data in and out without losing a digit, and the functions that refuse."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from alembic import command
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet import migrate
from libs.common.database import Conflict, CopyWriter, Database, Rejected, Unreachable, Write
from libs.domain.identity import child_leg, client_order_id, order_id
from libs.domain.market import BadRow, Bar, Quote, QuoteBar, TradeTick
from libs.domain.messages import VerdictKind
from libs.domain.orders import Order
from libs.domain.states import StoredState
from libs.store import activity, execution, market, risk, sessions, strategies
from libs.store.market import BarEvent
from libs.store.risk import Assessment
from tests.factories import NOON, SECOND, a_signal
from tests.records import an_empty_database
from tests.scenes import SESSION, a_bar, begin, clear

MINUTE = 60 * SECOND
MONTH = 31 * 86_400 * SECOND


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    made = Database(url, "test")
    await clear(made)
    await market.ensure_partitions(made, NOON)
    yield made
    await made.close()


# The schema.


def test_migrating_twice_changes_nothing_and_the_tables_are_those_of_the_code(url: str) -> None:
    assert not migrate.behind(url)
    migrate.upgrade(url)
    command.check(migrate.config(url))


def test_a_database_without_the_schema_is_behind(database_url: str) -> None:
    with an_empty_database(database_url) as url:
        assert migrate.behind(url)


@pytest.mark.parametrize(("setting", "value"), [("synchronous_commit", "off"), ("synchronous_commit", "local")])
def test_a_server_that_could_lose_a_commit_is_named(url: str, setting: str, value: str) -> None:
    assert migrate.durability_faults(url) == []
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"alter database {name} set {setting} = {value}".encode())
        try:
            assert migrate.durability_faults(url) == [f"{setting} is {value}, expected on"]
        finally:
            connection.execute(f"alter database {name} reset {setting}".encode())


async def test_a_month_gets_its_partitions_once_and_rows_of_it_go_there(database: Database) -> None:
    for _ in range(2):
        await market.ensure_partitions(database, NOON + MONTH)
    await database.write(market.store_bars([a_bar(NOON + MONTH, 100.0)]))
    rows = await database.fetch("select tableoid::regclass::text from market_ohlcv")
    assert rows == [("market_ohlcv_202502",)]


async def test_a_row_of_a_month_nobody_expected_is_kept_too(database: Database) -> None:
    await database.write(market.store_bars([a_bar(NOON + 9 * MONTH, 100.0)]))
    assert await database.fetch("select tableoid::regclass::text from market_ohlcv") == [("market_ohlcv_default",)]


async def test_a_month_without_partitions_is_kept_all_the_same(database: Database) -> None:
    late = a_bar(NOON + 5 * MONTH, 100.0, seq=0)
    await database.write(market.store_bars([late]))
    await market.ensure_partitions(database, late.start)
    await database.write(market.store_bars([replace_bar(late, close=55.0)]))
    assert await stored(database, known_by=late.start + SECOND) == [late]


# Market data.


def a_quote_bar(start: int, bid: float, symbol: str = "ALFA", timeframe: str = "1m") -> QuoteBar:
    return QuoteBar(
        venue="TEST",
        symbol=symbol,
        seq=0,
        timeframe=timeframe,
        start=start,
        bid_open=bid,
        bid_high=bid + 2,
        bid_low=bid - 2,
        bid_close=bid + 1,
        bid_size=3.0,
        ask_open=bid + 0.5,
        ask_high=bid + 2.5,
        ask_low=bid - 1.5,
        ask_close=bid + 1.5,
        ask_size=4.0,
    )


def a_trade_bar(start: int, close: float, symbol: str = "ALFA", timeframe: str = "1m") -> Bar:
    return a_bar(start, close, symbol, timeframe, seq=0)


async def stored(database: Database, after: Sequence[int] = (0, 0), known_by: int = NOON + MONTH) -> list[BarEvent]:
    return await market.bars_between(database, "TEST", ["1s", "1m"], [SECOND, MINUTE], after, known_by)


@pytest.mark.parametrize("reverse", [False, True])
async def test_the_trade_part_and_the_quote_part_of_a_minute_come_together_whichever_was_first(database: Database, reverse: bool) -> None:
    parts: list[BarEvent] = [a_quote_bar(NOON, 99.0), a_trade_bar(NOON, 100.0)]
    for part in reversed(parts) if reverse else parts:
        await database.write(market.store_bars([part]))
    assert await stored(database) == parts


async def test_storing_a_replayed_day_again_changes_nothing(database: Database) -> None:
    bars: list[BarEvent] = [a_quote_bar(NOON, 99.0), a_trade_bar(NOON, 100.0)]
    await database.write(market.store_bars(bars))
    await database.write(market.store_bars(bars))
    await database.write(market.store_bars([a_quote_bar(NOON, 55.0), a_trade_bar(NOON, 55.0)]))
    assert await stored(database) == bars
    assert await database.fetch("select count(*) from market_ohlcv") == [(1,)]


async def test_bars_come_back_in_the_order_in_which_they_became_known(database: Database) -> None:
    ordered: list[BarEvent] = [
        a_bar(NOON, 1.0, seq=0),
        a_bar(NOON, 2.0, "BTC/USD", seq=0),
        a_bar(NOON + 59 * SECOND, 3.0, seq=0),  # ends with the minute, and is finer
        a_quote_bar(NOON, 99.0),
        a_trade_bar(NOON, 4.0),
        a_trade_bar(NOON, 5.0, "BTC/USD"),
        a_bar(NOON + 60 * SECOND, 6.0, seq=0),
    ]
    await database.write(market.store_bars(ordered[::-1]))
    assert await stored(database) == ordered


async def test_only_bars_that_are_new_and_known_come_back(database: Database) -> None:
    bars: list[BarEvent] = [a_bar(NOON + n * SECOND, 100.0 + n, seq=0) for n in range(4)]
    await database.write(market.store_bars([*bars, a_trade_bar(NOON - MINUTE, 50.0)]))
    assert await stored(database, after=[NOON, NOON], known_by=NOON + 3 * SECOND) == bars[1:3]


prices = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(max_examples=50, deadline=None)
@given(values=st.lists(prices, min_size=5, max_size=5), start=st.integers(0, 86_399 * 10**6))
def test_a_bar_keeps_every_bit_of_its_prices_and_its_microsecond(url: str, values: list[float], start: int) -> None:
    low, middle, high, last, volume = values
    bar = replace_bar(a_trade_bar(NOON + start * 1000, 0.0, symbol="BITS"), open=middle, high=high, low=low, close=last, volume=volume)
    statement = market.store_bars([bar])[0]
    with psycopg.connect(url) as connection:
        connection.execute("select ensure_market_partition('market_ohlcv', %s)", (bar.start,))
        connection.execute(statement.sql, statement.params)
        row = connection.execute(
            "select open_price, high_price, low_price, close_price, volume, ns_of(timestamp) from market_ohlcv where symbol = 'BITS'"
            " and timestamp = at_ns(%s)",
            (bar.start,),
        ).fetchone()
        connection.rollback()
    assert row == (middle, high, low, last, volume, bar.start)


def replace_bar(bar: Bar, **changed: float) -> Bar:
    return Bar(**{name: getattr(bar, name) for name in Bar.__struct_fields__} | changed)


async def test_ticks_go_in_by_copy_and_come_out_to_the_last_bit_and_microsecond(database: Database) -> None:
    at = NOON + 123_456_789  # the record holds microseconds
    quote = Quote(venue="TEST", symbol="ALFA", seq=1, ts=at, bid=0.1 + 0.2, ask=1e-300, bid_size=1e300, ask_size=5e-324)
    trade = TradeTick(venue="TEST", symbol="ALFA", seq=2, ts=at + 1000, price=100.1, size=1 / 3)
    writer = CopyWriter(database, "market_quotes", market.QUOTE_COLUMNS, market.QUOTE_TYPES)
    writer.add([market.tick_row(quote), market.tick_row(trade)])
    assert writer.waiting == 2
    await writer.flush()
    assert (writer.waiting, writer.written) == (0, 2)
    rows = await database.fetch(
        "select ns_of(timestamp), bid, ask, bid_size, ask_size, price, volume from market_quotes where venue = 'TEST' order by timestamp"
    )
    whole = at // 1000 * 1000
    assert rows == [(whole, 0.1 + 0.2, 1e-300, 1e300, 5e-324, None, None), (whole + 1000, None, None, None, None, 100.1, 1 / 3)]


async def test_beyond_its_capacity_a_writer_drops_and_counts() -> None:
    writer = CopyWriter(Database("", ""), "market_quotes", market.QUOTE_COLUMNS, market.QUOTE_TYPES, capacity=5)
    tick = TradeTick(venue="TEST", symbol="ALFA", seq=1, ts=NOON, price=1.0, size=1.0)
    writer.add([market.tick_row(tick)] * 3)
    writer.add([market.tick_row(tick)] * 4)
    assert (writer.waiting, writer.dropped) == (5, 2)


async def test_rows_the_table_cannot_take_are_an_error_and_not_an_outage(database: Database) -> None:
    writer = CopyWriter(database, "market_quotes", market.QUOTE_COLUMNS, market.QUOTE_TYPES)
    writer.add([market.tick_row(TradeTick(venue="TEST", symbol="A\0", seq=1, ts=NOON, price=1.0, size=1.0))])
    with pytest.raises(Rejected, match="invalid byte sequence"):
        await writer.flush()


@pytest.mark.parametrize("raw", ["plain", "a\0b", "half a \ud83d pair"])
async def test_a_refused_row_is_kept_however_corrupt(database: Database, raw: str) -> None:
    row = BadRow(venue="TEST", symbol="ALFA", ts=NOON, reason="price is no number", raw=raw)
    await database.write([market.store_refused("session", [row])])
    [(reason, kept)] = await database.fetch("select reason, raw from data_quarantine")
    assert (reason, kept[:1]) == ("price is no number", raw[:1])


# What the functions refuse.


@pytest.fixture
async def order(database: Database) -> Order:
    """An approved order of a signal in the record."""
    account = await begin(database)
    signal = a_signal(0.5, account_id=account.account_id, session_id=SESSION.session_id)
    id_ = order_id(signal.signal_id, 0)
    made = Order(
        order_id=id_,
        client_order_id=client_order_id("TWND", id_, 1),
        account_id=account.account_id,
        venue="PAPER",
        session_id=SESSION.session_id,
        strategy_id=signal.strategy_id,
        symbol=signal.symbol,
        signal_id=signal.signal_id,
        leg=0,
        side="buy",
        order_type="limit",
        quantity=Decimal(10),
        price=Decimal("101.01"),
        time_in_force="GTD",
        decided_at=NOON,
        valid_until=NOON + SECOND,
        expires_at=NOON + 2 * SECOND,
    )
    await database.write([strategies.store_signals([(signal, b"")]), risk.store_assessments([verdict()]), risk.store_orders([made], 1)])
    return made


async def test_orders_whose_outcome_is_unknown_are_counted(database: Database, order: Order) -> None:
    assert await activity.unknown_orders(database) == 0
    await database.write([Write("update orders set status = 'UNKNOWN' where id = %s", (order.order_id,))])
    assert await activity.unknown_orders(database) == 1


def verdict(kind: VerdictKind = "APPROVED", bar_time: int = NOON - SECOND) -> Assessment:
    signal = a_signal(0.5, bar_time=bar_time)
    return Assessment(signal.signal_id, "session", "paper", signal.strategy_id, signal.symbol, kind, "", "", "", "", "[]")


async def status(database: Database) -> list[tuple[Any, ...]]:
    return await database.fetch("select status, epoch, events from orders")


def a_child(parent: Order, n: int, **changed: Any) -> Order:
    """A slice of 4 of the parent's 10."""
    leg = child_leg(parent.leg, n)
    id_ = order_id(parent.signal_id, leg)
    ours = {"order_id": id_, "client_order_id": client_order_id("TWND", id_, 1), "leg": leg, "parent_id": parent.order_id}
    return msgspec.structs.replace(parent, **{**ours, "purpose": "slice", "quantity": Decimal(4), **changed})


async def test_slices_never_exceed_what_was_approved_whatever_became_of_them(database: Database, order: Order) -> None:
    await database.write([Write("update orders set status = 'WORKING'", ())])
    for n, ended in enumerate(["UNKNOWN", "CANCELED"]):
        await database.write(execution.store_children([a_child(order, n)], 7))
        become = "update orders set status = %s, filled_quantity = 1 where purpose = 'slice' and leg = %s"
        await database.write([Write(become, (ended, child_leg(0, n)))])
    with pytest.raises(Conflict, match="on top of 5"):  # four unknown, and one filled of the canceled one
        await database.write(execution.store_children([a_child(order, 2, quantity=Decimal(6))], 7))
    await database.write(execution.store_children([a_child(order, 2, quantity=Decimal(5))] * 2, 7))
    assert await database.fetch("select count(*) from orders where purpose = 'slice'") == [(3,)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"purpose": "signal"}, "cannot be a child as signal"),
        ({"purpose": "liquidation"}, "cannot be a child as liquidation"),
        ({"purpose": "stop"}, "would add to its book"),
        ({"side": "sell"}, "not within order"),
        ({"parent_id": UUID(int=1)}, "no approved parent"),
    ],
)
async def test_the_executor_adds_no_order_that_nobody_approved(
    database: Database, order: Order, changed: dict[str, Any], said: str
) -> None:
    await database.write([Write("update orders set status = 'WORKING'", ())])
    with pytest.raises(Conflict, match=said):
        await database.write(execution.store_children([a_child(order, 0, **changed)], 7))


async def test_an_approved_order_goes_to_submitting_under_the_executors_epoch(database: Database, order: Order) -> None:
    await database.write([execution.submitting([order.order_id], 7, NOON + SECOND)])
    assert await status(database) == [("SUBMITTING", 7, 1)]


@pytest.mark.parametrize(
    ("scope", "key", "stopped"),
    [
        ("fleet", "", True),
        ("account", "paper", True),
        ("account", "other", False),
        ("strategy", "fast", True),
        ("strategy", "slow", False),
        ("symbol", "ALFA", True),
        ("symbol", "BRVO", False),
    ],
)
async def test_a_kill_switch_set_meanwhile_stops_what_is_in_its_scope(
    database: Database, order: Order, scope: str, key: str, stopped: bool
) -> None:
    switch = "insert into kill_switch (scope, key, active, reason, set_by) values (%s, %s, true, 'test', 'test')"
    await database.write([Write(switch, (scope, key))])
    if stopped:
        with pytest.raises(Conflict, match="kill switch") as error:
            await database.write([execution.submitting([order.order_id], 7, NOON)])
        assert error.value.sqlstate == "TW004"
    else:
        await database.write([execution.submitting([order.order_id], 7, NOON)])
    assert await status(database) == ([("APPROVED", 1, 0)] if stopped else [("SUBMITTING", 7, 1)])


HALT = (
    "insert into risk_halts (account_id, limit_name, halted_at, equity, reference, limit_value, seen)"
    " values ('paper', 'max_drawdown', now(), 1, 2, 0.1, 0.5)"
)
BOOKS = "insert into positions values ('paper', 'fast', 'ALFA', %s, 100, 0, now()), ('paper', 'slow', 'ALFA', 99, 1, 0, now())"


@pytest.mark.parametrize(
    ("side", "held", "open_", "stopped"),
    [
        pytest.param("buy", 0, None, True, id="an entry"),
        pytest.param("buy", 20, None, True, id="more of the same"),
        pytest.param("sell", 10, None, False, id="all of it sold"),
        pytest.param("sell", 9, None, True, id="sold through zero"),
        pytest.param("sell", 20, "sell", False, id="beside another exit that leaves enough"),
        pytest.param("sell", 19, "sell", True, id="beside another exit that leaves too little"),
        pytest.param("buy", -10, None, False, id="a short bought back"),
        pytest.param("buy", -10, "sell", False, id="a short bought back, whatever may be sold"),
    ],
)
async def test_a_halt_set_meanwhile_stops_what_does_not_only_shrink_its_book(
    database: Database, order: Order, side: str, held: int, open_: str | None, stopped: bool
) -> None:
    await database.write([Write("update orders set side = %s", (side,)), Write(BOOKS, (held,)), Write(HALT, ())])
    if open_:
        other = msgspec.structs.replace(order, order_id=UUID(int=2), client_order_id="other", leg=1, quantity=Decimal(15))
        await database.write([risk.store_orders([other], 1)])
        await database.write([Write("update orders set status = 'UNKNOWN', filled_quantity = 5, side = %s where leg = 1", (open_,))])
    if stopped:
        with pytest.raises(Conflict, match="the book may only close") as error:
            await database.write([execution.submitting([order.order_id], 7, NOON)])
        assert error.value.sqlstate == "TW004"
        await database.write([Write("update risk_halts set active = false", ())])
    await database.write([execution.submitting([order.order_id], 7, NOON)])
    assert (await database.fetch("select status from orders where id = %s", (order.order_id,))) == [("SUBMITTING",)]


@pytest.mark.parametrize(
    ("meanwhile", "ids", "now"),
    [
        pytest.param("update orders set status = 'CANCELED'", [], NOON, id="its status has changed"),
        pytest.param("select 1", [], NOON + SECOND + 1000, id="it is too late"),
        pytest.param("select 1", [UUID(int=1)], NOON, id="one of them does not exist"),
    ],
)
async def test_an_order_that_may_no_longer_be_sent_stops_the_whole_transaction(
    database: Database, order: Order, meanwhile: str, ids: list[UUID], now: int
) -> None:
    await database.write([Write(meanwhile, ())])
    before = await status(database)
    attempt = execution.store_attempts([(order.order_id, 1, order.client_order_id)], 7)
    with pytest.raises(Conflict, match="only") as error:
        await database.write([attempt, execution.submitting([order.order_id, *ids], 7, now)])
    assert error.value.sqlstate == "TW004"
    assert await status(database) == before
    assert await database.fetch("select 1 from order_attempts") == []


@pytest.mark.parametrize("final", ["APPROVED", "NO_CHANGE", "REFUSED", "SUPERSEDED", "EXPIRED"])
async def test_a_final_verdict_is_not_written_over(database: Database, final: VerdictKind) -> None:
    await database.write([risk.store_assessments([verdict(final)])])
    with pytest.raises(Conflict) as error:
        await database.write([risk.store_assessments([verdict("REFUSED"), verdict("REFUSED", bar_time=NOON)])])
    assert error.value.sqlstate == "TW004"
    assert await database.fetch("select verdict from risk_assessments") == [(final,)]


async def test_a_verdict_that_waits_is_decided_once_more(database: Database) -> None:
    await database.write([risk.store_assessments([verdict("WAITING")])])
    await database.write([risk.store_assessments([verdict("WAITING")])])
    await database.write([risk.store_assessments([verdict("APPROVED")])])
    assert await database.fetch("select verdict from risk_assessments") == [("APPROVED",)]


@pytest.mark.parametrize("what", ["signal", "order"])
async def test_a_signal_and_a_leg_exist_once(database: Database, order: Order, what: str) -> None:
    again = strategies.store_signals([(a_signal(0.7), b"")]) if what == "signal" else risk.store_orders([order], 2)
    with pytest.raises(Rejected) as error:
        await database.write([again])
    assert error.value.sqlstate == "23505"


def a_state(bar_time: int, fingerprint: str = "f", strategy_id: str = "fast") -> StoredState:
    return StoredState(strategy_id, "ALFA", fingerprint, bar_time, b"\x93\x00\xff")


async def test_a_strategys_state_goes_forward_only(database: Database) -> None:
    await database.write([strategies.store_states("session", [a_state(NOON)])])
    await database.write([strategies.store_states("session", [a_state(NOON)])])
    with pytest.raises(Conflict, match="already ahead") as error:
        await database.write([strategies.store_states("session", [a_state(NOON - SECOND), a_state(NOON, strategy_id="slow")])])
    assert error.value.sqlstate == "TW004"
    assert await strategies.states(database, "session") == [a_state(NOON)]


async def test_a_state_of_other_parameters_may_begin_earlier(database: Database) -> None:
    await database.write([strategies.store_states("session", [a_state(NOON)])])
    await database.write([strategies.store_states("session", [a_state(NOON - SECOND, fingerprint="g")])])
    assert await strategies.states(database, "session") == [a_state(NOON - SECOND, fingerprint="g")]


async def test_a_session_keeps_every_word_and_a_second_one_gets_new_accounts(database: Database) -> None:
    first = await begin(database)
    current = await sessions.current(database)
    assert current is not None
    assert replace(current, key=SESSION.key) == SESSION
    second = await begin(database, replace(SESSION, session_id="another"))
    assert (first.account_id, second.account_id, second.name) == ("paper", "paper-2", "paper")
    newest = await sessions.current(database)
    assert newest is not None
    assert newest.session_id == "another"
    assert await sessions.accounts(database, "session") == [first]


async def test_a_connection_that_was_let_go_for_good_is_made_by_nobody_again(url: str) -> None:
    database = Database(url, "test")
    outliving = asyncio.ensure_future(database.fetch("select 1"))
    await database.retire()
    with pytest.raises(Unreachable, match="not used any more"):
        await outliving
    with pytest.raises(Unreachable, match="not used any more"):
        await database.fetch("select 1")


async def test_a_statement_that_is_to_be_planned_once_is_not_planned_for_its_values(database: Database) -> None:
    for name in ("a", "b", "c"):
        await database.fetch("select count(*) from journal where stream = %s", (name,), plan_once=True)
        await database.fetch("select max(no) from journal where stream = %s", (name,))
    plans = await database.fetch(
        "select generic_plans, custom_plans from pg_prepared_statements where statement like '%%from journal where stream = $1' order by 1"
    )
    assert plans == [(0, 3), (3, 0)]
