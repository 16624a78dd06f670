"""What the record takes over from the venue: orders and fills of nobody's making, and amounts that a person has accepted."""

from decimal import Decimal
from uuid import UUID

import msgspec

from libs.domain.books import Position, apply
from libs.domain.identity import transaction_id
from libs.domain.instruments import Instrument
from libs.domain.ledger import reconcile_entries
from libs.domain.orders import Order, Status, Step, VenueOrder, VenueTerms
from libs.domain.reconciling import EXTERNAL
from libs.domain.trades import Fill
from libs.store.reconciliation import FOREVER, adopt_order
from libs.store.sessions import Account, Session
from services.trade_executor.evidence import Adoption, Repair
from services.trade_executor.hop import Change, Held
from services.trade_executor.names import Names


def adopted(account: Account, session: Session, seen: VenueOrder, at: int, names: Names) -> Order | None:
    """The order as the record will have it; None when the venue says too little of it.

    Args:
        at: market time, ns.
    """
    terms = seen.terms
    if terms is None or seen.quantity <= 0:
        return None
    id_ = names.of(seen.client_order_id)
    return Order(
        order_id=id_,
        client_order_id=seen.client_order_id,
        account_id=account.account_id,
        venue=account.venue,
        session_id=session.session_id,
        strategy_id=EXTERNAL,
        symbol=seen.symbol,
        signal_id=id_,
        leg=0,
        side=terms.side,
        order_type=terms.order_type,
        quantity=seen.quantity,
        price=terms.price,
        stop_price=terms.stop_price,
        time_in_force="GTC",
        decided_at=at,
        valid_until=at,
        expires_at=FOREVER,
        purpose="external",
    )


def of_fill(fill: Fill) -> tuple[VenueOrder, Fill]:
    """An order of its own for a fill that belongs to none, and the fill as that order's: named by its execution key."""
    name, terms = f"fill {fill.exec_key}", VenueTerms(fill.side, "market", fill.price)
    order = VenueOrder(name, fill.symbol, "filled", fill.quantity, fill.quantity, terms)
    return order, msgspec.structs.replace(fill, client_order_id=name, cumulative=fill.quantity)


def repair_transaction(account_id: str, item: UUID, decided_ns: int) -> UUID:
    """The one transaction of a decision."""
    return transaction_id(account_id, "reconcile", f"{item}|{decided_ns}")


def adopt(adoption: Adoption, change: Change, epoch: int) -> Held:
    """The order is in the record from this hop on, as the venue's."""
    held = Held(adoption.order, Status.ACKED, Decimal(0), Decimal(0), 0, Decimal(0), 0)
    change.writes.append(adopt_order(adoption.order, epoch))
    return change.step(held, "adopt", Step(Status.ACKED, anomaly=False), adoption.why)


def repair(found: Repair, change: Change, held: Position, instrument: Instrument | None) -> None:
    """The missing amount goes into the external book, against equity: no trade, and no profit or loss of ours.

    Args:
        held: what that book holds of the symbol so far.
        instrument: of a position; None of cash.
    """
    missing = found.difference.missing
    change.entries += reconcile_entries(found.transaction, EXTERNAL, found.difference.kind, found.difference.key, missing)
    if instrument is not None:
        position, _ = apply(held, missing, found.price, instrument.multiplier)
        change.positions[EXTERNAL, found.difference.key] = position
