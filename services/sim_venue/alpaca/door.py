"""The door of the REST API: who comes in, how often, and how a `Problem` leaves. What handlers are given is a `Call`."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property, wraps
from typing import Final, Literal

from aiohttp import web

from libs.quant.sim_venue.commands import Command
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import Order
from libs.quant.sim_venue.reports import Outcome
from libs.quant.sim_venue.view import AccountView
from services.sim_venue.alpaca.authentication import account_of, of_headers
from services.sim_venue.alpaca.budget import PER_MINUTE, Budget
from services.sim_venue.alpaca.errors import Problem, fault, not_found, unauthorized
from services.sim_venue.alpaca.identity import asset_uuid, count_of
from services.sim_venue.host import Host, Origin
from services.sim_venue.kinds import NUMBER
from services.sim_venue.tape import Tape

DIALECT: Final = "alpaca"
Api = Literal["trading", "data"]


class Floor:
    """The host as this dialect sees it: stocks only."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.streaming: Counter[str] = Counter()  # connections to the data streams, by account
        self.listings: Mapping[str, Listing] = {
            symbol: listing for symbol, listing in host.listings.items() if listing.instrument.asset_class == "equity"
        }
        self.by_asset_id: Mapping[str, Listing] = {str(asset_uuid(symbol)): listing for symbol, listing in self.listings.items()}
        self.budget = Budget()

    def account(self, name: str) -> AccountView:
        """What can be read of an account; an empty one while reads lag behind its opening."""
        return self.host.view.accounts.get(name) or AccountView(name, self.host.now())


class Call:
    """One request of an account."""

    def __init__(self, request: web.Request, floor: Floor, name: str) -> None:
        self.request = request
        self.floor = floor
        self.name = name
        self.query: Mapping[str, str] = request.query
        self.listings = floor.listings
        self.by_asset_id = floor.by_asset_id

    @cached_property
    def account(self) -> AccountView:
        return self.floor.account(self.name)

    @property
    def tape(self) -> Tape:
        return self.floor.host.tape

    @property
    def now(self) -> int:
        """Market time."""
        return self.floor.host.now()

    def part(self, name: str) -> str:
        """A named part of the path."""
        return self.request.match_info[name]

    async def body(self) -> bytes:
        """What was sent."""
        return await self.request.read()

    async def execute(self, command: Command) -> Outcome:
        """Lets the venue do it; returns when it is on disk."""
        return await self.floor.host.execute(command, Origin(DIALECT, self.request[NUMBER]))

    def order_number(self) -> int:
        """The venue's id of the order that the path names; 404 when it can be none of this account's."""
        number = count_of("order", self.name, self.part("order_id"))
        if number is None:
            raise not_found(f"order not found for {self.part('order_id')[:40]}")
        return number

    def order(self) -> Order:
        """The order that the path names, as reads see it."""
        order = self.account.orders.get(self.order_number())
        if order is None or order.asked.symbol not in self.listings:
            raise not_found(f"order not found for {self.part('order_id')[:40]}")
        return order


Handler = Callable[[Call], Awaitable[web.Response]]


def behind_the_door(floor: Floor, api: Api, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler as aiohttp calls it."""

    @wraps(handler)
    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            key, name = _admitted(floor, request)
        except Problem as problem:
            return problem.response()
        host = floor.host
        left = floor.budget.take(key, api, host.faults.weather.requests_per_minute or PER_MINUTE, host.wire_time_ns())
        try:
            if left.remaining < 0:
                raise fault(429)
            response = await handler(Call(request, floor, name))
        except Problem as problem:
            if api == "data" and problem.status == 422:
                problem.status = 400  # market data knows no 422: what is wrong with a question is a bad request there
            response = problem.response()
        response.headers.update(left.headers)
        response.headers["X-Request-ID"] = f"{request[NUMBER]:032x}"
        return response

    return answered


def _admitted(floor: Floor, request: web.Request) -> tuple[str, str]:
    """The key, and the account that it opens."""
    pair = of_headers(request.headers)
    name = account_of(floor.host, DIALECT, *pair) if pair is not None else None
    if pair is None or name is None:
        raise unauthorized()
    return pair[0], name
