"""Keeps the stops and targets that a venue holds in step with the books, hop by hop."""

import logging
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from libs.common.clocks import HostClock
from libs.common.logs import about
from libs.domain.books import Position
from libs.domain.identity import child_leg
from libs.domain.instruments import Instrument
from libs.domain.orders import PROTECTIVE, TERMINAL, Evidence, Intent, Order, Step, intend
from libs.quant.execution.protection import FIRST, Exit, Guard, Holds, Plan, Standing, plan
from libs.store.protection import GuardRow
from libs.venues.broker import Abilities
from services.trade_executor.evidence import Shown
from services.trade_executor.hop import Change, Held
from services.trade_executor.telling import ids

log = logging.getLogger(__name__)

Book = tuple[str, str]
ASK_AGAIN_S: Final = 30.0
ASK_AGAIN_AT_MOST_S: Final = 3600.0
SEND_AGAIN_S: Final = 1.0  # what keeps a request from leaving is soon over
SEND_AGAIN_AT_MOST_S: Final = 30.0


class _Refused(NamedTuple):
    """Protection that the venue turned down, or that did not leave this host, and when it is asked for again."""

    wanted: tuple[Exit, ...]
    wait_s: float
    again_at: float  # host monotonic
    by_venue: bool


class Guarding:
    """Of one account. What it remembers is in the record too, but for what the venue turned down: that it learns anew."""

    def __init__(self, instruments: Mapping[str, Instrument], abilities: Abilities, *, lockstep: bool) -> None:
        self._instruments = instruments
        self._holds = Holds(abilities.stops, abilities.oco, abilities.trailing, abilities.replaces)
        self._lockstep = lockstep  # the same again and again: nothing is asked for twice
        self._guards: dict[Book, Guard] = {}
        self._planned: dict[UUID, tuple[Book, tuple[Exit, ...]]] = {}  # what an order on the wire is a part of
        self._refused: dict[Book, _Refused] = {}
        self._unreplaceable: frozenset[UUID] = frozenset()
        self._said: set[str] = set()

    def load(self, rows: Iterable[GuardRow]) -> None:
        """As the record has it."""
        self._guards = {}
        for row in rows:
            entry = row.entry.order()
            first = child_leg(entry.leg, FIRST)
            self._guards[entry.strategy_id, entry.symbol] = Guard(entry, 0 if row.highest is None else row.highest - first + 1)

    def filled(self, held: Held, parent: Held | None, change: Change) -> None:
        """An order has a fill: an entry's protection is its book's from then on. Said once, where the venue offers less."""
        entry = held.order if parent is None else parent.order
        known = self._guards.get(held.book)
        if entry.protect is None or (known is not None and _age(entry) <= _age(known.entry)):
            return  # a fill of an earlier entry that comes late is protected by the newest one's, as the record has it
        self._guards[held.book] = Guard(entry)
        if lacks := _lacks(entry, self._holds):
            change.step(change.orders[held.order.order_id], "unprotected", Step(change.orders[held.order.order_id].status, False), lacks)
            if lacks not in self._said:
                self._said.add(lacks)
                told = about("position_protected", "failure", **ids(entry))
                log.warning("venue %s: %s; its positions are without it", entry.venue, lacks, extra=told)

    @property
    def stands(self) -> bool:
        """Whether anything is to be protected."""
        return bool(self._guards)

    def heed(self, shown: Shown, held: Held, now: float) -> None:
        """The venue's no to a protective order is remembered, so that it is not asked the same again at once: each time takes one of the
        children that an entry may have, and one that has used them up stays without protection."""
        order = held.order
        if order.purpose not in PROTECTIVE:
            return
        if shown.evidence is Evidence.REPLACE_REFUSED:
            self._unreplaceable |= {order.order_id}
        if order.order_id not in self._planned:
            return
        book, wanted = self._planned[order.order_id]
        if shown.evidence is Evidence.ACCEPTED:
            self._refused.pop(book, None)
        if shown.evidence in _TURNED_DOWN and order.replaces is None:
            before, by_venue = self._refused.get(book), shown.evidence is Evidence.REJECTED
            first_s, most_s = (ASK_AGAIN_S, ASK_AGAIN_AT_MOST_S) if by_venue else (SEND_AGAIN_S, SEND_AGAIN_AT_MOST_S)
            wait_s = first_s if before is None or before.by_venue is not by_venue else min(2 * before.wait_s, most_s)
            self._refused[book] = _Refused(wanted, wait_s, now + wait_s, by_venue)
            told = about("position_protected", "failure", **ids(order))
            no = f"venue {order.venue} refused its {order.purpose}" if by_venue else f"its {order.purpose} did not leave this host"
            log.critical("%s %s is not protected: %s: %s", *book, no, shown.detail, extra=told)

    def act(
        self,
        change: Change,
        open_: dict[UUID, Held],
        positions: Mapping[Book, Position],
        yielding: Mapping[Book, Decimal],
        cleared: Callable[[Order], bool],
        host: HostClock,
    ) -> None:
        """Adds to a hop whatever brings protection a step nearer to what it should be.

        Args:
            open_: open orders of the account, as they were before the hop.
            positions: all books, as they are in this hop.
            yielding: by book, units of the exits that wait for protection to make room.
            cleared: whether a kill switch lets nothing of an entry's book stand at the venue.
        """
        if not self._guards:
            return
        books: dict[Book, list[Held]] = {book: [] for book in self._guards}
        for item in (open_ | change.orders).values():
            if item.book in books and item.status not in TERMINAL:
                books[item.book].append(item)
        now = host.monotonic()
        for book, orders in books.items():
            position = positions.get(book, Position())
            if position.quantity or any(h.order.purpose in PROTECTIVE for h in orders):
                suspended = cleared(self._guards[book].entry)
                steps = self._plan(book, position, orders, change, yielding, suspended=suspended, now=now)
                self._take(book, steps, orders, change, host.now_ns())

    def _plan(
        self,
        book: Book,
        position: Position,
        orders: list[Held],
        change: Change,
        yielding: Mapping[Book, Decimal],
        *,
        suspended: bool,
        now: float,
    ) -> Plan:
        refused = self._refused.get(book)
        return plan(
            self._guards[book],
            position,
            [Standing(h.order, h.status, h.filled) for h in orders],
            self._instruments[book[1]],
            change.market_time,
            holds=self._holds,
            yielding=yielding.get(book, Decimal(0)),
            suspended=suspended,
            refused=refused.wanted if refused and (self._lockstep and refused.by_venue or now < refused.again_at) else (),
            unreplaceable=self._unreplaceable,
        )

    def _take(self, book: Book, steps: Plan, orders: list[Held], change: Change, now_ns: int) -> None:
        by_id = {h.order.order_id: h for h in orders}
        for order in steps.cancel:
            change.step(by_id[order.order_id], "cancel", Step(intend(by_id[order.order_id].status, Intent.CANCEL), False), _WHY)
            change.cancels.append(order)
        for order in (*steps.replace, *steps.place):
            if order.replaces is not None:
                old = by_id[order.replaces]
                change.step(old, "replace", Step(intend(old.status, Intent.REPLACE), False), f"by order {order.order_id}")
            new = change.spawn(order, now_ns)
            change.step(new, "submit", Step(intend(new.status, Intent.SUBMIT), False))
            change.sends.append(new)
            self._planned[order.order_id] = book, steps.wanted
        guard = self._guards[book]
        self._guards[book] = guard._replace(children=guard.children + len(steps.replace) + len(steps.place))


_TURNED_DOWN: Final = frozenset({Evidence.REJECTED, Evidence.NOT_SENT})
_WHY: Final = "the position, or what else is to close it, is another now"


def _age(entry: Order) -> tuple[int, int]:
    """What the newest entry of a book is the newest by, as in `libs/store/protection.py`."""
    return entry.decided_at, entry.leg


def _lacks(entry: Order, holds: Holds) -> str:
    """What is asked for and the venue does not hold; "" when it holds all of it."""
    exits = entry.protect
    if exits is None:
        return ""
    if not holds.stops:
        return "it holds no stops"
    lacks = ["it moves no stop, so the stop stays where it begins"] if exits.trail_bps and not holds.trailing else []
    if exits.target_bps and (exits.stop_bps or exits.trail_bps) and not holds.pairs:
        lacks.append("it holds no target beside a stop")
    return ", and ".join(lacks)
