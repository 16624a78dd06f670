"""The reconciler of an account before a venue that does what a test tells it to, on the real record."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from fleet import doctor
from fleet.explain import explain
from libs.common.bus import MemoryBus
from libs.common.clocks import SystemClock
from libs.common.database import Database
from libs.common.journal import PostgresJournal
from libs.domain.identity import client_order_id
from libs.domain.orders import Evidence, Order, VenueStatus
from libs.domain.reconciling import EXTERNAL
from libs.store import reconciliation
from libs.store.audit import Held, ledger_faults
from libs.store.control import Control
from libs.store.queries import stories
from libs.store.reconciliation import Guard, ReconcileStore
from libs.store.sessions import Account
from libs.venues.broker import OutcomeUnknown, Undone
from services.trade_executor import reconcile, reconciler, unseen
from services.trade_executor.evidence import Shown
from services.trade_executor.reconciler import Reconciler
from tests.desks import an_approval, statuses
from tests.factories import NOON, SECOND
from tests.scenes import SESSION, begin
from tests.scripted_broker import ScriptedBroker, a_fill, loses_the_answer
from tests.stages import INSTRUMENTS, Desk

D = Decimal
TAG = "TWND"


class Scene:
    """A stage and its reconciler."""

    def __init__(self, database: Database, account: Account, venue: ScriptedBroker) -> None:
        self.database = database
        self.account = account
        self.venue = venue
        self.said = ""
        self.operator = Control(database, PostgresJournal(database, MemoryBus(), SystemClock()), SystemClock())

    async def begin(self) -> "Scene":
        """A process that begins, as far as its arming."""
        self.desk = desk = Desk(self.database, self.account, self.venue, fleet_tag=TAG)
        await desk.begin()
        desk.stage.dispatch.armed = False
        items = ReconcileStore(self.database, self.account.account_id, self.account.venue, Guard(desk.lease.name, desk.lease.epoch))
        self.reconciler = Reconciler(
            self.venue,
            desk.stage,
            desk.sender,
            desk.store,
            items,
            self.database,
            desk.host,
            account=self.account,
            session=SESSION,
            instruments=INSTRUMENTS,
            fleet_tag=TAG,
            show=desk.stage.show,
            undecided=self.hears,
        )
        await self.reconciler.arm(lambda: desk.consumer.step(wait=False))
        return self

    def hears(self, said: str) -> None:
        self.said = said

    async def look(self) -> None:
        """A whole look, and all that follows from it."""
        await self.reconciler.look()
        await self.desk.turn()
        while self.desk.stage.beliefs.strays:
            await self.reconciler._ask_for_strays()
            await self.desk.turn()
        await self.reconciler.compare()
        await self.desk.turn()

    async def decides(self, choice: str, reason: str = "seen by hand") -> None:
        """A person decides on the only item there is."""
        (only,) = await reconciliation.standing(self.database)
        await self.operator.decide(str(only.item.id)[:8], choice, reason, "ann")  # type: ignore[arg-type]

    async def items(self) -> list[tuple[str, str, str, str]]:
        rows = await self.database.fetch("select kind, key, ours, theirs from reconcile_items where resolved_at is null order by kind, key")
        return [tuple(row) for row in rows]

    async def balanced(self) -> list[str]:
        held = await self.venue.holdings()
        return await ledger_faults(self.database, {"paper": Held(held.cash, held.positions)})


@pytest.fixture
async def scene(database: Database, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(reconcile, "AGREE_REMOTELY_AFTER_S", 0.0)
    return await Scene(database, await begin(database), ScriptedBroker()).begin()


def by_hand(id_: str = "placed-by-hand", **changed: object) -> Order:
    """What somebody else sends: the venue knows it by an id that is not one of ours."""
    return msgspec.structs.replace(an_approval(77), client_order_id=id_, **changed)


async def the_book(database: Database) -> list[tuple[str, str, Decimal]]:
    rows = await database.fetch("select strategy_id, symbol, quantity from positions where quantity <> 0 order by 1, 2")
    return [(strategy, symbol, D(quantity)) for strategy, symbol, quantity in rows]


def fills(scene: Scene, order: Order, quantity: int) -> None:
    """The venue fills an order, and nobody is told."""
    scene.venue.has(order, "filled" if quantity == order.quantity else "open", quantity)
    scene.venue.fills.append(a_fill(order, quantity))
    scene.venue.cash["USD"] -= quantity * 100 + 1
    scene.venue.positions[order.symbol] += quantity


# --- looking


async def test_only_orders_that_are_not_listed_as_open_are_looked_up_one_by_one(database: Database, scene: Scene) -> None:
    first, second = an_approval(1), an_approval(2, "other")
    await scene.desk.trade(first, second)
    scene.venue.has(second, "canceled")
    scene.venue.find_answers.append(OutcomeUnknown("504"))  # to the first question, whatever it is about
    with pytest.raises(OutcomeUnknown, match="1 orders could not be looked up"):
        await scene.look()
    await scene.look()
    assert sorted(await statuses(database)) == ["ACKED", "CANCELED"]


async def test_a_listing_that_is_not_answered_is_no_empty_listing(
    database: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.desk.trade(an_approval())
    monkeypatch.setattr(scene.venue, "open_orders", _unanswered)
    with pytest.raises(OutcomeUnknown, match="504"):
        await scene.look()
    assert await statuses(database) == ["ACKED"]


async def _unanswered() -> list[object]:
    raise OutcomeUnknown("504")


async def test_an_order_that_had_ended_and_is_listed_as_open_at_two_looks_lives_again(database: Database, scene: Scene) -> None:
    order = an_approval()
    await scene.desk.trade(order)
    await scene.desk.show(Shown(order.client_order_id, Evidence.CANCELED, D(0), ""))
    await scene.look()
    assert await statuses(database) == ["CANCELED"]  # the listing may be older than the end
    await scene.look()
    assert await statuses(database) == ["ACKED"]


async def test_looks_within_the_lag_of_a_listing_prove_no_life(database: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "AGREE_REMOTELY_AFTER_S", 20.0)
    order = an_approval()
    await scene.desk.trade(order)
    await scene.desk.show(Shown(order.client_order_id, Evidence.CANCELED, D(0), ""))
    for waited_s, status in [(0, "CANCELED"), (1, "CANCELED"), (18, "CANCELED"), (1, "ACKED")]:
        scene.desk.host.move(waited_s)
        await scene.reconciler.look()
        await scene.desk.turn()
        assert await statuses(database) == [status]


# --- what is not ours


async def test_an_order_placed_by_hand_is_adopted_with_its_fills_and_is_left_alone(database: Database, scene: Scene) -> None:
    order = by_hand()
    fills(scene, order, 4)
    await scene.look()
    rows = await database.fetch("select strategy_id, purpose, status, filled_quantity, side, price from orders")
    assert rows == [(EXTERNAL, "external", "PARTIAL", 4, "buy", order.price)]
    assert await the_book(database) == [(EXTERNAL, "ALFA", D(4))]
    assert [kind for kind, *_ in await scene.items()] == ["order"]
    assert (scene.said, scene.venue.cancelled, await scene.balanced()) == ("", [], [])


@pytest.mark.parametrize(
    ("id_", "whose"),
    [("placed-by-hand", "somebody else's"), (client_order_id(TAG, UUID(int=5), 1), "ours, as its id says, from before the record was")],
)
async def test_what_was_adopted_is_explained_by_whose_it_is_its_item_and_what_came_of_it(
    database: Database, scene: Scene, id_: str, whose: str
) -> None:
    fills(scene, by_hand(id_), 4)
    await scene.look()
    await scene.decides("ignore", "my own hand")
    (named,) = await stories.named(database, id_)
    said = (await explain(database, str(named.order_id))).text
    for fact in (
        f"whose       {whose}",
        "decided: ignore by ann: my own hand",
        "fill        4 at 100, fee 1 USD",
        "PARTIAL",
    ):
        assert fact in said


async def test_a_fill_of_an_order_that_nobody_knows_is_booked_once_the_venue_has_said_whose_it_is(database: Database, scene: Scene) -> None:
    order = by_hand()
    fills(scene, order, 10)
    await scene.desk.show(scene.venue.fills[0])
    assert await the_book(database) == []
    await scene.look()
    await scene.look()
    assert await the_book(database) == [(EXTERNAL, "ALFA", D(10))]
    assert (await statuses(database), await scene.items(), await scene.balanced()) == (["FILLED"], [], [])


async def test_our_own_order_that_a_restored_record_does_not_know_is_found_by_its_id(database: Database, scene: Scene) -> None:
    lost = by_hand(client_order_id(TAG, UUID(int=5), 1))
    fills(scene, lost, 3)
    await scene.look()
    assert await database.fetch("select id, strategy_id, status from orders") == [(UUID(int=5), EXTERNAL, "PARTIAL")]
    assert await scene.balanced() == []


async def test_an_order_of_another_fleet_keeps_the_account_from_adding_until_somebody_decides(database: Database, scene: Scene) -> None:
    foreign = by_hand(client_order_id("ELSE", UUID(int=6), 1))
    scene.venue.has(foreign)
    await scene.begin()
    assert [kind for kind, *_ in await scene.items()] == ["foreign"]
    await scene.desk.trade(an_approval())
    assert await statuses(database) == ["APPROVED"]
    assert "foreign" in scene.said
    await scene.decides("close")
    await scene.look()
    await scene.look()
    assert scene.venue.cancelled == [foreign.client_order_id]
    await scene.desk.turn()
    assert "ACKED" in await statuses(database)


async def test_an_order_of_a_fleet_that_grew_from_the_same_record_is_not_taken_for_ours(database: Database, scene: Scene) -> None:
    await scene.begin()
    ours = an_approval()
    await scene.desk.trade(ours)
    scene.venue.has(ours, "canceled")
    await scene.look()
    scene.venue.has(by_hand(client_order_id("ELSE", ours.order_id, 1)))
    await scene.look()
    assert [kind for kind, *_ in await scene.items()] == ["foreign"]
    await scene.decides("adopt")
    await scene.look()
    await scene.look()
    assert await statuses(database) == ["CANCELED", "ACKED"]


# --- what differs, and what is decided


async def test_a_difference_holds_back_what_adds_to_a_book_and_lets_out_what_shrinks_it(database: Database, scene: Scene) -> None:
    bought = an_approval(1)
    await scene.desk.trade(bought)
    fills(scene, bought, 10)
    await scene.look()
    scene.venue.cash["USD"] -= 1_000
    await scene.look()
    assert await scene.items() == [("cash", "USD", "98999", "97999")]
    await scene.desk.trade(an_approval(2, "other"), an_approval(3, side="sell"))
    assert dict(await database.fetch("select strategy_id || side, status from orders where status <> 'FILLED'")) == {
        "otherbuy": "APPROVED",
        "fastsell": "ACKED",
    }
    assert "fleet doctor" in scene.said


async def test_a_difference_that_two_reads_do_not_agree_on_is_none(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = iter([D(1), D(2)])
    holdings = scene.venue.holdings

    async def moving() -> object:
        scene.venue.positions["ALFA"] = next(reads)
        return await holdings()

    monkeypatch.setattr(scene.venue, "holdings", moving)
    await scene.look()
    assert await scene.items() == []


async def test_an_order_in_doubt_is_looked_up_while_a_difference_waits_for_its_second_look(
    database: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "AGREE_REMOTELY_AFTER_S", 0.05)
    monkeypatch.setattr(reconciler, "LOOK_UP_EVERY_S", 0.01)
    scene.venue.answers.append(loses_the_answer)
    await scene.desk.trade(order := an_approval(1))
    assert await statuses(database) == ["UNKNOWN"]
    scene.venue.has(order)
    scene.venue.positions["ALFA"] = D(5)
    assert await scene.reconciler.compare(scene.desk.turn)
    assert await statuses(database) == ["ACKED"]


async def test_adopting_a_difference_makes_the_record_follow_the_venue_once(database: Database, scene: Scene) -> None:
    scene.venue.positions["ALFA"] = D(5)
    await scene.look()
    await scene.decides("adopt")
    await scene.reconciler.compare()
    await scene.begin()  # it stops before that is on record, and another begins
    await scene.look()
    assert await the_book(database) == [(EXTERNAL, "ALFA", D(5))]
    assert await database.fetch("select count(*) from cash_ledger where kind = 'reconcile'") == [(2,)]
    assert (await scene.items(), await scene.balanced(), scene.said) == ([], [], "")


async def test_the_same_difference_found_again_later_is_open_anew_and_can_be_adopted_again(database: Database, scene: Scene) -> None:
    for _ in range(2):
        scene.venue.cash["USD"] += 7
        await scene.look()
        await scene.decides("adopt")
        await scene.look()
        await scene.look()
        assert (await scene.items(), await scene.balanced()) == ([], [])
    assert await database.fetch("select count(distinct txn_id) from cash_ledger where kind = 'reconcile'") == [(2,)]


async def test_what_is_ignored_holds_nothing_back_until_its_amount_changes(database: Database, scene: Scene) -> None:
    scene.venue.cash["USD"] -= 1
    await scene.look()
    await scene.decides("ignore")
    await scene.look()
    assert (len(await scene.items()), scene.said) == (1, "")
    assert await scene.balanced() == []
    scene.venue.cash["USD"] -= 1
    assert await scene.balanced() != []
    await scene.look()
    assert (len(await scene.items()), scene.said == "") == (1, False)


async def test_a_fill_that_was_put_aside_is_booked_where_a_person_says_so(database: Database, scene: Scene) -> None:
    order = an_approval()
    await scene.desk.trade(order)
    wrong = msgspec.structs.replace(a_fill(order, 4), side="sell")
    await scene.desk.show(wrong)
    scene.venue.cash["USD"] += 399
    scene.venue.positions["ALFA"] = D(-4)
    assert [kind for kind, *_ in await scene.items()] == ["fill"]
    await scene.decides("adopt")
    await scene.look()
    await scene.look()
    assert await the_book(database) == [(EXTERNAL, "ALFA", D(-4))]
    assert (await scene.items(), await scene.balanced()) == ([], [])


async def test_halting_from_an_item_stops_the_account(database: Database, scene: Scene) -> None:
    scene.venue.cash["USD"] -= 1
    await scene.look()
    await scene.decides("halt")
    assert await database.fetch("select scope, key, active from kill_switch") == [("account", "paper", True)]


async def closing(database: Database) -> list[tuple[str, str]]:
    rows = await database.fetch("select account_id, key from reconcile_items where closing_since is not null")
    return [(account, symbol) for account, symbol in rows]


async def test_a_position_that_is_to_be_closed_is_adopted_and_then_only_its_own_book_is_closed(database: Database, scene: Scene) -> None:
    mine, other = by_hand(), by_hand("another-by-hand", symbol="BTC/USD")
    scene.venue.has(mine)
    scene.venue.has(other)
    await scene.look()
    scene.venue.positions["ALFA"] = D(5)
    await scene.look()
    (position,) = [s for s in await reconciliation.standing(database) if s.item.kind == "position"]
    await scene.operator.decide(str(position.item.id), "close", "not ours", "ann")
    await scene.look()
    assert (await the_book(database), await closing(database)) == ([(EXTERNAL, "ALFA", D(5))], [])
    await scene.begin()  # it stops before it has seen that nothing differs any more
    await scene.look()
    assert await closing(database) == [("paper", "ALFA")]
    await scene.look()
    assert (scene.venue.cancelled, await database.fetch("select from kill_switch")) == ([mine.client_order_id], [])
    assert (scene.said, await scene.balanced()) == ("", [])
    scene.venue.has(mine, "canceled")
    await scene.look()
    exit_ = msgspec.structs.replace(an_approval(9, EXTERNAL, side="sell"), quantity=D(5), purpose="liquidation", reduce_only=True)
    await scene.desk.trade(exit_)
    assert await database.fetch("select status from orders where id = %s", (exit_.order_id,)) == [("ACKED",)]


async def test_the_closing_of_a_book_is_listed_until_it_is_called_off(database: Database, scene: Scene) -> None:
    scene.venue.positions["ALFA"] = D(5)
    await scene.look()
    await scene.decides("close")
    await scene.look()
    await scene.look()
    (listed,) = await reconciliation.standing(database)
    assert (reconciliation.holding([listed]), doctor.choices(listed)) == ([], ("adopt", "halt"))
    assert "being closed" in doctor.text([listed])
    await scene.decides("adopt")
    assert (await closing(database), await reconciliation.standing(database)) == ([], [])


async def looked_in_vain(scene: Scene, looks: int = 1) -> None:
    """Looks at which the venue answers everything but what became of one order."""
    for _ in range(looks):
        scene.venue.find_answers.append(OutcomeUnknown("500"))
        scene.desk.host.move(unseen.LASTS_S / unseen.LOOKS)
        await scene.look()


async def an_order_that_nobody_can_ask_for(scene: Scene) -> Order:
    """It is UNKNOWN, and an item on record."""
    scene.venue.answers.append(loses_the_answer)
    await scene.desk.trade(order := an_approval(1))
    for _ in range(unseen.LOOKS):
        with pytest.raises(OutcomeUnknown, match="1 orders could not be looked up: 500"):
            await looked_in_vain(scene)
    await looked_in_vain(scene)
    assert await scene.items() == [("lookup", order.client_order_id, "UNKNOWN", "no answer")]
    return order


async def test_an_order_of_which_the_venue_says_nothing_holds_back_what_adds_until_a_person_goes_on_without_it(
    database: Database, scene: Scene
) -> None:
    order = await an_order_that_nobody_can_ask_for(scene)
    assert "lookup" in scene.said
    scene.venue.find_answers += [OutcomeUnknown("500")] * 2  # to the desk that begins, and to its reconciler
    await scene.begin()  # an account arms all the same, and soon
    await scene.desk.trade(an_approval(2, "slow"))
    assert (scene.desk.stage.dispatch.armed, await statuses(database)) == (True, ["UNKNOWN", "APPROVED"])
    await scene.decides("ignore", "the venue's support is asked")
    await scene.desk.trade(an_approval(3))  # of the same book
    scene.venue.find_answers += [OutcomeUnknown("500")] * 2  # to the desk that begins, and to its reconciler
    await scene.begin()  # a decision outlives the process
    await scene.desk.turn()
    assert (scene.said, await statuses(database)) == ("", ["UNKNOWN", "ACKED", "APPROVED"])
    scene.venue.has(order)
    await scene.look()
    assert (await scene.items(), (await statuses(database))[0]) == ([], "ACKED")


async def test_an_order_that_was_being_sent_and_of_which_the_venue_says_nothing_is_unknown(database: Database, scene: Scene) -> None:
    await an_order_that_nobody_can_ask_for(scene)
    await database.fetch("update orders set status = 'SUBMITTING'")  # as a process leaves it that dies before the answer
    scene.venue.find_answers += [OutcomeUnknown("500")] * 2  # to the desk that begins, and to its reconciler
    await scene.begin()
    assert await statuses(database) == ["UNKNOWN"]


@pytest.mark.parametrize(("choice", "reason", "said"), [("close", "why not", "not by close"), ("adopt", " ", "say with --reason why")])
async def test_a_decision_that_makes_no_sense_is_refused(scene: Scene, choice: str, reason: str, said: str) -> None:
    scene.venue.cash["USD"] -= 1
    await scene.look()
    with pytest.raises(ValueError, match=said):
        await scene.decides(choice, reason)
    with pytest.raises(LookupError, match="no open item begins with 'zz'"):
        await scene.operator.decide("zz", "adopt", "why not", "ann")


async def test_an_order_that_was_overfilled_is_booked_and_its_symbol_halted(database: Database, scene: Scene) -> None:
    order = an_approval()
    await scene.desk.trade(order)
    await scene.desk.show(a_fill(order, 12))
    assert await database.fetch("select scope, key, mode, active from kill_switch") == [("symbol", "ALFA", "halt", True)]
    assert await the_book(database) == [("fast", "ALFA", D(12))]


def taken_back(order: Order, *, price: str = "100", corrected: bool = False) -> Undone:
    key = f"bust:{order.order_id}:9"
    return Undone(
        key, order.client_order_id, order.symbol, order.side, D(10), D(price), corrected, NOON + SECOND, "an execution was taken back"
    )


async def test_a_bust_reverses_what_was_booked_once(database: Database, scene: Scene) -> None:
    order = an_approval()
    await scene.desk.trade(order)
    await scene.desk.show(a_fill(order, 10))
    await scene.desk.show(taken_back(order), taken_back(order))
    await scene.desk.show(taken_back(order))
    assert (await the_book(database), await scene.balanced(), await statuses(database)) == ([], [], ["FILLED"])
    assert await database.fetch("select exec_key, side, commission from trades order by booked_at, exec_key desc") == [
        (f"{order.order_id}:1", "buy", 1),
        (f"bust:{order.order_id}:9", "sell", -1),
    ]


async def test_a_correction_books_the_trade_anew_at_the_price_that_holds(database: Database, scene: Scene) -> None:
    order = an_approval()
    await scene.desk.trade(order)
    fills(scene, order, 10)
    await scene.look()
    scene.venue.cash["USD"] += 5
    await scene.desk.show(taken_back(order, price="99.5", corrected=True))
    assert (await the_book(database), await scene.balanced()) == ([("fast", "ALFA", D(10))], [])


async def test_a_bust_of_nothing_that_was_booked_is_told_and_books_nothing(database: Database, scene: Scene) -> None:
    order = an_approval()
    await scene.desk.trade(order)
    await scene.desk.show(a_fill(order, 10))
    await scene.desk.show(taken_back(order, price="101"))
    assert await the_book(database) == [("fast", "ALFA", D(10))]
    assert await database.fetch("select event, anomaly from order_events order by n desc limit 1") == [("undone", True)]


async def test_an_order_by_hand_that_outlives_a_session_is_adopted_by_the_account_of_the_next_too(database: Database, scene: Scene) -> None:
    """The venue knows it by the same id, and the record has it under either."""
    scene.venue.has(by_hand())
    await scene.look()
    scene.account = await begin(database, replace(SESSION, session_id="another"))
    await scene.begin()
    rows = await database.fetch("select client_order_id, count(distinct account_id) from orders group by 1")
    assert rows == [("placed-by-hand", 2)]


@pytest.mark.parametrize(("status", "filled"), [("canceled", 4), ("filled", 10)])
async def test_an_adopted_order_that_had_fills_before_the_session_ends_when_the_venue_says_so(
    database: Database, scene: Scene, monkeypatch: pytest.MonkeyPatch, status: VenueStatus, filled: int
) -> None:
    monkeypatch.setattr(reconcile, "AGREE_REMOTELY_AFTER_S", 20.0)
    order = by_hand()
    scene.venue.has(order, "open", 4)  # which nobody tells of any more
    await scene.reconciler.look()
    await scene.desk.turn()
    scene.venue.has(order, status, filled)
    stood = []
    for waited_s in (1, 20):
        scene.desk.host.move(waited_s)
        await scene.reconciler.look()
        await scene.desk.turn()
        stood += await statuses(database)
    assert stood == ["PARTIAL", "CANCELED"]
