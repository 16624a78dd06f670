"""What one account's record says, as of the last hop that was committed: the orders that have not ended, and the books."""

from collections.abc import Mapping
from uuid import UUID

from libs.domain.books import Position
from libs.domain.orders import TERMINAL, CancelRequest, IllegalIntent, Intent, Status, Step, intend
from libs.store.execution import OrderRow
from services.trade_executor.hop import Change, Held
from services.trade_executor.names import Names

Book = tuple[str, str]  # strategy, symbol


class Known:
    """Read from the record, and kept in step with it by what is committed. What a hop decides lies over it, in its `Change`."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.open: dict[UUID, Held] = {}  # in stream order
        self.unwanted: set[UUID] = set()  # orders that are to be cancelled, whatever became of the request to do so
        self.positions: dict[Book, Position] = {}

    def committed(self, change: Change) -> None:
        """What a hop has decided is now so."""
        for id_, held in change.orders.items():
            if held.status in TERMINAL:
                self.open.pop(id_, None)
                self.unwanted.discard(id_)
            else:
                self.open[id_] = held
        self.positions |= change.positions

    def order(self, id_: UUID, change: Change, rows: Mapping[UUID, OrderRow]) -> Held | None:
        """As the hop has it; else as it is open; else, of one that has ended, as its row was read."""
        held = change.orders.get(id_) or self.open.get(id_)
        return held or (Held.of(rows[id_]) if id_ in rows else None)

    def now(self, change: Change) -> dict[UUID, Held]:
        """The open orders as the hop has them so far; those that it has ended are among them."""
        return self.open | change.orders

    def book(self, book: Book, change: Change) -> Position:
        """What a book holds as the hop has it so far."""
        return change.positions.get(book) or self.positions.get(book) or Position()

    def books(self, change: Change) -> dict[Book, Position]:
        """All books as the hop has them so far."""
        return self.positions | change.positions

    def cancel(self, held: Held, request: CancelRequest, change: Change) -> None:
        """Somebody wants an order gone. One that is on its way, or of unknown outcome, is cancelled once it is known to be there."""
        if held.status in TERMINAL:
            return
        try:
            status = intend(held.status, Intent.CANCEL)
        except IllegalIntent:
            status = held.status
            if held.order.order_id in self.unwanted:
                return  # that has been said
        self.unwanted.add(held.order.order_id)
        change.step(held, "cancel", Step(status, anomaly=False), request.reason)
        if status is Status.PENDING_CANCEL:
            change.cancels.append(held.order)
