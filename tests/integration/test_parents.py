"""Orders that are worked by slices, at the desk of an account: the real record, and a venue that does as it is told."""

from decimal import Decimal

import msgspec
import pytest
from prometheus_client import REGISTRY

from fleet.costs import costs_text
from libs.common.database import Database, Unreachable, Write
from libs.domain.configuration import BADLY_EXECUTED
from libs.domain.identity import child_leg, client_order_id, order_id
from libs.domain.orders import Evidence, Order
from libs.store import lockstep
from libs.store.control import Control
from libs.store.queries import costs as summed
from libs.store.risk import RiskStore
from libs.store.sessions import Account
from services.trade_executor.evidence import Shown
from tests.desks import NOW, an_approval
from tests.factories import SECOND
from tests.paper import a_quote
from tests.scenes import SESSION, begin
from tests.scripted_broker import ScriptedBroker, a_fill, a_split, an_adjustment, loses_the_answer, refuses
from tests.stages import Desk

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


def a_parent(execution: str = "twap:60:6", n: int = 1, quantity: int = 60) -> Order:
    return msgspec.structs.replace(an_approval(n, quantity=D(quantity), rests_s=70), execution=execution)


def child(parent: Order, n: int, quantity: int = 10) -> Order:
    """The n-th slice, as far as the venue knows it."""
    id_ = order_id(parent.signal_id, child_leg(0, n))
    return msgspec.structs.replace(parent, order_id=id_, client_order_id=client_order_id("TEST", id_, 1), quantity=D(quantity))


def ends(order: Order, evidence: Evidence, filled: int = 0) -> Shown:
    return Shown(order.client_order_id, evidence, D(filled), "")


async def family(database: Database) -> list[tuple[str, str, int, int]]:
    """(purpose, status, quantity, filled), the parent first."""
    rows = await database.fetch("select purpose, status, quantity, filled_quantity from orders order by leg")
    return [(purpose, status, int(quantity), int(filled)) for purpose, status, quantity, filled in rows]


async def later(desk: Desk, second: int) -> None:
    desk.market.hear(NOW + second * SECOND, 1.0)
    assert desk.stage.dispatch.overdue() or not desk.stage.open_orders()
    await desk.turn()


