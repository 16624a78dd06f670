"""What Alpaca says about orders and accounts, read as it is written: unknown fields do not matter, numbers keep every digit."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeVar, get_args

import msgspec

from libs.domain.orders import OrderType, Side, VenueStatus, VenueTerms
from libs.domain.times import nanoseconds

T = TypeVar("T")


class Unreadable(ValueError):
    """The venue said something that is not what it says it says."""


def read(body: bytes, kind: type[T]) -> T:
    """Numbers may come as strings or as numbers.

    Raises:
        Unreadable: the body is something else, or nothing.
    """
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"{error}; got {body[:200].decode(errors='replace')!r}") from error


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a refusal."""

    code: int | None = None  # eight digits, the first three of them an HTTP status
    message: str | None = None


class OrderState(msgspec.Struct, frozen=True, kw_only=True):
    """An order as REST and the stream show it."""

    id: str
    client_order_id: str
    status: str
    symbol: str | None = None
    side: str | None = None
    type: str | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    qty: Decimal | None = None  # None of an order by amount
    filled_qty: Decimal | None = None
    submitted_at: str | None = None
    updated_at: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None

    @property
    def takes_over(self) -> str | None:
        """The order under whose name this one stands: somebody else replaced it, and what we sent goes on as this."""
        return None if is_ours(self.client_order_id) else self.replaces

    @property
    def filled(self) -> Decimal:
        return finite(self.filled_qty or Decimal(0), "filled_qty")


def is_ours(client_order_id: str) -> bool:
    """Whether an order was sent under a name of the kind that we give."""
    return client_order_id.isalnum() and 31 <= len(client_order_id) <= 32


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """One fill of the account's history."""

    id: str
    order_id: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    cum_qty: Decimal
    transaction_time: str


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """The data of a `trade_updates` frame."""

    event: str
    order: OrderState
    timestamp: str | None = None
    price: Decimal | None = None
    qty: Decimal | None = None
    execution_id: str | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v2/account."""

    account_number: str
    status: str
    currency: str = "USD"
    cash: Decimal
    trading_blocked: bool | None = None
    account_blocked: bool | None = None
    trade_suspended_by_user: bool | None = None

    def hindrance(self) -> str:
        """Why the venue would take no order; "" when it would."""
        if self.status != "ACTIVE":
            return f"the account is {self.status}, not ACTIVE"
        blocked = {
            "blocked": self.account_blocked,
            "blocked from trading": self.trading_blocked,
            "suspended by its user": self.trade_suspended_by_user,
        }
        return next((f"the account is {how}" for how, so in blocked.items() if so), "")


class MarketTime(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v2/clock."""

    timestamp: str
    is_open: bool


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """One of GET /v2/positions."""

    symbol: str
    qty: Decimal
    side: str | None = None


class CanceledItem(msgspec.Struct, frozen=True, kw_only=True):
    """What DELETE /v2/orders says of one order."""

    id: str
    status: int
    body: Problem | None = None


MOST_DIGITS: Final = 18
"""On either side of the point."""

STATUSES: Final[dict[str, VenueStatus]] = {
    "filled": "filled",
    "canceled": "canceled",
    "expired": "expired",
    "rejected": "rejected",
    **dict.fromkeys(("new", "accepted", "pending_new", "accepted_for_bidding", "partially_filled", "held", "pending_review"), "open"),
    **dict.fromkeys(("pending_cancel", "pending_replace", "stopped", "suspended", "calculated", "done_for_day", "replaced"), "open"),
}
"""Only a statement that it has ended ends an order. `done_for_day` may go on tomorrow, `replaced` goes on under another id."""


def status_of(order: OrderState) -> VenueStatus:
    """A word that is not known is no end, so the order stays open, with all of its risk."""
    return STATUSES.get(order.status, "open")


_TYPES: Final[Mapping[str, OrderType]] = {kind: kind for kind in get_args(OrderType)}


def terms_of(order: OrderState) -> VenueTerms | None:
    """What kind of order it is; None where the venue does not say which way it goes, as of the frame of several legs."""
    if order.side not in ("buy", "sell", "sell_short"):
        return None
    kind = _TYPES.get(order.type or "", "market" if order.limit_price is None else "limit")
    return VenueTerms(side_of(order.side), kind, order.limit_price, order.stop_price)


def side_of(word: str) -> Side:
    """Unreadable: it is neither; `sell_short` is how the history calls a sale that opens a short position."""
    if word not in ("buy", "sell", "sell_short"):
        raise Unreadable(f"expected buy or sell as the side, got {word!r}")
    return "buy" if word == "buy" else "sell"


def finite(value: Decimal | None, name: str) -> Decimal:
    """Unreadable: there is no such number, or it has more digits than any amount of anything."""
    if value is None or not value.is_finite() or abs(value.adjusted()) > MOST_DIGITS:
        raise Unreadable(f"expected a number as {name}, got {value}")
    return value


def positive(value: Decimal | None, name: str) -> Decimal:
    """Unreadable: it is not above 0."""
    if finite(value, name) <= 0:
        raise Unreadable(f"expected a number above 0 as {name}, got {value}")
    return finite(value, name)


def time_ns(text: str | None, name: str) -> int:
    """UTC nanoseconds; Unreadable when it is no time."""
    try:
        return nanoseconds(text or "")
    except ValueError:
        raise Unreadable(f"expected a time as {name}, got {text!r}") from None


def exec_key(order_id: str, cumulative: Decimal) -> str:
    """The same from stream, poll and refill: the order, and how much of it was filled then.

    The stream's `execution_id` may be missing and the history has none; what both have grows with each fill of an order,
    so it names one. Written without zeros that only one of them shows.
    """
    return f"{order_id}:{cumulative.normalize():f}"
