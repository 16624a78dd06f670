"""A line to a server that can be made slow, narrow, deaf, cut or refused, each way for itself; by whoever holds it, or over HTTP.

It stands where toxiproxy and `tc netem` would, neither of which a test machine has.
"""

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal
from urllib.parse import urlsplit, urlunsplit

import msgspec
from aiohttp import web

CHUNK: Final = 64 * 1024
RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER for no time: what is closed is reset

Way = Literal["up", "down"]
"""up: from the client to the server."""


class Weather(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What happens to bytes that go one way; nothing, unless it is said."""

    latency_s: float = 0.0
    jitter_s: float = 0.0  # on top, drawn anew for each piece; pieces stay in order
    bytes_per_s: float = 0.0  # 0: as fast as they come
    blackhole: bool = False  # they are taken and never handed on, and the other side sees nothing
    reset_after: int | None = None  # connections are reset when so many more bytes have been handed on
    reset_on: str = ""  # hexadecimal: reset once this has been handed on whole; what the server does of it nobody hears
    skip: int = 0  # so many times `reset_on` is let through first

    def __post_init__(self) -> None:
        """ValueError: it is no weather."""
        if min(self.latency_s, self.jitter_s, self.bytes_per_s, self.skip, self.reset_after or 0) < 0:
            raise ValueError(f"expected numbers of 0 or more, got {self}")
        bytes.fromhex(self.reset_on)


class Proxy:
    """One address in front of one server. What is changed holds at once, for connections that are open too."""

    def __init__(self, host: str, port: int, draw: random.Random | None = None) -> None:
        self.port = 0
        self.connections = 0  # in all
        self.resets = 0  # by the weather
        self._host, self._target_port = host, port
        self._draw = draw or random.Random(0)
        self._weather: dict[Way, Weather] = {"up": Weather(), "down": Weather()}
        self._turned = asyncio.Event()
        self._open: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, port: int = 0) -> None:
        """Takes connections at this port of 127.0.0.1; 0: any that is free, the same again afterwards."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port or self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Nobody can connect any more; who is connected stays."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def reset(self) -> None:
        """Every connection is cut on both sides, as by a machine that forgot them."""
        for connection in list(self._open):
            connection.reset()

    async def cut(self) -> None:
        """Every connection is cut, and new ones are refused."""
        await self.refuse()
        self.reset()

    def half_close(self, way: Way) -> None:
        """Says in every connection that nothing more will come that way; the other way stays open."""
        for connection in list(self._open):
            connection.half_close(way)

    def turn(self, way: Way | None = None, **weather: float | int | str | bool | None) -> None:
        """The weather of one way, or of both: what is not named is fair."""
        for one in (way,) if way else ("up", "down"):
            self._weather[one] = msgspec.convert(weather, Weather)
        self._turned.set()
        self._turned = asyncio.Event()

    async def mend(self) -> None:
        """Everything as it was at the beginning, for new connections too."""
        self.turn()
        if self._server is None:
            await self.listen()

    async def close(self) -> None:
        """Ends it."""
        await self.refuse()
        self.turn()
        self.reset()
        await asyncio.gather(*(connection.task for connection in self._open), return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            beyond, to = await asyncio.open_connection(self._host, self._target_port)
        except OSError:
            _reset(writer)
            return
        connection = _Connection((reader, writer), (beyond, to))
        self._open.add(connection)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hand_on("up", reader, to, connection))
                group.create_task(self._hand_on("down", beyond, writer, connection))
        except* OSError:
            pass
        finally:
            connection.close()
            self._open.discard(connection)

    async def _hand_on(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: "_Connection") -> None:
        tail = b""
        while data := await reader.read(CHUNK):
            while (weather := self._weather[way]).blackhole:
                await self._turned.wait()
            if weather.latency_s or weather.jitter_s:
                await asyncio.sleep(weather.latency_s + self._draw.random() * weather.jitter_s)
            whole, left = len(data), data
            if weather.reset_after is not None:
                left = data[: weather.reset_after]
                weather.reset_after -= len(left)
            await self._written(left, writer, weather)
            if len(left) < whole or weather.reset_after == 0:
                self.resets += 1
                connection.reset()
                return
            if weather.reset_on:
                met, tail = _looked_for(tail + data, weather)
                if met:
                    self.resets += 1
                    connection.forget()
                    return
        with suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _written(self, data: bytes, writer: asyncio.StreamWriter, weather: Weather) -> None:
        if not weather.bytes_per_s:
            writer.write(data)
            await writer.drain()
            return
        step = max(1, int(weather.bytes_per_s / 20))
        for begin in range(0, len(data), step):
            piece = data[begin : begin + step]
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(len(piece) / weather.bytes_per_s)


def _looked_for(seen: bytes, weather: Weather) -> tuple[bool, bytes]:
    """Whether what `weather` waits for has come, and of what was seen the part with which the next may begin."""
    pattern = bytes.fromhex(weather.reset_on)
    while (at := seen.find(pattern)) >= 0:
        if weather.skip == 0:
            return True, b""
        weather.skip -= 1
        seen = seen[at + len(pattern) :]
    return False, seen[max(0, len(seen) - len(pattern) + 1) :]


_Side = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    def __init__(self, client: _Side, server: _Side) -> None:
        self._writers: Mapping[Way, asyncio.StreamWriter] = {"up": server[1], "down": client[1]}
        self.task = asyncio.current_task() or asyncio.ensure_future(asyncio.sleep(0))

    def reset(self) -> None:
        for writer in self._writers.values():
            _reset(writer)

    def forget(self) -> None:
        """The client is reset; the server hears an orderly end, after all that was sent to it."""
        _reset(self._writers["down"])
        with suppress(OSError, RuntimeError):
            self._writers["up"].write_eof()

    def half_close(self, way: Way) -> None:
        with suppress(OSError, RuntimeError):
            self._writers[way].write_eof()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw: socket.socket | None = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    writer.transport.abort()


def through(url: str, port: int) -> str:
    """The same URL by way of a port of this machine."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{port}"))


@asynccontextmanager
async def a_proxy(url: str, port: int = 0) -> AsyncIterator[Proxy]:
    """A line to the server of a URL with host and port."""
    parts = urlsplit(url)
    if parts.port is None:
        raise ValueError(f"expected a URL with host and port, got one of {parts.scheme} without a port")
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port)
    await proxy.listen(port)
    try:
        yield proxy
    finally:
        await proxy.close()


# --- over HTTP


class Controls:
    """All lines of a harness, for somebody at a terminal:

    GET /proxies; PUT /proxies/{name}/{up|down} with a `Weather`; POST /proxies/{name}/{reset|refuse|mend}
    """

    def __init__(self, proxies: Mapping[str, Proxy]) -> None:
        self._proxies = proxies

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/proxies", self._shown),
                web.put("/proxies/{name}/{way:up|down}", self._turn),
                web.post("/proxies/{name}/{act:reset|refuse|mend}", self._act),
            ]
        )
        return app

    def _named(self, request: web.Request) -> Proxy:
        name = request.match_info["name"]
        if name not in self._proxies:
            raise web.HTTPNotFound(text=f"there is no proxy {name!r}; there are: {', '.join(sorted(self._proxies))}")
        return self._proxies[name]

    async def _shown(self, _: web.Request) -> web.Response:
        found = {
            name: {"port": proxy.port, "connections": proxy.connections, "resets": proxy.resets, **proxy._weather}
            for name, proxy in self._proxies.items()
        }
        return web.Response(body=msgspec.json.encode(found), content_type="application/json")

    async def _turn(self, request: web.Request) -> web.Response:
        proxy = self._named(request)
        try:
            weather = msgspec.json.decode(await request.read(), type=Weather)
        except msgspec.DecodeError as error:
            raise web.HTTPBadRequest(text=f"expected a weather: {error}") from error
        proxy.turn("up" if request.match_info["way"] == "up" else "down", **msgspec.structs.asdict(weather))
        return web.Response(status=204)

    async def _act(self, request: web.Request) -> web.Response:
        proxy = self._named(request)
        match request.match_info["act"]:
            case "reset":
                proxy.reset()
            case "refuse":
                await proxy.refuse()
            case _:
                await proxy.mend()
        return web.Response(status=204)
