"""Websockets of clients: accepted, kept alive by pings, and hung up when the venue leaves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from libs.quant.sim_venue.reports import Report
from services.sim_venue.binance.desk import DIALECT
from services.sim_venue.host import Host, Subscription
from services.sim_venue.lines import Kind, Line

PING_S: Final = 20.0
MOST_FRAME: Final = 64 * 1024
_WHOLE_VENUE: Final = ""


async def accept(request: web.Request) -> web.WebSocketResponse:
    """A websocket with the client."""
    socket = web.WebSocketResponse(heartbeat=PING_S, max_msg_size=MOST_FRAME)
    await socket.prepare(request)
    return socket


@contextlib.asynccontextmanager
async def a_line(host: Host, socket: web.WebSocketResponse, kind: Kind) -> AsyncIterator[Line]:
    """Where frames of the socket leave, until the client or the venue does."""
    line = Line(socket, DIALECT, kind, host.faults)
    reports = host.reports(_WHOLE_VENUE)  # a halt now and then; they end with the venue
    watching = asyncio.create_task(_hang_up(reports, line))
    try:
        yield line
    finally:
        reports.close()
        watching.cancel()
        await line.close()


async def _hang_up(reports: Subscription[Report], line: Line) -> None:
    async for _ in reports:
        pass
    await line.close()
