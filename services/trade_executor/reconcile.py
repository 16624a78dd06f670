"""Record against venue: what was missed, orders whose truth only the venue knows, and whether the sums agree."""

import logging
from collections.abc import Sequence, Set
from decimal import Decimal
from functools import partial
from typing import Final

from libs.common import metrics
from libs.common.clocks import SECOND
from libs.domain.booking import action_transaction
from libs.domain.names import TIMEFRAMES
from libs.domain.orders import Evidence, Status, VenueOrder
from libs.domain.trades import Fill
from libs.store.execution import ExecutionStore
from libs.store.sessions import Session
from libs.venues.broker import Adjustment, Broker
from services.trade_executor.hop import Held
from services.trade_executor.stage import Shown

log = logging.getLogger(__name__)

OVERLAP_NS: Final = 300 * SECOND  # market time by which refills reach back behind the newest booked fill

_STATUS: Final = {
    "open": Evidence.ACCEPTED,
    "filled": Evidence.ACCEPTED,  # the fills themselves say that it is filled
    "canceled": Evidence.CANCELED,
    "expired": Evidence.EXPIRED,
    "rejected": Evidence.REJECTED,
}


async def missed(broker: Broker, store: ExecutionStore, account_id: str, session: Session) -> list[Fill | Adjustment]:
    """What the venue has that may not be in the books, in the order in which it happened there.

    That is every corporate action that is not booked, and the fills since shortly before the newest one we booked: those
    that are booked already change nothing.
    """
    told = {action_transaction(account_id, a.action): a for a in await broker.adjustments()}
    booked = await store.in_ledger(list(told)) if told else set()
    fills = await broker.fills_since(max(0, await store.last_executed_at() - OVERLAP_NS))
    happened: list[Fill | Adjustment] = [a for transaction, a in told.items() if transaction not in booked]
    return sorted([*happened, *fills], key=partial(_happened, session))


def _happened(session: Session, item: Fill | Adjustment) -> tuple[int, bool]:
    """A fill after the corporate actions that held when it was made.

    A fill on a bar is dated to the bar's start, which of a coarse bar may lie before the open, and so before the time
    from which an action holds; the bar's end does not.
    """
    if isinstance(item, Adjustment):
        return item.action.effective, False
    on_bar = session.fills["on"].get(item.symbol, "quote") != "quote"
    return item.executed_at + (TIMEFRAMES[session.timeframes[0]] - 1 if on_bar else 0), True


async def looked_up(broker: Broker, held: Sequence[Held], in_flight: Set[str]) -> list[Shown]:
    """What the venue says of orders it may hold; orders whose own answer is still awaited are left alone."""
    shown: list[Shown] = []
    for item in held:
        id_ = item.order.client_order_id
        if id_ in in_flight:
            continue
        found = await broker.find(id_)
        if found is not None:
            shown.append(_seen(found))
        elif item.status is Status.SUBMITTING or broker.abilities.absence_is_proof:
            shown.append(Shown(id_, Evidence.UNCLEAR, item.filled, "no answer on record"))
            if broker.abilities.absence_is_proof:
                shown.append(Shown(id_, Evidence.NOT_ACCEPTED, item.filled, "the venue's own book does not have it"))
    return shown


def _seen(found: VenueOrder) -> Shown:
    return Shown(found.client_order_id, _STATUS[found.status], found.filled, f"looked up: {found.status}")


async def differences(broker: Broker, store: ExecutionStore) -> list[str]:
    """Where cash and positions of the ledger are not what the venue says; empty when all agree."""
    cash, positions = await store.holdings()
    theirs = await broker.holdings()
    found = [f"cash {c}: ledger {a}, venue {b}" for c, a, b in _unequal(cash, theirs.cash)]
    found += [f"position {s}: ledger {a}, venue {b}" for s, a, b in _unequal(positions, theirs.positions)]
    metrics.RECONCILE_DIFFERENCES.labels(account=store.account_id).set(len(found))
    return found


def _unequal(ours: dict[str, Decimal], theirs: dict[str, Decimal]) -> list[tuple[str, Decimal, Decimal]]:
    zero = Decimal(0)
    return [(k, ours.get(k, zero), theirs.get(k, zero)) for k in sorted({*ours, *theirs}) if ours.get(k, zero) != theirs.get(k, zero)]
