"""One service as a process: its log file, its start and its end."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, Self

from fleet import tied
from libs.common.ids import holder_name

LOG_LIMIT: Final = 20 * 1024 * 1024  # bytes; a longer log is put aside at the next start, or by the service itself
LEAVES_WITHIN_S: Final = 12.0  # of SIGTERM; a service gives itself 8 s to drain
REFUSED: Final = 2  # exit code of a service that cannot work as it is configured


class Service(NamedTuple):
    """What to start, and on which port it will answer."""

    name: str
    port: int
    command: tuple[str, ...]
    own: Mapping[str, str] = {}  # what its environment has and others' have not


def service(name: str, port: int) -> Service:
    """How one of the fleet is started; a standby is its service once more, under a name of its own."""
    of = name.removesuffix("_standby")
    return Service(name, port, (sys.executable, "-m", f"services.{of}", *(["--standby"] if of != name else [])))


class ServiceProcess:
    """A service that runs, or has run."""

    def __init__(self, service: Service, process: asyncio.subprocess.Process, log: Path, begins: int) -> None:
        self.service = service
        self.log = log
        self.pid = process.pid
        self.holder = _holder(process.pid)
        self._process = process
        self._begins = begins

    @classmethod
    async def start(cls, service: Service, environment: Mapping[str, str], logs: Path) -> Self:
        """Starts it in a session of its own (Ctrl-C reaches the supervisor only), tied to the life of this process.

        Must be called from the main thread: Linux ties a process to the thread that made it.
        """
        path = logs / f"{service.name}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            begins = log.tell()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", tied.__file__, str(os.getpid()), *service.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environment, **service.own, "LOG_FILE": str(path)},
                start_new_session=True,
            )
        return cls(service, process, path, begins)

    async def wait(self) -> int:
        """Its exit code; the negative signal number when one killed it."""
        return await self._process.wait()

    async def end(self) -> int:
        """SIGTERM, and SIGKILL when it does not leave in time; its exit code."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                return await asyncio.wait_for(self._process.wait(), LEAVES_WITHIN_S)
            except TimeoutError:
                self.kill()
        return await self._process.wait()

    def kill(self) -> None:
        """SIGKILL. Does nothing when it has ended."""
        if self._process.returncode is None:
            self._process.kill()

    def last_lines(self, count: int) -> list[str]:
        """What this process wrote last, without blank lines."""
        with self.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            begins = self._begins if self._begins <= size else 0  # the service has put its full log aside
            log.seek(max(begins, size - 16_384))
            lines = log.read().decode(errors="replace").splitlines()
        return [line for line in lines if line.strip()][-count:]

    def last_word(self) -> str:
        """The last line that is no log record: what it told a person before it ended."""
        plain = [line for line in self.last_lines(50) if not line.startswith("{")]
        return plain[-1] if plain else f"{self.service.name} gave no reason; see {self.log}"


def _holder(pid: int) -> str:
    """Its name as a lease holder, taken while it lives: afterwards nobody can tell."""
    try:
        return holder_name(pid)
    except ProcessLookupError:
        return ""  # it ended before it began: it never held a lease


def how(code: int) -> str:
    """An exit code in words."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
