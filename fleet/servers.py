"""Postgres and Valkey for a run: the operator's where he names them, else ours, which are started again when they die."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fleet.embedded.postgres import EmbeddedPostgres
from fleet.embedded.server import EmbeddedServer, ServerError
from fleet.embedded.valkey import EmbeddedValkey
from libs.common.settings import ConfigError

LOOK_S: Final = 0.1
RETRY_S: Final = 1.0


class Moved(Exception):
    """A server came back under another address than the services know."""


class Servers:
    """The two servers. Only embedded ones are started, watched, stopped and wiped."""

    def __init__(self, state: Path, database_url: str, redis_url: str, say: Callable[[str], None]) -> None:
        self.database_url = database_url
        self.redis_url = redis_url
        self.postgres = None if database_url else EmbeddedPostgres(state / "postgres")
        self.valkey = None if redis_url else EmbeddedValkey(state / "valkey")
        self._say = say
        self._busy = {server: asyncio.Lock() for server in self._embedded}
        self._restarts = dict.fromkeys(self._embedded, 0)

    @property
    def restarts(self) -> int:
        """Of all, in this run."""
        return sum(self._restarts.values())

    @property
    def states(self) -> dict[str, tuple[str, int]]:
        """Of each of ours by its title: `healthy`, or what is wrong, and its restarts."""
        return {
            server.title: ("healthy" if server.alive() else "down, starting again", restarts) for server, restarts in self._restarts.items()
        }

    @property
    def _embedded(self) -> list[EmbeddedServer]:
        return [server for server in (self.postgres, self.valkey) if server is not None]

    def wipe(self) -> None:
        """Removes all that our servers stored.

        Raises:
            ConfigError: the database is the operator's, or a server's files cannot be removed.
        """
        if self.postgres is None:
            raise ConfigError(
                "--fresh would wipe the database that DATABASE_URL names, which is yours and not ours to wipe;"
                " empty it yourself, or unset DATABASE_URL to use the embedded Postgres"
            )
        try:
            for server in self._embedded:
                server.wipe()
        except ServerError as error:
            raise ConfigError(str(error)) from error

    async def start(self) -> None:
        """Starts ours.

        Raises:
            ConfigError: one does not come up; the message says why.
        """
        try:
            if self.postgres is not None:
                self.database_url = await asyncio.to_thread(self.postgres.start)
            if self.valkey is not None:
                self.redis_url = await asyncio.to_thread(self.valkey.start)
        except ServerError as error:
            raise ConfigError(str(error)) from error

    async def watch(self) -> None:
        """Starts again, at once and on its port, whichever has died, until cancelled.

        Raises:
            Moved: its port has been taken by another program meanwhile.
        """
        async with asyncio.TaskGroup() as group:
            for server in self._embedded:
                group.create_task(self._watch(server))

    async def _watch(self, server: EmbeddedServer) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if not server.alive():
                # Shielded: a start that was begun is ended before `stop` comes to it.
                await asyncio.shield(asyncio.ensure_future(self._revive(server)))

    async def _revive(self, server: EmbeddedServer) -> None:
        async with self._busy[server]:
            self._say(f"{server.title} has died; starting it again")
            try:
                before = server.url
                after = await asyncio.to_thread(server.start)
            except ServerError as error:
                self._say(f"ALERT: {server.title} does not start, trying again: {error}")
                await asyncio.sleep(RETRY_S)
                return
        self._restarts[server] += 1
        if after != before:
            raise Moved(f"{server.title} could not have its port back, another program took it; start the fleet anew")
        self._say(f"{server.title} is back")

    async def stop(self) -> None:
        """Shuts ours down cleanly."""
        for server in reversed(self._embedded):
            async with self._busy[server]:
                await asyncio.to_thread(server.stop)

    def kill(self) -> None:
        """SIGKILL to ours, at once."""
        for server in self._embedded:
            server.kill()
