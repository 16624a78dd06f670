"""The port every broker speaks through. What each outcome asks of the caller is the contract."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from libs.domain.actions import CorporateAction
from libs.domain.orders import Evidence, Order, VenueOrder
from libs.domain.trades import Fill


class Refused(Exception):
    """The venue said no; final. The message is the venue's reason."""


class NotSent(Exception):
    """Nothing left this host."""


class OutcomeUnknown(Exception):
    """Everything else: the order may or may not be there. Ask `find`; never send again."""


class OrderReport(NamedTuple):
    """The venue's word that an order ended (or was accepted), outside of an answer to us."""

    client_order_id: str
    evidence: Evidence
    filled: Decimal
    market_time: int
    detail: str


class Adjustment(NamedTuple):
    """The venue's word that a corporate action has changed what it holds for us."""

    action: CorporateAction
    after: Decimal  # units held of the symbol it has now
    cash: Decimal  # paid to us (negative: from us)
    currency: str
    market_time: int


class Holdings(NamedTuple):
    """What the venue says the account holds: cash by currency, quantity by symbol (zeros left out)."""

    cash: dict[str, Decimal]
    positions: dict[str, Decimal]


Report = Fill | OrderReport | Adjustment
"""What a venue says unasked."""


class Broker(Protocol):
    """One account at one venue."""

    async def submit(self, order: Order, deadline: float) -> None:
        """Send exactly one request; returns when the venue has accepted. Never call again for the same order.

        Args:
            deadline: host monotonic seconds after which nothing may be sent any more.

        Raises:
            Refused, NotSent, OutcomeUnknown.
        """

    async def cancel(self, client_order_id: str) -> None:
        """Ask for a cancel; returns when the venue has taken the request. The end itself comes as an `OrderReport`.

        Raises:
            Refused: the venue would not; look the order up, it may be filled.
            OutcomeUnknown: ask `find`.
        """

    async def find(self, client_order_id: str) -> VenueOrder | None:
        """The venue's view of the order. None is not proof of absence, unless `absence_is_proof`."""

    absence_is_proof: bool  # true only for a venue whose book is read after every earlier send was settled

    async def open_orders(self) -> Sequence[VenueOrder]:
        """All orders the venue holds open for this account."""

    async def fills_since(self, executed_at: int) -> Sequence[Fill]:
        """Fills executed at or after a market time, oldest first; the refill after any gap."""

    async def adjustments(self) -> Sequence[Adjustment]:
        """Every corporate action the venue has applied to this account, oldest first; the refill after any gap."""

    async def holdings(self) -> Holdings:
        """Cash and positions as the venue has them."""

    async def next_reports(self) -> Sequence[Report]:
        """Waits for news and returns all that is there, in the venue's order. `exec_key` as in `fills_since`."""
