"""What can be traded, and in which steps of price and quantity."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal, get_args

import msgspec

AssetClass = Literal["equity", "crypto", "forex", "future", "option"]
Calendar = Literal["us_equity", "24/7", "forex", "cme_globex"]

ASSET_CLASSES: Final[frozenset[AssetClass]] = frozenset(get_args(AssetClass))
CALENDARS: Final[Mapping[str, Calendar]] = {name: name for name in get_args(Calendar)}


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable thing. Prices are whole ticks and quantities whole lots of it."""

    symbol: str
    venue: str  # where its market data comes from
    asset_class: AssetClass
    currency: str  # prices and notional are in it
    tick: Decimal  # smallest price step, in `currency`
    lot: Decimal  # smallest quantity step, in shares, coins or contracts
    min_notional: Decimal = Decimal(0)  # in `currency`
    multiplier: Decimal = Decimal(1)  # `currency` per unit of price and quantity
    calendar: Calendar = "24/7"

    def price(self, ticks: int) -> Decimal:
        """Exact price of a number of ticks."""
        return self.tick * ticks

    def quantity(self, lots: int) -> Decimal:
        """Exact quantity of a number of lots."""
        return self.lot * lots

    def ticks(self, price: Decimal) -> int:
        """Ticks of a price that lies on the grid; ValueError when it does not."""
        return _whole(price, self.tick, "price", self.symbol)

    def lots(self, quantity: Decimal) -> int:
        """Lots of a quantity that lies on the grid; ValueError when it does not."""
        return _whole(quantity, self.lot, "quantity", self.symbol)


def _whole(value: Decimal, step: Decimal, what: str, symbol: str) -> int:
    count = value / step
    whole = int(count)
    if whole != count:
        raise ValueError(f"{symbol}: {what} {value} is no multiple of {step}")
    return whole
