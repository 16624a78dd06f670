"""Orders that were sent together: which of them wait for which, and which cancel which."""

from libs.quant.sim_venue.orders import Order
from libs.quant.sim_venue.state import Core, Group, Live


def pair_of(core: Core, order: Order) -> Group | None:
    """The group of which the order is one of those that cancel each other; None: it cancels nobody."""
    group = core.groups.get(order.group) if order.group and order.shape in ("oco", "bracket") else None
    return group if group is not None and order.id in group.rest else None


def partners(core: Core, order: Order) -> list[Live]:
    """Those that end when this one fills, is triggered or ends."""
    group = pair_of(core, order)
    return [] if group is None else [core.live[n] for n in group.rest if n != order.id and n in core.live]


def followers(core: Core, order: Order) -> list[Live]:
    """Those that wait for this one; empty when none does."""
    group = core.groups.get(order.group) if order.group else None
    if group is None or group.first != order.id:
        return []
    return [core.live[n] for n in group.rest if n in core.live]


def left(core: Core, order: Order) -> None:
    """The order has ended: its group forgets it, and is forgotten with its last one."""
    group = core.groups.get(order.group) if order.group else None
    if group is None:
        return
    if group.first == order.id:
        group.first = 0
    elif order.id in group.rest:
        group.rest.remove(order.id)
    if not group.first and not group.rest:
        del core.groups[order.group]


def stands_in(core: Core, old: Order, new: Order) -> None:
    """The new order has the old one's place in its group."""
    group = core.groups.get(old.group) if old.group else None
    if group is None:
        return
    if group.first == old.id:
        group.first = new.id
    else:
        group.rest[group.rest.index(old.id)] = new.id
