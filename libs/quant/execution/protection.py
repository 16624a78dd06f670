"""The orders that stand at a venue between a position and the market: which there should be, and the way there. Pure.

Three callers: trade_executor at any venue, the backtester, and through it lockstep parity. A book's protection and its
other orders that bring it nearer to zero together never come to more than it holds, so that whatever fills, and in
whatever order, the position never turns round. What makes room is protection: an exit waits until it has been cut back.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, Literal, NamedTuple
from uuid import UUID

import msgspec

from libs.domain.books import Position
from libs.domain.identity import CHILDREN, SLICES, child_leg, client_id_beside, order_id
from libs.domain.instruments import Instrument
from libs.domain.orders import AT_VENUE, PROTECTIVE, Exits, Order, OrderType, Side, Status
from libs.domain.times import SECOND
from libs.quant.sizing import to_ticks

FOREVER: Final = 7_258_118_400 * SECOND
"""Market ns, the year 2200: when protective orders expire. The record keeps it to the digit."""
FIRST: Final = SLICES
"""Number of an entry's first protective child; those before it are slices."""
MOST: Final = CHILDREN - FIRST
_NOTHING: Final = Decimal(0)
_RESTING: Final = (Status.ACKED, Status.PARTIAL)

Way = Literal["clear", "yield", "gone"]


class Standing(NamedTuple):
    """An open order and where it stands."""

    order: Order
    status: Status
    filled: Decimal = _NOTHING

    @property
    def remaining(self) -> Decimal:
        return self.order.quantity - self.filled

    @property
    def rests(self) -> bool:
        """Whether it is protection that the venue is known to hold."""
        return self.order.purpose in PROTECTIVE and self.status in _RESTING


class Holds(NamedTuple):
    """What a venue holds of protection."""

    stops: bool = True
    pairs: bool = True  # two orders that end each other
    trailing: bool = True
    replaces: bool = True


class Guard(NamedTuple):
    """What a book's protection hangs on: its newest entry that has filled, and how many protective orders that has had."""

    entry: Order
    children: int = 0


class Exit(NamedTuple):
    """A protective order to be."""

    purpose: Literal["stop", "target"]
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None


class Plan(NamedTuple):
    """What to do next. What is placed together ends each other; a replacement says whose place it takes."""

    place: tuple[Order, ...] = ()
    replace: tuple[Order, ...] = ()
    cancel: tuple[Order, ...] = ()
    wanted: tuple[Exit, ...] = ()  # what it leads to; refused once, it is not asked for again


def exits_for(position: Position, exits: Exits, room: Decimal, instrument: Instrument, holds: Holds) -> tuple[Exit, ...]:
    """The orders that are to guard `room` units of a position, at distances from its average cost.

    Nothing is larger than it may be: parts of a lot stay without. A venue that does not trail is given the stop where a
    trailing one would begin; one that takes no pairs is given the stop and no target.
    """
    quantity = instrument.quantity(int(room / instrument.lot))
    if quantity <= 0 or not holds.stops:
        return ()
    long = position.quantity > 0
    side: Side = "sell" if long else "buy"
    worse = -1 if long else 1
    cost, trails = position.avg_cost, bool(exits.trail_bps)
    found: list[Exit] = []
    if stop_bps := exits.trail_bps or exits.stop_bps:
        stop = _at(cost, worse * stop_bps, instrument)
        trail = _distance(cost, stop_bps, instrument) if trails and holds.trailing else None
        found.append(Exit("stop", side, "stop" if trail is None else "trailing_stop", quantity, stop_price=stop, trail=trail))
    if exits.target_bps and (holds.pairs or not found):
        found.append(Exit("target", side, "limit", quantity, price=_at(cost, -worse * exits.target_bps, instrument)))
    return tuple(found)


def way_of(order: Order, beside: Iterable[Standing], held: Decimal) -> Way:
    """Whether an order may go to the venue, as far as the protection of its book is concerned.

    Args:
        beside: the other open orders of its book.
        held: what the book holds, signed.

    Returns:
        yield: as soon as protection has been cut back; gone: what it was to close is not there any more.
    """
    shrinks = _shrinks(order.side, held)
    if order.reduce_only and not (shrinks and order.quantity <= abs(held)):
        return "gone"
    if not shrinks:
        return "clear"
    return "clear" if order.quantity + _cover(beside) <= abs(held) else "yield"


def plan(
    guard: Guard,
    position: Position,
    orders: Sequence[Standing],
    instrument: Instrument,
    now: int,
    *,
    holds: Holds,
    yielding: Decimal = _NOTHING,
    suspended: bool = False,
    refused: tuple[Exit, ...] = (),
    unreplaceable: frozenset[UUID] = frozenset(),
) -> Plan:
    """The next step from the protection that stands to the one that should; nothing while any of it is in doubt.

    Args:
        orders: every open order of the book.
        now: market ns.
        yielding: units that exits want to sell (or buy back) as soon as there is room for them.
        suspended: nothing may stand there now.
        refused: what the venue has turned down; it is not asked for the same again.
        unreplaceable: orders whose replacement was refused: they are cancelled instead.
    """
    standing = [s for s in orders if s.order.purpose in PROTECTIVE]
    if any(not s.rests for s in standing):
        return Plan()
    room = _room(guard, position.quantity, orders, yielding)
    exits = guard.entry.protect
    wanted = () if suspended or exits is None else exits_for(position, exits, room, instrument, holds)
    if _in_step(standing, wanted):
        return Plan()
    if wanted and (wanted == refused or guard.children + len(wanted) > MOST):  # no better is to be had
        return Plan(cancel=_orders(standing) if _cover(standing) > room else ())
    if standing and wanted and _takes_the_place(standing, wanted, holds, unreplaceable):
        return Plan(replace=_children(guard, wanted, now, standing[0].order.order_id), wanted=wanted)
    if standing:
        return Plan(cancel=_orders(standing))
    return Plan(place=_children(guard, wanted, now), wanted=wanted)


