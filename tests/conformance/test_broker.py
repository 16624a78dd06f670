"""What every broker adapter must do, whatever venue is behind it. A new adapter adds a rig to rigs.py."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from itertools import count
from typing import Literal, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.books import signed
from libs.domain.orders import Evidence, Order, Side, VenueOrder, VenueTerms
from libs.domain.trades import Fill
from libs.venues.broker import Adjustment, Holdings, NotSent, OrderReport, OutcomeUnknown, Refused, Report
from tests.conformance.rigs import REMOTE, SPLIT, Rig, a_remote_rig, a_venue_for, paper, told, told_end, told_fills
from tests.paper import DEPOSIT, NEVER_LATE, D, an_order
from tests.sim_venues import SimVenue

_accounts = count(1)


@pytest.fixture(scope="module", params=["paper", *REMOTE])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, SimVenue | None]]:
    """Where the adapter trades; one venue for all tests, an account for each."""
    kind: str = request.param
    if kind == "paper":
        yield kind, None
        return
    async with a_venue_for(kind) as venue:
        yield kind, venue


@pytest.fixture
async def rig(place: tuple[str, SimVenue | None]) -> AsyncIterator[Rig]:
    kind, venue = place
    async with paper() if venue is None else a_remote_rig(kind, venue, f"account{next(_accounts)}") as made:
        yield made


def terms_of(order: Order) -> VenueTerms:
    """By which an order can be taken into a record that does not have it."""
    return VenueTerms(order.side, order.order_type, order.price, order.stop_price)


async def test_an_accepted_order_is_found_open(rig: Rig) -> None:
    order = rig.order()
    await rig.broker.submit(order, NEVER_LATE)
    expected = VenueOrder(order.client_order_id, rig.symbol, "open", D(10), D(0), terms_of(order))
    assert await rig.broker.find(order.client_order_id) == expected
    assert list(await rig.broker.open_orders()) == [expected]


async def test_an_order_never_sent_is_not_found(rig: Rig) -> None:
    assert await rig.broker.find(rig.order().client_order_id) is None


async def test_a_second_order_of_the_same_client_id_is_not_taken_and_changes_nothing(rig: Rig) -> None:
    """A remote venue cannot say whose the first one is: it may be this very request, sent twice on the way."""
    await rig.broker.submit(rig.order(), NEVER_LATE)
    with pytest.raises(Refused if rig.broker.abilities.absence_is_proof else OutcomeUnknown):
        await rig.broker.submit(rig.order(), NEVER_LATE)
    assert len(await rig.broker.open_orders()) == 1


async def test_a_client_id_stays_taken_after_the_end_and_a_restart(rig: Rig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.broker.cancel(rig.order().client_order_id)
    await rig.restart()
    with pytest.raises((Refused, OutcomeUnknown)):
        await rig.broker.submit(rig.order(), NEVER_LATE)
    assert list(await rig.broker.open_orders()) == []


async def test_nothing_is_sent_after_the_deadline(rig: Rig) -> None:
    with pytest.raises(NotSent):
        await rig.broker.submit(rig.order(), deadline=0.0)
    assert await rig.broker.find(rig.order().client_order_id) is None


async def test_what_the_account_cannot_pay_is_refused_and_not_there(rig: Rig) -> None:
    order = rig.order(quantity=D(5_000))
    with pytest.raises(Refused):
        await rig.broker.submit(order, NEVER_LATE)
    assert await rig.broker.find(order.client_order_id) is None


async def test_a_fill_is_the_same_from_reports_and_refill(rig: Rig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(5, ask=100.0, size=4)
    await rig.show(6, ask=100.0, size=100)
    reported = await told_fills(rig, D(10))
    assert reported == list(await rig.broker.fills_since(0))
    await rig.restart()
    assert reported == list(await rig.broker.fills_since(0))


async def test_exec_keys_are_unique_and_cumulative_never_falls(rig: Rig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    for moment in range(1, 6):
        await rig.show(moment, ask=100.0, size=3)
        await rig.restart()
    fills = await rig.broker.fills_since(0)
    assert [(int(f.quantity), int(f.cumulative)) for f in fills] == [(3, 3), (3, 6), (3, 9), (1, 10)]
    assert len({f.exec_key for f in fills}) == 4


async def test_fills_since_begins_at_the_time_asked_for(rig: Rig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    for moment in (1, 2, 3):
        await rig.show(moment, ask=100.0, size=2)
    assert [f.executed_at for f in await rig.broker.fills_since(rig.at(2))] == [rig.at(2), rig.at(3)]


async def test_a_full_fill_ends_the_order(rig: Rig) -> None:
    order = rig.order()
    await rig.broker.submit(order, NEVER_LATE)
    await rig.show(5, ask=100.0, size=100)
    expected = VenueOrder(order.client_order_id, rig.symbol, "filled", D(10), D(10), terms_of(order))
    assert await rig.broker.find(order.client_order_id) == expected
    assert list(await rig.broker.open_orders()) == []


async def test_nothing_fills_beyond_the_limit_and_prices_are_exact(rig: Rig) -> None:
    await rig.broker.submit(rig.order(price=D("101.07")), NEVER_LATE)
    await rig.show(5, ask=101.08, size=100)
    assert list(await rig.broker.fills_since(0)) == []
    await rig.show(6, ask=101.07, size=100)
    assert [(f.price, f.quantity) for f in await rig.broker.fills_since(0)] == [(D("101.07"), D(10))]


async def test_a_cancel_is_reported_with_what_was_filled(rig: Rig) -> None:
    order = rig.order()
    await rig.broker.submit(order, NEVER_LATE)
    await rig.show(5, ask=100.0, size=4)
    await rig.broker.cancel(order.client_order_id)
    end = await told_end(rig, order.client_order_id)
    assert (end.evidence, end.filled) == (Evidence.CANCELED, D(4))
    expected = VenueOrder(order.client_order_id, rig.symbol, "canceled", D(10), D(4), terms_of(order))
    assert await rig.broker.find(order.client_order_id) == expected


async def test_a_canceled_order_fills_no_more(rig: Rig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.broker.cancel(rig.order().client_order_id)
    await rig.show(5, ask=100.0, size=100)
    assert list(await rig.broker.fills_since(0)) == []


async def test_an_order_that_has_ended_or_never_was_cannot_be_canceled(rig: Rig) -> None:
    with pytest.raises((Refused, OutcomeUnknown)):
        await rig.broker.cancel(rig.order().client_order_id)
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(5, ask=100.0, size=100)
    with pytest.raises(Refused):
        await rig.broker.cancel(rig.order().client_order_id)


async def test_cancel_all_ends_every_order(rig: Rig) -> None:
    assert rig.broker.abilities.cancel_all
    for n in (1, 2, 3):
        await rig.broker.submit(rig.order(n, quantity=D(1)), NEVER_LATE)
    await rig.broker.cancel_all()
    ends = await told(rig, lambda heard: len([r for r in heard if not isinstance(r, Fill) and r.evidence is Evidence.CANCELED]) == 3)  # type: ignore[union-attr]
    assert ends
    assert list(await rig.broker.open_orders()) == []


async def test_an_ability_that_is_not_declared_is_refused(rig: Rig) -> None:
    assert not rig.broker.abilities.dead_man
    with pytest.raises(Refused):
        await rig.broker.dead_man(60.0)


async def test_an_order_ends_at_its_expiry_where_the_venue_says_it_does_that(rig: Rig) -> None:
    order = rig.order()
    await rig.broker.submit(order, NEVER_LATE)
    await rig.pass_time(999)
    assert len(await rig.broker.open_orders()) == 1
    await rig.pass_time(1000)
    if not rig.broker.abilities.good_till_date:
        assert len(await rig.broker.open_orders()) == 1
        return
    end = await told_end(rig, order.client_order_id)
    assert end.evidence is Evidence.EXPIRED
    expected = VenueOrder(order.client_order_id, rig.symbol, "expired", D(10), D(0), terms_of(order))
    assert await rig.broker.find(order.client_order_id) == expected


async def test_news_wakes_whoever_waits_for_it(rig: Rig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    for moment in (5, 6):
        waiting = asyncio.create_task(told_fills(rig, D(4)))
        await asyncio.sleep(0)
        assert not waiting.done()
        await rig.show(moment, ask=100.0, size=4)
        assert len(await waiting) == 1


async def test_news_is_given_once(rig: Rig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(5, ask=100.0, size=4)
    first = await told_fills(rig, D(4))
    await rig.show(6, ask=100.0, size=4)
    second = await told_fills(rig, D(4))
    assert [f.cumulative for f in [*first, *second]] == [D(4), D(8)]


def folded(rig: Rig, fills: Sequence[Fill]) -> Holdings:
    """Cash and positions of an account that began with DEPOSIT and had these fills."""
    cash, held = DEPOSIT["USD"], Decimal(0)
    for fill in fills:
        change = signed(fill.side, fill.quantity)
        cash -= change * fill.price + fill.fee
        held += change
    return Holdings({"USD": cash}, {rig.symbol: held} if held else {})


async def test_holdings_are_the_fold_of_the_fills(rig: Rig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(5, ask=100.0, size=7)
    await rig.broker.submit(rig.order(2, side="sell", quantity=D(7), price=D(99)), NEVER_LATE)
    await rig.show(6, ask=103.0, size=5)
    assert {f.side for f in await rig.broker.fills_since(0)} == {"buy", "sell"}
    assert await rig.broker.holdings() == folded(rig, await rig.broker.fills_since(0))


async def test_the_link_is_up_and_says_how_fast_answers_come(rig: Rig) -> None:
    await rig.broker.open_orders()
    link = rig.broker.link()
    assert (link.up, link.detail) == (True, "")
    assert link.latency_ms is not None
    assert link.latency_ms >= 0


# --- stops, pairs and replacements


async def holding(rig: Rig) -> None:
    """The account holds ten, bought at 100."""
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(1, ask=100.0, size=100)
    await told_fills(rig, D(10))


def a_stop(rig: Rig, n: int, quantity: int = 10, *, at: int = 95, oco: str = "") -> Order:
    """To sell when the market comes down to it; decided on all it has shown by then."""
    order = rig.order(n, side="sell", quantity=D(quantity), price=None, time_in_force="GTC", decided_at=1)
    return msgspec.structs.replace(order, order_type="stop", stop_price=D(at), oco=oco, reduce_only=True)


async def test_a_stop_rests_until_the_market_touches_it(rig: Rig) -> None:
    assert rig.broker.abilities.stops
    await holding(rig)
    stop = a_stop(rig, 2)
    await rig.broker.submit(stop, NEVER_LATE)
    await rig.show(2, ask=96.0, size=100)
    assert await rig.broker.find(stop.client_order_id) == VenueOrder(stop.client_order_id, rig.symbol, "open", D(10), D(0), terms_of(stop))
    await rig.restart()
    await rig.show(3, ask=94.0, size=100)
    assert [f.side for f in await rig.broker.fills_since(0)] == ["buy", "sell"]
    assert (await rig.broker.holdings()).positions == {}


async def test_a_replacement_stands_in_the_place_of_the_old_order(rig: Rig) -> None:
    assert rig.broker.abilities.replaces
    await holding(rig)
    old, new = a_stop(rig, 2), a_stop(rig, 3, quantity=6, at=96)
    await rig.broker.submit(old, NEVER_LATE)
    await rig.broker.replace(old.client_order_id, new, NEVER_LATE)
    end = await told_end(rig, old.client_order_id)
    assert (end.evidence in (Evidence.REPLACED, Evidence.CANCELED), end.filled) == (True, D(0))
    await rig.restart()
    assert await rig.broker.find(old.client_order_id) == VenueOrder(old.client_order_id, rig.symbol, "canceled", D(10), D(0), terms_of(old))
    assert list(await rig.broker.open_orders()) == [VenueOrder(new.client_order_id, rig.symbol, "open", D(6), D(0), terms_of(new))]
    await rig.show(3, ask=95.0, size=100)
    sold = [fill for fill in await rig.broker.fills_since(0) if fill.side == "sell"]
    assert [(f.client_order_id, f.cumulative) for f in sold] == [(new.client_order_id, D(6))]


async def test_what_is_filled_is_not_replaced_and_the_new_order_is_not_there(rig: Rig) -> None:
    await holding(rig)
    old, new = a_stop(rig, 2), a_stop(rig, 3, quantity=6)
    await rig.broker.submit(old, NEVER_LATE)
    await rig.show(2, ask=94.0, size=100)
    with pytest.raises(Refused):
        await rig.broker.replace(old.client_order_id, new, NEVER_LATE)
    found = await rig.broker.find(old.client_order_id)
    assert found is not None
    assert found.status == "filled"
    assert await rig.broker.find(new.client_order_id) is None


async def test_no_replacement_is_sent_after_the_deadline(rig: Rig) -> None:
    await holding(rig)
    old = a_stop(rig, 2)
    await rig.broker.submit(old, NEVER_LATE)
    with pytest.raises(NotSent):
        await rig.broker.replace(old.client_order_id, a_stop(rig, 3), deadline=0.0)
    assert [order.client_order_id for order in await rig.broker.open_orders()] == [old.client_order_id]


async def test_of_a_pair_one_ends_the_other_where_the_venue_takes_pairs(rig: Rig) -> None:
    await holding(rig)
    target = rig.order(3, side="sell", price=D(110), time_in_force="GTC", decided_at=1)
    pair = [a_stop(rig, 2, oco="pair"), msgspec.structs.replace(target, oco="pair", reduce_only=True)]
    if not rig.broker.abilities.oco:
        with pytest.raises(NotSent):
            await rig.broker.submit_oco(pair, NEVER_LATE)
        return
    await rig.broker.submit_oco(pair, NEVER_LATE)
    await rig.restart()
    assert {order.client_order_id for order in await rig.broker.open_orders()} == {order.client_order_id for order in pair}
    await rig.show(2, ask=94.0, size=100)
    assert (await told_end(rig, pair[1].client_order_id)).evidence in (Evidence.CANCELED, Evidence.EXPIRED)
    assert (await rig.broker.holdings()).positions == {}
    assert list(await rig.broker.open_orders()) == []


# --- of venues that adjust for corporate actions and can be restarted within a test


@pytest.fixture
async def paper_rig() -> AsyncIterator[Rig]:
    async with paper() as made:
        yield made


async def reports(rig: Rig) -> Sequence[Report]:
    async with asyncio.timeout(5):
        return await rig.broker.next_reports()


async def test_a_split_ends_the_symbols_orders_and_changes_what_is_held(paper_rig: Rig) -> None:
    rig = paper_rig
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(5, ask=100.0, size=4)
    await rig.pass_time(SPLIT.effective - 1)
    await rig.broker.submit(an_order(2, expires_at=10_000), NEVER_LATE)
    before = await rig.broker.holdings()
    await rig.pass_time(SPLIT.effective)
    *_, end, split = await reports(rig)
    assert isinstance(end, OrderReport)
    assert end.evidence is Evidence.CANCELED
    assert split == Adjustment(SPLIT, D(28), D(0), "USD", SPLIT.effective)
    assert list(await rig.broker.open_orders()) == []
    assert await rig.broker.holdings() == Holdings(before.cash, {"ALFA": D(28)})


async def test_an_adjustment_is_made_once_and_told_again_after_a_restart(paper_rig: Rig) -> None:
    rig = paper_rig
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(5, ask=100.0, size=100)
    assert list(await rig.broker.adjustments()) == []
    await rig.pass_time(SPLIT.effective)
    told = list(await rig.broker.adjustments())
    assert [(item.action, item.after) for item in told] == [(SPLIT, D(70))]
    await rig.restart()
    await rig.pass_time(SPLIT.effective + 1)
    assert list(await rig.broker.adjustments()) == told
    assert (await rig.broker.holdings()).positions == {"ALFA": D(70)}


class Submit(NamedTuple):
    """The order is decided on all the market has shown by then."""

    order: Order
    lifetime: int  # in market events


class Cancel(NamedTuple):
    n: int


class Show(NamedTuple):
    ask: float
    size: int


class Again(NamedTuple):
    """The last `newest` market events are heard once more."""

    newest: int


Restart = Literal["restart"]
Action = Submit | Cancel | Show | Again | Restart


@st.composite
def orders(draw: st.DrawFn) -> Submit:
    side: Side = draw(st.sampled_from(["buy", "buy", "sell"]))
    return Submit(
        an_order(
            draw(st.integers(1, 8)),
            side=side,
            quantity=D(draw(st.integers(1, 400 if side == "buy" else 100))),
            price=D(draw(st.integers(9_995, 10_010))) / 100,
        ),
        lifetime=draw(st.sampled_from([1, 3, 10, 1000])),
    )


SHOWS = st.builds(Show, st.integers(9_990, 10_005).map(lambda cents: cents / 100), st.integers(1, 300))
ACTIONS: st.SearchStrategy[list[Action]] = st.lists(
    st.one_of(
        orders(), orders(), SHOWS, SHOWS, st.builds(Cancel, st.integers(1, 8)), st.builds(Again, st.integers(1, 3)), st.just("restart")
    ),
    min_size=20,
    max_size=50,
)


class Outcome(NamedTuple):
    answers: list[str]
    orders: list[VenueOrder | None]
    open_orders: list[VenueOrder]
    fills: list[Fill]
    holdings: Holdings


async def play(rig: Rig, actions: Sequence[Action], *, restarts: bool) -> Outcome:
    answers: list[str] = []
    shown: list[Show] = []
    for action in actions:
        try:
            match action:
                case Submit(order, lifetime):
                    now = len(shown)
                    await rig.broker.submit(msgspec.structs.replace(order, decided_at=now, expires_at=now + lifetime), NEVER_LATE)
                case Cancel(n):
                    await rig.broker.cancel(an_order(n).client_order_id)
                case Show():
                    shown.append(action)
                    await rig.show(len(shown), *action)
                case Again(newest):
                    for ts, again in list(enumerate(shown, 1))[-newest:]:
                        await rig.show(ts, *again)
                case "restart":
                    if restarts:
                        await rig.restart()
        except Refused as refused:
            answers.append(str(refused))
    return Outcome(
        answers,
        [await rig.broker.find(an_order(n).client_order_id) for n in range(1, 9)],
        list(await rig.broker.open_orders()),
        list(await rig.broker.fills_since(0)),
        await rig.broker.holdings(),
    )


@given(actions=ACTIONS)
@settings(max_examples=100, deadline=None)
def test_a_run_restarted_anywhere_ends_like_one_that_never_stopped(
    actions: list[Action],
) -> None:
    async def both() -> tuple[Outcome, Outcome]:
        async with paper() as steady, paper() as shaken:
            return await play(steady, actions, restarts=False), await play(shaken, actions, restarts=True)

    expected, restarted = asyncio.run(both())
    assert restarted == expected
    assert expected.holdings.cash["USD"] >= 0
    assert expected.holdings.positions.get("ALFA", D(0)) >= 0
