"""What a strategy's own closed trades show of its edge, out of the fills that realised something."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import fsum
from typing import Final, NamedTuple
from uuid import UUID

from libs.domain.instruments import Instrument
from libs.domain.orders import Order, Side
from libs.domain.trades import Trade
from libs.quant.sizing_factors import Edge

MOST_CLOSES: Final = 200
"""So many of the newest fills that closed something are looked at: an edge is of late, and a decision costs the same for ever."""
_NOTHING: Final = Decimal(0)


class Close(NamedTuple):
    """A fill that realised a profit or a loss. Its order among others: by time, then by ids, which everybody makes alike."""

    executed_us: int  # market time, as the record keeps it
    order_id: UUID  # the order that the strategy asked for: of a slice its parent
    trade_id: UUID
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    pnl: Decimal  # before commission, in the instrument's currency
    commission: Decimal
    fee_currency: str

    def put_in(self, multiplier: Decimal) -> Decimal:
        """What the quantity was worth when it was opened."""
        worth = self.quantity * self.price * multiplier
        return worth - self.pnl if self.side == "sell" else worth + self.pnl


def close_of(trade: Trade, order: Order) -> Close | None:
    """The close that a booked fill is; None of one that realised nothing."""
    if not trade.pnl:
        return None
    asked = order.parent_id if order.purpose == "slice" and order.parent_id is not None else order.order_id
    return Close(
        trade.executed_at // 1000,
        asked,
        trade.trade_id,
        trade.symbol,
        trade.side,
        trade.quantity,
        trade.executed_price,
        trade.pnl,
        trade.commission,
        trade.fee_currency,
    )


def edge_of(closes: Iterable[Close], instruments: Mapping[str, Instrument]) -> Edge:
    """What the closes show: those of one order are one trade, and its return is what it brought over what was put in.

    A commission in the instrument's currency counts twice, as the opening cost about as much; one in another currency cannot be compared
    and does not count. The result does not hang on the order of the closes: sums are exact, and rounded once.
    """
    gained: dict[UUID, Decimal] = {}
    put_in: dict[UUID, Decimal] = {}
    for close in closes:
        at = instruments[close.symbol]
        fees = 2 * close.commission if close.fee_currency == at.currency else _NOTHING
        gained[close.order_id] = gained.get(close.order_id, _NOTHING) + close.pnl - fees
        put_in[close.order_id] = put_in.get(close.order_id, _NOTHING) + close.put_in(at.multiplier)
    returns = [float(gained[id_] / invested) for id_, invested in put_in.items() if invested > 0]
    wins = [each for each in returns if each > 0]
    losses = [-each for each in returns if each <= 0]
    return Edge(len(returns), len(wins), _mean(wins), _mean(losses))


def _mean(values: list[float]) -> float:
    return fsum(values) / len(values) if values else 0.0