async def test_a_parent_is_worked_slice_by_slice_and_never_goes_to_the_venue_itself(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    parent = a_parent()
    await desk.trade(parent)
    assert await family(database) == [("signal", "WORKING", 60, 0), ("slice", "ACKED", 10, 0)]
    await desk.show(a_fill(child(parent, 0), 10))
    await later(desk, 10)
    await desk.show(a_fill(child(parent, 1), 4), ends(child(parent, 1), Evidence.EXPIRED, 4))
    await later(desk, 50)
    assert await family(database) == [
        ("signal", "WORKING", 60, 14),
        ("slice", "FILLED", 10, 10),
        ("slice", "EXPIRED", 10, 4),
        ("slice", "ACKED", 46, 0),
    ]
    await desk.show(a_fill(child(parent, 5, 46), 46, price="103.00"))
    assert (await family(database))[0] == ("signal", "FILLED", 60, 60)
    assert await database.fetch("select avg_fill_price from orders where parent_id is null") == [(D("102.3"),)]
    assert venue.submitted == [child(parent, n).client_order_id for n in (0, 1, 5)]


async def test_the_next_slice_takes_what_one_leaves_in_the_transaction_in_which_that_ends(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    parent = a_parent("twap:60:2")
    await desk.trade(parent)
    desk.market.hear(NOW + 30 * SECOND, 1.0)
    await desk.show(ends(child(parent, 0), Evidence.EXPIRED))
    assert await family(database) == [("signal", "WORKING", 60, 0), ("slice", "EXPIRED", 30, 0), ("slice", "ACKED", 60, 0)]


async def test_a_slice_whose_outcome_is_unknown_holds_the_parent_up_until_it_is_known(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    parent = a_parent()
    venue.answers.append(loses_the_answer)
    await desk.trade(parent)
    desk.market.hear(NOW + 30 * SECOND, 1.0)
    await desk.show()
    assert await family(database) == [("signal", "WORKING", 60, 0), ("slice", "UNKNOWN", 10, 0)]
    venue.has(child(parent, 0), "canceled")
    await desk.look()
    assert (await family(database))[1:] == [("slice", "CANCELED", 10, 0), ("slice", "ACKED", 40, 0)]


@pytest.mark.parametrize("second", [0, 4, 10, 25])
async def test_a_desk_that_dies_works_on_as_if_it_had_not(
    database: Database, account: Account, desk: Desk, venue: ScriptedBroker, second: int
) -> None:
    parent = a_parent()
    await desk.trade(parent)
    await desk.show(a_fill(child(parent, 0), 7), ends(child(parent, 0), Evidence.CANCELED, 7))
    again = Desk(database, account, venue)
    again.market.hear(NOW + second * SECOND, 1.0)
    await (await again.begin()).turn()
    due = 10 * (second // 10 + 1) - 7
    slices = (await family(database))[1:]
    assert slices == [("slice", "CANCELED", 10, 7)] + ([("slice", "ACKED", due, 0)] if second >= 10 else [])


async def test_a_cancel_of_a_parent_cancels_its_slice_and_ends_it_when_that_has_ended(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    parent = a_parent()
    await desk.trade(parent)
    await desk.risk.cancel(parent)
    await desk.turn()
    assert await family(database) == [("signal", "WORKING", 60, 0), ("slice", "PENDING_CANCEL", 10, 0)]
    await desk.show(a_fill(child(parent, 0), 3), ends(child(parent, 0), Evidence.CANCELED, 3))
    assert await family(database) == [("signal", "CANCELED", 60, 3), ("slice", "CANCELED", 10, 3)]
    assert venue.cancelled == [child(parent, 0).client_order_id]


async def test_a_kill_ends_what_is_being_worked_and_its_slices(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    parent = a_parent()
    await desk.trade(parent)
    await Control(database, desk.consumer._journal, desk.host).kill("fleet", "", "halt", "test", "test")
    await desk.show(a_fill(child(parent, 0), 3))
    assert venue.cancelled == [child(parent, 0).client_order_id]
    await desk.show(ends(child(parent, 0), Evidence.CANCELED, 3))
    assert await family(database) == [("signal", "CANCELED", 60, 3), ("slice", "CANCELED", 10, 3)]


async def test_three_refusals_in_a_row_end_the_parent(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    venue.answers += [refuses] * 3
    await desk.trade(a_parent("iceberg:20"))
    assert await family(database) == [("signal", "DENIED", 60, 0), *[("slice", "REJECTED", 20, 0)] * 3]
    assert len(venue.submitted) == 3


async def test_an_iceberg_shows_its_next_part_when_the_last_is_filled(database: Database, desk: Desk) -> None:
    parent = a_parent("iceberg:25")
    await desk.trade(parent)
    for n, quantity in enumerate((25, 25, 10)):
        assert (await family(database))[-1] == ("slice", "ACKED", quantity, 0)
        await desk.show(a_fill(child(parent, n), quantity))
    assert (await family(database))[0] == ("signal", "FILLED", 60, 60)


async def test_a_parent_whose_time_is_over_expires_with_what_is_left(database: Database, desk: Desk, venue: ScriptedBroker) -> None:
    parent = a_parent()
    await desk.trade(parent)
    await desk.show(ends(child(parent, 0), Evidence.EXPIRED))
    await later(desk, 70)
    assert await family(database) == [("signal", "EXPIRED", 60, 0), ("slice", "EXPIRED", 10, 0)]
    assert await database.fetch("select detail from order_events where event = 'expire'") == [
        ("its time is over; 60 of 60 was not filled",)
    ]


async def test_a_record_that_went_away_while_it_was_read_again_is_read_whole_before_anything_is_decided(
    database: Database, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.trade(a_parent())
    with monkeypatch.context() as away:
        away.setattr(desk.store, "slices", cut_off)
        with pytest.raises(Unreachable):
            await desk.stage.load()
    desk.market.hear(NOW + 1_000 * SECOND, 1.0)
    await desk.turn()
    assert [status for _, status, _, _ in await family(database)] == ["WORKING", "ACKED"]


async def cut_off(_: object) -> None:
    raise Unreachable("cut off")


async def test_a_fill_of_a_slice_after_its_parents_end_is_the_parents_too(database: Database, desk: Desk) -> None:
    parent = a_parent()
    await desk.trade(parent)
    await desk.risk.cancel(parent)
    await desk.turn()
    await desk.show(ends(child(parent, 0), Evidence.CANCELED))
    await desk.show(a_fill(child(parent, 0), 10))
    assert await family(database) == [("signal", "CANCELED", 60, 10), ("slice", "FILLED", 10, 10)]
    rows = await database.fetch("select event, anomaly from order_events where filled_quantity > 0 order by 1")
    assert rows == [("child_fill", True), ("fill", True)]


async def test_a_split_ends_what_is_being_worked_in_old_units(database: Database, desk: Desk) -> None:
    parent = a_parent()
    await desk.trade(parent)
    await desk.show(ends(child(parent, 0), Evidence.CANCELED), an_adjustment(a_split(NOW), 0))
    assert await family(database) == [("signal", "CANCELED", 60, 0), ("slice", "CANCELED", 10, 0)]


async def test_a_slice_is_in_the_remainder_of_its_parent_and_counts_once(database: Database, desk: Desk, account: Account) -> None:
    parent = a_parent()
    await desk.trade(parent)
    await desk.show(a_fill(child(parent, 0), 4))
    risk = RiskStore(database, account.account_id, SESSION.session_id, SESSION.venue, "1s", SECOND)
    seen = await risk.read(0, 10, NOW)
    assert [(o.order_id, o.remaining, o.status) for o in seen.orders] == [(parent.order_id, D(56), "WORKING")]
    assert [row.signal_id for row in await risk.decided(parent.decided_at - 1)] == [parent.signal_id]


async def test_a_step_of_lockstep_does_not_wait_for_a_parent(database: Database, desk: Desk) -> None:
    await desk.trade(a_parent())
    await database.write([Write("update cursors set no = j.last_no from journal_counters j where j.stream = cursors.stream", ())])
    assert await lockstep.at_rest(database, SESSION.session_id)


# --- what orders cost


async def costs(database: Database) -> list[tuple[object, ...]]:
    return await database.fetch(
        "select arrival_price, spread, filled, fill_rate, slippage_bps, shortfall, fees from order_costs c"
        " join orders o on o.id = c.order_id where o.parent_id is null"
    )


async def signals_of(database: Database, *orders: Order) -> None:
    """Decided at 100."""
    sql = (
        "insert into signals (signal_id, session_id, account_id, strategy_id, symbol, timeframe, bar_time, decided_at, target, confidence,"
        " scale, reference_price, valid_until, reason, triggered_ns) values (%s, 'session', %s, 'fast', 'ALFA', '1s', at_ns(%s),"
        " at_ns(%s), 1, 1, 1, 100, at_ns(%s), '', 0)"
    )
    writes = [Write(sql, (o.signal_id, o.account_id, o.decided_at - n * SECOND, o.decided_at, o.valid_until)) for n, o in enumerate(orders)]
    await database.write(writes)


async def test_what_an_order_cost_is_on_record_with_its_end(database: Database, desk: Desk) -> None:
    order = an_approval()
    await signals_of(database, order)
    desk.stage._quotes.hear([a_quote(NOW + 1, 100.00, 100.20)])
    await desk.trade(order)
    assert await costs(database) == []
    desk.stage._quotes.hear([a_quote(NOW + 2, 100.90, 101.10)])
    await desk.show(a_fill(order, 6, price="100.30"), ends(order, Evidence.EXPIRED, 6))
    bps = pytest.approx(0.2 / 100.1 * 1e4)
    assert await costs(database) == [(D("100.1"), D("0.2"), 6, 0.6, bps, D(6) * D("0.3") + D(4) * D("1.0") + 1, 1)]
    [(hops,)] = await database.fetch("select hops_ms from order_costs")
    assert set(hops) == {"approved", "sent", "answered", "first_fill", "done"}


async def test_a_parent_costs_what_its_slices_did_and_arrives_with_the_first(database: Database, desk: Desk) -> None:
    parent = a_parent("iceberg:30")
    await signals_of(database, parent)
    desk.stage._quotes.hear([a_quote(NOW + 1, 100.00, 100.20)])
    await desk.trade(parent)
    desk.stage._quotes.hear([a_quote(NOW + 2, 100.90, 101.10)])
    await desk.show(a_fill(child(parent, 0), 30, price="100.10"))
    await desk.show(a_fill(child(parent, 1), 30, price="101.10"))
    bps = pytest.approx(0.5 / 100.1 * 1e4)
    assert await costs(database) == [(D("100.1"), D("0.2"), 60, 1.0, bps, D(60) * D("0.6") + 2, 2)]
    assert await database.fetch("select count(*) from order_costs") == [(3,)]


async def test_a_liquidation_that_no_signal_asked_for_costs_what_it_paid_beyond_its_arrival(database: Database, desk: Desk) -> None:
    order = msgspec.structs.replace(an_approval(), purpose="liquidation")
    desk.stage._quotes.hear([a_quote(NOW + 1, 100.00, 100.20)])
    await desk.trade(order)
    await desk.show(a_fill(order, 10, price="100.30"))
    assert await costs(database) == [(D("100.1"), D("0.2"), 10, 1.0, pytest.approx(0.2 / 100.1 * 1e4), D(10) * D("0.2") + 1, 1)]
    [(decided, hops)] = await database.fetch("select decision_price, hops_ms from order_costs")
    assert (decided, set(hops)) == (D("100.1"), {"sent", "answered", "first_fill", "done"})


async def test_a_fill_after_the_end_is_in_the_cost(database: Database, desk: Desk) -> None:
    order = an_approval()
    await signals_of(database, order)
    await desk.trade(order)
    await desk.show(ends(order, Evidence.CANCELED))
    await desk.show(a_fill(order, 10, price="100.50"))
    assert await costs(database) == [(None, None, 10, 1.0, None, D(10) * D("0.5") + 1, 1)]


async def test_costs_are_summed_by_strategy_and_symbol_and_slices_are_in_their_parents(database: Database, desk: Desk) -> None:
    parent, whole = a_parent("iceberg:30"), an_approval(2)
    await signals_of(database, parent, whole)
    desk.stage._quotes.hear([a_quote(NOW + 1, 100.00, 100.20)])
    await desk.trade(parent)
    await desk.show(a_fill(child(parent, 0), 30, price="100.20"))
    await desk.show(a_fill(child(parent, 1), 30, price="100.40"))
    await desk.trade(whole)
    await desk.show(a_fill(whole, 5, price="100.10"), ends(whole, Evidence.EXPIRED, 5))
    [line] = await summed.costs(database, BADLY_EXECUTED)
    assert (line.strategy_id, line.symbol, line.orders, line.fill_rate, line.fees) == ("fast", "ALFA", 2, 0.75, D(3))
    assert line.slippage_bps_mean == line.slippage_bps_median == pytest.approx(0.1 / 100.1 * 1e4)
    assert line.shortfall == D(60) * D("0.3") + 2 + D(5) * D("0.1") + D(5) * D("0.1") + 1
    assert "75.0%" in costs_text([line], BADLY_EXECUTED)
    assert (line.venue, line.poor) == (whole.venue, 0.0)
    assert await summed.costs(database, BADLY_EXECUTED, strategy="slow") == []
    await database.write([Write("update order_costs set slippage_bps = 30.1 where order_id = %s", (whole.order_id,))])
    assert [line.poor for worse in (0.003, 0.0031) for line in await summed.costs(database, worse)] == [0.5, 0.0]


@pytest.mark.parametrize(("beyond", "bad"), [(0.0009, 1.0), (0.0011, 0.0)])
async def test_an_order_is_badly_executed_when_it_was_filled_worse_than_the_operator_allows(
    database: Database, desk: Desk, beyond: float, bad: float
) -> None:
    def counted() -> float:
        labels = {"strategy": "fast", "venue": "paper"}
        return REGISTRY.get_sample_value("tradewinds_poor_executions_total", labels) or 0.0

    desk.stage._badly_beyond = beyond
    order, before = an_approval(), counted()
    await signals_of(database, order)
    desk.stage._quotes.hear([a_quote(NOW + 1, 100.00, 100.20)])
    await desk.trade(order)
    await desk.show(a_fill(order, 5, price="100.20"), ends(order, Evidence.EXPIRED, 5))  # 10 bps worse than 100.10
    assert counted() - before == bad


async def test_a_fill_of_a_slice_that_lives_again_is_booked_though_its_parent_has_ended(
    database: Database, desk: Desk, venue: ScriptedBroker
) -> None:
    parent = a_parent()
    await desk.trade(parent)
    await desk.show(ends(child(parent, 0), Evidence.CANCELED))
    await desk.risk.cancel(parent)
    await desk.turn()
    await desk.show(ends(child(parent, 0), Evidence.ACCEPTED))
    await desk.show(a_fill(child(parent, 0), 10))
    assert await family(database) == [("signal", "CANCELED", 60, 10), ("slice", "FILLED", 10, 10)]


async def test_slices_of_a_parent_that_only_closes_only_close_on_record_too(database: Database, desk: Desk) -> None:
    await desk.trade(entry := an_approval(2, quantity=D(60)))
    await desk.show(a_fill(entry, 60))
    await desk.trade(msgspec.structs.replace(a_parent(), side="sell", price=D(90), reduce_only=True))
    assert await database.fetch("select reduce_only from orders where purpose = 'slice'") == [(True,)]
