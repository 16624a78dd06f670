"""Ends every open order of an account, and looks whether the venue agrees that nothing is open any more. Sends no order, ever."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, Protocol

from libs.domain.orders import VenueOrder
from libs.venues.broker import Abilities, OutcomeUnknown, Refused

LOOKS: Final = 5  # for what was asked to end; a venue shows an end a little late
LOOK_AGAIN_S: Final = 0.5


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

    @property
    def verified(self) -> bool:
        """Whether the venue itself has listed no open order, after all that was asked."""
        return not self.left and not self.trouble


async def sweep(broker: Ending, *, looks: int = LOOKS, rest: Callable[[float], Awaitable[None]] = asyncio.sleep) -> Swept:
    """Asks for the end of all that is open, then looks. May be asked again without harm; blocks for some seconds at most.

    Args:
        rest: waits so many host seconds.
    """
    found: int | None = None
    try:
        orders = await broker.open_orders()
        found = len(orders)
        if not orders:
            return Swept(0, (), "")
        trouble = await _asked_to_end(broker, orders)
        for _ in range(looks):
            orders = await broker.open_orders()
            if not orders:
                return Swept(found, (), "")
            await rest(LOOK_AGAIN_S)
    except OutcomeUnknown as error:
        if found is None and (wrong := await _blindly(broker)):
            return Swept(0, (), f"{error}; {wrong}")
        return Swept(found or 0, (), f"the venue does not say what is open: {error}")
    return Swept(found, tuple(order.client_order_id for order in orders), trouble or "they have not ended yet")


async def _asked_to_end(broker: Ending, orders: Sequence[VenueOrder]) -> str:
    """Why some were not taken; "" when all were. One by one where all at once does not go."""
    if broker.abilities.cancel_all:
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
