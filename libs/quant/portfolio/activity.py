"""What was traded within a day: how much, at what cost, how often with a profit, and how far from the price wanted."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from libs.domain.orders import Side
from libs.quant.portfolio.marks import exact
from libs.quant.portfolio.valuation import ZERO


class Filled(NamedTuple):
    """One booked fill."""

    strategy_id: str
    side: Side
    price: Decimal
    value: Decimal  # quantity x price x multiplier, positive
    currency: str  # of price, value and pnl
    fee: Decimal
    fee_currency: str
    pnl: Decimal  # realised by it, before its fee
    executed_at: int  # market ns
    reference: float | None  # the signal's price; None: not known


class Activity(NamedTuple):
    """Fills of one strategy, or of an account, added up."""

    trades: int = 0
    wins: int = 0  # closed something with a profit, before fees
    losses: int = 0
    values: Mapping[str, Decimal] = {}  # bought and sold, by currency
    fees: Mapping[str, Decimal] = {}  # by currency

    @property
    def hit_rate(self) -> float | None:
        """Share of the trades that closed something with a profit among those that closed with a profit or a loss."""
        closed = self.wins + self.losses
        return self.wins / closed if closed else None

    def turnover(self, rates: Mapping[str, float]) -> Decimal:
        """Bought and sold, in the base currency."""
        return _total(self.values, rates)

    def paid(self, rates: Mapping[str, float]) -> Decimal:
        """Fees, in the base currency."""
        return _total(self.fees, rates)


def added_up(fills: Iterable[Filled], start: Activity | None = None) -> Activity:
    """The activity after some more fills."""
    begun = start or Activity()
    trades, wins, losses = begun.trades, begun.wins, begun.losses
    values, fees = defaultdict(Decimal, begun.values), defaultdict(Decimal, begun.fees)
    for fill in fills:
        trades += 1
        wins += fill.pnl > 0
        losses += fill.pnl < 0
        values[fill.currency] += fill.value
        fees[fill.fee_currency] += fill.fee
    return Activity(trades, wins, losses, dict(values), dict(fees))


def slippage(fill: Filled) -> float | None:
    """How much worse than the signal's reference price a fill was, as a share of it; below 0 it was better.

    (price - reference) / reference for a buy, and its opposite for a sell. It holds the move of the market since the
    decision, half the spread and the venue's slippage (Perold, The Implementation Shortfall, 1988), no fees. None
    without a reference above 0.
    """
    if fill.reference is None or not fill.reference > 0:
        return None
    paid = (float(fill.price) - fill.reference) / fill.reference
    return paid if fill.side == "buy" else -paid


def _total(amounts: Mapping[str, Decimal], rates: Mapping[str, float]) -> Decimal:
    return sum((amount * exact(rates[currency]) for currency, amount in amounts.items()), ZERO)
