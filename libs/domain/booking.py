"""One fill becomes a trade, a changed position and ledger entries: the only way money moves."""

from typing import NamedTuple

from libs.domain.books import Position, apply, signed
from libs.domain.identity import transaction_id
from libs.domain.instruments import Instrument
from libs.domain.ledger import Entry, trade_entries
from libs.domain.orders import Order
from libs.domain.trades import Fill, Trade


class Booked(NamedTuple):
    """What one fill leaves in the books."""

    trade: Trade
    position: Position
    entries: list[Entry]


def book(fill: Fill, order: Order, held: Position, instrument: Instrument) -> Booked:
    """The fill of an order on top of what its book held. Ids follow from the fill, so booking it again changes nothing."""
    change = signed(fill.side, fill.quantity)
    position, pnl = apply(held, change, fill.price, instrument.multiplier)
    trade_id = transaction_id(order.account_id, "trade", f"{order.venue}|{fill.exec_key}")
    trade = Trade(
        trade_id=trade_id,
        order_id=order.order_id,
        account_id=order.account_id,
        venue=order.venue,
        exec_key=fill.exec_key,
        strategy_id=order.strategy_id,
        symbol=order.symbol,
        side=fill.side,
        quantity=fill.quantity,
        executed_price=fill.price,
        commission=fill.fee,
        fee_currency=fill.fee_currency,
        liquidity=fill.liquidity,
        executed_at=fill.executed_at,
        pnl=pnl,
    )
    entries = trade_entries(
        trade_id,
        order.strategy_id,
        symbol=order.symbol,
        currency=instrument.currency,
        change=change,
        price=fill.price,
        multiplier=instrument.multiplier,
        fee=fill.fee,
        fee_currency=fill.fee_currency,
    )
    return Booked(trade, position, entries)
