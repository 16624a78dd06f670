"""When a remote venue may be believed that it never had an order. One look proves nothing: what it shows may lag behind."""

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from libs.domain.orders import Evidence, Status
from libs.store.execution import ExecutionStore
from libs.venues.broker import Broker
from services.trade_executor.evidence import Shown
from services.trade_executor.hop import Held
from services.trade_executor.reconcile import answered, differences

LOOKS: Final = 5
LAG_S: Final = 120.0  # host seconds; longer than any venue takes to show what it has, and than a request is good for


class _Missed(NamedTuple):
    looks: int
    since: float


class Absences:
    """Looks that did not find an order whose request was not answered, as long as none has found it.

    A look that the venue did not answer says nothing, neither for nor against.
    """

    def __init__(self) -> None:
        self._missed: dict[str, _Missed] = {}

    def note(self, held: Iterable[Held], absent: Collection[str], unanswered: Collection[str], now: float) -> list[str]:
        """Takes in a look at these orders, of which the venue did not find the absent ones; with those that were looked for
        often and long enough. `now` in monotonic seconds."""
        for item in held:
            id_ = item.order.client_order_id
            if id_ in unanswered:
                continue
            if id_ in absent and item.status is Status.UNKNOWN and not item.filled:
                before = self._missed.get(id_, _Missed(0, now))
                self._missed[id_] = _Missed(before.looks + 1, before.since)
            else:
                self._missed.pop(id_, None)
        return [id_ for id_, missed in self._missed.items() if missed.looks >= LOOKS and now - missed.since >= LAG_S]

    def settled(self, ids: Iterable[str]) -> None:
        """Of these it is known now."""
        for id_ in ids:
            self._missed.pop(id_, None)


async def never_accepted(broker: Broker, store: ExecutionStore, ids: Collection[str], ignored: Collection[UUID] = ()) -> list[Shown]:
    """Of orders looked for in vain those that the venue cannot have either: it does not list them as open, and what it holds is
    what the ledger says.

    Args:
        ignored: differences, by the ids of their items, that a person has decided to leave; what such an order has filled makes another.

    Raises:
        OutcomeUnknown: the venue does not answer.
    """
    if not ids:
        return []
    listed = {order.client_order_id for order in await answered(broker.open_orders(), "its open orders")}
    if any(difference.item(store.account_id).id not in ignored for difference in await differences(broker, store)):
        return []
    why = f"the venue has not found it in {LOOKS} looks or more over {LAG_S:g} s, does not list it, and holds what the ledger says"
    return [Shown(id_, Evidence.NOT_ACCEPTED, Decimal(0), why) for id_ in ids if id_ not in listed]
