"""Stops and targets that a venue holds for the books of an account, on the real record."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.common.database import Database
from libs.domain.orders import Evidence, Exits, Order
from libs.store.audit import Held, ledger_faults
from libs.store.sessions import Account
from libs.venues.broker import NotSent
from services.trade_executor import guarding
from services.trade_executor.evidence import Shown
from services.trade_executor.send import evidence_of
from tests.desks import an_approval
from tests.factories import NOON, SECOND, HandClock
from tests.integration.test_trade_executor import a_paper_venue
from tests.paper import a_quote
from tests.scenes import begin
from tests.scripted_broker import ScriptedBroker, a_fill, loses_the_answer, refuses
from tests.stages import Desk

D = Decimal
STOP = Exits(stop_bps=200)
PAIR = Exits(stop_bps=200, target_bps=300)


@pytest.fixture
async def account(database: Database) -> Account:
    return await begin(database)


@pytest.fixture
def venue() -> ScriptedBroker:
    return ScriptedBroker(stops=True, oco=True, replaces=True)


@pytest.fixture
async def desk(database: Database, account: Account, venue: ScriptedBroker) -> Desk:
    return await Desk(database, account, venue).begin()


def an_entry(n: int = 1, exits: Exits = STOP, **changed: Any) -> Order:
    return msgspec.structs.replace(an_approval(n, **changed), protect=exits)


def an_exit(n: int = 2, quantity: int = 10) -> Order:
    return msgspec.structs.replace(an_approval(n, side="sell", price=D(90), quantity=D(quantity)), reduce_only=True)


async def holding(desk: Desk, exits: Exits = STOP, quantity: int = 10) -> Order:
    """The book holds so much of what it wanted, at 100."""
    entry = an_entry(exits=exits)
    await desk.trade(entry)
    await desk.show(a_fill(entry, quantity))
    return entry


async def children(database: Database) -> list[tuple[str, str, int, str | None]]:
    """Purpose, status, units and price of every protective order, in the order in which they were made."""
    rows = await database.fetch(
        "select purpose, status, quantity, coalesce(stop_price, price)::numeric(12, 2)::text from orders where parent_id is not null"
        " order by leg"
    )
    return [(purpose, status, int(quantity), price) for purpose, status, quantity, price in rows]


async def named(database: Database, n: int) -> Order:
    """The n-th protective order."""
    rows = await database.fetch("select client_order_id, id from orders where parent_id is not null order by leg offset %s limit 1", (n,))
    return msgspec.structs.replace(an_exit(), client_order_id=rows[0][0], order_id=rows[0][1])


async def told(desk: Desk, venue: ScriptedBroker) -> None:
    """What the venue has said of itself is believed."""
    while not venue.news.empty():
        report: Any = venue.news.get_nowait()
        await desk.show(Shown(report.client_order_id, report.evidence, report.filled, report.detail))


async def ended(desk: Desk, database: Database, n: int, evidence: Evidence = Evidence.CANCELED) -> None:
    await desk.show(Shown((await named(database, n)).client_order_id, evidence, D(0), ""))


async def test_a_position_is_protected_as_soon_as_it_is_there_and_by_no_more_than_it_is(database: Database, desk: Desk) -> None:
    entry = await holding(desk, quantity=4)
    assert await children(database) == [("stop", "ACKED", 4, "98.00")]
    await desk.show(a_fill(entry, 6, 10, n=2))
    assert (await children(database))[1:] == [("stop", "ACKED", 10, "98.00")]


async def test_a_replacement_takes_one_request_and_is_told_of_both(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    entry = await holding(desk, quantity=4)
    await desk.show(a_fill(entry, 6, 10, n=2))
    assert [(await children(database))[0][1], len(venue.replaced), len(venue.cancelled)] == ["PENDING_REPLACE", 1, 0]
    await told(desk, venue)
    assert await children(database) == [("stop", "CANCELED", 4, "98.00"), ("stop", "ACKED", 10, "98.00")]


async def test_a_pair_goes_in_one_request_and_ends_with_the_position(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    await holding(desk, PAIR)
    assert await children(database) == [("stop", "ACKED", 10, "98.00"), ("target", "ACKED", 10, "103.00")]
    assert len(venue.submitted) == 3
    stop = await named(database, 0)
    await desk.show(a_fill(stop, 10), Shown((await named(database, 1)).client_order_id, Evidence.CANCELED, D(0), ""))
    assert [status for _, status, *_ in await children(database)] == ["FILLED", "CANCELED"]
    assert len(venue.submitted) == 3


async def test_an_exit_waits_until_its_protection_is_known_to_be_gone(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    await holding(desk)
    await desk.trade(an_exit())
    assert len(venue.submitted) == 2, "the entry and its stop"
    assert venue.cancelled == [(await named(database, 0)).client_order_id]
    await ended(desk, database, 0)
    assert venue.submitted[2:] == [an_exit().client_order_id]


async def test_an_exit_of_a_part_leaves_the_rest_protected_all_the_while(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    await holding(desk)
    await desk.trade(an_exit(quantity=4))
    await told(desk, venue)
    assert venue.submitted[2:] == [an_exit().client_order_id]
    assert await children(database) == [("stop", "CANCELED", 10, "98.00"), ("stop", "ACKED", 6, "98.00")]
    await desk.show(a_fill(an_exit(quantity=4), 4))
    assert len(await children(database)) == 2


async def test_what_is_left_when_an_exit_ends_unfilled_is_protected_again(database: Database, desk: Desk) -> None:
    await holding(desk)
    await desk.trade(an_exit())
    await ended(desk, database, 0)
    await desk.show(Shown(an_exit().client_order_id, Evidence.EXPIRED, D(0), ""))
    assert await children(database) == [("stop", "CANCELED", 10, "98.00"), ("stop", "ACKED", 10, "98.00")]


async def test_a_stop_that_fills_while_an_exit_waits_for_it_leaves_nothing_to_exit(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    await holding(desk)
    await desk.trade(an_exit())
    await desk.show(a_fill(await named(database, 0), 10))
    assert await database.fetch("select status from orders where id = %s", (an_exit().order_id,)) == [("DENIED",)]
    assert venue.submitted[2:] == []


async def test_entries_are_not_held_back_by_a_stop_that_rests(desk: Desk, venue: ScriptedBroker) -> None:
    await holding(desk)
    more = an_entry(3, quantity=D(5))
    await desk.trade(more)
    assert venue.submitted[2:] == [more.client_order_id]


async def test_a_stop_in_doubt_holds_entries_and_exits_back(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    entry = an_entry()
    await desk.trade(entry)
    venue.answers.append(loses_the_answer)
    await desk.show(a_fill(entry, 10))
    await desk.trade(an_exit(), an_entry(3, quantity=D(5)))
    assert await children(database) == [("stop", "UNKNOWN", 10, "98.00")]
    assert len(venue.submitted) == 2
    venue.has(await named(database, 0))
    await desk.look()
    assert len(venue.cancelled) == 1, "found, it makes way for the exit"


async def test_a_replacement_without_an_answer_is_looked_up_and_both_are_known(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    entry = await holding(desk, quantity=4)
    venue.answers.append(loses_the_answer)
    await desk.show(a_fill(entry, 6, 10, n=2))
    assert [status for _, status, *_ in await children(database)] == ["REPLACE_UNKNOWN", "UNKNOWN"]
    old, new = await named(database, 0), await named(database, 1)
    venue.has(old, "canceled")
    venue.has(new)
    await desk.look()
    assert [status for _, status, *_ in await children(database)] == ["CANCELED", "ACKED"]


async def test_a_replacement_without_an_answer_that_was_not_done_leaves_the_old_stop_and_the_doubt(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    """The new one may still come: nothing more is asked for before it is known."""
    entry = await holding(desk, quantity=4)
    venue.answers.append(loses_the_answer)
    await desk.show(a_fill(entry, 6, 10, n=2))
    await desk.look()
    assert [status for _, status, *_ in await children(database)] == ["ACKED", "UNKNOWN"]
    assert (len(venue.replaced), len(venue.cancelled)) == (1, 0)
    await desk.show(Shown((await named(database, 1)).client_order_id, Evidence.NOT_ACCEPTED, D(0), "proved"))
    assert len(venue.replaced) == 2


async def test_a_replacement_that_is_refused_is_looked_up_and_done_in_two_steps(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    entry = await holding(desk, quantity=4)
    venue.answers.append(refuses)
    await desk.show(a_fill(entry, 6, 10, n=2))
    assert [status for _, status, *_ in await children(database)] == ["REPLACE_UNKNOWN", "REJECTED"]
    await desk.look()
    assert venue.cancelled == [(await named(database, 0)).client_order_id]
    await ended(desk, database, 0)
    assert (await children(database))[2] == ("stop", "ACKED", 10, "98.00")


async def test_a_stop_that_the_venue_refuses_is_asked_for_again_when_some_time_has_passed(
    database: Database, desk: Desk, venue: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "ASK_AGAIN_S", 1.0)
    entry = an_entry()
    await desk.trade(entry)
    venue.answers.append(refuses)
    await desk.show(a_fill(entry, 10))
    assert await children(database) == [("stop", "REJECTED", 10, "98.00")]
    for seconds, times in ((0.5, 1), (1.0, 2)):
        desk.host.move(seconds)
        await desk.show(Shown(entry.client_order_id, Evidence.ACCEPTED, D(10), "looked up", asked_for=True))
        assert len(await children(database)) == times
    assert (await children(database))[1:] == [("stop", "ACKED", 10, "98.00")]


@pytest.mark.parametrize("lost", [True, False])
async def test_protection_survives_a_restart_and_goes_on_counting(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker, lost: bool
) -> None:
    entry = await holding(desk, quantity=4)
    if lost:
        venue.answers.append(loses_the_answer)
        await desk.show(a_fill(entry, 3, 7, n=2))
        venue.has(await named(database, 0), "canceled")
        venue.has(await named(database, 1))
    again = await Desk(database, account, venue).begin()
    await again.look()
    await again.show(a_fill(entry, 3 if lost else 6, 10, n=3))
    await told(again, venue)
    assert [child for child in await children(database) if child[1] == "ACKED"] == [("stop", "ACKED", 10, "98.00")]


async def test_a_position_that_was_filled_while_nobody_looked_is_protected_at_the_start(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker
) -> None:
    entry = an_entry()
    await desk.trade(entry)
    venue.has(entry, "filled", 10)
    venue.fills.append(a_fill(entry, 10))
    await Desk(database, account, venue).begin()
    assert await children(database) == [("stop", "ACKED", 10, "98.00")]


async def test_under_the_kill_switch_no_stop_is_placed_and_afterwards_it_is(database: Database, desk: Desk) -> None:
    entry = an_entry()
    await desk.trade(entry)
    await database.fetch("insert into kill_switch values ('strategy', 'fast', true, 'test', 'test')")
    await desk.show(a_fill(entry, 10))
    assert await children(database) == []
    await database.fetch("update kill_switch set active = false")
    await desk.show(Shown(entry.client_order_id, Evidence.ACCEPTED, D(10), "looked up", asked_for=True))
    assert len(await children(database)) == 1


async def test_a_venue_without_stops_is_said_to_hold_none_and_is_asked_for_none(database: Database, account: Account) -> None:
    venue = ScriptedBroker()
    desk = await Desk(database, account, venue).begin()
    await holding(desk)
    assert await children(database) == []
    said = await database.fetch("select event, detail from order_events where event = 'unprotected'")
    assert said == [("unprotected", "it holds no stops")]


async def test_at_the_paper_venue_the_stop_closes_the_position_and_both_books_agree(
    database: Database, account: Account, tmp_path: Path
) -> None:
    host = HandClock()
    paper = a_paper_venue(tmp_path / "paper.log", host)
    desk = await Desk(database, account, paper, host=host).begin()

    async def shows(second: int, bid: float) -> None:
        paper.on_market([a_quote(NOON + second * SECOND, bid=bid, ask=bid + 0.02)], NOON + second * SECOND)
        desk.market.hear(NOON + second * SECOND, 1.0)
        while reports := paper.drain_reports():
            await desk.show(*evidence_of(reports))

    await desk.trade(an_entry(exits=PAIR))
    await shows(1, 99.98)
    assert [status for _, status, *_ in await children(database)] == ["ACKED", "ACKED"]
    await shows(2, 97.5)
    assert [status for _, status, *_ in await children(database)] == ["FILLED", "CANCELED"]
    held = await paper.holdings()
    assert held.positions == {}
    assert await ledger_faults(database, {"paper": Held(held.cash, held.positions)}) == []
    paper.close()


async def test_an_entry_that_fills_on_after_its_stop_has_filled_is_protected_by_a_stop_of_another_name(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker
) -> None:
    """Also by a process that has begun while the book held nothing."""
    entry = await holding(desk, quantity=4)
    await desk.show(a_fill(await named(database, 0), 4))
    again = await Desk(database, account, venue).begin()
    await again.show(a_fill(entry, 6, 10, n=2))
    assert await children(database) == [("stop", "FILLED", 4, "98.00"), ("stop", "ACKED", 6, "98.00")]


async def test_a_late_fill_of_an_earlier_entry_is_protected_by_the_newest(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    first = await holding(desk, quantity=4)
    await desk.show(Shown(first.client_order_id, Evidence.CANCELED, D(4), ""))
    await desk.trade(second := msgspec.structs.replace(an_entry(3), decided_at=first.decided_at + SECOND))
    await desk.show(a_fill(second, 10))
    await told(desk, venue)
    await desk.show(a_fill(first, 2, 6, n=2))
    stood = [(status, quantity) for _, status, quantity, _ in await children(database)]
    assert stood[-1] == ("ACKED", 16), stood


async def test_protection_that_does_not_leave_this_host_is_not_tried_in_every_hop(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    """Each try takes one of the children that an entry may have: they would be used up, and the position left without."""
    await desk.trade(entry := an_entry())
    venue.answers.extend([does_not_leave] * 2)
    await desk.show(a_fill(entry, 10))
    for _ in range(5):
        await desk.show()
    assert [status for _, status, *_ in await children(database)] == ["NOT_ACCEPTED"]
    for waited_s in (guarding.SEND_AGAIN_S, 2 * guarding.SEND_AGAIN_S):
        desk.host.move(waited_s)
        await desk.show()
    assert [status for _, status, *_ in await children(database)] == ["NOT_ACCEPTED", "NOT_ACCEPTED", "ACKED"]


def does_not_leave(order: Order) -> None:
    raise NotSent("no connection")
