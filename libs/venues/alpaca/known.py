"""Orders of the account as they were last heard of: ids of both sides, and which may still be live."""

from decimal import Decimal
from typing import Final

from libs.venues.alpaca.wire import OrderState, status_of

MOST: Final = 50_000
"""Ended orders that are remembered, so that a late fill still finds its order without a request."""


class KnownOrders:
    """Of one account. Ended orders beyond MOST are forgotten, oldest first; live ones never.

    What somebody else replaced an order by goes under the client order id of the first of the chain: it is the one that we
    sent. What we replaced it by has a name of its own.
    """

    def __init__(self) -> None:
        self._venue_ids: dict[str, str] = {}  # by client order id
        self._live: dict[str, str] = {}  # client order id by venue id
        self._ended: dict[str, str] = {}
        self._carried: dict[str, Decimal] = {}  # by venue id

    def see(self, order: OrderState) -> None:
        """Takes in what the venue says; one that has ended stays so, as what is read may be older than what was heard."""
        ours = self.client_id(order.takes_over or order.id) or order.client_order_id
        if order.replaced_by is None:
            self._venue_ids[ours] = order.id
        if order.id in self._ended:
            return
        if status_of(order) == "open" and order.replaced_by is None:
            self._live[order.id] = ours
            return
        self._live.pop(order.id, None)
        self._ended[order.id] = ours
        if len(self._ended) > MOST:
            oldest = next(iter(self._ended))
            self._venue_ids.pop(self._ended.pop(oldest), None)
            self._carried.pop(oldest, None)

    def carried(self, venue_id: str) -> Decimal | None:
        """What had been filled of the order that it took the place of, once that is known for good."""
        return self._carried.get(venue_id)

    def carries(self, venue_id: str, filled: Decimal) -> None:
        """So much had been."""
        self._carried[venue_id] = filled

    def venue_id(self, client_order_id: str) -> str | None:
        """Of the newest of its chain."""
        return self._venue_ids.get(client_order_id)

    def client_id(self, venue_id: str) -> str | None:
        """Under which it, or the first of its chain, was sent."""
        return self._live.get(venue_id) or self._ended.get(venue_id)

    def has_ended(self, venue_id: str) -> bool:
        return venue_id in self._ended

    def live(self) -> list[str]:
        """Venue ids of those whose end was not heard of."""
        return list(self._live)
