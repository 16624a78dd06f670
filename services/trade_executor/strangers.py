"""Open orders at the venue that the record does not have: whose they are, and what becomes of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from libs.domain.orders import TERMINAL, VenueOrder
from libs.domain.reconciling import Item, order_item, owner
from libs.store.reconciliation import ReconcileStore, Standing
from services.trade_executor.names import Names

ADOPTED: Final = "adopted"
NOT_OURS: Final = "its id is not one of an order that this record has approved"


class Sorted(NamedTuple):
    """What a listing has of orders that are not open by the record."""

    adopt: list[VenueOrder]  # the record takes them over
    ended: list[VenueOrder]  # the record has their end
    close: dict[str, str]  # client order ids of the record that a person wants gone, with why
    cancel: list[str]  # the same of orders that the record cannot have
    items: list[Item]


class Strangers:
    """Tells them apart by their client order ids."""

    def __init__(self, items: ReconcileStore, account_id: str, symbols: Collection[str], fleet_tag: str, names: Names) -> None:
        """`symbols`: that the account has instruments for; of others nothing can be booked."""
        self._items = items
        self._account_id = account_id
        self._symbols = symbols
        self._fleet_tag = fleet_tag
        self._names = names

    def foreign(self, client_order_id: str) -> bool:
        """Whether another fleet made it: it has the form of our ids, and not our tag."""
        return owner(client_order_id, self._fleet_tag) == "foreign"

    async def among(
        self, listed: Sequence[VenueOrder], external: Sequence[VenueOrder], standing: Sequence[Standing], closing: Mapping[str, str]
    ) -> Sorted:
        """Sorts open orders of the venue.

        Args:
            listed: those that the record does not have as open.
            external: those that it has adopted.
            standing: items that are not resolved, with what was decided.
            closing: symbols whose external book is being closed, with why: its orders are in the way.
        """
        ids = {order.client_order_id: self._names.of(order.client_order_id) for order in listed}
        known = await self._items.known(list(ids.values())) if ids else {}
        decided = {s.item.key: s for s in standing if s.item.kind in ("order", "foreign")}
        found = Sorted([], [], {}, [], [])
        for order in listed:
            status = known.get(ids[order.client_order_id])
            if status is not None:
                if status in TERMINAL:
                    found.ended.append(order)
            else:
                self._sort(order, decided, found)
        for order in external:
            found.items.append(self._item("order", order, ADOPTED, NOT_OURS))
            self._close(order, decided, found)
            if order.symbol in closing:
                found.close.setdefault(order.client_order_id, closing[order.symbol])
        return found

    def _sort(self, order: VenueOrder, decided: Mapping[str, Standing], found: Sorted) -> None:
        decision = decided[order.client_order_id].decision if order.client_order_id in decided else ""
        if order.terms is None or order.symbol not in self._symbols:
            why = "this account has no instrument of its symbol, so what it fills could not be booked"
            found.items.append(self._item("order", order, "not on record", why))
            if decision == "close":
                found.cancel.append(order.client_order_id)
            return
        if self.foreign(order.client_order_id):  # until its order is on record, whatever is decided: a crash in between loses nothing
            why = f"its id has the tag {order.client_order_id[:4]}, ours is {self._fleet_tag}: another fleet trades this account"
            found.items.append(self._item("foreign", order, "not on record", why))
            if decision not in ("adopt", "close"):
                return
        else:
            found.items.append(self._item("order", order, ADOPTED, NOT_OURS))
        found.adopt.append(order)
        self._close(order, decided, found)

    def _close(self, order: VenueOrder, decided: Mapping[str, Standing], found: Sorted) -> None:
        mine = decided.get(order.client_order_id)
        if mine is not None and mine.decision == "close":
            found.close[order.client_order_id] = f"{mine.decided_by}: {mine.reason}"

    def _item(self, kind: Literal["order", "foreign"], order: VenueOrder, ours: str, detail: str) -> Item:
        return order_item(self._account_id, kind, order.client_order_id, ours, told(order), detail)


def told(order: VenueOrder) -> str:
    """An order of the venue's in so many words."""
    terms = order.terms
    what = f"{terms.side} " if terms else ""
    price = f" @ {terms.price.normalize():f}" if terms and terms.price is not None else ""
    filled = f", {order.filled.normalize():f} filled" if order.filled else ""
    return f"{order.status}: {what}{order.quantity.normalize():f} {order.symbol}{price}{filled}"
