"""A database role for each service: what each may do with the record is what libs/store/rights.py says, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg import errors

from fleet import logins, roles
from fleet.roles import CannotGive, Role, streams_of
from libs.common.bus import RedisBus
from libs.common.clocks import SystemClock
from libs.common.database import Database, Rejected, Write
from libs.common.envelope import Sealer, array, numbered
from libs.domain.limits import Change
from libs.domain.messages import RiskAlert
from libs.store import execution, limits, permits, risk, risk_alerts, sessions
from libs.store.reconciliation import adopt_order, halt_symbol
from libs.store.rights import ALL, OPERATOR, RIGHTS
from libs.store.risk import Assessment
from libs.store.tables import Base
from tests.desks import NOW, a_desk, an_approval
from tests.paper import ALFA
from tests.roles import a_record_for_roles
from tests.scenes import begin, clear
from tests.scripted_broker import ScriptedBroker

PASSWORD: Final = "a long word of no meaning"
REFUSED: Final = "42501"  # insufficient_privilege, of a row too

each = pytest.mark.parametrize("service", RIGHTS)


@pytest.fixture(scope="module")
def them(database_url: str) -> Iterator[Mapping[str, str]]:
    """The URL of each role on a record of its own, and the owner's under ""."""
    with a_record_for_roles(database_url) as url:
        made = {service: Role(f"{urlsplit(url).path[1:]}_{service}", PASSWORD) for service in RIGHTS}
        roles.give(url, made)
        yield {"": url, **{service: logins.url_as(url, role) for service, role in made.items()}}


@pytest.fixture
async def owner(them: Mapping[str, str]) -> AsyncIterator[Database]:
    """The owner's hand, on a record with an account."""
    database = Database(them[""], "test")
    await clear(database)
    await begin(database)
    yield database
    await database.close()


async def does(url: str, *writes: Write) -> None:
    """Writes as whoever the URL says."""
    database = Database(url, "test")
    try:
        await database.write(writes)
    finally:
        await database.close()


async def refused(url: str, *writes: Write) -> str:
    """The same, which must not be allowed; what Postgres says."""
    with pytest.raises(Rejected) as found:
        await does(url, *writes)
    assert found.value.sqlstate == REFUSED, found.value
    return str(found.value)


# The table, told by Postgres.


@each
def test_a_service_may_do_with_each_table_what_its_rights_say(them: Mapping[str, str], service: str) -> None:
    rights, tables = RIGHTS[service], [*Base.metadata.tables, "portfolio_positions", "alembic_version"]
    asked = "select " + ", ".join(f"has_table_privilege(%(t)s, '{verb}')" for verb in ("select", "insert", "update", "delete", "truncate"))
    with psycopg.connect(them[service]) as connection:
        found = {table: connection.execute(asked.encode(), {"t": table}).fetchone() for table in tables}
    updates = {table for table, columns in rights.updates.items() if columns == ALL}
    verbs = (rights.reads, rights.inserts, updates, rights.deletes, ())
    assert found == {table: tuple(table in those for those in verbs) for table in tables}


@each
def test_of_a_table_that_has_another_writer_it_may_change_the_columns_named(them: Mapping[str, str], service: str) -> None:
    asked = (
        "select table_name, column_name from information_schema.column_privileges"
        " where grantee = current_user and privilege_type = 'UPDATE'"
    )
    with psycopg.connect(them[service]) as connection:
        found = set(connection.execute(asked).fetchall())
    columns_of = {name: tuple(table.columns.keys()) for name, table in Base.metadata.tables.items()}
    wanted = {(t, c) for t, columns in RIGHTS[service].updates.items() for c in columns or columns_of[t]}
    assert found == wanted


@each
def test_a_service_may_call_the_functions_named(them: Mapping[str, str], service: str) -> None:
    asked = (
        "select proname from pg_proc where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype"
        " and has_function_privilege(oid, 'execute')"
    )
    with psycopg.connect(them[service]) as connection:
        assert {name for (name,) in connection.execute(asked)} == set(RIGHTS[service].calls)


