"""`fleet run`: servers, schema, services; then the market plays until it is stopped; then everything comes to rest, in order."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, TypeVar

import aiohttp
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from fleet import limits, migrate, running
from fleet.events import Speaker
from fleet.face import Parts
from fleet.leases import Undertaker
from fleet.logins import Logins, without_theirs
from fleet.logins import prepare as prepare_logins
from fleet.plan import Options, Plan, check_ports
from fleet.report import Report, report
from fleet.screen import choice
from fleet.servers import Moved, Servers
from fleet.supervisor import Supervisor
from fleet.venue_books import VenueBooks
from fleet.watching import Samples, Watcher
from fleet.wiping import wipe
from libs.common.bus import RedisBus
from libs.common.clocks import HostClock, SystemClock
from libs.common.database import Database, Unreachable
from libs.common.settings import ConfigError
from libs.store import activity, sessions
from libs.store.activity import Start

T = TypeVar("T")
READY_WITHIN_S: Final = 60.0
READY_AT_END_S: Final = 3.0  # what was killed in the last moment may have that long to come back
REST_WITHIN_S: Final = 3.0
PATIENCE_S: Final = 20.0  # with a database that is being started again
FEEDING: Final = ("data_collector", "strategy_engine")  # leave first: they begin what the others end
LAST: Final = "sim_venue"  # its answers are waited for, and the ledger is compared with what it holds
STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(options: Options, environment: Mapping[str, str]) -> int:
    """Plays a market until stopped. Exit code: 0 healthy or stopped by hand, 1 unhealthy, 2 it cannot work as configured."""
    try:
        plan = Plan.of(options, environment)
        with running.alone(plan.state):
            return play(plan)
    except ConfigError as error:
        print(f"fleet: {error}", file=sys.stderr)
        return 2


def play(plan: Plan) -> int:
    """One run of a plan, its state folder being ours. Exit code as of `run`.

    Raises:
        ConfigError: it cannot work as configured; nothing is left running.
    """
    this = Run(plan, SystemClock())
    try:
        found = asyncio.run(this.whole())
    except BaseExceptionGroup as group:
        expected, other = group.split((ConfigError, Moved, Unreachable))
        if expected is None or other is not None:
            raise
        error = _first(expected)
        if isinstance(error, ConfigError):
            raise error from None
        print(f"fleet: {error}", file=sys.stderr)
        return 1
    if found is None:
        return 0  # stopped before there was anything to report
    if plan.options.json:
        this.answer(found.line())
    return 0 if found.healthy or this.stopped_by_hand else 1


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


class Run:
    """The flow of one run."""

    def __init__(self, plan: Plan, clock: HostClock) -> None:
        self._plan = plan
        self._clock = clock
        self._stopping = asyncio.Event()
        self._face = choice.face(plan, clock, self._stopping, self._reader_left)
        self._say = self._face.event
        self._servers = Servers(plan.state, plan.settings.database_url, plan.settings.redis_url, self._say)
        self._supervisor: Supervisor | None = None

    async def whole(self) -> Report | None:
        """From the first start to the last stop; None when it was stopped before its services were started."""
        for number in STOPS:
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop)
        check_ports(self._plan.services)
        if self._plan.options.fresh:
            wipe(self._plan.state, self._servers)
        async with AsyncExitStack() as stack:
            stack.callback(self._face.close)
            self._face.open()
            stack.push_async_callback(self._servers.stop)
            await self._servers.start()
            await asyncio.to_thread(prepare, self._servers.database_url)
            logins = await asyncio.to_thread(prepare_logins, self._servers.database_url, self._plan.settings, self._plan.environment)
            await check_bus(self._servers.redis_url)
            if self._stopping.is_set():
                return None
            http = await stack.enter_async_context(aiohttp.ClientSession())
            database = Database(self._servers.database_url, "fleet:run")
            stack.push_async_callback(database.close)
            return await self._played(database, logins, http)

    async def _played(self, database: Database, logins: Logins, http: aiohttp.ClientSession) -> Report:
        plan = self._plan
        start = await self._patiently(lambda: activity.start(database))
        undertaker = Undertaker(Database(self._servers.database_url, "fleet:leases"), self._say)
        if self._servers.postgres is not None:  # a database of others may hold leases of other hosts' fleets
            await undertaker.bury_the_dead()
        await self._patiently(lambda: database.write([sessions.suspend()]))  # data_collector says which session is played now
        environment = {**without_theirs(plan.environment), "REDIS_URL": self._servers.redis_url}
        services = [service._replace(own=logins.environment(service.name)) for service in plan.services]
        supervisor = Supervisor(services, environment, plan.state / "logs", self._say, undertaker.bury, self._clock, http)
        self._supervisor = supervisor
        samples = Samples(supervisor, http)
        watcher = Watcher(database, start, samples, self._face, self._clock)
        self._greet()
        for line in await self._patiently(lambda: limits.at_start(database, plan.settings)):
            self._say(line)
        running.announce(plan.state, logins.operator, self._servers.redis_url, {s.name: s.port for s in plan.services}, self._clock)
        shown = self._face.follow(Parts(self._servers, supervisor, samples, watcher))
        async with beside(self._servers.watch(), supervisor.run(), undertaker.run(), samples.run(), watcher.run(), shown):
            seconds = 0.0
            if await self._until_ready(supervisor):
                self._say("all services are ready" + ("; Ctrl-C stops everything" if plan.options.seconds is None else ""))
                seconds = await self._played_for(plan.options.seconds)
            return await self._conclude(database, start, supervisor, samples, watcher, seconds)

    def _greet(self) -> None:
        self._say(str(self._plan.market))
        for line in self._plan.trading:
            self._say(line)
        self._say(f"state in {self._plan.state}, logs in {self._plan.state / 'logs'}")
        self._say("services: " + ", ".join(f"{service.name} :{service.port}" for service in self._plan.services))

    async def _until_ready(self, supervisor: Supervisor) -> bool:
        """Whether all became ready. A run of given length is not begun without them; one that is watched goes on."""
        looking = asyncio.ensure_future(supervisor.all_ready(READY_WITHIN_S))
        asked = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({looking, asked}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                return False
            if looking.result():
                return True
        finally:
            looking.cancel()
            asked.cancel()
        wrong = "; ".join(f"{name}: {state}" for name, state in supervisor.states.items() if state != "healthy")
        self._say(f"ALERT: not all services are ready: {wrong}. Their logs: {self._plan.state / 'logs'}")
        if self._plan.options.seconds is None:
            await self._stopping.wait()
        return False

    async def _played_for(self, seconds: float | None) -> float:
        """Seconds until the time was over or somebody asked to stop."""
        began = self._clock.monotonic()
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return seconds or 0.0
        return round(self._clock.monotonic() - began, 1)

    async def _conclude(
        self, database: Database, start: Start, supervisor: Supervisor, samples: Samples, watcher: Watcher, seconds: float
    ) -> Report:
        """Brings the market to rest, stage by stage, and counts."""
        self._say("stopping: first the market, then what it set in motion")
        await supervisor.all_ready(READY_AT_END_S)
        states = supervisor.states
        await samples.look()
        for name in FEEDING:
            await supervisor.leave(name)
        await self._rest(database)
        await samples.look()
        for name in supervisor.services:
            if name != LAST:
                await supervisor.leave(name)
        await self._patiently(watcher.look)
        await self._patiently(watcher.tell_status)
        restarts = supervisor.restarts + self._servers.restarts
        books = VenueBooks(self._plan.state, f"http://127.0.0.1:{supervisor.services[LAST].service.port}", self._plan.system.simulated)
        found = await self._patiently(lambda: report(database, start, samples, books, seconds=seconds, services=states, restarts=restarts))
        await supervisor.leave(LAST)
        self._say("stopped: healthy, the books balance" if found.healthy else "stopped: NOT healthy")
        for fault in found.faults:
            self._say(f"    {fault}")
        return found

    async def _rest(self, database: Database) -> None:
        """Until nothing is on its way, or it has had its time: an order is never lost by that, only left for the next start."""
        deadline = self._clock.monotonic() + REST_WITHIN_S
        while not await self._patiently(lambda: activity.at_rest(database)):
            if self._clock.monotonic() > deadline:
                self._say("not everything came to rest in time; the next start takes it up")
                return
            await asyncio.sleep(0.05)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Asks the database again while it is being started again.

        Raises:
            Unreachable: it does not come back.
        """
        deadline = self._clock.monotonic() + PATIENCE_S
        while True:
            try:
                return await ask()
            except Unreachable:
                if self._clock.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.2)

    def answer(self, line: str) -> None:
        """The last line of stdout."""
        Speaker(sys.stdout, self._reader_left).say(line)

    def _reader_left(self) -> None:
        """Nobody reads us any more (`fleet run | head`): stop in order, and let the interpreter flush into nothing."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        self._stopping.set()

    @property
    def stopped_by_hand(self) -> bool:
        """Whether somebody asked it to stop before its time."""
        return self._stopping.is_set()

    def _asked_to_stop(self) -> None:
        if self._stopping.is_set():  # asked twice: at once
            self._face.close()
            if self._supervisor is not None:
                self._supervisor.kill()
            self._servers.kill()
            os._exit(130)
        self._stopping.set()


def prepare(database_url: str) -> None:
    """Brings the schema up to date, and looks whether the server keeps what it commits.

    Raises:
        ConfigError: it cannot be used.
    """
    try:
        migrate.upgrade(database_url)
        faults = migrate.durability_faults(database_url)
    except CommandError as error:
        raise ConfigError(f"the database was made by another release ({error}); use that release, or --fresh to begin anew") from error
    except SQLAlchemyError as error:
        raise ConfigError(f"the database of DATABASE_URL cannot be used: {str(error).splitlines()[0]}") from error
    if faults:
        raise ConfigError(f"the database may lose what it has committed ({'; '.join(faults)}); no trading on such a server")


async def check_bus(redis_url: str) -> None:
    """Raises ConfigError when nobody answers there: once it plays, the fleet can do without for a while."""
    try:
        bus = RedisBus(redis_url)
    except ValueError as error:
        raise ConfigError(f"REDIS_URL: {error}") from error
    silent = await bus.ask()
    await bus.close()
    if silent:
        raise ConfigError(f"the bus of REDIS_URL does not answer: {silent}")


@asynccontextmanager
async def beside(*coroutines: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Runs them beside the body, which is cancelled when one fails; at its end they are cancelled."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(coroutine) for coroutine in coroutines]
        yield
        for task in tasks:
            task.cancel()
