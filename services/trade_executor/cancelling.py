"""How often one order may be asked to end. A venue that refuses and goes on showing it open would be asked each second otherwise, and
what that takes of the request budget is missing where a cancel could still do something."""

from typing import Final
from uuid import UUID

MOST: Final = 3
WITHIN_S: Final = 60.0
KEPT: Final = 256  # orders after which those are forgotten that were not asked for lately


class CancelPace:
    """Cancels of each order within the last minute of host time. `now` is in monotonic seconds."""

    def __init__(self) -> None:
        self._asked: dict[UUID, list[float]] = {}

    def free(self, order_id: UUID, now: float) -> bool:
        """Whether the order may be asked to end now."""
        return len([at for at in self._asked.get(order_id, ()) if now - at < WITHIN_S]) < MOST

    def asked(self, order_id: UUID, now: float) -> None:
        """It is asked now."""
        if len(self._asked) > KEPT:
            self._asked = {id_: times for id_, times in self._asked.items() if now - times[-1] < WITHIN_S}
        self._asked[order_id] = [*self._asked.get(order_id, ())[-MOST:], now]
