"""What protects a position, and the way there, as rules: `libs/quant/execution/protection.py`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.books import Position, signed
from libs.domain.orders import PROTECTIVE, TERMINAL, Exits, Order, Side, Status
from libs.quant.execution.protection import FIRST, MOST, Guard, Holds, Plan, Standing, exits_for, plan, way_of
from tests.paper import ALFA, COIN, an_order

D = Decimal
PAIR = Exits(stop_bps=200, target_bps=300)
LONG = Position(D(10), D(100))
SHORT = Position(D(-10), D(100))


def an_entry(exits: Exits = PAIR, side: Side = "buy") -> Order:
    return msgspec.structs.replace(an_order(side=side), protect=exits)


def guarded(position: Position = LONG, orders: tuple[Standing, ...] = (), exits: Exits = PAIR, children: int = 0, **how: Any) -> Plan:
    side: Side = "buy" if position.quantity >= 0 else "sell"
    how = {"holds": Holds(), **how}
    return plan(Guard(an_entry(exits, side), children), position, orders, ALFA, 7, **how)


def standing(orders: tuple[Order, ...], status: Status = Status.ACKED, filled: int = 0) -> tuple[Standing, ...]:
    return tuple(Standing(order, status, D(filled)) for order in orders)


@pytest.mark.parametrize(
    ("position", "exits", "holds", "expected"),
    [
        pytest.param(LONG, PAIR, Holds(), ["sell stop 10 98", "sell limit 10 103"], id="long"),
        pytest.param(SHORT, PAIR, Holds(), ["buy stop 10 102", "buy limit 10 97"], id="short"),
        pytest.param(LONG, Exits(trail_bps=100), Holds(), ["sell trailing_stop 10 99"], id="trailing"),
        pytest.param(LONG, Exits(trail_bps=100), Holds(trailing=False), ["sell stop 10 99"], id="where it would begin to trail"),
        pytest.param(LONG, PAIR, Holds(pairs=False), ["sell stop 10 98"], id="the stop before the target"),
        pytest.param(LONG, Exits(target_bps=300), Holds(pairs=False), ["sell limit 10 103"], id="a target alone is no pair"),
        pytest.param(LONG, PAIR, Holds(stops=False), [], id="nothing, where nothing can be held"),
    ],
)
def test_what_a_position_is_given(position: Position, exits: Exits, holds: Holds, expected: list[str]) -> None:
    found = exits_for(position, exits, abs(position.quantity), ALFA, holds)
    assert [f"{e.side} {e.order_type} {e.quantity} {(e.stop_price or e.price):f}".replace(".00", "") for e in found] == expected


def test_parts_of_a_lot_stay_without_protection_for_nothing_is_rounded_up() -> None:
    held = Position(D("0.123459"), D(50_000))
    assert [exit_.quantity for exit_ in exits_for(held, PAIR, held.quantity, COIN, Holds())] == [D("0.12345")] * 2


def test_children_are_numbered_on_and_name_their_parent() -> None:
    orders = guarded(children=3).place
    assert [order.leg % 10_000 - FIRST for order in orders] == [3, 4]
    assert {order.parent_id for order in orders} == {an_entry().order_id}
    assert {order.oco for order in orders} == {str(orders[0].order_id)}
    assert guarded(children=3).place == orders


def test_nothing_is_asked_for_while_any_of_it_is_in_doubt() -> None:
    pair = guarded().place
    for status in set(Status) - TERMINAL - {Status.ACKED, Status.PARTIAL}:
        assert guarded(Position(D(4), D(100)), (*standing(pair[:1], status), *standing(pair[1:]))) == Plan()


def test_one_order_is_replaced_and_a_pair_is_cancelled_first() -> None:
    stop, more = Exits(stop_bps=200), Position(D(14), D(100))
    (only,) = guarded(exits=stop).place
    (new,) = guarded(more, standing((only,)), stop, 1).replace
    assert (new.replaces, new.quantity) == (only.order_id, D(14))
    pair = guarded().place
    assert guarded(more, standing(pair), PAIR, 2).cancel == pair
    assert guarded(more, standing((only,)), stop, 1, unreplaceable=frozenset({only.order_id})).cancel == (only,)
    assert guarded(more, standing((only,)), stop, 1, holds=Holds(replaces=False)).cancel == (only,)


def test_a_stop_that_is_being_executed_is_left_alone_and_a_target_gives_way_to_a_new_pair() -> None:
    stop, target = guarded().place
    left = Position(D(6), D(100))
    assert guarded(left, standing((stop,), Status.PARTIAL, 4), children=2) == Plan()
    assert guarded(left, standing((target,), Status.PARTIAL, 4), children=2).cancel == (target,)


def test_what_was_refused_is_not_asked_for_again_but_what_is_too_large_still_goes() -> None:
    wanted = guarded().wanted
    assert guarded(refused=wanted) == Plan()
    stop, target = guarded().place
    assert guarded(Position(D(4), D(100)), standing((stop, target)), refused=guarded(Position(D(4), D(100))).wanted).cancel == (
        stop,
        target,
    )
    assert guarded(children=MOST) == Plan(), "an entry has no number left"


def test_nothing_stands_under_a_kill_switch_for_a_flat_book_or_one_that_was_turned_round_by_others() -> None:
    pair = guarded().place
    assert guarded(suspended=True) == Plan()
    assert guarded(orders=standing(pair), suspended=True).cancel == pair
    assert guarded(Position(), standing(pair)).cancel == pair
    turned = plan(Guard(an_entry(side="buy")), SHORT, standing(pair), ALFA, 7, holds=Holds())
    assert turned.cancel == pair


def test_an_exit_goes_when_there_is_room_for_it_and_never_when_there_is_less_than_it_closes() -> None:
    pair = standing(guarded().place)
    exit_ = msgspec.structs.replace(an_order(2, side="sell", quantity=D(4)), reduce_only=True)
    assert way_of(exit_, (), D(10)) == "clear"
    assert way_of(exit_, pair, D(10)) == "yield"
    assert way_of(exit_, pair, D(14)) == "clear"
    assert way_of(exit_, (), D(3)) == way_of(exit_, (), D(0)) == way_of(exit_, (), D(-10)) == "gone"
    assert way_of(an_order(3), pair, D(10)) == "clear", "an entry is not in the way of a stop"


@dataclass
class World:
    """A book at a venue that answers when it likes. Whatever the venue does, the position never turns round."""

    exits: Exits
    holds: Holds
    held: int = 0
    booked: int = 0  # of `held` what is known on our side
    guard: Guard | None = None
    ours: dict[UUID, Standing] = field(default_factory=dict)
    theirs: dict[UUID, int] = field(default_factory=dict)  # units left of what is open at the venue
    untold: list[Callable[[], None]] = field(default_factory=list)
    n: int = 0

    def enter(self, units: int) -> None:
        order = msgspec.structs.replace(an_order(1000 + self.n, quantity=D(units)), protect=self.exits)
        self.n += 1
        if not any(s.order.purpose == "signal" for s in self.ours.values()):
            self._send(order)

    def leave(self, units: int) -> None:
        order = msgspec.structs.replace(an_order(1000 + self.n, side="sell", quantity=D(units)), reduce_only=True)
        self.n += 1
        if not any(s.order.purpose == "signal" for s in self.ours.values()):
            self.ours[order.order_id] = Standing(order, Status.APPROVED)

    def fill(self, which: int, units: int) -> None:
        """The venue fills part of an open order; of a pair the other ends."""
        if not self.theirs:
            return
        id_ = list(self.theirs)[which % len(self.theirs)]
        order, units = self.ours[id_].order, min(units, self.theirs[id_])
        before = self.held
        self.held += int(signed(order.side, D(units)))
        assert self.held >= 0, f"the position turned round: {order.purpose} of {order.quantity} at {before}"
        self.theirs[id_] -= units
        if order.oco:
            for other in [o for o in self.theirs if o != id_ and self.ours[o].order.oco == order.oco]:
                self._ends(other)
        self.untold.append(lambda: self._believe(order, units))
        if not self.theirs[id_]:
            del self.theirs[id_]

    def tell(self) -> None:
        """The oldest news arrives."""
        if self.untold:
            self.untold.pop(0)()

    def act(self) -> None:
        """What a hop does."""
        yielding = D(0)
        for s in [s for s in self.ours.values() if s.status is Status.APPROVED]:
            beside = [o for o in self.ours.values() if o is not s]
            busy = any(not o.rests and o.status is not Status.APPROVED for o in beside)
            match "hold" if busy else way_of(s.order, beside, D(self.booked)):
                case "clear":
                    self._send(s.order)
                case "gone":
                    del self.ours[s.order.order_id]
                case "yield":
                    yielding += s.order.quantity
        if self.guard is None:
            return
        steps = plan(self.guard, Position(D(self.booked), D(100)), list(self.ours.values()), ALFA, 7, holds=self.holds, yielding=yielding)
        for order in steps.cancel:
            self._await(order, Status.PENDING_CANCEL)
            self.untold.append(lambda order=order: self._cancel(order))  # type: ignore[misc]
        for order in (*steps.replace, *steps.place):
            self.guard = self.guard._replace(children=self.guard.children + 1)
            if order.replaces is None:
                self._send(order)
                continue
            self._await(self.ours[order.replaces].order, Status.PENDING_REPLACE)
            self.ours[order.order_id] = Standing(order, Status.SUBMITTING)
            self.untold.append(lambda order=order: self._replace(order))  # type: ignore[misc]

    def _send(self, order: Order) -> None:
        self.ours[order.order_id] = Standing(order, Status.SUBMITTING)
        self.theirs[order.order_id] = int(order.quantity)
        self.untold.append(lambda: self._await(order, Status.ACKED, Status.SUBMITTING))

    def _await(self, order: Order, status: Status, only: Status | None = None) -> None:
        s = self.ours.get(order.order_id)
        if s is not None and only in (None, s.status):
            self.ours[order.order_id] = s._replace(status=status)

    def _believe(self, order: Order, units: int) -> None:
        self.booked += int(signed(order.side, D(units)))
        if order.protect is not None and (self.guard is None or self.guard.entry.order_id != order.order_id):
            self.guard = Guard(order)
        s = self.ours[order.order_id]
        s = s._replace(filled=s.filled + units, status=Status.PARTIAL if s.status in (Status.ACKED, Status.SUBMITTING) else s.status)
        self.ours[order.order_id] = s
        if not s.remaining:
            del self.ours[order.order_id]

    def _ends(self, id_: UUID) -> None:
        del self.theirs[id_]
        self.untold.append(lambda: self.ours.pop(id_, None))  # type: ignore[arg-type]

    def _cancel(self, order: Order) -> None:
        """The request arrives at the venue, perhaps too late."""
        if order.order_id in self.theirs:
            self._ends(order.order_id)

    def _replace(self, order: Order) -> None:
        old = order.replaces
        assert old is not None
        if old in self.theirs and self.theirs[old] == self.ours[old].order.quantity:
            self._ends(old)
            self.theirs[order.order_id] = int(order.quantity)
            self.untold.append(lambda: self._await(order, Status.ACKED, Status.SUBMITTING))
            return
        self.untold.append(lambda: self.ours.pop(order.order_id, None))  # type: ignore[arg-type]
        if old in self.theirs:
            self.untold.append(lambda: self._await(self.ours[old].order, Status.PARTIAL) if old in self.ours else None)


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.integers(1, 9)),
        st.tuples(st.just("leave"), st.integers(1, 9)),
        st.tuples(st.just("fill"), st.integers(0, 5), st.integers(1, 9)),
        st.tuples(st.just("fill"), st.integers(0, 5), st.integers(1, 9)),
        st.tuples(st.just("tell")),
        st.tuples(st.just("tell")),
        st.tuples(st.just("act")),
    ),
    max_size=60,
)


@given(
    moves=MOVES,
    exits=st.sampled_from([PAIR, Exits(stop_bps=200), Exits(trail_bps=50, target_bps=80), Exits(target_bps=10)]),
    holds=st.builds(Holds, stops=st.just(True), trailing=st.booleans(), pairs=st.booleans(), replaces=st.booleans()),
)
@settings(max_examples=150, deadline=None)
def test_whatever_fills_in_whatever_order_the_position_never_turns_round(moves: list[Any], exits: Exits, holds: Holds) -> None:
    """And once everybody has been heard, what stands is exactly what is held."""
    world = World(exits, holds)
    for name, *how in moves:
        getattr(world, name)(*how)
        if name == "tell":
            world.act()
    world.act()
    while world.untold:
        world.tell()
        world.act()
    assert world.booked == world.held
    protection = [s for s in world.ours.values() if s.order.purpose in PROTECTIVE]
    cover = sum({s.order.oco or s.order.client_order_id: s.remaining for s in protection}.values())
    closing = sum(s.remaining for s in world.ours.values() if s.order.purpose == "signal" and s.order.side == "sell")
    executing = any(s.filled and s.order.purpose == "stop" for s in protection)
    room = max(0, world.held - closing)
    assert cover <= room if executing else cover == room, "a stop that is being executed is let finish first"
