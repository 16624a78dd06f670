"""The life of a service: starts its tasks, answers on its port, says it is alive, and leaves without loose ends."""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final

import uvloop
from aiohttp import web

from libs.common import logs, secrets, vitals
from libs.common.bus import MemoryBus, RedisBus
from libs.common.clocks import SystemClock
from libs.common.database import Database, Unreachable
from libs.common.envelope import HEALTH_CHANNEL, Heartbeat, Sealer, array, numbered
from libs.common.http import Readiness, application
from libs.common.ids import holder_name
from libs.common.settings import ConfigError, Settings

log = logging.getLogger(__name__)

DRAIN_S: Final = 8.0
BEAT_S: Final = 1.0
IDLE_S: Final = 75.0  # longer than clients keep a connection that they do not use; one that sends no whole request in it is closed
LAST_WORD_S: Final = 1.0
AGAIN_S: Final = 0.5
SERVERS: Final = ("postgres", "redis")


class Context:
    """What the runner gives a service: its collaborators, already built."""

    def __init__(self, name: str, settings: Settings, needs: Sequence[str] = SERVERS) -> None:
        """`needs`: the servers without which it is not ready. Without REDIS_URL it speaks to nobody but itself."""
        self.name = name
        self.settings = settings
        self.clock = SystemClock()
        self.holder = holder_name()
        try:
            self.bus: RedisBus | MemoryBus = RedisBus(settings.redis_url) if settings.redis_url or "redis" in needs else MemoryBus()
        except ValueError as error:
            raise ConfigError(f"REDIS_URL: {error}") from error
        self.sealer = Sealer(name, self.clock)
        self.needs = needs
        self.readiness = Readiness(*needs, "service")
        self.stopping = asyncio.Event()
        self.info: dict[str, Callable[[], object]] = {}
        self._databases: list[Database] = []

    def database(self, purpose: str) -> Database:
        """A connection of its own for one task."""
        database = Database(self.settings.database_url, f"{self.name}:{purpose}")
        self._databases.append(database)
        return database

    def probed(self) -> tuple[Database | None, RedisBus | MemoryBus | None]:
        """What to look after."""
        return self.database("probe") if "postgres" in self.needs else None, self.bus if "redis" in self.needs else None

    async def disconnect(self) -> None:
        """Lets all connections to the database go; one that is used again is made again."""
        for database in self._databases:
            await database.close()

    async def close(self) -> None:
        """Lets everything go for good."""
        for database in self._databases:
            await database.retire()
        await self.bus.close()


def no_routes(_: Context) -> Sequence[web.RouteDef]:
    """A service that answers nothing but what all answer."""
    return ()


def no_mounts(_: Context, __: web.Application) -> None:
    """A service that is one application."""


