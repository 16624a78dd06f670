import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import msgspec
import psycopg
import pytest
from prometheus_client import REGISTRY

from libs.common.bus import MemoryBus
from libs.common.clocks import HostClock, SystemClock
from libs.common.crash_points import CrashPoint
from libs.common.database import Database, Write
from libs.common.envelope import Sealer
from libs.common.journal import PostgresJournal
from libs.domain.actions import CorporateAction
from libs.domain.configuration import PaperConfig
from libs.domain.identity import client_order_id
from libs.domain.orders import Evidence, Order
from libs.domain.reconciling import Difference, agreed
from libs.domain.trades import Fill
from libs.quant.dispatch import SLOTS
from libs.quant.fills import FillOn, FillTerms
from libs.store import lockstep, monitoring, sessions
from libs.store.audit import Held, ledger_faults
from libs.store.control import Control
from libs.store.queries import condition
from libs.store.sessions import Account, Session
from libs.venues.broker import NotSent, OutcomeUnknown, Refused
from libs.venues.paper.broker import PaperBroker
from services.trade_executor import app, brokers, reconcile, reconciler
from services.trade_executor.absence import Absences, never_accepted
from services.trade_executor.evidence import Shown
from services.trade_executor.send import evidence_of
from tests.desks import NOW, Service, a_desk, an_approval, statuses
from tests.factories import NOON, SECOND, HandClock
from tests.paper import a_quote
from tests.scenes import SESSION, begin
from tests.scripted_broker import ScriptedBroker, a_fill, a_split, an_adjustment, loses_the_answer, refuses
from tests.stages import INSTRUMENTS, Desk
from tests.waiting import until

D = Decimal


@pytest.fixture
async def account(database: Database) -> Account:
    return await begin(database)


@pytest.fixture
async def venue() -> ScriptedBroker:
    return ScriptedBroker()


@pytest.fixture
async def desk(database: Database, account: Account, venue: ScriptedBroker) -> Desk:
    return await Desk(database, account, venue).begin()


def a_paper_venue(path: Path, clock: HostClock, deposit: int = 100_000, actions: Sequence[CorporateAction] = ()) -> PaperBroker:
    """The account's book, as AccountDesk opens it too."""
    fill_on: dict[str, FillOn] = {"ALFA": "quote", "BTC/USD": "quote"}
    return PaperBroker.open(path, "paper", INSTRUMENTS, fill_on, FillTerms(), {"USD": D(deposit)}, 0, clock=clock, actions=actions)


async def events(database: Database) -> list[tuple[str, str, bool]]:
    rows = await database.fetch("select event, status, anomaly from order_events order by order_id, n")
    return [tuple(row) for row in rows]


async def booked(database: Database) -> list[tuple[str, int]]:
    rows = await database.fetch("select exec_key, quantity from trades order by booked_at, exec_key")
    return [(key.partition(":")[2], int(quantity)) for key, quantity in rows]


async def books(database: Database) -> list[tuple[str, str, int, Decimal]]:
    rows = await database.fetch("select strategy_id, symbol, quantity, avg_cost from positions order by 1, 2")
    return [(strategy, symbol, int(quantity), cost) for strategy, symbol, quantity, cost in rows]


def replace_id(fill: Fill, client_order_id: str) -> Fill:
    return msgspec.structs.replace(fill, client_order_id=client_order_id)


def ended(order: Order, evidence: Evidence, filled: int = 0) -> Shown:
    return Shown(order.client_order_id, evidence, D(filled), "")


# --- sending


async def test_the_intent_is_committed_before_the_request_leaves(database: Database, desk: Desk, venue: ScriptedBroker, url: str) -> None:
    found: list[Any] = []

    def looks_into_the_record(order: Order) -> None:
        with psycopg.connect(url) as record:
            found.append(
                record.execute(
                    "select o.status, o.epoch, a.n, a.client_order_id from orders o join order_attempts a on a.order_id = o.id"
                ).fetchall()
            )

    venue.answers.append(looks_into_the_record)
    order = an_approval()
    await desk.trade(order)
    assert found == [[("SUBMITTING", desk.lease.epoch, 1, order.client_order_id)]]
    assert await statuses(database) == ["ACKED"]


@pytest.mark.parametrize(
    ("raised", "status", "event"),
    [
        (None, "ACKED", "accepted"),
        (refuses, "REJECTED", "rejected"),
        (NotSent("deadline has passed"), "NOT_ACCEPTED", "not_sent"),
        (loses_the_answer, "UNKNOWN", "unclear"),
        (ZeroDivisionError("a fault of the adapter"), "UNKNOWN", "unclear"),
    ],
    ids=["accepted", "refused", "not sent", "unknown", "crashed"],
)
async def test_every_outcome_has_its_status_and_its_event(
    database: Database, desk: Desk, venue: ScriptedBroker, raised: Any, status: str, event: str
) -> None:
    def answer(order: Order) -> None:
        if isinstance(raised, Exception):
            raise raised
        if raised is not None:
            raised(order)

    venue.answers.append(answer)
    await desk.trade(an_approval())
    assert await statuses(database) == [status]
    assert await events(database) == [("submit", "SUBMITTING", False), (event, status, False)]
    bodies = await database.fetch("select body from journal where stream = 'orders.updates' order by no")
    assert [msgspec.json.decode(body)["payload"]["event"] for (body,) in bodies] == ["submit", event]


