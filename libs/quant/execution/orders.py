"""Parents and slices as orders: between what the record holds and what `next_step` counts in. Pure."""

from decimal import Decimal
from math import ceil

import msgspec

from libs.domain.executions import execution_of
from libs.domain.identity import child_leg, client_order_id, order_id
from libs.domain.instruments import Instrument
from libs.domain.orders import Order, Status
from libs.quant.execution.slices import Parent, Send, Slice


def parent_of(order: Order, instrument: Instrument) -> Parent:
    """An order with an `execution`, in lots."""
    execution = execution_of(order.execution)
    return Parent(
        execution,
        instrument.lots(order.quantity),
        max(1, int(execution.display / instrument.lot)),
        _least(order, instrument),
        order.decided_at,
        order.expires_at,
    )


def _least(order: Order, instrument: Instrument) -> int:
    if order.price is None or not instrument.min_notional:
        return 1
    return max(1, ceil(instrument.min_notional / (order.price * instrument.multiplier * instrument.lot)))


def slice_seen(parent: Order, child: Order, status: Status, filled: Decimal, instrument: Instrument) -> Slice:
    """A child as `next_step` counts it. A fill of less than a lot counts as a whole one: rather too little is sent than too much."""
    return Slice(child.leg - child_leg(parent.leg, 0), status, instrument.lots(child.quantity), ceil(filled / instrument.lot))


def slice_of(parent: Order, send: Send, instrument: Instrument, now: int) -> Order:
    """The next child: a limit at the parent's price, with ids that are the same whoever works it out, and however often.

    Args:
        now: market ns; it meets nothing that came before.
    """
    leg = child_leg(parent.leg, send.n)
    id_ = order_id(parent.signal_id, leg)
    return msgspec.structs.replace(
        parent,
        order_id=id_,
        client_order_id=client_order_id(parent.client_order_id[:4], id_, 1),
        leg=leg,
        quantity=instrument.quantity(send.lots),
        decided_at=max(now, parent.decided_at),
        valid_until=send.expires_at,
        expires_at=send.expires_at,
        purpose="slice",
        parent_id=parent.order_id,
        execution="",
        protect=None,
    )
