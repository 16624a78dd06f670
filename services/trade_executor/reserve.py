"""An account's desk while another executor has its lease: healthy, in reserve, and warm, so that a takeover begins at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from libs.common.database import Database, Unreachable
from libs.common.leases import Behind

log = logging.getLogger(__name__)

Warm = Callable[[], Awaitable[None]]
"""Loads what opening the broker will need; a second time costs nothing."""


async def nothing_to_load() -> None:
    """A broker that needs no library of its own."""


class Reserve:
    """Of one account."""

    def __init__(self, say: Callable[[bool, str], None], databases: Sequence[Database], warm: Warm) -> None:
        """
        Args:
            say: whether the desk does what it should, and in which words.
            databases: connections that the desk will want at once.
        """
        self._say = say
        self._databases = databases
        self._warm = warm
        self._warming: asyncio.Task[None] | None = None
        self.holder = ""  # whom we stand behind; "" when we do not

    def behind(self, found: Behind) -> None:
        """A look at the lease found it another's. One that is renewed has a holder who lives: then waiting is what we are for."""
        self.holder = found.holder
        self._say(
            found.renewed, f"standby, behind {found.holder}" if found.renewed else f"waits for the lease that {found.holder} has held"
        )
        if found.renewed and self._warming is None:
            self._warming = asyncio.create_task(self._keep_warm())

    def over(self) -> None:
        """The lease is ours, or we leave."""
        if self.holder:
            self._say(False, f"takes over from {self.holder}")
        self.holder = ""
        if self._warming is not None:
            self._warming.cancel()
            self._warming = None

    async def _keep_warm(self) -> None:
        """Once: a connection that breaks while we wait is made again when it is wanted."""
        await self._warm()
        for database in self._databases:
            try:
                await database.connection()
            except Unreachable as error:
                log.info("a connection was not made ahead: %s", error)