@each
def test_a_service_can_neither_make_tables_nor_become_somebody_else(them: Mapping[str, str], service: str) -> None:
    with psycopg.connect(them[service], autocommit=True) as connection:
        for forbidden in ("create table mine (a int)", "create temp table mine (a int)", "create role more", "set role fleet"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(forbidden.encode())


def test_what_runs_as_the_owner_looks_for_names_in_one_place(them: Mapping[str, str]) -> None:
    with psycopg.connect(them[""]) as connection:
        found = connection.execute("select proname, proconfig from pg_proc where prosecdef and pronamespace = 'public'::regnamespace")
        assert dict(found.fetchall()) == dict.fromkeys(
            ("orders_child", "orders_adopt", "risk_limits_begin", "risk_limits_change", "ensure_market_partition", "market_partition_drop"),
            ["search_path=public, pg_temp"],
        )


# Approvals.


def approval(n: int = 1, verdict: bool = True) -> list[Write]:
    """An approved order, as risk_manager writes it."""
    o = an_approval(n)
    said = Assessment(o.signal_id, o.session_id, o.account_id, o.strategy_id, o.symbol, "APPROVED", "", "", "", "", "[]")
    return [*([risk.store_assessments([said])] if verdict else []), risk.store_orders([o], 1)]


@pytest.mark.parametrize("service", [name for name in RIGHTS if name != "risk_manager"])
async def test_nobody_but_risk_manager_can_insert_an_approval(them: Mapping[str, str], owner: Database, service: str) -> None:
    await does(them[""], *approval(1))
    await refused(them[service], *approval(2))
    assert "orders" in await refused(them[service], *approval(1, verdict=False))
    assert await owner.fetch("select count(*) from orders") == [(1,)]


async def test_what_risk_manager_has_approved_it_cannot_change(them: Mapping[str, str], owner: Database) -> None:
    await does(them["risk_manager"], *approval())
    await refused(them["risk_manager"], Write("update orders set quantity = 1000", ()))


@pytest.mark.parametrize("column", ["quantity", "side", "price", "valid_until", "symbol"])
async def test_trade_executor_cannot_change_what_was_approved(them: Mapping[str, str], owner: Database, column: str) -> None:
    await does(them["risk_manager"], *approval())
    await does(them["trade_executor"], Write("update orders set status = 'DENIED'", ()))
    await refused(them["trade_executor"], Write(f"update orders set {column} = {column}", ()))


async def test_an_order_of_others_that_was_adopted_cannot_be_made_an_approval(them: Mapping[str, str], owner: Database) -> None:
    await does(them["trade_executor"], adopt_order(an_approval(), 1))
    with pytest.raises(Rejected, match="an update cannot approve it"):
        await does(them["trade_executor"], Write("update orders set status = 'APPROVED'", ()))


async def test_a_child_is_not_within_an_order_that_was_never_approved(them: Mapping[str, str], owner: Database) -> None:
    child = msgspec.structs.replace(an_approval(2), purpose="slice", parent_id=UUID(int=7))
    with pytest.raises(Rejected, match="has no approved parent"):
        await does(them["trade_executor"], *execution.store_children([child], 1))


# Streams, and their bells.


@each
async def test_a_stream_takes_messages_from_its_writers_only(them: Mapping[str, str], owner: Database, service: str) -> None:
    taken = []
    for (stream,) in await owner.fetch("select stream from journal_counters order by stream"):
        with suppress(Rejected):
            await does(them[service], Write("select journal_append(%s, %s::uuid[], %b::text[])", (stream, [None], ["{}"])))
            taken.append(stream)
    assert taken == streams_of(service)


async def test_a_message_cannot_be_put_into_a_stream_past_its_counter(them: Mapping[str, str], owner: Database) -> None:
    await refused(them["trade_executor"], Write("insert into journal (stream, no, body) values ('orders.approved', 1, '{}')", ()))


async def test_a_forged_bell_makes_no_order(them: Mapping[str, str], redis_url: str, owner: Database, tmp_path: Path) -> None:
    """The bell names an approval that risk_manager never wrote; the one that it did write shows that the desk has heard both."""
    (account,) = await _accounts(owner)
    venue, forged, real = ScriptedBroker(), an_approval(1), an_approval(2)

    async def access() -> ScriptedBroker:
        return venue

    async with a_desk(them["trade_executor"], redis_url, account, owner, access, {"ALFA": ALFA}, state_dir=str(tmp_path)) as service:
        bus = RedisBus(redis_url)
        sealed = Sealer("risk_manager", SystemClock()).seal("orders.approved", forged, ts_event_ns=NOW)
        await bus.publish([("orders.approved", array([numbered(sealed, 1)]))])
        await service.risk.approve(real)
        await service.comes_to("ACKED", clock=NOW)
        await bus.publish([("orders.approved", array([numbered(sealed, 2)]))])
        await service.hears(NOW)
        await bus.close()
    assert await owner.fetch("select id from orders") == [(real.order_id,)]
    assert list(venue.seen) == [real.client_order_id]


async def _accounts(database: Database) -> list[sessions.Account]:
    return await sessions.accounts(database, "session")


# Kill switch and limits.


@pytest.mark.parametrize("service", ["risk_manager", "trade_executor"])
async def test_a_service_can_set_a_kill_switch_and_not_lift_it(them: Mapping[str, str], owner: Database, service: str) -> None:
    await does(them[service], halt_symbol("ALFA", "a test"))
    await refused(them[service], Write("update kill_switch set active = false", ()))
    await does(them[OPERATOR], Write("select kill_lift('symbol', 'ALFA', 'a test', 'me', 0)", ()))
    await does(them[service], halt_symbol("ALFA", "again"))
    assert await owner.fetch("select active, reason from kill_switch") == [(True, "again")]


async def test_an_alert_stops_its_account_by_risk_manager_and_is_acknowledged_by_the_operator_only(
    them: Mapping[str, str], owner: Database
) -> None:
    alert = RiskAlert(
        code="RC-A07",
        severity="critical",
        account_id="paper",
        strategy_id="fast",
        symbol="ALFA",
        message="a test",
        limit="1",
        seen="2",
        market_time=NOW,
    )
    await does(them["risk_manager"], *risk_alerts.raised([alert], 0.0), *risk_alerts.raised([alert], 0.0))
    (found,) = await risk_alerts.unacknowledged(owner)
    await refused(them["risk_manager"], risk_alerts.acknowledge(found.id, "a test", "me"))
    await refused(them["risk_manager"], Write("update risk_alerts set acknowledged_at = now()", ()))
    await does(them["risk_manager"], risk_alerts.told([found.id]), risk_alerts.trip(found.id, "halt", "a test", "risk_manager"))
    await does(them[OPERATOR], risk_alerts.acknowledge(found.id, "a test", "me"))
    assert await owner.fetch("select scope, key from kill_switch where active") == [("account", "paper")]


async def test_one_order_is_permitted_by_the_operator_only_and_risk_manager_cannot_make_it_larger(
    them: Mapping[str, str], owner: Database
) -> None:
    id_, order = UUID(int=5), permits.Order("paper", "fast", "ALFA", "buy", Decimal(100))
    give = permits.give(id_, order, 600.0, "index rebalance", "ann")
    for service in ("risk_manager", "trade_executor"):
        await refused(them[service], give)
    await does(them[OPERATOR], give)
    for change in ("quantity = 1000", "valid_until = 'infinity'"):
        await refused(them["risk_manager"], Write(f"update risk_permits set {change}", ()))
    await refused(them["trade_executor"], permits.use(id_, UUID(int=6)))
    await does(them["risk_manager"], permits.use(id_, UUID(int=6)))
    assert [(row.quantity, row.signal_id) for row in await permits.newest(owner, 9)] == [(Decimal(100), UUID(int=6))]


async def test_a_limit_is_changed_past_its_cool_off_by_nobody(them: Mapping[str, str], owner: Database) -> None:
    insert = Write(
        "insert into risk_limits (version, scope, key, name, value, unit, reason, by) values (1, 'fleet', '*', 'max_open_orders', 9,"
        " 'count', 'mine', 'me')",
        (),
    )
    for service in RIGHTS:
        await refused(them[service], insert)
    change = Change("fleet", "*", "max_open_orders", "count", 9.0)
    await does(them[OPERATOR], limits.change([change], "a test", "me", 60.0, UUID(int=1)))
    assert await owner.fetch("select value from risk_limits") == [(9.0,)]


# Giving them.


def test_given_again_after_it_was_widened_by_hand_a_service_has_its_rights_and_no_more(database_url: str) -> None:
    with a_record_for_roles(database_url) as url:
        made = {service: Role(f"{urlsplit(url).path[1:]}_{service}", PASSWORD) for service in RIGHTS}
        roles.give(url, made)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"grant insert on orders to {made['trade_executor'].name}".encode())
            connection.execute(f"grant update (quantity) on orders to {made['trade_executor'].name}".encode())
        roles.give(url, {**made, "trade_executor": made["trade_executor"]._replace(password="another")})
        with psycopg.connect(logins.url_as(url, made["trade_executor"]._replace(password="another"))) as connection:
            asked = "select has_table_privilege('orders', 'insert'), has_column_privilege('orders', 'quantity', 'update')"
            assert connection.execute(asked).fetchone() == (False, False)


def test_a_user_who_may_not_make_roles_is_told_which_are_missing(them: Mapping[str, str]) -> None:
    with pytest.raises(CannotGive, match=r"may not make roles, and these are missing: never_made;"):
        roles.give(them["monitor"], {"monitor": Role("never_made", PASSWORD)})


def test_two_who_give_them_at_once_do_not_meet(them: Mapping[str, str]) -> None:
    made = {service: Role(urlsplit(them[service]).username or "", PASSWORD) for service in RIGHTS}

    async def both() -> None:
        await asyncio.gather(*(asyncio.to_thread(roles.give, them[""], made) for _ in range(2)))

    asyncio.run(both())
