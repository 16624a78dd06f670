"""One websocket of a client: frames leave in order from a bounded queue, through the stream faults."""

from typing import Literal

from aiohttp import web

Kind = Literal["orders", "market"]


class Line:
    """Made by a dialect once its client is known."""

    def __init__(self, socket: web.WebSocketResponse, dialect: str, kind: Kind) -> None: ...

    def send(self, frame: str | bytes, symbol: str = "") -> None:
        """Queues a frame (text, or binary when bytes). Never waits; a client that does not read is disconnected."""
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
