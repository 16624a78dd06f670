"""Orders as the venue keeps them: prices in ticks, quantities in lots, times in nanoseconds of market time."""

from decimal import Decimal
from typing import Literal

import msgspec

from libs.domain.orders import OrderType, Side

Tif = Literal["DAY", "GTC", "IOC", "FOK", "GTD"]
Shape = Literal["simple", "oco", "oto", "bracket"]
"""`oco`: the orders cancel each other. `oto`, `bracket`: the rest wait until the first has filled, then go live (in a
bracket they are an oco pair: take profit, stop loss)."""

Status = Literal["held", "open", "filled", "canceled", "expired", "replaced"]


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the venue. `client_order_id` is never empty: a dialect makes one where its client gave none."""

    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    tif: Tif
    lots: int
    limit: int | None = None  # ticks
    stop: int | None = None  # ticks
    trail: int | None = None  # ticks that a trailing stop keeps from the best price
    trail_bps: Decimal | None = None  # the same as a share of the best price
    post_only: bool = False
    expires_at: int | None = None  # of GTD
    tags: dict[str, str] = {}  # what the dialect wants back with the order; the venue does not look at it


class Order(msgspec.Struct, kw_only=True):
    """An order that the venue has taken. Reports carry copies of it."""

    id: int
    account: str
    asked: NewOrder
    status: Status
    lots: int  # as asked, or as replaced
    filled: int = 0  # lots
    value: int = 0  # sum of lots x ticks of its fills: value / filled is the average price in ticks
    stop: int | None = None  # where the stop stands now
    triggered: bool = False
    group: int = 0  # id of the first order of its shape; 0: it stands alone
    shape: Shape = "simple"
    replaces: int = 0  # id of the order it took the place of
    replaced_by: int = 0
    reason: str = ""  # why it ended, where it did not fill
    created_at: int = 0
    updated_at: int = 0

    @property
    def remaining(self) -> int:
        return self.lots - self.filled

    @property
    def live(self) -> bool:
        return self.status in ("held", "open")


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One fill of one order."""

    id: int  # counts all executions of the venue from 1
    trade: int  # the two sides of one trade between accounts share it
    order: int
    account: str
    client_order_id: str
    symbol: str
    side: Side
    lots: int
    ticks: int
    fee: Decimal  # positive is paid by the account
    fee_currency: str
    maker: bool
    cumulative: int  # lots of the order filled, this execution included
    at: int
