"""A websocket of Alpaca that is either heard or given up."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from libs.venues.freshness import Freshness, Mute

PING_EVERY_S: Final = 10.0  # an unanswered ping ends the connection half of this later
CONNECT_S: Final = 5.0
ANSWER_S: Final = 5.0
CLOSE_S: Final = 1.0  # how long a venue may take to say goodbye; a mute one never does
MOST_BYTES: Final = 16 * 1024 * 1024

Message = Mapping[str, object]


class Socket:
    """One connection. Frames are JSON, as text or as bytes."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, freshness: Freshness) -> None:
        self._socket = socket
        self._freshness = freshness

    async def say(self, message: Message) -> None:
        await self._socket.send_json(message)

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """While an answer is waited for: a stream that goes on with other things has lost it, and will never give it.

        Raises:
            Mute: it did not come.
        """
        within_s = min(ANSWER_S, self._freshness.mute_after_s)
        try:
            async with asyncio.timeout(within_s):
                yield
        except TimeoutError:
            raise Mute(f"no answer to what was asked of the stream for {within_s:g} s") from None

    async def hear(self, probe: Message | None = None) -> bytes:
        """The next frame.

        A quiet stream is asked to say something, by what it must answer, when half of the time is up that it may be
        silent: in a quiet market that tells a live connection from a mute one.

        Raises:
            Mute: it said nothing.
            ConnectionError: it is closed.
        """
        if probe is not None:
            try:
                async with asyncio.timeout(self._freshness.left_s() / 2):
                    return self._frame(await self._socket.receive())
            except TimeoutError:
                await self.say(probe)
        return self._frame(await self._freshness.hear(self._socket.receive))

    def _frame(self, message: aiohttp.WSMessage) -> bytes:
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                frame: bytes = message.data.encode()
            case aiohttp.WSMsgType.BINARY:
                frame = message.data
            case _:
                raise ConnectionError(f"the venue closed the stream ({message.type.name}, {message.data!r})")
        self._freshness.heard()
        return frame


@asynccontextmanager
async def connected(session: aiohttp.ClientSession, url: str, freshness: Freshness) -> AsyncIterator[Socket]:
    """An open socket.

    Raises:
        Mute: nobody answered.
        aiohttp.ClientError, OSError: it cannot be opened.
    """
    freshness.heard()
    try:
        async with asyncio.timeout(CONNECT_S):
            closing = aiohttp.ClientWSTimeout(ws_close=CLOSE_S)
            socket = await session.ws_connect(url, heartbeat=PING_EVERY_S, timeout=closing, max_msg_size=MOST_BYTES)
    except TimeoutError:
        raise Mute(f"no answer from the stream for {CONNECT_S:g} s") from None
    async with socket:
        yield Socket(socket, freshness)
