"""The end of all that is open, and the look that shows it."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from libs.venues.broker import Abilities, OutcomeUnknown, Refused
from libs.venues.sweep import Ending, Swept, protection, sweep
from tests.paper import an_order
from tests.scripted_broker import ScriptedBroker


async def at_once(_: float) -> None:
    await asyncio.sleep(0)


class Venue(ScriptedBroker):
    """One whose cancels work, unless it is told otherwise."""

    def __init__(self, orders: int, *, cancel_all: bool = True) -> None:
        super().__init__()
        self.abilities: Abilities = self.abilities._replace(cancel_all=cancel_all)
        self.asked_for_all = 0
        self.mute = False
        self.refuses_all = False
        for n in range(orders):
            self.has(an_order(n))

    async def open_orders(self) -> list[object]:  # type: ignore[override]
        if self.mute:
            raise OutcomeUnknown("no answer")
        return list(await super().open_orders())

    async def cancel(self, client_order_id: str) -> None:
        await super().cancel(client_order_id)
        self.seen[client_order_id] = self.seen[client_order_id]._replace(status="canceled")

    async def cancel_all(self) -> None:
        self.asked_for_all += 1
        if self.refuses_all:
            raise Refused("not today")
        for id_, order in self.seen.items():
            self.seen[id_] = order._replace(status="canceled")


async def swept(venue: Venue) -> Swept:
    ending: Ending = venue  # type: ignore[assignment]
    return await sweep(ending, rest=at_once)


async def test_nothing_open_is_nothing_asked() -> None:
    venue = Venue(0)
    assert await swept(venue) == Swept(0, (), "")
    assert venue.asked_for_all == 0


@pytest.mark.parametrize("cancel_all", [True, False])
async def test_all_at_once_where_the_venue_has_it_else_one_by_one(cancel_all: bool) -> None:
    venue = Venue(3, cancel_all=cancel_all)
    found = await swept(venue)
    assert (found, found.verified) == (Swept(3, (), ""), True)
    assert (venue.asked_for_all, len(venue.cancelled)) == ((1, 0) if cancel_all else (0, 3))


async def test_a_venue_that_refuses_to_end_all_is_asked_one_by_one() -> None:
    venue = Venue(2)
    venue.refuses_all = True
    assert (await swept(venue)).verified
    assert len(venue.cancelled) == 2


async def test_what_was_taken_and_has_not_ended_is_still_open() -> None:
    venue = Venue(2, cancel_all=False)
    venue.cancel_answers.extend([Refused("it is being filled"), None])
    found = await swept(venue)
    assert (found.verified, len(found.left)) == (False, 1)
    assert "it is being filled" in found.trouble


async def test_a_venue_that_does_not_say_what_is_open_is_asked_to_end_it_and_not_believed_to_have() -> None:
    venue = Venue(2)
    venue.mute = True
    found = await swept(venue)
    assert (venue.asked_for_all, found.verified) == (1, False)
    assert "no answer" in found.trouble


async def test_what_protects_a_position_may_stay_with_the_order_that_ends_with_it() -> None:
    venue, bought = Venue(2), an_order(10)
    sold = msgspec.structs.replace(bought, side="sell", quantity=Decimal(4))
    for n, kind in ((11, "stop"), (12, "limit")):
        venue.has(msgspec.structs.replace(sold, client_order_id=an_order(n).client_order_id, order_type=kind, stop_price=Decimal(90)))
    found = await sweep(venue, keeps=protection, rest=at_once)  # type: ignore[arg-type]
    assert (found, venue.asked_for_all) == (Swept(2, (), "", kept=2), 0)
    assert [order.status for order in venue.seen.values()] == ["canceled", "canceled", "open", "open"]
