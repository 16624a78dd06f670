"""Gives back the leases of the dead, so that a successor need not wait for them to expire."""

import asyncio
from collections.abc import Callable
from typing import Final

from libs.common.database import Database, Unreachable
from libs.common.ids import holder_name
from libs.store import activity

RETRY_S: Final = 0.2


class Undertaker:
    """Releases what a reaped process held. Only the supervisor may: it alone knows that the process is gone."""

    def __init__(self, database: Database, say: Callable[[str], None]) -> None:
        self._database = database
        self._say = say
        self._dead: asyncio.Queue[str] = asyncio.Queue()

    def bury(self, holder: str) -> None:
        """A process has been reaped; `holder` is the name under which it held leases."""
        self._dead.put_nowait(holder)

    async def bury_the_dead(self) -> None:
        """Holders of this host's only fleet that do not live any more: their supervisor was killed with them.

        Raises:
            Unreachable: the database is away.
        """
        for holder in await activity.holders(self._database):
            if not _lives(holder):
                self.bury(holder)

    async def run(self) -> None:
        """Until cancelled; through outages of the database."""
        try:
            while True:
                await self._release(await self._dead.get())
        finally:
            await self._database.close()

    async def _release(self, holder: str) -> None:
        while True:
            try:
                names = await activity.release(self._database, holder)
            except Unreachable:
                await asyncio.sleep(RETRY_S)
                continue
            if names:
                self._say(f"released what a dead process held: {', '.join(sorted(names))}")
            return


def _lives(holder: str) -> bool:
    try:
        return holder_name(int(holder.split(":")[1])) == holder
    except (IndexError, ValueError, ProcessLookupError):
        return False
