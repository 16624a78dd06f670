"""What longs of a perpetual paid to shorts at a moment, as its venue recorded it."""

from decimal import Decimal
from typing import NamedTuple


class FundingRate(NamedTuple):
    """One payment. It is on the notional held at that moment."""

    symbol: str
    at: int  # market ns
    rate: Decimal  # per cent; above 0 longs pay
