"""Starts the services, watches them, and starts again what ends. Only here are processes of the fleet started."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import aiohttp

from fleet.backoff import Backoff
from fleet.service_process import REFUSED, Service, ServiceProcess, how
from libs.common.clocks import HostClock
from libs.common.settings import ConfigError

STARTING_S: Final = 0.1  # between two looks at a service that is not ready
STEADY_S: Final = 1.0
ANSWER_WITHIN_S: Final = 2.0

Say = Callable[[str], None]


class Supervised:
    """One service under supervision, over all its incarnations."""

    def __init__(self, service: Service, say: Say, reaped: Callable[[str], None], clock: HostClock) -> None:
        self.service = service
        self.process: ServiceProcess | None = None
        self.ready = False
        self.detail = "not started"
        self.restarts = 0
        self.given_up = False
        self._was_ready = False
        self._say = say
        self._reaped = reaped
        self._clock = clock
        self._leave = asyncio.Event()

    @property
    def state(self) -> str:
        """`healthy`, or what is wrong."""
        return "healthy" if self.ready else self.detail

    async def keep(self, environment: Mapping[str, str], logs: Path, http: aiohttp.ClientSession) -> None:
        """Starts it, again and again while it has tries left, until `leave`.

        Raises:
            ConfigError: it says that it cannot work as it is configured; starting it again would not help.
        """
        backoff = Backoff()
        while not self._leave.is_set():
            process, code = await self._live(environment, logs, http)
            if self._leave.is_set():
                return
            if code == REFUSED:
                raise ConfigError(process.last_word())
            delay = backoff.delay(self._clock.monotonic())
            if delay is None:
                self._give_up(process, code)
                return
            self._say(f"{self.service.name} ended ({how(code)}); starting it again in {delay:g} s")
            if not await self._left_within(delay):
                self.restarts += 1

    async def leave(self) -> None:
        """Ends it for good; returns when it is gone."""
        self._leave.set()
        if self.process is not None:
            await self.process.end()
        self.ready, self.detail = False, "stopped"

    async def look(self, http: aiohttp.ClientSession) -> bool:
        """Asks it whether it is ready."""
        try:
            timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
            async with http.get(f"http://127.0.0.1:{self.service.port}/ready", timeout=timeout) as answer:
                ready = answer.status == 200
                detail = "" if ready else _failing(await answer.json())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            ready, detail = False, "does not answer" if isinstance(error, TimeoutError) else "not listening"
        if self.process is not None and not self._leave.is_set():
            self._noted(ready, detail)
        return self.ready

    async def _live(self, environment: Mapping[str, str], logs: Path, http: aiohttp.ClientSession) -> tuple[ServiceProcess, int]:
        self.detail = "starting"
        process = self.process = await ServiceProcess.start(self.service, environment, logs)
        watching = asyncio.create_task(self._watch(http))
        try:
            return process, await process.wait()
        finally:
            watching.cancel()
            code = await process.end()  # does nothing unless we are being cancelled
            self.process = None
            self.ready, self.detail = False, f"ended ({how(code)})"
            self._reaped(process.holder)

    async def _watch(self, http: aiohttp.ClientSession) -> None:
        while True:
            ready = await self.look(http)
            await asyncio.sleep(STEADY_S if ready else STARTING_S)

    def _noted(self, ready: bool, detail: str) -> None:
        if self._was_ready and ready != self.ready:
            self._say(f"{self.service.name} is ready again" if ready else f"{self.service.name} is not ready: {detail}")
        self.ready, self.detail = ready, detail
        self._was_ready = self._was_ready or ready

    async def _left_within(self, seconds: float) -> bool:
        try:
            return await asyncio.wait_for(self._leave.wait(), seconds)
        except TimeoutError:
            return False

    def _give_up(self, process: ServiceProcess, code: int) -> None:
        self.given_up = True
        self.detail = f"given up after {len(Backoff.DELAYS_S)} restarts within a minute ({how(code)})"
        self._say(f"ALERT: {self.service.name} is {self.detail} and stays down; the rest runs on. Its log: {process.log}")
        for line in process.last_lines(3):
            self._say(f"    {line[:300]}")


class Supervisor:
    """All services of one fleet, in the order of its flow."""

    def __init__(
        self,
        services: Sequence[Service],
        environment: Mapping[str, str],
        logs: Path,
        say: Say,
        reaped: Callable[[str], None],
        clock: HostClock,
        http: aiohttp.ClientSession,
    ) -> None:
        """`reaped` is told the lease holder's name of every process that has ended."""
        self.services = {service.name: Supervised(service, say, reaped, clock) for service in services}
        self._environment = environment
        self._logs = logs
        self._http = http
        self._clock = clock

    async def run(self) -> None:
        """Until every service has left or is given up. Cancelled, it ends them all first.

        Raises:
            ExceptionGroup of ConfigError: a service refuses its configuration; the others have been ended.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        async with asyncio.TaskGroup() as group:
            for service in self.services.values():
                group.create_task(service.keep(self._environment, self._logs, self._http))

    async def all_ready(self, within_s: float) -> bool:
        """Looks until every service says it is ready; False when one still does not, or is given up."""
        deadline = self._clock.monotonic() + within_s
        while not all([await service.look(self._http) for service in self.services.values()]):
            if self._clock.monotonic() > deadline or any(service.given_up for service in self.services.values()):
                return False
            await asyncio.sleep(STARTING_S)
        return True

    async def leave(self, name: str) -> None:
        """Ends one service, orderly and for good."""
        await self.services[name].leave()

    @property
    def states(self) -> dict[str, str]:
        """`healthy`, or what is wrong, by service."""
        return {name: service.state for name, service in self.services.items()}

    @property
    def restarts(self) -> int:
        return sum(service.restarts for service in self.services.values())

    def kill(self) -> None:
        """SIGKILL to all, at once."""
        for service in self.services.values():
            if service.process is not None:
                service.process.kill()


def _failing(answer: object) -> str:
    """Which checks of a /ready answer are not well."""
    checks = answer.get("checks", {}) if isinstance(answer, dict) else {}
    wrong = [f"{name}: {check.get('detail') or 'failing'}" for name, check in checks.items() if check.get("status") != "ok"]
    return "; ".join(wrong) or "not ready"
