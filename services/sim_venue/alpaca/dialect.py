"""The Alpaca dialect: which path is served by what. Coverage, field by field: docs/sim-venue-alpaca.md."""

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

import msgspec
from aiohttp import web

from services.sim_venue.alpaca import account, activities, assets, history, market_data, market_hours, orders, positions
from services.sim_venue.alpaca.data_stream import data_stream
from services.sim_venue.alpaca.door import DIALECT, Api, Floor, Handler, behind_the_door
from services.sim_venue.alpaca.errors import fault
from services.sim_venue.alpaca.identity import count_of
from services.sim_venue.alpaca.trading_stream import trading_stream
from services.sim_venue.host import Host, What, serves


class Route(NamedTuple):
    """One endpoint of the REST API."""

    method: str
    path: str
    what: What
    handler: Handler


TRADING: Final = (
    Route("GET", "/v2/account", "account_read", account.account),
    Route("GET", "/v2/account/configurations", "account_read", account.configuration),
    Route("PATCH", "/v2/account/configurations", "other", account.configure),
    Route("GET", "/v2/account/portfolio/history", "account_read", history.history),
    Route("GET", "/v2/account/activities", "account_read", activities.every),
    Route("GET", "/v2/account/activities/{activity_type}", "account_read", activities.of_type),
    Route("GET", "/v2/assets", "other", assets.all_assets),
    Route("GET", "/v2/assets/{asset}", "other", assets.one_asset),
    Route("GET", "/v2/clock", "other", market_hours.clock),
    Route("GET", "/v2/calendar", "other", market_hours.calendar),
    Route("POST", "/v2/orders", "order_submit", orders.send),
    Route("GET", "/v2/orders", "order_read", orders.listed),
    Route("GET", "/v2/orders:by_client_order_id", "order_read", orders.by_client_order_id),
    Route("GET", "/v2/orders/{order_id}", "order_read", orders.one),
    Route("PATCH", "/v2/orders/{order_id}", "order_replace", orders.change),
    Route("DELETE", "/v2/orders/{order_id}", "order_cancel", orders.cancel),
    Route("DELETE", "/v2/orders", "order_cancel", orders.cancel_all),
    Route("GET", "/v2/positions", "account_read", positions.all_positions),
    Route("GET", "/v2/positions/{asset}", "account_read", positions.one_position),
    Route("DELETE", "/v2/positions/{asset}", "order_submit", positions.close_one),
    Route("DELETE", "/v2/positions", "order_submit", positions.close_all),
)
DATA: Final = (
    Route("GET", "/v2/stocks/bars", "market_read", market_data.bars),
    Route("GET", "/v2/stocks/quotes", "market_read", market_data.quotes),
    Route("GET", "/v2/stocks/trades", "market_read", market_data.trades),
    Route("GET", "/v2/stocks/bars/latest", "market_read", market_data.latest_bars),
    Route("GET", "/v2/stocks/quotes/latest", "market_read", market_data.latest_quotes),
    Route("GET", "/v2/stocks/trades/latest", "market_read", market_data.latest_trades),
    Route("GET", "/v2/stocks/snapshots", "market_read", market_data.snapshots),
    Route("GET", "/v2/stocks/{symbol}/bars", "market_read", market_data.bars),
    Route("GET", "/v2/stocks/{symbol}/quotes", "market_read", market_data.quotes),
    Route("GET", "/v2/stocks/{symbol}/trades", "market_read", market_data.trades),
    Route("GET", "/v2/stocks/{symbol}/bars/latest", "market_read", market_data.latest_bars),
    Route("GET", "/v2/stocks/{symbol}/quotes/latest", "market_read", market_data.latest_quotes),
    Route("GET", "/v2/stocks/{symbol}/trades/latest", "market_read", market_data.latest_trades),
    Route("GET", "/v2/stocks/{symbol}/snapshot", "market_read", market_data.snapshot),
)
STREAMS: Final = {"/stream": trading_stream, "/v2/iex": data_stream, "/v2/sip": data_stream, "/v2/test": data_stream}


class AlpacaDialect:
    """Trading API, market data and both streams under one prefix, for clients that are told another base URL."""

    name = DIALECT
    prefix = "/alpaca"

    def __init__(self, host: Host) -> None:
        self._floor = Floor(host)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """What it answers, relative to its prefix."""
        rest = [
            web.route(route.method, route.path, serves(route.what)(behind_the_door(self._floor, api, route.handler)))
            for api, table in _APIS
            for route in table
        ]
        streams = [web.get(path, serves("other")(partial(stream, self._floor))) for path, stream in STREAMS.items()]
        return [*rest, *streams]

    def fault_answer(self, status: int) -> web.Response:
        """Alpaca's body for a status that no handler gave."""
        return fault(status).response()

    async def client_order_id(self, request: web.Request) -> str:
        """The client's id of the order that a request sends, or asks about by either of its ids."""
        if "client_order_id" in request.query:
            return request.query["client_order_id"]
        if request.method in ("POST", "PATCH"):
            try:
                asked = msgspec.json.decode(await request.read(), type=_Named)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return ""
            if asked.client_order_id:
                return asked.client_order_id
        return self._by_number(request.match_info.get("order_id", ""))

    def _by_number(self, written: str) -> str:
        for account_view in self._floor.host.view.accounts.values() if written else ():
            order = account_view.orders.get(count_of("order", account_view.name, written) or 0)
            if order is not None:
                return order.asked.client_order_id
        return ""


class _Named(msgspec.Struct):
    client_order_id: str | None = None


_APIS: Final[tuple[tuple[Api, tuple[Route, ...]], ...]] = (("trading", TRADING), ("data", DATA))