def _room(guard: Guard, held: Decimal, orders: Iterable[Standing], yielding: Decimal) -> Decimal:
    """Units of the position that no other order is about to close."""
    if not held or (guard.entry.side == "buy") != (held > 0):
        return _NOTHING
    closing = sum(
        (s.remaining for s in orders if s.order.purpose not in PROTECTIVE and s.status in AT_VENUE and _shrinks(s.order.side, held)),
        _NOTHING,
    )
    return max(_NOTHING, abs(held) - closing - yielding)


def _cover(orders: Iterable[Standing]) -> Decimal:
    """Units that protection may still trade; of orders that end each other only one can."""
    most: dict[str, Decimal] = {}
    for s in orders:
        if s.order.purpose in PROTECTIVE:
            name = s.order.oco or s.order.client_order_id
            most[name] = max(most.get(name, _NOTHING), s.remaining)
    return sum(most.values(), _NOTHING)


def _in_step(standing: Sequence[Standing], wanted: tuple[Exit, ...]) -> bool:
    """Whether what stands is what should. A stop that is being executed has ended its target, and is let finish."""
    if sorted(map(_as_exit, standing)) == sorted(map(_comparable, wanted)):
        return True
    executing = [s for s in standing if s.filled]
    return (
        len(standing) == 1
        and executing == standing
        and standing[0].order.purpose == "stop"
        and any(w.purpose == "stop" and standing[0].remaining <= w.quantity for w in wanted)
    )


def _as_exit(standing: Standing) -> tuple[object, ...]:
    order = standing.order
    purpose: Literal["stop", "target"] = "stop" if order.purpose == "stop" else "target"
    return _comparable(Exit(purpose, order.side, order.order_type, standing.remaining, order.price, order.stop_price, order.trail))


def _comparable(exit_: Exit) -> tuple[object, ...]:
    return tuple("" if value is None else value for value in exit_)


def _takes_the_place(standing: Sequence[Standing], wanted: tuple[Exit, ...], holds: Holds, unreplaceable: frozenset[UUID]) -> bool:
    """One order for another of its kind. Of a pair the venue may end both when one is replaced."""
    old = standing[0]
    return (
        holds.replaces
        and len(standing) == len(wanted) == 1
        and not old.filled
        and not old.order.oco
        and old.order.order_type == wanted[0].order_type
        and old.order.order_id not in unreplaceable
    )


def _orders(standing: Iterable[Standing]) -> tuple[Order, ...]:
    return tuple(s.order for s in standing)


def _children(guard: Guard, wanted: tuple[Exit, ...], now: int, replaces: UUID | None = None) -> tuple[Order, ...]:
    made = tuple(child(guard.entry, guard.children + n, exit_, now, replaces) for n, exit_ in enumerate(wanted))
    if len(made) < 2:
        return made
    return tuple(msgspec.structs.replace(order, oco=str(made[0].order_id)) for order in made)


def child(entry: Order, n: int, exit_: Exit, now: int, replaces: UUID | None) -> Order:
    """The protective order with that number of an entry, decided at `now`, market ns."""
    leg = child_leg(entry.leg, FIRST + n)
    id_ = order_id(entry.signal_id, leg)
    return Order(
        order_id=id_,
        client_order_id=client_id_beside(entry.client_order_id, id_),
        account_id=entry.account_id,
        venue=entry.venue,
        session_id=entry.session_id,
        strategy_id=entry.strategy_id,
        symbol=entry.symbol,
        signal_id=entry.signal_id,
        leg=leg,
        side=exit_.side,
        order_type=exit_.order_type,
        quantity=exit_.quantity,
        price=exit_.price,
        time_in_force="GTC",
        decided_at=now,
        valid_until=FOREVER,
        expires_at=FOREVER,
        stop_price=exit_.stop_price,
        trail=exit_.trail,
        purpose=exit_.purpose,
        parent_id=entry.order_id,
        replaces=replaces,
        reduce_only=True,
    )


def _shrinks(side: Side, held: Decimal) -> bool:
    return held > 0 if side == "sell" else held < 0


def _at(price: Decimal, bps: float, instrument: Instrument) -> Decimal:
    return instrument.price(max(1, to_ticks(float(price) * (1 + bps / 10_000), float(instrument.tick))))


def _distance(price: Decimal, bps: float, instrument: Instrument) -> Decimal:
    return instrument.price(max(1, to_ticks(float(price) * bps / 10_000, float(instrument.tick))))
