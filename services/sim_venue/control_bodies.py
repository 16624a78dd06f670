"""What the control API is sent. Unknown fields are refused: a typo must not pass for a knob."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal

import msgspec

from libs.quant.sim_venue.listings import SelfTrade

LATEST: Final = 7_258_118_400_000_000_000
"""2200-01-01: a market that was told a later time could not be written down, nor its days be counted."""

LONGEST_NAME: Final = 64


def _named(name: str, what: str) -> None:
    if not 0 < len(name) <= LONGEST_NAME:
        raise ValueError(f"expected {what} of 1 to {LONGEST_NAME} characters")


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
        _named(self.account, "an account")
        for currency, amount in self.deposit.items():
            _named(currency, "a currency")
            if not amount.is_finite() or amount < 0:
                raise ValueError(f"expected a deposit of 0 or more {currency}, got {amount}")


class KeyAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A further key of an account."""

    dialect: Literal["alpaca", "binance"]
    name: str

    def __post_init__(self) -> None:
        _named(self.name, "a name")


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

    def __post_init__(self) -> None:
        if self.market_time is not None and not 0 <= self.market_time <= LATEST:
            raise ValueError(f"expected a market_time of 0 to {LATEST} (2200), got {self.market_time:.3e}")


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

    def __post_init__(self) -> None:
        _named(self.currency, "a currency")
