"""Websockets of clients: accepted, and kept alive by pings."""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from services.sim_venue.binance.desk import DIALECT
from services.sim_venue.host import Host
from services.sim_venue.lines import Kind, Line

PING_S: Final = 20.0
MOST_FRAME: Final = 64 * 1024


@contextlib.asynccontextmanager
async def a_line(host: Host, socket: web.WebSocketResponse, kind: Kind) -> AsyncIterator[Line]:
    """Where frames of the socket leave, until the client or the venue does."""
    line = host.lines.open(socket, DIALECT, kind)
    try:
        yield line
    finally:
        await line.close()
