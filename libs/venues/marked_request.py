"""Requests that say how far their writing has come, to nobody but the tests that wound a process at such a moment."""

from typing import Final, Literal

from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection

from libs.common.crash_points import CrashPoint, reached

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


class MarkedRequest(ClientRequest):
    """aiohttp's request. What it writes, and when, is aiohttp's affair."""

    async def send(self, conn: Connection) -> ClientResponse:
        change = change_of(self.method, self.url.path)
        if change == "submit":
            reached("CP09")
        response = await super().send(conn)
        if change is not None and not self.body:
            reached(_WRITTEN[change])
        return response

    async def write_bytes(self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None) -> None:
        change = change_of(self.method, self.url.path)
        if change == "submit":
            reached("CP10")
        await super().write_bytes(writer, conn, content_length)
        if change is not None:
            reached(_WRITTEN[change])
