"""Orders at a venue of ccxt's that are not ours: they must neither hide the others nor be asked for without end."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from libs.domain.orders import VenueTerms
from libs.venues.ccxt_venue.history import ClientIds
from libs.venues.ccxt_venue.lookup import Lookup
from libs.venues.ccxt_venue.mapping import Unreadable, name_of, venue_order

D = Decimal
NAMELESS: dict[str, Any] = {"id": "9", "symbol": "BTC/USD", "side": "buy", "type": "limit", "price": "5", "amount": "2", "filled": "0"}
OURS = {**NAMELESS, "id": "10", "clientOrderId": "TWND" + "A" * 26 + "1"}
BROKEN = {**NAMELESS, "id": "11", "clientOrderId": "web-1", "amount": None}


class Exchange:
    """Lists what it is told to."""

    id = "kraken"

    def __init__(self, *listed: dict[str, Any]) -> None:
        self._listed = listed

    async def fetch_open_orders(self) -> list[dict[str, Any]]:
        return list(self._listed)


async def read(call: Callable[[], Awaitable[Any]]) -> Any:
    return await call()


def test_an_order_without_a_client_id_is_named_by_the_venues() -> None:
    seen = venue_order(NAMELESS)
    assert (seen.client_order_id, seen.terms) == ("id:9", VenueTerms("buy", "limit", D(5)))
    with pytest.raises(Unreadable, match="an id of an order"):
        name_of({})


async def test_an_order_of_others_that_cannot_be_read_does_not_hide_the_rest() -> None:
    listed = await Lookup(Exchange(NAMELESS, BROKEN, OURS), read, ClientIds()).open_orders(["BTC/USD"])
    assert [order.client_order_id for order in listed] == ["id:9", OURS["clientOrderId"]]


async def test_one_of_our_own_that_cannot_be_read_makes_the_listing_unreadable() -> None:
    with pytest.raises(Unreadable, match="quantity"):
        await Lookup(Exchange({**OURS, "amount": None}), read, ClientIds()).open_orders(["BTC/USD"])


async def test_an_order_of_ours_that_a_listing_does_not_name_is_known_by_its_number() -> None:
    ids = ClientIds()
    ids.learn(OURS)
    listed = await Lookup(Exchange({**OURS, "clientOrderId": None}), read, ids).open_orders(["BTC/USD"])
    assert [order.client_order_id for order in listed] == [OURS["clientOrderId"]]
