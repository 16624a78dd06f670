"""One websocket of a client: frames leave in order from a bounded queue, through the stream faults."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from typing import Final, Literal

from aiohttp import WSCloseCode, web

from libs.common import metrics
from services.sim_venue.faults import Faults

log = logging.getLogger(__name__)

Kind = Literal["orders", "market"]
MOST_WAITING: Final = 10_000
"""Frames that wait for a client before it is disconnected."""
AT_ONCE: Final = 100
"""Frames that one client gets before the next one's turn."""
GOODBYE_S: Final = 1.0

_TRANSPORT: Final = web.ResponseKey("transport", asyncio.Transport)


async def accept(request: web.Request, *, heartbeat_s: float, most_bytes: int) -> web.WebSocketResponse:
    """A websocket with the client, pinged so often, that is sent messages of at most so many bytes."""
    socket = web.WebSocketResponse(heartbeat=heartbeat_s, max_msg_size=most_bytes)
    await socket.prepare(request)
    if request.transport is not None:
        socket[_TRANSPORT] = request.transport
    return socket


class Lines:
    """All websockets of one venue."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._open: set[Line] = set()

    def open(self, socket: web.WebSocketResponse, dialect: str, kind: Kind) -> "Line":
        """The line of a client that a dialect has accepted; the dialect closes it when the client has gone."""
        line = Line(socket, dialect, kind, self._faults)
        self._open.add(line)
        line.sending.add_done_callback(lambda _: self._open.discard(line))
        return line

    def __iter__(self) -> "Iterator[Line]":
        """Those that are open."""
        return iter(self._open)

    def hang_up(self) -> None:
        """The venue leaves: a client that stays would keep it from going."""
        for line in list(self._open):
            line.hang_up()


class Line:
    """One client's."""

    def __init__(self, socket: web.WebSocketResponse, dialect: str, kind: Kind, faults: Faults) -> None:
        self._socket = socket
        self._dialect = dialect
        self._kind: Kind = kind
        self._faults = faults
        self._frames: deque[str | bytes] = deque()
        self._overtaken: tuple[str | bytes, str] | None = None  # waits for the next frame about that symbol, "" any, to pass it
        self._muted = False
        self._ended = False
        self._news = asyncio.Event()
        self._sent = metrics.SIM_FRAMES.labels(dialect=dialect, kind=kind)
        self.sending = asyncio.create_task(self._send_all())

    def send(self, frame: str | bytes, symbol: str = "") -> None:
        """Queues a frame (text, or binary when bytes). Never waits; a client that does not read is disconnected."""
        if self._muted or self._ended:
            return
        fault = self._faults.of_frame(self._dialect, self._kind, symbol)
        if fault is None:
            self._put(frame, symbol)
            return
        metrics.SIM_FAULTS.labels(kind=fault.kind).inc()
        match fault.kind:
            case "duplicate":
                self._put(frame, symbol)
                self._put(frame, symbol)
            case "reorder":
                self._put_overtaken()
                self._overtaken = frame, fault.symbol
            case "late":
                asyncio.get_running_loop().call_later(fault.seconds, self._put, frame, symbol)
            case "garble":
                self._put(frame[: len(frame) // 2], symbol)
            case "mute":
                self._muted = True
            case "disconnect":
                self.hang_up()
            case _:  # lose
                pass

    def _put(self, frame: str | bytes, symbol: str) -> None:
        if self._muted or self._ended:
            return
        self._frames.append(frame)
        if self._overtaken is not None and self._overtaken[1] in ("", symbol):
            self._put_overtaken()
        self._news.set()
        if len(self._frames) > MOST_WAITING:
            log.warning("a client of %s reads too slowly: %d frames wait; disconnected", self._dialect, len(self._frames))
            metrics.SIM_OVERRUNS.labels(dialect=self._dialect).inc()
            self._frames.clear()
            self.hang_up()

    def _put_overtaken(self) -> None:
        if self._overtaken is not None:
            self._frames.append(self._overtaken[0])
            self._overtaken = None

    async def _send_all(self) -> None:
        try:
            while not self._ended:
                for _ in range(min(AT_ONCE, len(self._frames))):
                    frame = self._frames.popleft()
                    await (self._socket.send_str(frame) if isinstance(frame, str) else self._socket.send_bytes(frame))
                    self._sent.inc()
                if self._frames:
                    await asyncio.sleep(0)  # sending alone does not let others run
                else:
                    self._news.clear()
                    await self._news.wait()
        except ConnectionError:  # the client has gone; whoever reads the socket is told too
            self._ended = True

    def hang_up(self) -> None:
        """Hangs up without waiting for what is queued."""
        self._ended = True
        self._ending = asyncio.create_task(self.close())

    async def close(self) -> None:
        """Hangs up; what is queued is not sent. Waits a second for the client at most; more than once is harmless."""
        self._ended = True
        if self.sending is not asyncio.current_task():
            self.sending.cancel()
            await asyncio.wait({self.sending})
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self._socket.close(code=WSCloseCode.GOING_AWAY)
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # else it is the writer's: what waited for a client that reads nothing was cancelled with the sending above
        finally:
            transport = self._socket.get(_TRANSPORT)
            if transport is not None and transport.get_write_buffer_size():
                transport.abort()  # a transport that only closes would wait for its client for ever
