"""Sees a kill within a quarter of a second: in the record, by a connection that no hop waits for, and in the kill file without any."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from libs.common.clocks import HostClock
from libs.common.database import Database, Rejected, Unreachable
from libs.common.logs import about
from libs.common.within import within
from libs.domain.kill import FileKill, line_of, parse
from libs.store import control
from services.trade_executor.gate import Gate

log = logging.getLogger(__name__)

RECORD_EVERY_S: Final = 0.15
FILE_EVERY_S: Final = 0.1
ANSWER_WITHIN_S: Final = 1.0  # a server that was stopped in the middle does not answer, and does not hang up
AGAIN_S: Final = 0.5
SETTLE_S: Final = 0.05  # after which an empty file is meant to be empty: a shell empties a file before it writes
FILE: Final = "kill"

Record = Callable[[FileKill], Awaitable[None]]
"""Puts a line of the kill file on record."""


class KillWatch:
    """Keeps a gate informed."""

    def __init__(self, gate: Gate, database: Database, state_dir: Path, clock: HostClock, record: Record) -> None:
        """`database`: for looking only; what is written by `record` may wait for a server that does not answer."""
        self._gate = gate
        self._database = database
        self._path = state_dir / FILE
        self._clock = clock
        self._record = record
        self._signature: object = None  # of the file as it was read last
        self._unread = ""  # why it could not be read
        self._new = asyncio.Event()  # something of the file has to go on record

    async def watch_record(self) -> None:
        """Until cancelled."""
        away = False
        while True:
            asked_at = self._clock.monotonic()
            try:
                killed = await within(ANSWER_WITHIN_S, control.kills(self._database))
                away = False
                self._gate.learn(killed, asked_at)
            except (Unreachable, Rejected, TimeoutError) as error:
                if not away:
                    away = True
                    log.error(
                        "the kill switch cannot be read, nothing new leaves until it can: %s",
                        str(error) or "no answer",
                        extra=about("kill_switch_read", "failure"),
                    )
            await asyncio.sleep(max(0.0, asked_at + RECORD_EVERY_S - self._clock.monotonic()))

    async def watch_file(self) -> None:
        """Until cancelled."""
        while True:
            if self._moved():
                self._gate.obey(await self._read())
                self._new.set()
            await asyncio.sleep(FILE_EVERY_S)

    def _moved(self) -> bool:
        """Whether the file is another than the one read last."""
        try:
            found = self._path.stat()
            signature: object = (found.st_ino, found.st_size, found.st_mtime_ns)
        except FileNotFoundError:
            signature = None
        except OSError as error:
            signature = error.errno
        if signature == self._signature:
            return False
        self._signature = signature
        return True

    async def _read(self) -> list[FileKill]:
        """What the file orders: nothing when there is none. One that is there and cannot be read halts the fleet, as an empty one does."""
        try:
            text = self._path.read_text(errors="replace")
            if not text.strip():
                await asyncio.sleep(SETTLE_S)
                text = self._path.read_text(errors="replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            return [FileKill("fleet", "", "halt", f"{self._path} cannot be read: {error.strerror}")]
        return parse(text)

    async def put_on_record(self) -> None:
        """A kill of the file outlives the file: it goes on record as soon as there is one. Until cancelled."""
        while True:
            await self._new.wait()
            self._new.clear()
            written: set[FileKill] = set()
            while self._gate.pending:  # the next look at the record is what takes it off the list
                for kill in [kill for kill in self._gate.pending if kill not in written]:
                    try:
                        await self._record(kill)
                        written.add(kill)
                        log.warning("kill file is on record: %s", line_of(kill), extra=about("kill_recorded", "success"))
                    except (Unreachable, Rejected) as error:
                        told = about("kill_recorded", "failure")
                        log.warning("the kill file waits for the record: %s", error, extra=told)
                with suppress(TimeoutError):
                    await within(AGAIN_S, self._new.wait())
