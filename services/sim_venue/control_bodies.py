"""What the control API is sent. Unknown fields are refused: a typo must not pass for a knob."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from libs.quant.sim_venue.listings import SelfTrade


class AccountAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account that shall be open."""

    account: str
    dialect: Literal["alpaca", "binance"]
    deposit: dict[str, Decimal]
    kind: Literal["cash", "margin"] = "cash"
    allow_short: bool = False
    leverage: Decimal = Decimal(1)
    self_trade: SelfTrade = "expire_maker"

    def __post_init__(self) -> None:
        if not self.account or len(self.account) > 64:
            raise ValueError("expected an account of 1 to 64 characters")
        for currency, amount in self.deposit.items():
            if not amount.is_finite() or amount < 0:
                raise ValueError(f"expected a deposit of 0 or more {currency}, got {amount}")


class QuoteShown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A quote that a manual market shows from now on."""

    symbol: str
    bid: float
    ask: float
    bid_size: float = 1_000_000.0
    ask_size: float = 1_000_000.0


class TradeShown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trade that somebody else made on a manual market."""

    symbol: str
    price: float
    size: float


class MarketShown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a manual market is told; without a time, a millisecond after what it was told before."""

    quotes: Sequence[QuoteShown] = ()
    trades: Sequence[TradeShown] = ()
    market_time: int | None = None


class HaltAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    symbol: str
    on: bool = True


class BustAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    execution: int


class CorrectAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    execution: int
    price: Decimal


class TransferAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: str
    currency: str
    amount: Decimal
