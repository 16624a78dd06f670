"""Requests that ask for leave once more before their first byte, and say how far their writing has come to the tests that wound."""

from typing import Final, Literal

from aiohttp import ClientConnectionError
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection
from aiohttp.helpers import set_exception

from libs.common.crash_points import CrashPoint, reached
from libs.venues.broker import NotSent
from libs.venues.turns import turn_to_write

Change = Literal["submit", "cancel", "replace"]

_WRITTEN: Final[dict[Change, CrashPoint]] = {"submit": "CP11", "cancel": "CP17", "replace": "CP18"}


def change_of(method: str, path: str) -> Change | None:
    """What a request changes about orders, as far as its address tells; None: nothing.

    >>> change_of("POST", "/alpaca/v2/orders"), change_of("PATCH", "/v2/orders/61e6"), change_of("POST", "/api/v3/order/cancelReplace")
    ('submit', 'replace', 'replace')
    """
    if "/order" not in path or method == "GET":
        return None
    if method == "DELETE":
        return "cancel"
    return "submit" if method == "POST" and path.endswith(("/order", "/orders")) else "replace"


_ADDS: Final[frozenset[Change | None]] = frozenset({"submit", "replace"})
"""What must not arrive late. A late cancel does no harm."""


class MarkedRequest(ClientRequest):
    """aiohttp's request. Before Python 3.12 it writes a body one turn of the loop after it has been sent: a process that was
    stopped in between, for minutes perhaps, must not write it any more when it wakes up. Orders are written one in a turn."""

    def withheld(self) -> str:
        """Why the first byte may not be written now; "" when it may."""
        return ""

    async def send(self, conn: Connection) -> ClientResponse:
        change = change_of(self.method, self.url.path)
        if change == "submit":
            reached("CP09")
        if change in _ADDS and not self.body:  # else it is written by `write_bytes`
            await turn_to_write()
            if reason := self.withheld():
                raise NotSent(reason)
        response = await super().send(conn)
        if change is not None and not self.body:
            reached(_WRITTEN[change])
        return response

    async def write_bytes(self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None) -> None:
        change = change_of(self.method, self.url.path)
        if change in _ADDS:
            await turn_to_write()
        if reason := self.withheld():
            assert conn.protocol is not None
            set_exception(conn.protocol, ClientConnectionError(reason))
            conn.close()
            return
        if change == "submit":
            reached("CP10")
        await super().write_bytes(writer, conn, content_length)
        if change is not None:
            reached(_WRITTEN[change])
