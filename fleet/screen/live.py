"""The live screen as the face of a run: what is said goes into its feed, the record is read once a second, keys are obeyed.

Nothing that goes wrong with the screen touches the run: it gives the terminal back, and plain lines take over.
"""

import asyncio
import logging
import signal
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from fleet.events import BLANK
from fleet.face import Lines, Parts
from fleet.operating import who
from fleet.screen import layout
from fleet.screen.keys import Request, Stop, obey, press, pressed
from fleet.screen.model import Hand
from fleet.screen.reading import Reading
from fleet.screen.terminal import Canvas, Terminal
from libs.common.bus import RedisBus
from libs.common.clocks import HostClock
from libs.common.database import Database, Rejected, Unreachable
from libs.common.journal import PostgresJournal
from libs.common.settings import ConfigError
from libs.store.control import Control

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
DRAW_S: Final = 0.25  # at least between two frames
TICK_S: Final = 1.0  # at most
KEPT: Final = 200  # lines of the feed
LEFT_BEHIND: Final = 12  # the last of them, on the terminal as it was before
REPAINT: Final = "\x0c"  # Ctrl-L


class Live:
    """A face on a terminal."""

    def __init__(
        self,
        reading: Reading,
        plain: Lines,
        streams: tuple[int, int],
        environment: Mapping[str, str],
        clock: HostClock,
        stopping: asyncio.Event,
        gone: Callable[[], None],
        *,
        state: Path,
        cool_off_s: float,
    ) -> None:
        """`streams` are the descriptors of stdout and stdin; `stopping` is set to end the run, by us or by others; `gone` is called
        when the terminal is no longer there; the kill file goes to `state` when the record is away."""
        self._reading = reading
        self._plain = plain
        self._terminal = Terminal(*streams, typed=self._typed, gone=gone)
        self._canvas = Canvas(environment)
        self._clock = clock
        self._stopping = stopping
        self._feed: deque[str] = deque(maxlen=KEPT)
        self._hand = Hand()
        self._parts: Parts | None = None
        self._state = state
        self._cool_off_s = cool_off_s
        self._requests: asyncio.Queue[Request] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._painting: asyncio.Task[None] | None = None
        self._logged = _ToFeed(self)

    def say(self, text: str) -> None:
        """One line of the feed; on the terminal itself while there is no screen."""
        if self._painting is None:
            self._plain.say(text)
            return
        self._feed.append("".join(sign if sign.isprintable() else " " for sign in text))
        self._changed.set()

    def event(self, text: str) -> None:
        """A line about the fleet itself."""
        self.say(f"{BLANK}  {text}")

    def open(self) -> None:
        """Takes the terminal; when that cannot be, plain lines it is."""
        try:
            self._terminal.open()
        except OSError as error:
            self._plain.event(f"no live screen: {error}")
            return
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, self._resized)
        loop.add_signal_handler(signal.SIGCONT, self._let_go_on)
        logging.getLogger().addHandler(self._logged)
        self._painting = asyncio.create_task(self._guarded(self._paint()))
        self._changed.set()

    def close(self) -> None:
        """Gives the terminal back, with the last lines of the feed on it."""
        if self._painting is None:
            return
        painting, self._painting = self._painting, None
        painting.cancel()
        logging.getLogger().removeHandler(self._logged)
        loop = asyncio.get_running_loop()
        loop.remove_signal_handler(signal.SIGWINCH)
        loop.remove_signal_handler(signal.SIGCONT)
        self._terminal.close()
        for text in list(self._feed)[-LEFT_BEHIND:]:
            self._plain.say(text)

    async def follow(self, parts: Parts) -> None:
        """Reads the record and obeys the keys, until cancelled."""
        if self._painting is None:
            return
        self._parts = parts
        await self._guarded(self._followed(parts))

    async def _followed(self, parts: Parts) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look(parts))
            group.create_task(self._obey(parts))

    async def _look(self, parts: Parts) -> None:
        database = Database(parts.servers.database_url, "fleet:screen")
        try:
            while True:
                with suppress(Unreachable):  # the screen says since when
                    await self._reading.look(database)
                self._changed.set()
                await asyncio.sleep(LOOK_S)
        finally:
            await database.close()

    async def _obey(self, parts: Parts) -> None:
        """On a connection of its own: a slow look must not hold up a kill switch."""
        database, bus = Database(parts.servers.database_url, "fleet:keys"), RedisBus(parts.servers.redis_url)
        control = Control(database, PostgresJournal(database, bus, self._clock), self._clock, cool_off_s=self._cool_off_s)
        try:
            while True:
                self.event(await self._done(await self._requests.get(), control))
                with suppress(Unreachable):  # the screen shows at once what a key has done
                    await self._reading.look(database)
                    self._changed.set()
        finally:
            await database.close()
            await bus.close()

    async def _done(self, request: Request, control: Control) -> str:
        try:
            return await obey(request, control, who(), self._state)
        except (LookupError, ValueError, ConfigError) as error:
            return f"not done: {error.args[0]}"
        except Rejected as error:
            return f"ALERT: not done, the database refused: {error}"
        except Unreachable as error:
            return f"ALERT: the database does not answer: {error}; it may have been done, look before you try again"

    async def _paint(self) -> None:
        while True:
            with suppress(TimeoutError):  # times on the screen go on also while nothing happens
                await asyncio.wait_for(self._changed.wait(), TICK_S)
            self._changed.clear()
            self._draw()
            await asyncio.sleep(DRAW_S)

    def _draw(self) -> None:
        width, height = self._terminal.size()
        stopping = self._stopping.is_set()
        snapshot = self._reading.snapshot(self._parts, list(self._feed), self._hand, keys=self._terminal.keys, stopping=stopping)
        if not self._terminal.paint(self._canvas.lines(layout.screen(snapshot, width, height), width, height)):
            self._changed.set()

    def _typed(self, text: str) -> None:
        for key in pressed(text):
            if self._stopping.is_set():  # what is typed now is meant for the shell; Ctrl-C is a signal and no key
                break
            self._hand, order = press(self._hand, key, self._reading.stopped)
            if key == REPAINT:
                self._terminal.forget()
            elif isinstance(order, Stop):
                self._stopping.set()
            elif order is not None and self._parts is None:
                self.event("not done: the fleet is still being started")
            elif order is not None:
                self._requests.put_nowait(order)
        self._changed.set()

    def _resized(self) -> None:
        self._terminal.forget()
        self._changed.set()

    def _let_go_on(self) -> None:
        self._terminal.resume()
        self._changed.set()

    async def _guarded(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except Exception as error:
            self.close()
            self._plain.event(f"the live screen failed ({type(error).__name__}); the fleet runs on, with plain lines")
            log.exception("the live screen failed")


class _ToFeed(logging.Handler):
    """What the supervisor's libraries log, which would otherwise be written across the screen."""

    def __init__(self, live: Live) -> None:
        super().__init__(logging.WARNING)
        self._live = live

    def emit(self, record: logging.LogRecord) -> None:
        self._live.event(f"{record.levelname.lower()} from {record.name}: {record.getMessage()}")
