"""What protects the books of a backtest: the fleet's own rules, before a venue that answers at once."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from libs.domain.books import Position, signed
from libs.domain.instruments import Instrument
from libs.domain.orders import Order, Status
from libs.quant.execution.protection import Exit, Guard, Holds, Plan, Standing, plan

_EVERYTHING: Final = Holds()
Book = tuple[str, str]


class Guarding:
    """Of one account."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._guards: dict[Book, Guard] = {}
        self._refused: dict[Book, tuple[Exit, ...]] = {}
        self._unreplaceable: frozenset[UUID] = frozenset()

    def filled(self, order: Order) -> None:
        """An order, or the parent of a slice, has a fill: an entry's protection is its book's from then on."""
        book = (order.strategy_id, order.symbol)
        if order.protect is not None and (book not in self._guards or self._guards[book].entry.order_id != order.order_id):
            self._guards[book] = Guard(order)

    def guards(self, book: Book) -> bool:
        """Whether there is anything to do at all."""
        return book in self._guards

    def plan(
        self, book: Book, position: Position, orders: Sequence[Order], filled: Mapping[str, Decimal], now: int, wants: Order | None
    ) -> Plan:
        """The next step for a book with these open orders; `wants`: one that is about to be sent, and to which it gives way."""
        standing = [Standing(o, Status.PARTIAL if filled[o.client_order_id] else Status.ACKED, filled[o.client_order_id]) for o in orders]
        closes = wants is not None and signed(wants.side, wants.quantity) * position.quantity < 0
        return plan(
            self._guards[book],
            position,
            standing,
            self._instruments[book[1]],
            now,
            holds=_EVERYTHING,
            yielding=wants.quantity if wants is not None and closes else Decimal(0),
            refused=self._refused.get(book, ()),
            unreplaceable=self._unreplaceable,
        )

    def answered(self, book: Book, steps: Plan, taken: bool) -> None:
        """The venue took what was planned, or turned it down."""
        guard = self._guards[book]
        self._guards[book] = guard._replace(children=guard.children + len(steps.place) + len(steps.replace))
        if not taken and steps.replace:
            self._unreplaceable |= {order.replaces for order in steps.replace if order.replaces is not None}
        elif not taken:
            self._refused[book] = steps.wanted
        elif steps.wanted:
            self._refused.pop(book, None)
