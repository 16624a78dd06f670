"""What can be asked of the venue. Commands are its only input beside the market: the same of both make the same venue."""

from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from libs.quant.sim_venue.listings import SelfTrade, VenueRules
from libs.quant.sim_venue.orders import NewOrder, Shape


class OpenAccount(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Opens an account; of one that is there already nothing changes."""

    account: str
    deposit: dict[str, Decimal]  # by currency or asset
    kind: Literal["cash", "margin"] = "cash"
    allow_short: bool = False
    leverage: Decimal = Decimal(1)  # of a margin account: exposure allowed per unit of equity
    self_trade: SelfTrade = "expire_maker"


class Transfer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Money or an asset comes in, or leaves when negative."""

    account: str
    currency: str
    amount: Decimal


class Submit(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One order, or several that stand and fall together as `shape` says. All are taken, or none."""

    account: str
    orders: tuple[NewOrder, ...]
    shape: Shape = "simple"
    self_trade: SelfTrade | None = None  # None: as the account has it


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Ends an open or held order of the account."""

    account: str
    order: int


class CancelAll(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Ends every open and held order of the account, or those of one symbol. Never refused."""

    account: str
    symbol: str | None = None


class Replace(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A new order takes the place of an open one at once; what the old one filled counts against the new quantity.

    None keeps what the old one has.
    """

    account: str
    order: int
    client_order_id: str
    lots: int | None = None
    limit: int | None = None
    stop: int | None = None
    trail: int | None = None
    tif: Literal["DAY", "GTC", "IOC", "FOK"] | None = None


class Halt(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Trading of a symbol stops, or goes on again."""

    symbol: str
    on: bool = True


class Bust(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An execution never happened: money and position go back."""

    execution: int


class Correct(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An execution happened at another price."""

    execution: int
    ticks: int


class Configure(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Other rules from now on."""

    rules: VenueRules


Command = OpenAccount | Transfer | Submit | Cancel | CancelAll | Replace | Halt | Bust | Correct | Configure

Code = Literal[
    "unknown_account",
    "unknown_symbol",
    "unknown_order",
    "unknown_execution",
    "duplicate_client_id",
    "insufficient_funds",
    "insufficient_position",  # sells more than is held and free, and may not be short
    "not_shortable",
    "bad_quantity",
    "bad_price",
    "bad_combination",  # of type, time in force, prices or shape
    "min_notional",
    "would_cross",  # post-only that would take
    "would_trigger",  # a stop on the wrong side of the market
    "self_trade",
    "halted",
    "closed",
    "not_open",  # the order has ended
    "no_market",  # a market order, and nothing is shown
    "below_filled",  # replaced to less than it has filled
]


class Refusal(NamedTuple):
    """Why the venue will not do it. Nothing has changed."""

    code: Code
    text: str
