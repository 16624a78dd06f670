"""A line to a server that a test can cut, freeze and mend."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class Relay:
    """Hands bytes on in both directions while it is open."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._open = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._down = False
        self._open.set()
        self.port = 0

    @property
    def url(self) -> str:
        """As the one of the server, by way of here."""
        user, at, _ = self._target.netloc.rpartition("@")
        return urlunsplit(self._target._replace(netloc=f"{user}{at}127.0.0.1:{self.port}"))

    def cut(self) -> None:
        """Closes every connection, and refuses new ones."""
        self._down = True
        for writer in self._writers:
            writer.transport.abort()

    def freeze(self) -> None:
        """Takes everything and hands nothing on: a server that hangs."""
        self._open.clear()

    def mend(self) -> None:
        self._down = False
        self._open.set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._down:
                return
            beyond, to = await asyncio.open_connection(self._target.hostname, self._target.port)
            self._writers.add(to)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hand_on(reader, to))
                group.create_task(self._hand_on(beyond, writer))
            self._writers.discard(to)
        except (OSError, ExceptionGroup):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def a_relay(url: str) -> AsyncIterator[Relay]:
    """A line to the server of a URL with host and port."""
    relay = Relay(url)
    server = await asyncio.start_server(relay.connected, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        relay.mend()
        relay.cut()
        server.close()
        await server.wait_closed()