def run(
    name: str,
    port: int,
    settings: Callable[[], Settings],
    work: Callable[[Context], Awaitable[None]],
    routes: Callable[[Context], Sequence[web.RouteDef]] = no_routes,
    mount: Callable[[Context, web.Application], None] = no_mounts,
    needs: Sequence[str] = SERVERS,
) -> None:
    """Runs a service until SIGTERM or SIGINT; exits 0 when drained, 2 on a configuration that cannot work, 1 on a crash.

    Args:
        routes: what it answers beside what all answer.
        mount: adds applications of their own, with their own faults.
        needs: the servers without which it is not ready; it looks after no others.
    """
    sys.stderr = secrets.masked(sys.stderr)
    try:
        read = settings()
        logs.configure(name, read.log_level, version=read.release, environment=read.environment, file=read.log_file)
        gc.freeze()  # what importing left behind is looked at no more: a full collection would take milliseconds
        uvloop.run(_serve(name, port + read.port_offset, read, work, routes, mount, needs))
    except ConfigError as refused:
        print(f"{name}: {refused}", file=sys.stderr)
        sys.exit(2)
    except BaseExceptionGroup as group:
        wrong = [error for error in _leaves(group) if isinstance(error, ConfigError)]
        if wrong:
            print(f"{name}: {wrong[0]}", file=sys.stderr)
            sys.exit(2)
        for error in _leaves(group):
            told = logs.about("service_crashed", "failure")
            log.critical("%s crashed: %s: %s", name, type(error).__name__, error, exc_info=error, extra=told)
        sys.exit(1)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def _serve(
    name: str,
    port: int,
    settings: Settings,
    work: Callable[[Context], Awaitable[None]],
    routes: Callable[[Context], Sequence[web.RouteDef]],
    mount: Callable[[Context, web.Application], None],
    needs: Sequence[str],
) -> None:
    context = Context(name, settings, needs)
    started = context.clock.monotonic()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, context.stopping.set)

    def info() -> Mapping[str, object]:
        return {
            "version": settings.release,
            "release": settings.release,
            "pid": os.getpid(),
            "uptime_s": round(context.clock.monotonic() - started, 1),
            "config": settings.shown(),
            **{key: value() for key, value in context.info.items()},
        }

    app = application(name, context.readiness, info)
    app.add_routes(routes(context))
    mount(context, app)
    async with _listening(app, settings.bind_host, port):
        log.info("%s listens on port %d", name, port, extra=logs.about("service_started", "success"))
        try:
            async with asyncio.TaskGroup() as group:
                watching = [
                    group.create_task(vitals.probe(name, *context.probed(), context.readiness, context.clock)),
                    group.create_task(vitals.lateness(name, context.clock)),
                ]
                beating = group.create_task(_heartbeats(context, started))
                await _work(context, work)
                for task in watching:
                    task.cancel()
                await asyncio.wait({beating}, timeout=LAST_WORD_S)
                beating.cancel()
        finally:
            await context.close()
    log.info("%s has drained and leaves", name, extra=logs.about("service_stopped", "success"))


async def _work(context: Context, work: Callable[[Context], Awaitable[None]]) -> None:
    """The service's own work; when asked to stop it gets some seconds to end what it began."""
    working = asyncio.ensure_future(_through_outages(context, work))
    asked = asyncio.ensure_future(context.stopping.wait())
    try:
        await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            context.readiness.set("service", False, "leaving")
            done, _ = await asyncio.wait({working}, timeout=DRAIN_S)
            if not done:
                log.warning("%s did not drain in %s s", context.name, DRAIN_S, extra=logs.about("service_drained", "failure"))
        elif not context.stopping.is_set() and working.exception() is None:
            raise RuntimeError(f"{context.name}'s work ended without being asked to")
    finally:
        asked.cancel()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


async def _through_outages(context: Context, work: Callable[[Context], Awaitable[None]]) -> None:
    """The work, begun again when the database was away at a moment that the work itself does not wait through."""
    while not context.stopping.is_set():
        try:
            return await work(context)
        except (Unreachable, BaseExceptionGroup) as error:
            causes = list(_leaves(error)) if isinstance(error, BaseExceptionGroup) else [error]
            if not all(isinstance(cause, Unreachable) for cause in causes):
                raise
            if context.stopping.is_set():
                log.warning(
                    "%s leaves while the database is away: %s", context.name, causes[0], extra=logs.about("database_lost", "failure")
                )
                return
            context.readiness.set("service", False, f"waits for the database: {causes[0]}")
            log.warning("%s begins again: %s", context.name, causes[0], extra=logs.about("database_lost", "failure"))
        await context.disconnect()
        await asyncio.sleep(AGAIN_S)


@contextlib.asynccontextmanager
async def _listening(app: web.Application, host: str, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=IDLE_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"port {port} is taken by another program; stop it, or set PORT_OFFSET to move all ports") from error
        raise
    try:
        yield
    finally:
        await runner.cleanup()


async def _heartbeats(context: Context, started: float) -> None:
    """Says each second that the service lives, and at once when it is asked to leave: a watcher then knows that it did not die."""
    n = 0
    while True:
        n += 1
        leaving = context.stopping.is_set()
        beat = Heartbeat(
            service=context.name,
            instance=context.holder,
            version=context.settings.release,
            ready=context.readiness.ready and not leaving,
            uptime_s=context.clock.monotonic() - started,
            leaving=leaving,
        )
        sealed = context.sealer.seal(HEALTH_CHANNEL, beat, ts_event_ns=context.clock.now_ns())
        await context.bus.publish([(HEALTH_CHANNEL, array([numbered(sealed, n)]))])
        if leaving:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S):
                await context.stopping.wait()
