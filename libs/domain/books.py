"""A book: what one strategy holds of one symbol in one account. Positions derive from fills only."""

from decimal import Decimal
from typing import NamedTuple

from libs.domain.amounts import kept
from libs.domain.orders import Side


class Position(NamedTuple):
    """Signed quantity, its average price before fees, and what was realised so far (before fees)."""

    quantity: Decimal = Decimal(0)
    avg_cost: Decimal = Decimal(0)
    realized_pnl: Decimal = Decimal(0)


def signed(side: Side, quantity: Decimal) -> Decimal:
    """Quantity with its sign: positive bought, negative sold."""
    return quantity if side == "buy" else -quantity


def apply(held: Position, change: Decimal, price: Decimal, multiplier: Decimal) -> tuple[Position, Decimal]:
    """The position after a fill of signed quantity `change`, and the P&L this fill realised.

    Average-cost method: adding moves the average, shrinking realises against it, flipping does both at `price`.
    """
    after = held.quantity + change
    if held.quantity * change >= 0:  # opening or adding
        cost = held.avg_cost if after == 0 else (held.avg_cost * held.quantity + price * change) / after
        return Position(after, kept(cost), held.realized_pnl), Decimal(0)
    closed = min(abs(change), abs(held.quantity)).copy_sign(held.quantity)
    pnl = kept((price - held.avg_cost) * closed * multiplier)
    flat_or_same = held.quantity * after >= 0
    cost = (held.avg_cost if after else Decimal(0)) if flat_or_same else price
    return Position(after, cost, held.realized_pnl + pnl), pnl
