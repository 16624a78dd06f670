"""What is to be believed of orders: answers to requests, the venue's own word, and what look-ups found."""

from decimal import Decimal
from typing import NamedTuple

from libs.domain.orders import Evidence
from libs.domain.trades import Fill
from libs.venues.broker import Adjustment


class Shown(NamedTuple):
    """Evidence about an order: an answer to a request, the venue's word, or what a look-up found."""

    client_order_id: str
    evidence: Evidence
    filled: Decimal
    detail: str
    asked_for: bool = False  # the answer to a request, and so perhaps older than what the venue has told since


News = Shown | Fill | Adjustment
"""What is to be believed, in the order in which it is shown."""
