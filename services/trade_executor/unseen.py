"""Orders of which the venue says nothing, look after look, while it answers everything else.

One of them would keep an account from its first look being whole, and so from arming, for as long as it lasts. So it becomes an
item on record, which holds back whatever adds to a book until a person has decided to go on without it. It is asked for all the same.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from libs.domain.reconciling import Item, Kind, lookup_item
from libs.store.reconciliation import ReconcileStore
from services.trade_executor.hop import Held

LOOKS: Final = 5
KINDS: Final[tuple[Kind, ...]] = ("lookup",)
LASTS_S: Final = 30.0  # host seconds: longer than a venue takes to get over a bad moment


class _Missed(NamedTuple):
    looks: int
    since: float
    status: str
    why: str


class Unseen:
    """Of one account."""

    def __init__(self, items: ReconcileStore, account_id: str) -> None:
        self._items = items
        self._account_id = account_id
        self._missed: dict[str, _Missed] = {}
        self._on_record = True  # whether there may be items: of an earlier process, too

    async def note(self, looked: Sequence[Held], unanswered: Mapping[str, str], unresolved: Collection[str], now: float) -> Collection[str]:
        """Takes in a look at which the venue has answered everything else.

        Args:
            looked: the orders that were asked for; unanswered: why not, by client order id.
            unresolved: client order ids of all orders that the venue may still hold.
            now: monotonic seconds.

        Returns:
            Client order ids of those that are on record as items. A decision on one outlives the process.
        """
        for held in looked:
            id_ = held.order.client_order_id
            before = self._missed.pop(id_, None) or _Missed(0, now, "", "")
            if id_ in unanswered:
                self._missed[id_] = _Missed(before.looks + 1, before.since, str(held.status), unanswered[id_])
        self._missed = {id_: missed for id_, missed in self._missed.items() if id_ in unresolved}
        if not self._missed and not self._on_record:
            return ()
        known = {standing.item.key for standing in await self._items.standing() if standing.item.kind == "lookup"}
        lasting = {id_ for id_, m in self._missed.items() if id_ in known or m.looks >= LOOKS and now - m.since >= LASTS_S}
        if lasting != known:
            await self._items.found([self._item(id_) for id_ in sorted(lasting)], KINDS)
        self._on_record = bool(lasting)
        return lasting

    def _item(self, id_: str) -> Item:
        missed = self._missed[id_]
        return lookup_item(self._account_id, id_, missed.status, f"asked for it the venue says: {missed.why}")
