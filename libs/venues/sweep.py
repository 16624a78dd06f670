"""Ends every open order of an account, and looks whether the venue agrees that nothing is open any more. Sends no order, ever."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, NamedTuple, Protocol

from libs.domain.orders import VenueOrder
from libs.venues.broker import Abilities, OutcomeUnknown, Refused

LOOKS: Final = 5  # for what was asked to end; a venue shows an end a little late
LOOK_AGAIN_S: Final = 0.5
STOPS: Final = frozenset({"stop", "stop_limit", "trailing_stop"})


class Ending(Protocol):
    """What of a `Broker` ends orders. Whoever is given no more than this cannot send any."""

    abilities: Abilities

    async def open_orders(self) -> Sequence[VenueOrder]: ...

    async def cancel_all(self) -> None: ...

    async def cancel(self, client_order_id: str) -> None: ...


class Swept(NamedTuple):
    """What became of it."""

    found: int  # orders that were open at the first look
    left: tuple[str, ...]  # client order ids of those that still are
    trouble: str  # what the venue did not do, or did not say; "" when nothing is wrong
    kept: int = 0  # orders that may stay, and do

    @property
    def verified(self) -> bool:
        """Whether the venue itself has listed no open order, after all that was asked."""
        return not self.left and not self.trouble


async def sweep(
    broker: Ending,
    *,
    keeps: Callable[[Sequence[VenueOrder]], Collection[str]] = lambda _: (),
    looks: int = LOOKS,
    rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Swept:
    """Asks for the end of all that is open, then looks. May be asked again without harm; blocks for some seconds at most.

    Args:
        keeps: client order ids, of those that are open, that may stay; then each of the others is asked to end by itself.
        rest: waits so many host seconds.
    """
    found: int | None = None
    try:
        listed = await broker.open_orders()
        orders = _but(keeps(listed), listed)
        found, kept = len(orders), len(listed) - len(orders)
        if not orders:
            return Swept(0, (), "", kept)
        trouble = await _asked_to_end(broker, orders, all_at_once=not kept)
        for _ in range(looks):
            listed = await broker.open_orders()
            orders = _but(keeps(listed), listed)
            if not orders:
                return Swept(found, (), "", len(listed))
            await rest(LOOK_AGAIN_S)
    except OutcomeUnknown as error:
        if found is None and (wrong := await _blindly(broker)):
            return Swept(0, (), f"{error}; {wrong}")
        return Swept(found or 0, (), f"the venue does not say what is open: {error}")
    return Swept(found, tuple(order.client_order_id for order in orders), trouble or "they have not ended yet")


def protection(orders: Sequence[VenueOrder]) -> set[str]:
    """Client order ids of stops, and of the orders that end with one: of its symbol, side and quantity. A position that nobody
    attends to is better off with them; what adds to one is no stop here."""
    stops = {(o.symbol, o.terms.side, o.quantity) for o in orders if o.terms is not None and o.terms.order_type in STOPS}
    return {o.client_order_id for o in orders if o.terms is not None and (o.symbol, o.terms.side, o.quantity) in stops}


def _but(kept: Collection[str], orders: Sequence[VenueOrder]) -> list[VenueOrder]:
    return [order for order in orders if order.client_order_id not in kept]


async def _asked_to_end(broker: Ending, orders: Sequence[VenueOrder], *, all_at_once: bool) -> str:
    """Why some were not taken; "" when all were. One by one where all at once does not go."""
    if all_at_once and broker.abilities.cancel_all:
        try:
            await broker.cancel_all()
            return ""
        except (Refused, OutcomeUnknown) as error:
            trouble = str(error)
    else:
        trouble = ""
    refused = [wrong for order in orders if (wrong := await _canceled(broker, order.client_order_id))]
    return "; ".join(filter(None, [trouble, *refused[:3]])) if refused else ""


async def _canceled(broker: Ending, client_order_id: str) -> str:
    try:
        await broker.cancel(client_order_id)
    except (Refused, OutcomeUnknown) as error:
        return f"{client_order_id}: {error}"
    return ""


async def _blindly(broker: Ending) -> str:
    """A venue that does not list its orders may still end them: asked for all the same, as the looks that follow will show."""
    if not broker.abilities.cancel_all:
        return "it has no request that ends all orders unseen"
    try:
        await broker.cancel_all()
    except (Refused, OutcomeUnknown) as error:
        return str(error)
    return ""
