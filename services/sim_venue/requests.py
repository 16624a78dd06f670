"""Requests that reached the venue: how many there were of what, also of those that it did not do."""

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from typing import Final

IDS_HELD: Final = 200_000


class Requests:
    """Counts from the first request of the venue's life; by client order id for the newest ids."""

    def __init__(self) -> None:
        self.n = 0
        self._of_id: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._order: deque[str] = deque()

    def next(self) -> int:
        """The number of a request that comes in."""
        self.n += 1
        return self.n

    def count(self, what: str, client_order_id: str) -> None:
        """Another request that names an order by the client's id."""
        if client_order_id not in self._of_id:
            self._order.append(client_order_id)
            if len(self._order) > IDS_HELD:
                del self._of_id[self._order.popleft()]
        self._of_id[client_order_id][what] += 1

    def kept(self) -> dict[str, dict[str, int]]:
        """All counts by id, for a snapshot."""
        return {client_order_id: dict(counts) for client_order_id, counts in self._of_id.items()}

    def recall(self, n: int, kept: Mapping[str, Mapping[str, int]]) -> None:
        """Takes back the counts of a snapshot."""
        self.n = n
        self._order.extend(kept)
        for client_order_id, counts in kept.items():
            self._of_id[client_order_id].update(counts)

    def of(self, client_order_id: str) -> Mapping[str, int]:
        """How many requests named it, by what they were for."""
        return dict(self._of_id.get(client_order_id, {}))
