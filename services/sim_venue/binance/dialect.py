"""The Binance spot dialect: REST under `/binance/api/v3`, streams at `/binance/ws` and `/binance/stream`, requests by websocket at
`/binance/ws-api/v3`. What is served, what differs and what is absent: docs/sim-venue-binance.md.
"""

from collections.abc import Sequence

from aiohttp import web

from services.sim_venue.binance import rest
from services.sim_venue.binance.desk import DIALECT, Desk
from services.sim_venue.binance.market_streams import MarketStreams
from services.sim_venue.binance.sockets import MOST_FRAME, PING_S, a_line
from services.sim_venue.binance.stream_socket import StreamSocket
from services.sim_venue.binance.ws_api import ApiSocket
from services.sim_venue.host import Host
from services.sim_venue.lines import accept


class BinanceDialect:
    """Of one venue."""

    name = DIALECT
    prefix = "/binance"

    def __init__(self, host: Host) -> None:
        self._desk = Desk(host)
        self._streams = MarketStreams(self._desk)

    def routes(self) -> Sequence[web.RouteDef]:
        """What it answers, relative to its prefix."""
        return [
            *rest.routes(self._desk),
            web.get("/ws", self._raw),
            web.get("/ws/{names:.+}", self._raw),
            web.get("/stream", self._combined),
            web.get("/ws-api/v3", self._api),
        ]

    def fault_answer(self, status: int) -> web.Response:
        """The venue's own body for a status."""
        return rest.with_status(status, self._desk.host.wire_time_ns())

    async def client_order_id(self, request: web.Request) -> str:
        """The client's id of the order that a request is about, "" when it names none."""
        return await rest.client_order_id(request)

    async def _raw(self, request: web.Request) -> web.StreamResponse:
        names = request.match_info.get("names", "").split("/")
        return await self._stream(request, names, combined=False)

    async def _combined(self, request: web.Request) -> web.StreamResponse:
        return await self._stream(request, request.query.get("streams", "").split("/"), combined=True)

    async def _stream(self, request: web.Request, names: list[str], combined: bool) -> web.StreamResponse:
        socket = await accept(request, heartbeat_s=PING_S, most_bytes=MOST_FRAME)
        async with a_line(self._desk.host, socket, "market") as line:
            await StreamSocket(self._desk, self._streams, socket, line, combined).serve(names)
        return socket

    async def _api(self, request: web.Request) -> web.StreamResponse:
        socket = await accept(request, heartbeat_s=PING_S, most_bytes=MOST_FRAME)
        async with a_line(self._desk.host, socket, "orders") as line:
            await ApiSocket(self._desk, socket, line, request.remote or "").serve()
        return socket
