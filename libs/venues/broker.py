"""The port every broker speaks through. What each outcome asks of the caller is the contract."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from libs.domain.actions import CorporateAction
from libs.domain.orders import Evidence, Order, Side, VenueOrder
from libs.domain.trades import Fill


class Refused(Exception):
    """The venue said no; final. The message is the venue's reason."""


class NotSent(Exception):
    """Nothing left this host."""


class OutcomeUnknown(Exception):
    """Everything else: the order may or may not be there. Ask `find`; never send again."""


class WrongKey(Exception):
    """The key does not belong to this venue, or to this mode: no order may be sent with it. The message says what to do."""


class OrderReport(NamedTuple):
    """The venue's word that an order ended (or was accepted), outside of an answer to us."""

    client_order_id: str
    evidence: Evidence
    filled: Decimal
    market_time: int
    detail: str


class Undone(NamedTuple):
    """The venue's word that an execution it had reported never happened, or happened at another price."""

    exec_key: str  # of this word, as `bust:...`: told again it is the same
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal  # of the execution that never happened; of one that is corrected as it is now
    corrected: bool
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


Report = Fill | OrderReport | Adjustment | Undone
"""What a venue says unasked."""


class Abilities(NamedTuple):
    """What the venue offers beyond orders; declared by the adapter, never assumed."""

    cancel_all: bool  # one request ends every open order of the account
    dead_man: bool  # it ends them by itself when it has not heard from us for a while
    good_till_date: bool  # it ends an order at `expires_at` by itself; else whoever sent it has to cancel it then
    absence_is_proof: bool  # it is read after every earlier send was settled: what it does not have was never accepted
    stops: bool = False  # it holds stop orders
    oco: bool = False  # two orders sent together with one `oco` name end each other there
    trailing: bool = False  # it moves the stop of a trailing stop by itself
    replaces: bool = False  # one request puts a new order in the place of an old one, or leaves the old one as it is


Hold = Callable[[Order], str]
"""Why an order may not leave at this moment; "" when it may."""


def unheld(order: Order) -> str:
    """Nothing stands in an order's way."""
    return ""


def held_back(hold: Hold, orders: Sequence[Order]) -> str:
    """Why one of the orders of a request may not leave, and so none; "" when all may."""
    return next((why for order in orders if (why := hold(order))), "")


class Link(NamedTuple):
    """How the connection to the venue is, for people and for the gate that stops new orders."""

    up: bool  # requests are answered and the stream of reports is alive
    detail: str  # what is wrong; "" when nothing is
    latency_ms: float | None  # of the newest answered request
    budget: float | None  # share of the request budget that is left, 0 to 1; None: the venue has none
    heard_s: float | None  # host seconds since the stream was last heard; None: there is none


class Broker(Protocol):
    """One account at one venue."""

    async def submit(self, order: Order, deadline: float) -> None:
        """Send exactly one request; returns when the venue has accepted. Never call again for the same order.

        Args:
            deadline: host monotonic seconds after which nothing may be sent any more.

        Raises:
            Refused, NotSent, OutcomeUnknown.
        """

    async def submit_oco(self, orders: Sequence[Order], deadline: float) -> None:
        """Two orders of one `oco` name in exactly one request: both are taken, or neither. Where `abilities.oco`.

        Raises:
            As `submit`, of both.
        """

    async def replace(self, client_order_id: str, order: Order, deadline: float) -> None:
        """Ask for `order` in the place of an open one, with exactly one request; returns when the venue has taken it.

        The old one ends with an `OrderReport` (REPLACED, or CANCELED where that is the venue's word). When it could not be
        replaced any more it goes on, and the new one was never there, or ends as rejected. Where `abilities.replaces`.

        Raises:
            Refused: the venue would not, and there is no new order; look the old one up, it may have ended.
            NotSent: nothing left this host.
            OutcomeUnknown: ask `find` for both.
        """

    async def cancel(self, client_order_id: str) -> None:
        """Ask for a cancel; returns when the venue has taken the request. The end itself comes as an `OrderReport`.

        Raises:
            Refused: the venue would not; look the order up, it may be filled.
            OutcomeUnknown: ask `find`.
        """

    async def find(self, client_order_id: str) -> VenueOrder | None:
        """The venue's view of the order. None is not proof of absence, unless `abilities.absence_is_proof`."""

    abilities: Abilities
    hold: Hold
    """Asked directly before the first byte of an order that is submitted or put in another's place, together with the deadline: when
    it says why not, nothing is written, and the outcome is `NotSent`. `unheld` until whoever sends sets it. Cancels never ask."""

    async def cancel_all(self) -> None:
        """End every open order of the account with one request, where `abilities.cancel_all`; the ends come as reports.

        Raises:
            Refused, OutcomeUnknown.
        """

    async def dead_man(self, after_s: float) -> None:
        """Have the venue end all open orders unless this is called again in time; 0 switches it off. Where `abilities.dead_man`.

        Raises:
            Refused, OutcomeUnknown.
        """

    def link(self) -> Link:
        """How the connection is at this moment; asks nobody."""

    async def open_orders(self) -> Sequence[VenueOrder]:
        """All orders the venue holds open for this account."""

    async def fills_since(self, executed_at: int) -> Sequence[Fill]:
        """Fills executed at or after a market time, oldest first; the refill after any gap."""

    async def adjustments(self) -> Sequence[Adjustment]:
        """Every corporate action the venue has applied to this account, oldest first; the refill after any gap."""

    async def holdings(self) -> Holdings:
        """Cash and positions as the venue has them."""

    async def next_reports(self) -> Sequence[Report]:
        """Waits for news and returns all that is there, in the venue's order. `exec_key` as in `fills_since`.

        An adapter of a remote venue listens from `connect` on, connects again for ever, and after each connection gives
        what the stream may have missed. What is told twice has the same `exec_key`.
        """

    async def connect(self) -> None:
        """Before anything else: connects, and checks that the key is of the kind it should be.

        Raises:
            WrongKey: a live key where a paper key belongs, or the reverse.
            OutcomeUnknown: the venue does not answer; try again.
        """

    async def disconnect(self) -> None:
        """Gives up connections and files; a second time does nothing."""
