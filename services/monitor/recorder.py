"""Writes of the monitor in the order in which they were decided. While Postgres is away they wait, and nobody waits for them."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from libs.common.database import Database, Rejected, Unreachable, Write

log = logging.getLogger(__name__)

RETRY_S: Final = 0.5
FROZEN_S: Final = 15.0  # a server that takes a question and does not answer is given up after that long
AT_ONCE: Final = 50


class _Unit(NamedTuple):
    writes: Sequence[Write]
    done: asyncio.Future[bool]


class Recorder:
    """What is written together is one unit: all of it is committed, or none."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._units: deque[_Unit] = deque()
        self._bell = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Units that are not committed yet."""
        return len(self._units)

    def keep(self, writes: Sequence[Write]) -> asyncio.Future[bool]:
        """Takes a unit, to be committed after those before it. The future says whether it was: False when it was refused."""
        unit = _Unit(writes, asyncio.get_running_loop().create_future())
        if writes:
            self._units.append(unit)
            self._bell.set()
        else:
            unit.done.set_result(True)
        return unit.done

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._units:
                await self._commit([self._units[n] for n in range(min(AT_ONCE, len(self._units)))])

    async def flush(self, within_s: float) -> None:
        """Waits until all is committed, or the time is over."""
        pending = [unit.done for unit in self._units]
        if pending:
            await asyncio.wait(pending, timeout=within_s)

    async def _commit(self, units: Sequence[_Unit]) -> None:
        try:
            await self._written(units)
            self._settle(units, True)
        except Unreachable as error:
            log.warning("%d writes wait for the database: %s", len(self._units), error)
            await asyncio.sleep(RETRY_S)
        except Rejected as error:
            if len(units) > 1:  # one of them is at fault: each by itself
                for unit in units:
                    await self._commit([unit])
                return
            log.error("a write of the monitor was refused and is lost: %s", error)
            self._settle(units, False)

    async def _written(self, units: Sequence[_Unit]) -> None:
        try:
            async with asyncio.timeout(FROZEN_S):
                await self._database.write([write for unit in units for write in unit.writes])
        except TimeoutError:
            await self._database.close()
            raise Unreachable(f"no answer within {FROZEN_S:g} s") from None

    def _settle(self, units: Sequence[_Unit], kept: bool) -> None:
        for unit in units:
            if unit in self._units:
                self._units.remove(unit)
            if not unit.done.done():
                unit.done.set_result(kept)
