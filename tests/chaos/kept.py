"""A process of the money path that is started again as soon as it ends, as the fleet's supervisor would."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from random import Random
from typing import Final

import aiohttp

from fleet.embedded.postgres import DATABASE
from fleet.embedded.processes import children, command_line
from fleet.embedded.server import EmbeddedServer, ServerError
from fleet.service_process import ServiceProcess, service
from libs.domain.fleet import PORTS, STANDBYS

AGAIN_S: Final = 0.2  # after an end that nobody asked for: a service that cannot start must not take the processor for itself
LOOK_S: Final = 0.02
READY_WITHIN_S: Final = 60.0


class KeptService:
    """One service over all its incarnations."""

    def __init__(self, name: str, port_offset: int, environment: Mapping[str, str], logs: Path, bury: Callable[[str], None]) -> None:
        """`bury` is told the name under which an ended process held leases."""
        self.name = name
        self.port = (PORTS[name] if name in PORTS else STANDBYS[name].port) + port_offset
        self.environment = {**environment, "PORT_OFFSET": str(port_offset)}
        self.crashes = 0  # ends that no signal of ours explains
        self.starts = 0
        self.process: ServiceProcess | None = None
        self._logs = logs
        self._bury = bury
        self._struck = False
        self._leaving = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def keep(self) -> None:
        """Until `end`."""
        while not self._leaving.is_set():
            self._struck = False
            self.process = await ServiceProcess.start(service(self.name, self.port), self.environment, self._logs)
            self.starts += 1
            try:
                await self.process.wait()
            finally:
                self.process.kill()
                await self.process.wait()
                self._bury(self.process.holder)
            if not self._leaving.is_set() and not self._struck:
                self.crashes += 1
                await asyncio.sleep(AGAIN_S)

    def strike(self, number: signal.Signals = signal.SIGKILL) -> bool:
        """Sends it a signal; False when there is no process to hear it."""
        if self.process is None:
            return False
        self._struck = self._struck or number is signal.SIGKILL
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)
            return True
        return False

    def expect_an_end(self) -> None:
        """The present incarnation is about to end by a wound of ours."""
        self._struck = True

    async def ready(self, http: aiohttp.ClientSession) -> bool:
        """Whether it says so."""
        try:
            async with http.get(f"{self.url}/ready", timeout=aiohttp.ClientTimeout(total=1)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def end(self) -> None:
        """Asks it to leave, for good."""
        self._leaving.set()
        if self.process is not None:
            await self.process.end()


class KeptServer:
    """Postgres or Valkey over all its incarnations."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self._mine = asyncio.Lock()  # one of us kills or starts it, never both

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            async with self._mine:
                if not self.server.alive():
                    with contextlib.suppress(ServerError):  # the last processes of the one before are still on their way out
                        await asyncio.to_thread(self.server.start)
            await asyncio.sleep(LOOK_S)

    async def kill(self) -> None:
        """SIGKILL of all its processes."""
        async with self._mine:
            await asyncio.to_thread(self.server.kill)

    def kill_a_backend(self, draw: Random) -> None:
        """SIGKILL of one process that serves a client: Postgres then throws all of them out and recovers."""
        found = [pid for pid in children(self.server.pid or 0) if f" {DATABASE} " in command_line(pid)]
        if found:
            self.signal(signal.SIGKILL, draw.choice(found))

    def signal(self, number: signal.Signals, pid: int | None = None) -> None:
        """To its first process, or one of its others."""
        with contextlib.suppress(ProcessLookupError):
            if pid := pid or self.server.pid:
                os.kill(pid, number)

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Killed, and not started again while the body runs."""
        async with self._mine:
            await asyncio.to_thread(self.server.kill)
            yield
