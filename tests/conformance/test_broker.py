"""What every broker adapter must do, whatever venue is behind it. A new adapter adds a rig to RIGS."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.actions import CorporateAction
from libs.domain.books import signed
from libs.domain.orders import Evidence, Order, Side, VenueOrder
from libs.domain.trades import Fill
from libs.venues.broker import Adjustment, Broker, Holdings, NotSent, OrderReport, Refused, Report
from libs.venues.paper.broker import PaperBroker
from tests.paper import DEPOSIT, NEVER_LATE, D, a_quote, an_order, open_paper

SPLIT = CorporateAction(venue="TEST", symbol="ALFA", effective=2_000, kind="split", ratio=D(7), reference_price=D(100))


class Rig(Protocol):
    """A broker and the hand that moves the venue behind it. The account begins with DEPOSIT and nothing else.

    ALFA is split by SPLIT when the market gets there.
    """

    broker: Broker

    def show(self, ts: int, ask: float, size: float) -> None:
        """The market shows ALFA at `ask`, bid two cents lower, at market time `ts`."""

    def pass_time(self, market_time: int) -> None:
        """Market time moves on and nothing else happens."""

    def restart(self) -> None:
        """Our process died and runs again; `broker` is the new one."""


class PaperRig:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._paper = self._opened()
        self.broker: Broker = self._paper

    def show(self, ts: int, ask: float, size: float) -> None:
        self._paper.on_market([a_quote(ts, bid=ask - 0.02, ask=ask, size=size)], ts)

    def pass_time(self, market_time: int) -> None:
        self._paper.on_market([], market_time)

    def restart(self) -> None:
        self._paper.close()
        self._paper = self._opened()
        self.broker = self._paper

    def _opened(self) -> PaperBroker:
        return open_paper(self._path, actions=[SPLIT])

    def close(self) -> None:
        self._paper.close()


@contextmanager
def paper() -> Iterator[Rig]:
    with tempfile.TemporaryDirectory() as folder:
        rig = PaperRig(Path(folder) / "paper.log")
        yield rig
        rig.close()


RIGS: list[Callable[[], AbstractContextManager[Rig]]] = [paper]


@pytest.fixture(params=RIGS, ids=[make.__name__ for make in RIGS])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    make: Callable[[], AbstractContextManager[Rig]] = request.param
    with make() as made:
        yield made


ORDER = an_order(quantity=D(10), price=D("101.00"))
ID = ORDER.client_order_id


async def reports(rig: Rig) -> Sequence[Report]:
    async with asyncio.timeout(5):
        return await rig.broker.next_reports()


async def test_an_accepted_order_is_found_open(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    expected = VenueOrder(ID, "ALFA", "open", D(10), D(0))
    assert await rig.broker.find(ID) == expected
    assert list(await rig.broker.open_orders()) == [expected]


async def test_an_order_never_sent_is_not_found(rig: Rig) -> None:
    assert await rig.broker.find(ID) is None


async def test_a_second_order_of_the_same_client_id_is_refused_and_changes_nothing(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    with pytest.raises(Refused, match="duplicate"):
        await rig.broker.submit(ORDER, NEVER_LATE)
    assert len(await rig.broker.open_orders()) == 1


async def test_a_client_id_stays_taken_after_the_end_and_a_restart(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    await rig.broker.cancel(ID)
    rig.restart()
    with pytest.raises(Refused, match="duplicate"):
        await rig.broker.submit(ORDER, NEVER_LATE)


async def test_nothing_is_sent_after_the_deadline(rig: Rig) -> None:
    with pytest.raises(NotSent):
        await rig.broker.submit(ORDER, deadline=0.0)
    assert await rig.broker.find(ID) is None


async def test_a_fill_is_the_same_from_reports_and_refill(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    rig.show(5, ask=100.0, size=4)
    rig.show(6, ask=100.0, size=100)
    reported = list(await reports(rig))
    assert reported == list(await rig.broker.fills_since(0))
    rig.restart()
    assert reported == list(await rig.broker.fills_since(0))


async def test_exec_keys_are_unique_and_cumulative_never_falls(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    for ts in range(1, 6):
        rig.show(ts, ask=100.0, size=3)
        rig.restart()
    fills = await rig.broker.fills_since(0)
    assert [(int(f.quantity), int(f.cumulative)) for f in fills] == [(3, 3), (3, 6), (3, 9), (1, 10)]
    assert len({f.exec_key for f in fills}) == 4


async def test_fills_since_begins_at_the_time_asked_for(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    for ts in (1, 2, 3):
        rig.show(ts, ask=100.0, size=2)
    assert [f.executed_at for f in await rig.broker.fills_since(2)] == [2, 3]


async def test_a_full_fill_ends_the_order(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    rig.show(5, ask=100.0, size=100)
    assert await rig.broker.find(ID) == VenueOrder(ID, "ALFA", "filled", D(10), D(10))
    assert list(await rig.broker.open_orders()) == []


async def test_nothing_fills_beyond_the_limit(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    rig.show(5, ask=101.01, size=100)
    assert list(await rig.broker.fills_since(0)) == []
    rig.show(6, ask=101.0, size=100)
    assert [f.price for f in await rig.broker.fills_since(0)] == [D(101)]


async def test_a_cancel_is_reported_with_what_was_filled(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    rig.show(5, ask=100.0, size=4)
    await rig.broker.cancel(ID)
    end = (await reports(rig))[-1]
    assert isinstance(end, OrderReport)
    assert (end.client_order_id, end.evidence, end.filled) == (ID, Evidence.CANCELED, D(4))
    assert await rig.broker.find(ID) == VenueOrder(ID, "ALFA", "canceled", D(10), D(4))


async def test_a_canceled_order_fills_no_more(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    await rig.broker.cancel(ID)
    rig.show(5, ask=100.0, size=100)
    assert list(await rig.broker.fills_since(0)) == []


async def test_an_order_that_has_ended_or_never_was_cannot_be_canceled(rig: Rig) -> None:
    with pytest.raises(Refused):
        await rig.broker.cancel(ID)
    await rig.broker.submit(ORDER, NEVER_LATE)
    rig.show(5, ask=100.0, size=100)
    with pytest.raises(Refused):
        await rig.broker.cancel(ID)


async def test_an_order_ends_at_its_expiry_and_not_before(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    rig.pass_time(ORDER.expires_at - 1)
    assert len(await rig.broker.open_orders()) == 1
    rig.pass_time(ORDER.expires_at)
    [end] = await reports(rig)
    assert isinstance(end, OrderReport)
    assert end.evidence is Evidence.EXPIRED
    assert await rig.broker.find(ID) == VenueOrder(ID, "ALFA", "expired", D(10), D(0))


async def test_news_wakes_whoever_waits_for_it(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    for ts in (5, 6):
        waiting = asyncio.create_task(reports(rig))
        await asyncio.sleep(0)
        assert not waiting.done()
        rig.show(ts, ask=100.0, size=4)
        assert len(await waiting) == 1


async def test_news_is_given_once(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    rig.show(5, ask=100.0, size=4)
    first = await reports(rig)
    rig.show(6, ask=100.0, size=4)
    second = await reports(rig)
    assert [f.cumulative for f in [*first, *second] if isinstance(f, Fill)] == [D(4), D(8)]


def folded(fills: Sequence[Fill]) -> Holdings:
    """Cash and positions of a stock account that began with DEPOSIT and had these fills."""
    cash, held = DEPOSIT["USD"], Decimal(0)
    for fill in fills:
        change = signed(fill.side, fill.quantity)
        cash -= change * fill.price + fill.fee
        held += change
    return Holdings({"USD": cash}, {"ALFA": held} if held else {})


async def test_holdings_are_the_fold_of_the_fills(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    rig.show(5, ask=100.0, size=7)
    await rig.broker.submit(an_order(2, side="sell", quantity=D(7), price=D(99)), NEVER_LATE)
    rig.show(6, ask=103.0, size=5)
    assert {f.side for f in await rig.broker.fills_since(0)} == {"buy", "sell"}
    assert await rig.broker.holdings() == folded(await rig.broker.fills_since(0))


async def test_a_split_ends_the_symbols_orders_and_changes_what_is_held(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    rig.show(5, ask=100.0, size=4)
    rig.pass_time(SPLIT.effective - 1)
    await rig.broker.submit(an_order(2, expires_at=10_000), NEVER_LATE)
    before = await rig.broker.holdings()
    rig.pass_time(SPLIT.effective)
    *_, end, split = await reports(rig)
    assert isinstance(end, OrderReport)
    assert end.evidence is Evidence.CANCELED
    assert split == Adjustment(SPLIT, D(28), D(0), "USD", SPLIT.effective)
    assert list(await rig.broker.open_orders()) == []
    assert await rig.broker.holdings() == Holdings(before.cash, {"ALFA": D(28)})


async def test_an_adjustment_is_made_once_and_told_again_after_a_restart(rig: Rig) -> None:
    await rig.broker.submit(ORDER, NEVER_LATE)
    rig.show(5, ask=100.0, size=100)
    assert list(await rig.broker.adjustments()) == []
    rig.pass_time(SPLIT.effective)
    told = list(await rig.broker.adjustments())
    assert [(item.action, item.after) for item in told] == [(SPLIT, D(70))]
    rig.restart()
    rig.pass_time(SPLIT.effective + 1)
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
                    rig.show(len(shown), *action)
                case Again(newest):
                    for ts, again in list(enumerate(shown, 1))[-newest:]:
                        rig.show(ts, *again)
                case "restart":
                    if restarts:
                        rig.restart()
        except Refused as refused:
            answers.append(str(refused))
    return Outcome(
        answers,
        [await rig.broker.find(an_order(n).client_order_id) for n in range(1, 9)],
        list(await rig.broker.open_orders()),
        list(await rig.broker.fills_since(0)),
        await rig.broker.holdings(),
    )


@pytest.mark.parametrize("make", RIGS, ids=[make.__name__ for make in RIGS])
@given(actions=ACTIONS)
@settings(max_examples=100, deadline=None)
def test_a_run_restarted_anywhere_ends_like_one_that_never_stopped(
    make: Callable[[], AbstractContextManager[Rig]], actions: list[Action]
) -> None:
    with make() as steady, make() as shaken:
        expected = asyncio.run(play(steady, actions, restarts=False))
        assert asyncio.run(play(shaken, actions, restarts=True)) == expected
    assert expected.holdings == folded(expected.fills)
    assert expected.holdings.cash["USD"] >= 0
    assert expected.holdings.positions.get("ALFA", D(0)) >= 0
