"""What one request to a broker asks for, and what its outcome says of every order that it is about."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from libs.domain.identity import client_id_beside
from libs.domain.orders import Evidence, Order
from libs.venues.broker import Abilities, Broker
from services.trade_executor.evidence import Shown
from services.trade_executor.hop import Held

_OF_THE_OLD: Final = {
    Evidence.ACCEPTED: Evidence.ACCEPTED,  # its end comes as a report, as that of a canceled order does
    Evidence.REJECTED: Evidence.REPLACE_REFUSED,
    Evidence.NOT_SENT: Evidence.REPLACE_UNCLEAR,  # it is as it was, which looking it up shows
    Evidence.UNCLEAR: Evidence.REPLACE_UNCLEAR,
}


class Request(NamedTuple):
    """A new order, a pair that end each other, or one in the place of another."""

    orders: tuple[Order, ...]
    approved_ns: int
    replaced: str = ""  # client order id of the order whose place the new one takes

    @property
    def names(self) -> list[str]:
        """Client order ids of all orders that the answer will say something of."""
        return [order.client_order_id for order in self.orders] + ([self.replaced] if self.replaced else [])

    async def send(self, broker: Broker, deadline: float) -> None:
        """Exactly one request. Raises as `Broker.submit`."""
        if self.replaced:
            await broker.replace(self.replaced, self.orders[0], deadline)
        elif len(self.orders) > 1:
            await broker.submit_oco(self.orders, deadline)
        else:
            await broker.submit(self.orders[0], deadline)

    def answers(self, outcome: Evidence, why: str) -> list[Shown]:
        """The outcome, as evidence about every order. A name that is only free of its request is told nothing new."""
        taken = outcome is Evidence.ACCEPTED
        told = [Shown(order.client_order_id, outcome, Decimal(0), why, asked_for=taken) for order in self.orders]
        if self.replaced:
            told.append(Shown(self.replaced, _OF_THE_OLD[outcome], Decimal(0), why, asked_for=taken))
        return told


def requests_of(sends: Sequence[Held], abilities: Abilities) -> list[Request]:
    """Which requests put these orders on the wire: pairs in one, where the venue takes them so."""
    pairs: dict[str, list[Held]] = {}
    requests: list[Request] = []
    for held in sends:
        order = held.order
        if order.oco and abilities.oco:
            pairs.setdefault(order.oco, []).append(held)
        else:
            old = "" if order.replaces is None else client_id_beside(order.client_order_id, order.replaces)
            requests.append(Request((order,), held.approved_ns, old))
    return requests + [Request(tuple(h.order for h in pair), pair[0].approved_ns) for pair in pairs.values()]
