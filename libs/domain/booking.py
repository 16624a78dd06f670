"""What happens to a book becomes a changed position and ledger entries: the only way money moves.

A fill leaves a trade as well. Of a corporate action each book has a transaction of its own, and the account one more
that moves nothing: by it an action is known to be booked.
"""

from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from libs.domain.actions import CorporateAction
from libs.domain.books import Position, apply, signed
from libs.domain.identity import transaction_id
from libs.domain.instruments import Instrument
from libs.domain.ledger import Entry, Kind, action_entries, trade_entries
from libs.domain.orders import Order
from libs.domain.trades import Fill, Trade

_ACTION: Final[Kind] = "corporate_action"


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


def action_transaction(account_id: str, action: CorporateAction) -> UUID:
    """The one transaction that says an account has booked a corporate action."""
    return transaction_id(account_id, _ACTION, action.key)


def book_action(
    account_id: str, strategy_id: str, action: CorporateAction, before: Decimal, after: Decimal, currency: str, cash: Decimal
) -> list[Entry]:
    """Lines of a corporate action on one book: `before` units became `after`, and `cash` (signed) was paid to it."""
    return action_entries(
        transaction_id(account_id, _ACTION, f"{action.key}|{strategy_id}"),
        strategy_id,
        symbol=action.symbol,
        before=before,
        new_symbol=action.new_symbol or action.symbol,
        after=after,
        currency=currency,
        cash=cash,
    )


def joined(held: Position, moved: Position, multiplier: Decimal) -> Position:
    """A position that moved in from a renamed symbol, on top of what the book held of the new one."""
    position, _ = apply(held, moved.quantity, moved.avg_cost, multiplier)
    return position._replace(realized_pnl=position.realized_pnl + moved.realized_pnl)