async def test_the_wait_for_the_wire_and_for_the_answer_are_measured(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    def counted(name: str, **labels: str) -> tuple[float, float]:
        return tuple(REGISTRY.get_sample_value(f"tradewinds_{name}_{part}", labels) or 0.0 for part in ("count", "sum"))  # type: ignore[return-value]

    def takes_its_time(order: Order) -> None:
        desk.host.move(0.25)

    wired, answered = counted("signal_to_wire_seconds"), counted("order_answer_seconds", outcome="accepted")
    await desk.risk.approve(an_approval())
    approved = (await database.fetch("select ns_of(created_at) from orders"))[0][0]
    desk.host.seconds = (approved - NOON) / SECOND + 2.0  # it is looked at two seconds later
    desk.lease.valid_until = desk.host.monotonic() + 4.0
    desk.market.hear(NOW, 1.0)
    venue.answers.append(takes_its_time)
    await desk.turn()
    after_wire, after_answer = counted("signal_to_wire_seconds"), counted("order_answer_seconds", outcome="accepted")
    assert (after_wire[0] - wired[0], after_answer[0] - answered[0]) == (1, 1)
    assert after_wire[1] - wired[1] == pytest.approx(2.0, abs=1e-3)
    assert after_answer[1] - answered[1] == pytest.approx(0.25)


async def test_a_request_that_never_left_was_not_on_the_wire_and_is_a_warning(
    desk: Desk, venue: ScriptedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    before = REGISTRY.get_sample_value("tradewinds_signal_to_wire_seconds_count")

    def not_sent(order: Order) -> None:
        raise NotSent("deadline has passed")

    venue.answers.append(not_sent)
    await desk.trade(an_approval())
    assert REGISTRY.get_sample_value("tradewinds_signal_to_wire_seconds_count") == before
    (warned,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "ALFA did not leave this host (deadline has passed)" in warned.getMessage()
    assert warned.__dict__["event"] == {"action": "order_not_sent", "outcome": "failure"}


async def test_an_unknown_order_holds_its_book_back_until_a_look_up_finds_it_and_is_never_sent_again(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    first, second, other = an_approval(1), an_approval(2), an_approval(3, "slow")
    venue.answers.append(loses_the_answer)
    await desk.trade(first, second, other)
    assert await statuses(database) == ["UNKNOWN", "APPROVED", "ACKED"]
    await desk.look()
    assert await statuses(database) == ["UNKNOWN", "APPROVED", "ACKED"]  # absence is no proof
    venue.has(first)
    await desk.look()
    assert await statuses(database) == ["ACKED", "APPROVED", "ACKED"]
    await desk.show(ended(first, Evidence.EXPIRED))
    assert await statuses(database) == ["EXPIRED", "ACKED", "ACKED"]
    assert sorted(venue.submitted) == sorted(order.client_order_id for order in (first, second, other))


async def test_an_unknown_order_is_as_old_as_its_request_however_often_its_cancel_is_asked_for(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    venue.answers.append(loses_the_answer)
    await desk.trade(an_approval())
    await database.write([Write("update order_events set at = at - interval '30 s'", ())])
    await desk.risk.cancel(an_approval())
    await desk.consumer.drain()
    assert await statuses(database) == ["UNKNOWN"]
    assert await database.fetch("select event from order_events order by n desc limit 1") == [("cancel",)]
    assert [round(order.age_s) for order in (await condition.condition(database)).unsettled] == [30]
    assert round((await monitoring.look(database, ())).unsettled_age_s) == 30


async def test_of_one_book_one_order_is_under_way_and_books_go_side_by_side(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    await desk.trade(an_approval(1), an_approval(2), an_approval(3, "slow"))
    assert await statuses(database) == ["ACKED", "APPROVED", "ACKED"]
    await desk.show(a_fill(an_approval(1), 10))
    assert await statuses(database) == ["FILLED", "ACKED", "ACKED"]


async def test_no_more_than_sixteen_requests_are_under_way_at_once(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    venue.gate.clear()
    await desk.risk.approve(*(an_approval(n, f"s{n}") for n in range(1, SLOTS + 3)))
    await desk.consumer.drain()
    await asyncio.sleep(0)  # the requests have begun
    assert len(venue.submitted) == SLOTS
    assert (await statuses(database)).count("APPROVED") == 2
    venue.gate.set()
    await desk.sender.drain()
    await desk.turn()
    assert await statuses(database) == ["ACKED"] * (SLOTS + 2)
    assert len(set(venue.submitted)) == len(venue.submitted) == SLOTS + 2


async def test_an_order_whose_time_has_passed_expires_unsent(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    desk.market.hear(NOON + 6 * SECOND, 1.0)
    await desk.trade(an_approval())
    assert await events(database) == [("expire", "EXPIRED", False)]
    assert venue.submitted == []


@pytest.mark.parametrize(("scope", "key"), [("fleet", ""), ("account", "paper"), ("strategy", "fast"), ("symbol", "ALFA")])
async def test_the_kill_switch_denies(database: Database, desk: Desk, venue: ScriptedBroker, scope: str, key: str) -> None:
    await database.fetch("insert into kill_switch values (%s, %s, true, 'test', 'test')", (scope, key))
    await desk.trade(an_approval())
    assert await events(database) == [("deny", "DENIED", False)]
    assert venue.submitted == []


class Meddled(Database):
    """Somebody else writes just before an intent to send is committed."""

    def __init__(self, url: str, other: Database, meanwhile: LiteralString) -> None:
        super().__init__(url, "meddled")
        self._other = other
        self._meanwhile = meanwhile
        self.tries = 0  # to commit an intent to send

    async def write(self, statements: Iterable[Write], within: CrashPoint | None = None) -> list[list[tuple[Any, ...]]]:
        statements = list(statements)
        if any("orders_submitting" in statement.sql for statement in statements):
            self.tries += 1
            await self._other.fetch(self._meanwhile)
        return await super().write(statements, within)


async def test_a_kill_between_decision_and_commit_still_denies(
    url: str, database: Database, account: Account, venue: ScriptedBroker
) -> None:
    meddled = Meddled(url, database, "insert into kill_switch values ('fleet', '', true, 'test', 'test') on conflict do nothing")
    desk = await Desk(meddled, account, venue).begin()
    await desk.trade(an_approval())
    assert await statuses(database) == ["DENIED"]
    assert venue.submitted == []
    await meddled.close()


HALT = (
    "insert into risk_halts (account_id, limit_name, halted_at, equity, reference, limit_value, seen)"
    " values ('paper', 'max_daily_loss', now(), 1, 2, 0.1, 0.5) on conflict do nothing"
)


async def test_of_a_halted_account_entries_are_denied_and_exits_go(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    await database.fetch("insert into positions values ('paper', 'fast', 'BTC/USD', 10, 100, 0, now())")
    await desk.stage.load()
    await database.fetch(HALT)
    await desk.trade(an_approval(), an_approval(2, symbol="BTC/USD", side="sell"))
    rows = await database.fetch("select symbol, status from orders order by symbol")
    assert rows == [("ALFA", "DENIED"), ("BTC/USD", "ACKED")]
    assert await database.fetch("select detail from order_events where event = 'deny'") == [("RC-B05: the account may only close",)]
    assert len(venue.submitted) == 1


async def test_a_halt_between_decision_and_commit_still_denies(
    url: str, database: Database, account: Account, venue: ScriptedBroker
) -> None:
    meddled = Meddled(url, database, HALT)
    desk = await Desk(meddled, account, venue).begin()
    await desk.trade(an_approval())
    assert await statuses(database) == ["DENIED"]
    assert (venue.submitted, meddled.tries) == ([], 1)
    await meddled.close()


async def test_a_market_without_a_clock_sends_nothing_and_goes_on_when_it_is_heard(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    desk.host.move(3.5)
    desk.lease.valid_until = desk.host.monotonic() + 4
    await desk.trade(an_approval())
    assert await statuses(database) == ["APPROVED"]
    desk.market.hear(NOON + 4 * SECOND, 1.0)
    await desk.turn()
    assert await statuses(database) == ["ACKED"]


async def test_without_the_lease_nothing_is_sent(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    desk.lease.valid_until = desk.host.monotonic()
    await desk.trade(an_approval())
    assert await statuses(database) == ["APPROVED"]
    assert venue.submitted == []


# --- cancelling


async def test_a_cancel_is_asked_for_and_ended_by_the_venue(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    order = an_approval()
    await desk.trade(order)
    await desk.risk.cancel(order)
    await desk.turn()
    assert (await statuses(database), venue.cancelled) == (["PENDING_CANCEL"], [order.client_order_id])
    await desk.show(ended(order, Evidence.CANCELED))
    assert [event for event, *_ in await events(database)] == ["submit", "accepted", "cancel", "canceled"]
    assert await statuses(database) == ["CANCELED"]


async def test_a_lockstep_step_is_not_at_rest_before_a_cancel_is_answered(database: Database, desk: Desk) -> None:
    await desk.trade(an_approval())
    await database.write([Write("update cursors set no = j.last_no from journal_counters j where j.stream = cursors.stream", ())])
    assert await lockstep.at_rest(database, SESSION.session_id)
    await database.write([Write("update orders set status = 'PENDING_CANCEL'", ())])
    assert not await lockstep.at_rest(database, SESSION.session_id)


async def test_an_order_that_was_not_sent_is_cancelled_without_a_word_to_the_venue(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    first, second = an_approval(1), an_approval(2)
    await desk.trade(first, second)
    await desk.risk.cancel(second)
    await desk.turn()
    assert await statuses(database) == ["ACKED", "CANCELED"]
    assert venue.cancelled == []


async def test_a_cancel_that_is_refused_is_looked_up(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    order = an_approval()
    await desk.trade(order)
    venue.cancel_answers.append(ZeroDivisionError("no answer"))
    await desk.risk.cancel(order)
    await desk.turn()
    assert await statuses(database) == ["CANCEL_UNKNOWN"]
    venue.has(order, "canceled")
    await desk.look()
    assert await statuses(database) == ["CANCELED"]


async def test_a_cancel_that_came_while_the_answer_was_awaited_is_asked_for_once_the_venue_has_the_order(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    order = an_approval()
    venue.gate.clear()
    await desk.risk.approve(order)
    await desk.consumer.step(wait=False)
    await desk.risk.cancel(order)
    await desk.consumer.step(wait=False)
    assert (await statuses(database), venue.cancelled) == (["SUBMITTING"], [])
    venue.gate.set()
    await desk.sender.drain()
    await desk.turn()
    assert (await statuses(database), venue.cancelled) == (["PENDING_CANCEL"], [order.client_order_id])


async def test_a_cancel_of_an_order_in_doubt_is_asked_for_once_it_is_found(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    order = an_approval()
    venue.answers.append(loses_the_answer)
    await desk.trade(order)
    await desk.risk.cancel(order)
    await desk.turn()
    assert (await statuses(database), venue.cancelled) == (["UNKNOWN"], [])
    venue.has(order)
    await desk.look()
    assert (await statuses(database), venue.cancelled) == (["PENDING_CANCEL"], [order.client_order_id])


async def test_what_must_not_rest_at_a_venue_that_is_away_is_cancelled_but_for_what_only_reduces(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    held, entry = an_approval(1), an_approval(2, "other")
    await desk.trade(held, entry)
    await desk.show(a_fill(held, 10))
    await desk.trade(msgspec.structs.replace(an_approval(3, side="sell"), reduce_only=True))
    venue.up = False
    desk.stage.dispatch.withdraw()
    await desk.consumer.step(wait=False)
    await desk.turn()
    assert venue.cancelled == [entry.client_order_id]
    assert sorted(await statuses(database)) == ["ACKED", "FILLED", "PENDING_CANCEL"]


async def test_a_cancel_that_did_not_get_through_is_asked_for_again_as_long_as_the_order_lives(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    order = an_approval()
    await desk.trade(order)
    venue.cancel_answers += [OutcomeUnknown("no budget"), Refused("pending")]
    await desk.risk.cancel(order)
    await desk.turn()
    for asked in (2, 3):
        assert await statuses(database) == ["CANCEL_UNKNOWN"]
        await desk.look()
        assert len(venue.cancelled) == asked
    await desk.show(ended(order, Evidence.CANCELED))
    await desk.look()
    assert (await statuses(database), len(venue.cancelled)) == (["CANCELED"], 3)


# --- booking


async def test_a_fill_is_booked_whole_in_one_transaction(database: Database, desk: Desk) -> None:
    order = an_approval()
    await desk.trade(order)
    await desk.show(a_fill(order, 4, price="100.50"))
    assert await database.fetch("select status, filled_quantity, avg_fill_price from orders") == [("PARTIAL", 4, D("100.5"))]
    assert await database.fetch("select quantity, avg_cost from positions") == [(4, D("100.5"))]
    assert await database.fetch("select balance from cash_balances") == [(100_000 - 402 - 1,)]
    transactions = (
        "select count(distinct x) from (select xmin::text x from trades union all select xmin::text from positions union all"
        " select xmin::text from cash_ledger where kind = 'trade' union all select xmin::text from cash_balances union all"
        " select xmin::text from orders union all select xmin::text from journal where stream = 'trades.executed') t"
    )
    assert await database.fetch(transactions) == [(1,)]
    assert await ledger_faults(database, {"paper": Held({"USD": D(99_597)}, {"ALFA": D(4)})}) == []


async def test_a_fill_shown_again_and_again_is_booked_once(database: Database, desk: Desk) -> None:
    order = an_approval()
    await desk.trade(order)
    await desk.show(a_fill(order, 4), a_fill(order, 4), a_fill(order, 6, 10, n=2))
    await desk.show(a_fill(order, 4))
    assert await booked(database) == [("1", 4), ("2", 6)]
    assert await database.fetch("select count(*) from fill_quarantine") == [(0,)]
    assert await statuses(database) == ["FILLED"]
    assert await ledger_faults(database, {}) == []


async def test_a_fill_may_come_before_the_answer(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    venue.answers.append(lambda order: desk.stage.show([a_fill(order, 10)]))
    await desk.trade(an_approval())
    assert await statuses(database) == ["FILLED"]
    assert not any(anomaly for *_, anomaly in await events(database))


async def test_a_fill_after_the_end_is_booked_all_the_same_and_is_an_anomaly(database: Database, desk: Desk) -> None:
    order = an_approval()
    await desk.trade(order)
    await desk.show(ended(order, Evidence.CANCELED))
    await desk.show(a_fill(order, 4))
    assert (await events(database))[-1] == ("fill", "CANCELED", True)
    assert await booked(database) == [("1", 4)]
    assert await ledger_faults(database, {}) == []


async def test_a_fill_beyond_the_venues_own_sum_is_put_aside_for_a_person(
    database: Database, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    order = an_approval()
    await desk.trade(order)
    await desk.show(a_fill(order, 4))
    with caplog.at_level(logging.CRITICAL):
        await desk.show(a_fill(order, 4, cumulative=4, n=2))
        assert await database.fetch("select count(*) from fill_quarantine") == [(0,)]  # what comes after it may not be shown yet
        desk.host.move(reconcile.AGREE_REMOTELY_AFTER_S)
        await desk.show(a_fill(order, 4, cumulative=4, n=2))
        await desk.show(a_fill(order, 4, cumulative=4, n=2))
    ((key, reason),) = await database.fetch("select exec_key, reason from fill_quarantine")
    assert key == f"{order.order_id}:2"
    assert "more than the venue's own sum of 4" in reason
    assert caplog.text.count("was not booked") == 1
    assert await booked(database) == [("1", 4)]


async def test_a_fill_that_was_missed_is_booked_after_the_end_that_followed_the_next_one(database: Database, desk: Desk) -> None:
    order = an_approval()
    await desk.trade(order)
    await desk.show(a_fill(order, 3, cumulative=5, n=2), Shown(order.client_order_id, Evidence.CANCELED, D(5), "canceled"))
    await desk.show(a_fill(order, 2), a_fill(order, 3, cumulative=5, n=2))  # as the history has them
    assert sorted(await booked(database)) == [("1", 2), ("2", 3)]
    assert await database.fetch("select count(*) from fill_quarantine") == [(0,)]


async def test_an_end_that_speaks_of_fills_that_are_not_booked_is_no_end_before_they_are(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    order, next_ = an_approval(1), an_approval(2)
    await desk.trade(order, next_)
    await desk.show(a_fill(order, 3, cumulative=3), ended(order, Evidence.CANCELED, 5))
    assert await statuses(database) == ["PARTIAL", "APPROVED"]
    assert [held.owed for held in desk.stage.unresolved()] == [True]
    venue.has(order, "canceled", 5)
    venue.fills += [a_fill(order, 3), a_fill(order, 2, cumulative=5, n=2)]
    await desk.look()
    assert await statuses(database) == ["CANCELED", "ACKED"]
    assert [held.owed for held in desk.stage.unresolved()] == [False]
    assert await booked(database) == [("1", 3), ("2", 2)]


async def test_a_fill_that_was_missed_is_booked_after_a_restart(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker
) -> None:
    order = an_approval()
    await desk.trade(order)
    await desk.show(a_fill(order, 3, cumulative=5, n=2))
    venue.fills += [a_fill(order, 2), a_fill(order, 3, cumulative=5, n=2)]
    await (await Desk(database, account, venue).begin()).turn()
    assert sorted(await booked(database)) == [("1", 2), ("2", 3)]


async def test_a_fill_that_another_overtook_is_booked_also_after_the_record_was_read_anew(database: Database, desk: Desk) -> None:
    order = an_approval()
    await desk.trade(order)
    await desk.show(a_fill(order, 3, cumulative=5, n=2))
    await desk.stage.load()
    await desk.show(a_fill(order, 2))
    assert sorted(await booked(database)) == [("1", 2), ("2", 3)]


async def test_a_fill_that_was_missed_before_a_restart_waits_for_those_after_it_to_be_shown(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker
) -> None:
    order = an_approval()
    await desk.trade(order)
    overtook = a_fill(order, 3, cumulative=5, n=2)
    await desk.show(overtook)
    again = await Desk(database, account, venue).begin()
    await again.show(a_fill(order, 2))  # what is read lags: it does not have the other one yet
    assert await booked(database) == [("2", 3)]
    await again.show(a_fill(order, 2), overtook)
    assert sorted(await booked(database)) == [("1", 2), ("2", 3)]
    assert await database.fetch("select count(*) from fill_quarantine") == [(0,)]


async def test_a_fill_that_is_booked_already_still_tells_the_venues_sum(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker
) -> None:
    order = an_approval()
    await desk.trade(order)
    overtook = a_fill(order, 3, cumulative=5, n=2)
    await desk.show(overtook)
    again = await Desk(database, account, venue).begin()
    await again.show(overtook)  # as after a commit that was not answered
    await again.show(a_fill(order, 2))
    assert sorted(await booked(database)) == [("1", 2), ("2", 3)]


@pytest.mark.parametrize("id_", ["somebody-elses", client_order_id("TEST", UUID(int=99), 1)])
async def test_a_fill_of_no_order_of_ours_is_put_aside(database: Database, desk: Desk, id_: str) -> None:
    stray = replace_id(a_fill(an_approval(), 4), id_)
    await desk.show(stray)
    assert desk.stage.beliefs.strays == [stray]  # nothing is said before the venue was asked whose it is
    desk.stage.beliefs.disowned.add(id_)
    await desk.show(stray)
    assert await database.fetch("select reason from fill_quarantine") == [("no such order of ours",)]
    assert await database.fetch("select kind, key, detail from reconcile_items") == [("fill", stray.exec_key, "no such order of ours")]
    assert await booked(database) == []


async def test_what_the_account_traded_before_the_session_is_none_of_our_business(
    database: Database, far: Desk, venue: ScriptedBroker
) -> None:
    somebody = replace_id(a_fill(an_approval(), 4, executed_at=NOON - 3600 * SECOND), "web-1")
    venue.fills.append(somebody)
    assert await reconcile.missed(venue, far.store, far.account_id, SESSION) == []
    await far.show(somebody)
    assert await database.fetch("select count(*) from fill_quarantine") == [(0,)]
    assert far.stage.beliefs.strays == []
    of_today = replace_id(a_fill(an_approval(), 4, executed_at=NOON, n=2), "web-2")
    await far.show(of_today)
    assert far.stage.beliefs.strays == [of_today]


async def test_a_fill_that_is_not_what_was_ordered_is_put_aside(database: Database, desk: Desk) -> None:
    order = an_approval()
    await desk.trade(order)
    await desk.show(msgspec.structs.replace(a_fill(order, 4), side="sell"))
    assert await database.fetch("select reason from fill_quarantine") == [("the order is to buy ALFA, the fill says sell ALFA",)]


async def test_the_deposit_is_booked_once(database: Database, account: Account, desk: Desk, venue: ScriptedBroker) -> None:
    await Desk(database, account, venue).begin()
    rows = await database.fetch("select ledger_account, amount from cash_ledger order by entry")
    assert rows == [("cash", 100_000), ("equity", -100_000)]
    assert await database.fetch("select balance from cash_balances") == [(100_000,)]


# --- corporate actions


async def test_a_split_changes_every_book_that_holds_the_symbol_in_one_transaction(database: Database, desk: Desk) -> None:
    first, second = an_approval(1), an_approval(2, "slow")
    await desk.trade(first, second)
    await desk.show(a_fill(first, 10, price="700.00"), a_fill(second, 3, price="690.00"))
    await desk.show(an_adjustment(a_split(NOW), 91))
    assert await books(database) == [("fast", "ALFA", 70, D(100)), ("slow", "ALFA", 21, D("98.571428571429"))]
    transactions = (
        "select count(distinct x) from (select xmin::text x from cash_ledger where kind = 'corporate_action' union all"
        " select xmin::text from positions) t"
    )
    assert await database.fetch(transactions) == [(1,)]
    assert await database.fetch("select distinct realized_pnl from positions") == [(0,)]
    assert await ledger_faults(database, {"paper": Held({"USD": D(100_000 - 7000 - 2070 - 2)}, {"ALFA": D(91)})}) == []
    told = await database.fetch("select body from journal where stream = 'portfolio.updates' order by no desc limit 2")
    assert sorted(msgspec.json.decode(body)["payload"]["quantity"] for (body,) in told) == ["21", "70"]


async def test_a_dividend_is_income_and_no_profit_of_a_trade(database: Database, desk: Desk) -> None:
    order = an_approval()
    await desk.trade(order)
    await desk.show(a_fill(order, 10, price="100.00"))
    dividend = CorporateAction(venue="TEST", symbol="ALFA", effective=NOW, kind="dividend", cash=D("0.47"))
    await desk.show(an_adjustment(dividend, 10, "4.70"))
    assert await books(database) == [("fast", "ALFA", 10, D(100))]
    assert await database.fetch("select realized_pnl from positions") == [(0,)]
    assert await database.fetch("select strategy_id, amount from cash_ledger where ledger_account = 'income'") == [("fast", D("-4.7"))]
    assert await database.fetch("select balance from cash_balances") == [(D("99003.70"),)]
    assert await ledger_faults(database, {"paper": Held({"USD": D("99003.70")}, {"ALFA": D(10)})}) == []


async def test_a_rename_moves_the_position_onto_what_the_book_holds_of_the_new_symbol(database: Database, desk: Desk) -> None:
    old, new = an_approval(1), an_approval(2, symbol="BTC/USD")
    await desk.trade(old, new)
    await desk.show(a_fill(old, 10, price="100.00"), a_fill(new, 10, price="200.00"))
    rename = CorporateAction(venue="TEST", symbol="ALFA", effective=NOW, kind="rename", new_symbol="BTC/USD")
    await desk.show(an_adjustment(rename, 10))
    assert await books(database) == [("fast", "ALFA", 0, D(0)), ("fast", "BTC/USD", 20, D(150))]
    assert await ledger_faults(database, {"paper": Held({"USD": D(96_998)}, {"BTC/USD": D(20)})}) == []


@pytest.mark.parametrize("bought", [0, 10], ids=["flat", "held"])
async def test_an_adjustment_told_again_changes_nothing_even_after_a_restart(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker, bought: int
) -> None:
    before, later, split = an_approval(1), an_approval(2), an_adjustment(a_split(NOW), 7 * bought)
    if bought:
        await desk.trade(before)
        await desk.show(a_fill(before, bought))
    await desk.show(split, split)
    await desk.show(split)
    await desk.trade(later)
    await desk.show(a_fill(later, 5, executed_at=NOW + 1))
    venue.adjusted.append(split)
    await Desk(database, account, venue).begin()
    assert [quantity for *_, quantity, _ in await books(database)] == [7 * bought + 5]
    assert await database.fetch("select count(*) from cash_ledger where strategy_id = '' and kind = 'corporate_action'") == [(1,)]
    assert await ledger_faults(database, {}) == []


async def test_what_was_missed_is_booked_in_the_order_in_which_it_happened(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker
) -> None:
    before, later = an_approval(1), an_approval(2, "slow")
    await desk.trade(before, later)
    venue.fills += [a_fill(before, 10, executed_at=NOW - 1), a_fill(later, 5, executed_at=NOW)]
    venue.adjusted.append(an_adjustment(a_split(NOW), 70))
    await desk.look()
    await desk.look()
    assert [(strategy, quantity) for strategy, _, quantity, _ in await books(database)] == [("fast", 70), ("slow", 5)]


@pytest.mark.parametrize(
    ("start", "units"), [(NOW - 3_600 * SECOND, 70), (NOW - 1_800 * SECOND, 10)], ids=["ends before", "holds the open"]
)
async def test_a_fill_on_a_coarse_bar_that_holds_the_open_is_in_new_units(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker, start: int, units: int
) -> None:
    session = replace(SESSION, timeframes=("1h",), start_time=start, fills={"on": {"ALFA": "bar"}, "latency_ns": 0})
    order = an_approval()
    await desk.trade(order)
    venue.fills.append(a_fill(order, 10, executed_at=start))
    venue.adjusted.append(an_adjustment(a_split(NOW), units))
    desk.stage.show(await reconcile.missed(venue, desk.store, account.account_id, session))
    await desk.turn()
    assert [quantity for *_, quantity, _ in await books(database)] == [units]


async def test_over_a_split_the_paper_venue_and_the_books_agree_wherever_the_executor_dies(
    database: Database, account: Account, tmp_path: Path
) -> None:
    host, path, split = HandClock(), tmp_path / "paper.log", a_split(NOW + 5 * SECOND)
    paper = a_paper_venue(path, host, actions=[split])
    desk = await Desk(database, account, paper, host=host).begin()
    held, resting = an_approval(1), an_approval(2, "slow", price=D(50))
    await desk.trade(held, resting)
    paper.on_market([a_quote(NOW + SECOND)], NOW + SECOND)
    await desk.show(*evidence_of(paper.drain_reports()))
    assert await statuses(database) == ["FILLED", "ACKED"]
    paper.on_market([], split.effective)  # the venue has flushed it, and nobody took its reports
    paper.close()
    for _ in range(2):
        paper = a_paper_venue(path, host, actions=[split])
        desk = await Desk(database, account, paper, host=host).begin()
        paper.on_market([], split.effective + SECOND)
        await desk.show(*evidence_of(paper.drain_reports()))
        there = await paper.holdings()
        assert await statuses(database) == ["FILLED", "CANCELED"]
        assert there.positions == {"ALFA": 70}
        assert await ledger_faults(database, {"paper": Held(there.cash, there.positions)}) == []
        assert await reconcile.differences(paper, desk.store) == []
        paper.close()


# --- going on after a crash


@pytest.mark.parametrize(
    ("at_the_venue", "proof", "status"),
    [(True, False, "ACKED"), (False, True, "NOT_ACCEPTED"), (False, False, "UNKNOWN")],
    ids=["found", "surely absent", "perhaps absent"],
)
async def test_what_was_being_sent_is_looked_up_after_a_restart_and_not_sent_again(
    database: Database, account: Account, at_the_venue: bool, proof: bool, status: str
) -> None:
    venue, order = ScriptedBroker(absence_is_proof=proof), an_approval()
    crashed = await Desk(database, account, venue, sends=False).begin()
    await crashed.trade(order)
    assert await statuses(database) == ["SUBMITTING"]
    if at_the_venue:
        venue.has(order)
    await Desk(database, account, venue).begin()
    assert await statuses(database) == [status]
    assert venue.submitted == []


async def test_fills_that_were_missed_are_booked_at_the_start(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker
) -> None:
    order = an_approval()
    await desk.trade(order)
    await desk.show(a_fill(order, 4, executed_at=NOW))
    venue.fills += [a_fill(order, 4, executed_at=NOW), a_fill(order, 6, 10, n=2, executed_at=NOW + 1)]
    venue.has(order, "filled", 10)
    await Desk(database, account, venue).begin()
    assert await booked(database) == [("1", 4), ("2", 6)]
    assert await statuses(database) == ["FILLED"]


async def test_a_fill_that_lies_far_behind_the_newest_is_asked_for_while_its_order_is_owed_it(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    order, later = an_approval(1), an_approval(2, "slow")
    await desk.trade(order, later)
    venue.fills.append(a_fill(order, 10, executed_at=NOW))
    venue.has(order, "filled", 10)
    await desk.show(a_fill(later, 10, executed_at=NOW + 1000 * SECOND))
    await desk.look()
    assert await statuses(database) == ["FILLED", "FILLED"]


async def test_fills_are_read_again_since_they_were_read_last_however_new_the_newest_is(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker
) -> None:
    order, later = an_approval(1), an_approval(2, "slow")
    await desk.trade(order, later)
    venue.fills.append(a_fill(order, 4, executed_at=NOW))
    await desk.show(ended(order, Evidence.CANCELED), a_fill(later, 10, executed_at=NOW + 1000 * SECOND))
    assert await reconcile.missed(venue, desk.store, account.account_id, SESSION) == []
    assert await reconcile.missed(venue, desk.store, account.account_id, SESSION, read_to=NOW) == venue.fills
    assert await reconcile.missed(venue, desk.store, account.account_id, replace(SESSION, speed=60.0)) == venue.fills


async def test_orders_that_were_held_back_are_sent_after_a_restart(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker
) -> None:
    first, second = an_approval(1), an_approval(2)
    await desk.trade(first, second)
    successor = await Desk(database, account, venue).begin()
    await successor.show(a_fill(first, 10))
    assert await statuses(database) == ["FILLED", "ACKED"]
    assert venue.submitted == [first.client_order_id, second.client_order_id]


async def test_an_order_that_a_wrong_cursor_passed_over_is_sent_after_a_restart(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker
) -> None:
    await desk.risk.approve(an_approval())
    await database.fetch("update cursors set no = 1 where consumer = 'executor:paper'")
    successor = await Desk(database, account, venue).begin()
    await successor.turn()
    assert await statuses(database) == ["ACKED"]


async def test_a_message_that_names_no_order_is_put_aside_and_the_next_are_sent(database: Database, desk: Desk) -> None:
    stray = an_approval(9)
    sealed = Sealer("test", desk.host).seal("orders.approved", stray, ts_event_ns=NOW).decode()
    await database.fetch("select journal_append('orders.approved', array[%s::uuid], array[%s])", (stray.order_id, sealed))
    await desk.trade(an_approval())
    assert await database.fetch("select error from quarantine") == [("message 1 of orders.approved names an order that does not exist",)]
    assert await statuses(database) == ["ACKED"]


# --- record against venue


async def test_a_difference_to_the_venue_is_named_and_nothing_is_repaired(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    venue.cash["USD"] = D(99_000)
    venue.positions["ALFA"] = D(3)
    assert [str(found) for found in await reconcile.differences(venue, desk.store)] == [
        "cash USD: ledger 100000, venue 99000",
        "position ALFA: ledger 0, venue 3",
    ]
    assert await database.fetch("select count(*) from cash_ledger") == [(2,)]
    venue.cash["USD"], venue.positions["ALFA"] = D(100_000), D(0)
    assert await reconcile.differences(venue, desk.store) == []


def test_of_differences_only_those_count_that_two_looks_see_alike() -> None:
    lost, moved = Difference("cash", "USD", D(100), D(90)), Difference("position", "ALFA", D(3), D(0))
    later = [lost._replace(ours=D(80), theirs=D(70)), moved._replace(theirs=D(2)), Difference("position", "BRVO", D(1), D(0))]
    assert agreed([lost, moved], later) == later[:1]


# --- a remote venue


@pytest.fixture
async def far(database: Database, account: Account, venue: ScriptedBroker) -> Desk:
    """A desk before a venue that ends no order by itself."""
    venue.abilities = venue.abilities._replace(good_till_date=False)
    return await Desk(database, account, venue).begin()


async def test_an_order_is_cancelled_when_its_time_is_over_where_the_venue_does_not_end_it(
    database: Database, far: Desk, venue: ScriptedBroker
) -> None:
    order = an_approval()
    await far.trade(order)
    far.market.hear(order.expires_at - 1, 1.0)
    await far.turn()
    assert (far.stage.dispatch.overdue(), venue.cancelled) == (False, [])
    far.market.hear(order.expires_at, 1.0)
    assert far.stage.dispatch.overdue()
    await far.turn()
    assert venue.cancelled == [order.client_order_id]
    await far.show(ended(order, Evidence.CANCELED))
    assert await statuses(database) == ["CANCELED"]


async def test_an_order_is_cancelled_at_its_time_although_nobody_says_the_time_any_more(
    database: Database, far: Desk, venue: ScriptedBroker
) -> None:
    order = an_approval()
    await far.trade(order)
    far.host.move((order.expires_at - NOW) / SECOND - 0.001)
    assert not far.stage.dispatch.overdue()
    far.host.move(0.001)
    assert far.stage.dispatch.overdue()
    await far.turn()
    assert venue.cancelled == [order.client_order_id]


async def test_an_overdue_order_whose_cancel_was_refused_is_looked_up_before_it_is_cancelled_again(
    database: Database, far: Desk, venue: ScriptedBroker
) -> None:
    order = an_approval()
    await far.trade(order)
    venue.cancel_answers.append(Refused("busy"))
    far.market.hear(order.expires_at, 1.0)
    await far.turn()
    assert (await statuses(database), len(venue.cancelled)) == (["CANCEL_UNKNOWN"], 1)
    await far.look()
    assert len(venue.cancelled) == 2


async def test_nothing_is_sent_while_the_venue_is_away_and_what_waited_too_long_is_not_sent_at_all(
    database: Database, far: Desk, venue: ScriptedBroker
) -> None:
    venue.up = False
    order = an_approval()
    await far.trade(order)
    assert (await statuses(database), venue.submitted) == (["APPROVED"], [])
    far.market.hear(order.valid_until + 1, 1.0)
    venue.up = True
    await far.turn()
    assert (await statuses(database), venue.submitted) == (["EXPIRED"], [])


async def test_a_look_up_that_is_overtaken_by_the_end_reopens_nothing(database: Database, far: Desk, venue: ScriptedBroker) -> None:
    order = an_approval()
    await far.trade(order)
    found = await reconcile.looked_up(venue, far.stage.unresolved(), set())
    await far.show(ended(order, Evidence.CANCELED))
    await far.show(*found.shown)
    assert await statuses(database) == ["CANCELED"]
    assert not any(anomaly for _, _, anomaly in await events(database))


@pytest.mark.parametrize("answer", [lambda order: None, loses_the_answer], ids=["accepted", "lost"])
async def test_an_answer_that_is_overtaken_by_the_end_contradicts_nothing(
    database: Database, far: Desk, venue: ScriptedBroker, answer: Any
) -> None:
    def tells_the_end_first(order: Order) -> None:
        far.stage.show([ended(order, Evidence.CANCELED)])
        answer(order)

    venue.answers.append(tells_the_end_first)
    await far.trade(an_approval())
    assert await statuses(database) == ["CANCELED"]
    assert not any(anomaly for _, _, anomaly in await events(database))


async def test_a_question_that_is_not_answered_is_evidence_of_nothing(database: Database, far: Desk, venue: ScriptedBroker) -> None:
    venue.answers += [loses_the_answer, loses_the_answer]
    await far.trade(an_approval(1), an_approval(2, "other"))
    venue.find_answers += [OutcomeUnknown("504"), KeyError("status")]
    found = await reconcile.looked_up(venue, far.stage.unresolved(), set())
    assert (found.shown, len(found.unanswered)) == ([], 2)
    await far.look()  # and an order that is not found stays as it was
    assert await statuses(database) == ["UNKNOWN", "UNKNOWN"]


async def test_what_a_venue_has_not_found_often_and_long_enough_and_nowhere_else_it_never_had(
    database: Database, far: Desk, venue: ScriptedBroker
) -> None:
    venue.answers.append(loses_the_answer)
    await far.trade(an_approval())
    (held,) = far.stage.unresolved()
    id_, absences = held.order.client_order_id, Absences()
    assert [absences.note([held], [id_], (), now) for now in (0.0, 30.0, 60.0, 119.0)] == [[]] * 4
    assert absences.note([held], [id_], (), 120.0) == [id_]
    venue.cash["USD"] = D(99_000)
    assert await never_accepted(venue, far.store, [id_]) == []
    (left,) = await reconcile.differences(venue, far.store)
    assert await never_accepted(venue, far.store, [id_], {left.item(far.account_id).id}) != [], "a person has decided to leave that one"
    venue.cash["USD"] = D(100_000)
    await far.show(*await never_accepted(venue, far.store, [id_]))
    assert await statuses(database) == ["NOT_ACCEPTED"]


async def test_a_venue_that_has_found_an_order_once_is_asked_anew(database: Database, far: Desk, venue: ScriptedBroker) -> None:
    venue.answers.append(loses_the_answer)
    await far.trade(an_approval())
    (held,) = far.stage.unresolved()
    id_, absences = held.order.client_order_id, Absences()
    for now in (0.0, 30.0, 60.0, 90.0):
        absences.note([held], [id_], (), now)
    absences.note([held], [], [id_], 100.0)  # a look that was not answered says nothing
    absences.note([held], [], (), 110.0)
    assert absences.note([held], [id_], (), 130.0) == []
    venue.has(held.order)
    assert await never_accepted(venue, far.store, [id_]) == []


def test_orders_in_doubt_are_asked_for_ever_less_often_until_another_joins_them() -> None:
    patience = reconcile.Patience(1.0, 4.0)
    assert [n for n in range(16) if patience.wants({"a"}, float(n))] == [0, 1, 3, 7, 11, 15]
    assert patience.wants({"a", "b"}, 15.5)
    assert not patience.wants(set(), 100.0)


def test_everything_is_looked_at_again_when_the_venue_comes_back() -> None:
    asked = reconcile.Asked(HandClock(), every_s=30.0)
    assert [asked.now(None, connected=up) for up in (True, True, False, False, True, True)] == [True, False, False, False, True, False]


def test_a_venue_that_is_away_is_asked_more_often_because_an_answer_tells_that_it_is_back() -> None:
    clock = HandClock()
    asked = reconcile.Asked(clock, every_s=30.0)
    assert asked.now(None, connected=True)
    assert not asked.now(None, connected=False)
    clock.move(5.0)
    assert asked.now(None, connected=False)


# --- with the real paper venue


async def test_the_paper_venue_fills_and_both_books_agree(database: Database, account: Account, tmp_path: Path) -> None:
    host = HandClock()
    paper = a_paper_venue(tmp_path / "paper.log", host)
    desk = await Desk(database, account, paper, host=host).begin()
    await desk.trade(an_approval())
    paper.on_market([a_quote(NOW + SECOND, size=6)], NOW + SECOND)
    await desk.show(*evidence_of(paper.drain_reports()))
    assert await statuses(database) == ["PARTIAL"]
    paper.on_market([], NOON + 10 * SECOND)
    await desk.show(*evidence_of(paper.drain_reports()))
    assert await statuses(database) == ["EXPIRED"]
    assert await booked(database) == [("1", 6)]
    held = await paper.holdings()
    assert await ledger_faults(database, {"paper": Held(held.cash, held.positions)}) == []
    assert await reconcile.differences(paper, desk.store) == []
    paper.close()


class Alarm(logging.Handler):
    """Rings at the first critical line."""

    def __init__(self) -> None:
        super().__init__(logging.CRITICAL)
        self.said: list[str] = []
        self.raised = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        self.raised.set()


@asynccontextmanager
async def serving(
    url: str,
    redis_url: str,
    folder: Path,
    account: Account,
    database: Database,
    session: Session = SESSION,
    upcoming: Sequence[CorporateAction] = (),
) -> AsyncIterator[Service]:
    """A desk before the paper venue."""
    access = brokers.paper(account, session, INSTRUMENTS, upcoming, PaperConfig(), folder / "paper", SystemClock())
    async with a_desk(url, redis_url, account, database, access, INSTRUMENTS, session) as service:
        yield service


async def test_a_desk_sends_fills_and_books_on_the_market_it_hears(
    url: str, redis_url: str, tmp_path: Path, account: Account, database: Database
) -> None:
    await database.write([sessions.advanced(SESSION.session_id, NOW, NOW, 0)])
    async with serving(url, redis_url, tmp_path, account, database) as service:
        await service.risk.approve(an_approval())
        await service.comes_to("ACKED")
        await service.comes_to("FILLED", quote=NOW + SECOND)
    paper = a_paper_venue(tmp_path / "paper" / "paper.log", SystemClock())
    held = await paper.holdings()
    paper.close()
    assert held.positions == {"ALFA": 10}
    assert await ledger_faults(database, {"paper": Held(held.cash, held.positions)}) == []
    assert await database.fetch("select released from leases where name = 'executor:paper'") == [(True,)]


async def test_a_desk_compares_with_the_venue_as_soon_as_it_is_asked_to(
    url: str, redis_url: str, tmp_path: Path, account: Account, database: Database
) -> None:
    """It looks each half minute; nobody waits that long here, and no bell is rung."""
    await database.write([sessions.advanced(SESSION.session_id, NOW, NOW, 0)])
    operator = Control(database, PostgresJournal(database, MemoryBus(), SystemClock()), SystemClock())
    async with serving(url, redis_url, tmp_path, account, database) as service:
        await service.risk.approve(an_approval())
        await service.comes_to("ACKED")
        await database.write([Write("update cash_ledger set amount = amount + 1 where ledger_account = 'cash'", ())])
        await operator.reconcile("test", "ann")
        await until(lambda: REGISTRY.get_sample_value("tradewinds_reconcile_differences", {"account": account.account_id}) == 1)


async def test_a_desk_fills_at_the_terms_its_session_began_with_and_adjusts_what_it_holds(
    url: str, redis_url: str, tmp_path: Path, account: Account, database: Database
) -> None:
    session = replace(SESSION, fills={**SESSION.fills, "terms": {"slippage_bps": "10", "participation": None}})
    split = a_split(NOW + 20 * SECOND)
    await database.write([sessions.advanced(SESSION.session_id, NOW, NOW, 0)])
    async with serving(url, redis_url, tmp_path, account, database, session, [split]) as service:
        await service.risk.approve(an_approval(1), an_approval(2))
        await service.comes_to("ACKED", "APPROVED")
        await service.comes_to("FILLED", "ACKED", quote=NOW + SECOND)
        await service.comes_to("FILLED", "CANCELED", quote=split.effective)
    assert await database.fetch("select executed_price from trades") == [(D("100.12"),)]
    assert await books(database) == [("fast", "ALFA", 70, D("14.302857142857"))]
    assert await ledger_faults(database, {}) == []


def test_a_session_plays_the_actions_of_its_own_symbols_and_time() -> None:
    before, now = a_split(NOON), a_split(NOON + 1)
    elsewhere = a_split(NOON + 1, symbol="BRVO")
    renamed = msgspec.structs.replace(now, kind="rename", new_symbol="BRVO")
    assert app.within(SESSION, [before, now, elsewhere, renamed]) == [now]


async def test_a_desk_that_comes_back_goes_on_where_it_was(
    url: str, redis_url: str, tmp_path: Path, account: Account, database: Database
) -> None:
    await database.write([sessions.advanced(SESSION.session_id, NOW, NOW, 0)])
    async with serving(url, redis_url, tmp_path, account, database) as service:
        await service.risk.approve(an_approval(1), an_approval(2))
        await service.comes_to("ACKED", "APPROVED")
    async with serving(url, redis_url, tmp_path, account, database) as service:
        await service.comes_to("FILLED", "ACKED", quote=NOW + SECOND)


async def test_a_desk_reports_books_that_differ_and_repairs_nothing(
    url: str,
    redis_url: str,
    tmp_path: Path,
    account: Account,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alarm = Alarm()
    monkeypatch.setattr(reconcile, "AGREE_AFTER_S", 0.0)
    logging.getLogger(reconciler.__name__).addHandler(alarm)
    a_paper_venue(tmp_path / "paper" / "paper.log", SystemClock(), deposit=90_000).close()
    async with serving(url, redis_url, tmp_path, account, database), asyncio.timeout(10):
        await alarm.raised.wait()
    logging.getLogger(reconciler.__name__).removeHandler(alarm)
    assert alarm.said == ["account paper: record and venue differ: cash USD: ours 100000, the venue's 90000"]
    assert REGISTRY.get_sample_value("tradewinds_reconcile_differences", {"account": "paper"}) == 1
    assert await database.fetch("select sum(amount) from cash_ledger where ledger_account = 'cash'") == [(100_000,)]
