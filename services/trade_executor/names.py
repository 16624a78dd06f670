"""Which order of the record the venue means by a client order id."""

from collections.abc import Iterable
from uuid import UUID

from libs.domain.identity import order_named


class Names:
    """One account. Two fleets that grew from one record give their orders the same ids, and tell them apart by their tags."""

    def __init__(self, account_id: str, fleet_tag: str = "") -> None:
        """`fleet_tag`: "" for whatever tag."""
        self._account_id = account_id
        self._tags = {fleet_tag} - {""}

    def of(self, client_order_id: str) -> UUID:
        """The order that was sent by this name, or the one that somebody else's is kept as."""
        return order_named(self._account_id, client_order_id, self._tags)

    def learn(self, client_order_ids: Iterable[str]) -> None:
        """Names of orders on record: an earlier tag of this fleet is in them."""
        if self._tags:
            self._tags |= {client_order_id[:4] for client_order_id in client_order_ids}
