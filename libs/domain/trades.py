"""Fills as a venue reports them, and the trades we book of them."""

from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from libs.domain.orders import Side

Liquidity = Literal["maker", "taker"]


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution in the venue's own words. `exec_key` is the same from stream, poll and refill."""

    exec_key: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal  # positive
    price: Decimal
    fee: Decimal  # positive is paid by us
    fee_currency: str
    liquidity: Liquidity
    executed_at: int  # market time, ns
    cumulative: Decimal  # filled of the order in all, this fill included


class Trade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One booked fill."""

    trade_id: UUID
    order_id: UUID
    account_id: str
    venue: str
    exec_key: str
    strategy_id: str
    symbol: str
    side: Side
    quantity: Decimal
    executed_price: Decimal
    commission: Decimal
    fee_currency: str
    liquidity: Liquidity
    executed_at: int
    pnl: Decimal  # realised by this trade, before its commission, in the instrument's currency
