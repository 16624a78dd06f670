"""What is to be believed of orders: answers to requests, the venue's own word, and what look-ups found."""

from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from libs.domain.orders import Evidence, Order
from libs.domain.reconciling import Difference
from libs.domain.trades import Fill
from libs.venues.broker import Adjustment, Undone


class Shown(NamedTuple):
    """Evidence about an order: an answer to a request, the venue's word, or what a look-up found."""

    client_order_id: str
    evidence: Evidence
    filled: Decimal
    detail: str
    asked_for: bool = False  # the answer to a request, and so perhaps older than what the venue has told since


class Adoption(NamedTuple):
    """An order at the venue that the record does not have."""

    order: Order
    why: str

    @property
    def client_order_id(self) -> str:
        return self.order.client_order_id


class Repair(NamedTuple):
    """A difference that a person has accepted as it is: the record follows the venue."""

    transaction: UUID  # follows from item and decision: done again it changes nothing
    difference: Difference
    price: Decimal  # at which an adopted position is valued from now on, in the instrument's currency


class Unwanted(NamedTuple):
    """A person wants this open order gone."""

    client_order_id: str
    reason: str


News = Shown | Fill | Adjustment | Undone | Adoption | Repair | Unwanted
"""What is to be believed, in the order in which it is shown."""
