"""What can be seen of a fleet from outside, gathered once for `fleet diagnose` and `fleet checklist`. Nothing here judges.

Every part is asked by itself and in bounded time: what is down is said to be down, and the rest is still told.
"""

import asyncio
import hashlib
import os
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from fleet import log_files, running, venue_links
from fleet.log_lines import LogLine, at_least
from fleet.notify import channels_of
from fleet.plan import FleetSettings, check_configuration
from fleet.running import NothingRuns, Running
from fleet.status import ANSWER_WITHIN_S, state_of
from fleet.venue_books import VenueBooks
from fleet.venue_links import Venues
from libs.common.bus import RedisBus
from libs.common.clocks import HostClock
from libs.common.database import Database, Rejected, Unreachable
from libs.common.host import memory
from libs.common.ids import holder_name
from libs.common.settings import ConfigError, from_toml
from libs.domain.configuration import LimitConfig, RiskConfig, SystemConfig
from libs.store import activity, control
from libs.store.audit import record_faults, venue_faults
from libs.store.control import Killed, StrategyStatus
from libs.store.queries import condition as conditions
from libs.store.queries.condition import Condition

RECORD_WITHIN_S: Final = 12.0
LEDGER_LOOKS: Final = 3  # a difference that a later look does not see was a fill on its way into the books
LEDGER_PAUSE_S: Final = 0.7
MOVES_WITHIN_S: Final = 3.0  # the market clock is stored each second
CLOCK_LOOKS: Final = 5  # the quickest answer tells the server's time best
COMPLAINTS: Final = 20
WIDE: Final = 10.0  # times the equity
FILES: Final = ("system", "strategies", "risk", "notifications", "sim_venue")
_NUMBERS: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[A-Z0-9]{4}[A-Z2-7]{26}\w+|-?\d[\d.,]*")  # ids and numbers


class ServiceSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One service, asked on its port."""

    name: str
    state: str  # healthy, or what is wrong
    pid: int | None = None
    version: str = ""
    uptime_s: float | None = None


class ServerSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Postgres or Redis."""

    ok: bool
    detail: str  # why not
    latency_ms: float | None = None
    clock_ahead_s: float | None = None  # of the host's, by how much


class HostSeen(msgspec.Struct, frozen=True, kw_only=True):
    """This host."""

    disk_free: float  # share of the disk that holds the state folder
    disk_free_bytes: int
    memory_free: float | None  # share that is available; None: this system does not say
    load: float  # of the last minute
    cpus: int
    python: str
    system: str


class ConfigSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration files as they are now; the services hold what they read when they started."""

    environment: str
    fingerprint: str
    error: str  # why the fleet would not start with it; "" when it would
    changed_since_start: list[str]
    limits: list[str]  # names of those that hold
    collar: float | None
    wide: str  # a limit in units of equity that limits nothing; "" without one


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """A warning or worse in the logs, as it was last said."""

    line: LogLine
    times: int  # in the logs there are


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. What could not be had is None."""

    at: datetime
    state_dir: str
    nothing_runs: str  # why no fleet was found; "" when one was
    pid: int | None
    since: str
    services: list[ServiceSeen]
    venues: Venues
    postgres: ServerSeen | None
    redis: ServerSeen | None
    record: Condition | None
    record_missing: str
    killed: list[Killed]
    strategies: list[StrategyStatus]
    ledger: list[str] | None  # differences, also with the venue; None: not compared
    ledger_listed: list[str] = []  # those of them that `fleet doctor` lists
    ledger_missing: str
    market_moves: bool | None
    holders: dict[str, bool]  # of leases: whether that process lives on this host
    host: HostSeen
    config: ConfigSeen
    channels: list[str] | None  # over which the monitor would tell a person; None: it does not answer
    complaints: list[Complaint]  # the newest last
    releases: dict[str, str]

    def ready(self) -> bool:
        """Whether every service is."""
        return bool(self.services) and all(service.state == "healthy" for service in self.services)


class _Info(msgspec.Struct):
    pid: int | None = None
    version: str = ""
    uptime_s: float | None = None


async def gather(settings: FleetSettings, environment: Mapping[str, str], clock: HostClock) -> Facts:
    """Looks at everything. Never raises for what is down or wrong; that is what it was asked for."""
    state = running_folder(settings)
    found, nothing = None, ""
    try:
        found = running.find(state, settings.database_url, settings.redis_url, settings.port_offset, settings.peer_host)
    except NothingRuns as error:
        nothing = str(error)
    except msgspec.MsgspecError as error:
        nothing = f"{state / 'run.json'} cannot be read: {error}"
    at = datetime.fromtimestamp(clock.now_ns() / 1e9, UTC)
    record = _Record()
    services: list[ServiceSeen] = []
    venues, redis = Venues(), None
    if found is not None:
        books = VenueBooks(state if found.pid is not None else None, found.peer("sim_venue"), _simulated(settings))
        looks = (_services(found), _venues(found), _redis(found.redis_url), record.look(found, books, clock))
        services, venues, redis, _ = await asyncio.gather(*looks)
    return Facts(
        at=at,
        state_dir=str(state),
        nothing_runs=nothing,
        pid=found.pid if found else None,
        since=found.since if found else "",
        services=services,
        venues=venues,
        postgres=record.server,
        redis=redis,
        record=record.condition,
        record_missing=record.missing,
        killed=record.killed,
        strategies=record.strategies,
        ledger=record.ledger,
        ledger_listed=record.ledger_listed,
        ledger_missing=record.ledger_missing,
        market_moves=record.moves,
        holders={lease.holder: _lives(lease.holder) for lease in record.condition.leases} if record.condition else {},
        host=_host(state),
        config=_config(settings, found, record.condition.limits if record.condition else []),
        channels=await _channels(found) if found else None,
        complaints=complaints(state / "logs"),
        releases=_releases(),
    )


def running_folder(settings: FleetSettings) -> Path:
    """The state folder, whole."""
    return Path(settings.state_dir).resolve()


# --- services and servers


async def _services(found: Running) -> list[ServiceSeen]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)) as http:
        return list(await asyncio.gather(*(_service(http, name, found.peer(name)) for name in found.ports)))


async def _service(http: aiohttp.ClientSession, name: str, url: str) -> ServiceSeen:
    state = await state_of(http, url)
    if state in ("down", "does not answer"):
        return ServiceSeen(name=name, state=state)
    try:
        async with http.get(f"{url}/info") as answer:
            info = msgspec.json.decode(await answer.read(), type=_Info)
    except (TimeoutError, aiohttp.ClientError, msgspec.MsgspecError):
        info = _Info()
    return ServiceSeen(name=name, state=state, pid=info.pid, version=info.version, uptime_s=info.uptime_s)


async def _venues(found: Running) -> Venues:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)) as http:
        return await venue_links.asked(http, found)


async def _channels(found: Running) -> list[str] | None:
    try:
        return [name for name, channel in (await channels_of(found.peer("monitor"))).items() if channel.state == "on"]
    except LookupError:
        return None


async def _redis(url: str) -> ServerSeen | None:
    if not url:
        return None
    loop = asyncio.get_running_loop()
    try:
        bus = RedisBus(url)
    except ValueError as error:
        return ServerSeen(ok=False, detail=f"REDIS_URL: {error}")
    try:
        started = loop.time()
        async with asyncio.timeout(3):
            await bus.ask()  # connects
            started = loop.time()
            silent = await bus.ask()
    except TimeoutError:
        silent = "does not answer within 3 s"
    finally:
        await bus.close()
    return ServerSeen(ok=not silent, detail=silent, latency_ms=None if silent else round((loop.time() - started) * 1000, 1))


class _Record:
    """What Postgres says; of each part either what was found or why it was not."""

    def __init__(self) -> None:
        self.server: ServerSeen | None = None
        self.condition: Condition | None = None
        self.missing = "no fleet was found"
        self.killed: list[Killed] = []
        self.strategies: list[StrategyStatus] = []
        self.ledger: list[str] | None = None
        self.ledger_listed: list[str] = []
        self.ledger_missing = "the record was not read"
        self.moves: bool | None = None

    async def look(self, found: Running, books: VenueBooks, clock: HostClock) -> None:
        database = Database(found.database_url, "fleet:cli")
        try:
            async with asyncio.timeout(RECORD_WITHIN_S):
                await self._read(database, clock)
            if self.condition is not None:
                await self._compare(database, books, self.condition)
        except TimeoutError:
            self._failed(f"does not answer within {RECORD_WITHIN_S:g} s")
        except Unreachable as error:
            self._failed(str(error))
        except Rejected as error:
            self.missing = f"its schema is not this release's: {error}"
        finally:
            await database.close()

    def _failed(self, why: str) -> None:
        if self.condition is None:
            self.server, self.missing = ServerSeen(ok=False, detail=why), "Postgres does not answer"
        else:
            self.ledger_missing = f"the database {why}"

    async def _read(self, database: Database, clock: HostClock) -> None:
        await database.connection()
        took, ahead = min([await _clocks(database, clock) for _ in range(CLOCK_LOOKS)])
        self.server = ServerSeen(ok=True, detail="", latency_ms=round(took * 1000, 1), clock_ahead_s=round(ahead, 3))
        before = await conditions.market_time(database)
        self.condition = await conditions.condition(database)
        self.missing = ""
        self.killed = list(await control.killed(database))
        self.strategies = list(await control.strategies(database))
        session = self.condition.session
        if session is not None and session.state == "running":
            self.moves = await self._moved(database, before, clock)

    async def _moved(self, database: Database, before: int, clock: HostClock) -> bool:
        deadline = clock.monotonic() + MOVES_WITHIN_S
        while await conditions.market_time(database) == before:
            if clock.monotonic() > deadline:
                return False
            await asyncio.sleep(0.25)
        return True

    async def _compare(self, database: Database, books: VenueBooks, condition: Condition) -> None:
        """The ledger with itself, and with what the venues hold where they can be asked from here."""
        items = {(found.account_id, found.kind, found.key) for found in condition.differences}
        for n in range(LEDGER_LOOKS):
            if n:
                await asyncio.sleep(LEDGER_PAUSE_S)
            theirs = await books.read(await activity.accounts(database))
            apart = await venue_faults(database, theirs.held)
            self.ledger = [*theirs.unreadable, *await record_faults(database), *map(str, apart)]
            self.ledger_listed = [str(fault) for fault in apart if (fault.account_id, fault.kind, fault.key) in items]
            self.ledger_missing = "; ".join(theirs.elsewhere)
            if not self.ledger:
                return


async def _clocks(database: Database, clock: HostClock) -> tuple[float, float]:
    """How long the server took to tell its time, and by how much ours is ahead of it: known to half of that."""
    asked, ours = clock.monotonic(), clock.now_ns() / 1e9
    theirs = await conditions.clock(database)
    took = clock.monotonic() - asked
    return took, ours + took / 2 - theirs


def _lives(holder: str) -> bool:
    """Whether the process that holds a lease lives here."""
    try:
        return holder_name(int(holder.split(":")[1])) == holder
    except (IndexError, ProcessLookupError, ValueError):
        return False


def _simulated(settings: FleetSettings) -> frozenset[str]:
    try:
        return from_toml(SystemConfig, Path(settings.config_dir), "system", settings.environment).simulated
    except ConfigError:
        return frozenset()  # `_config` tells what is wrong with it


# --- this host


def _host(state: Path) -> HostSeen:
    folder = next(path for path in (state, *state.parents) if path.exists())
    disk = shutil.disk_usage(folder)
    return HostSeen(
        disk_free=disk.free / disk.total if disk.total else 0.0,
        disk_free_bytes=disk.free,
        memory_free=memory(),
        load=os.getloadavg()[0],
        cpus=os.cpu_count() or 1,
        python=platform.python_version(),
        system=platform.platform(),
    )


def _config(settings: FleetSettings, found: Running | None, on_record: Sequence[LimitConfig]) -> ConfigSeen:
    """`on_record`: the limits that hold; where there are none, those of the file will."""
    folder = Path(settings.config_dir)
    paths = [folder / f"{name}.toml" for name in FILES] + [folder / "env" / f"{settings.environment}.toml"]
    there = [path for path in paths if path.is_file()]
    digest = hashlib.sha256()
    for path in there:
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    limits: Sequence[LimitConfig] = on_record
    try:
        check_configuration(folder, settings.environment)
        limits, error = on_record or from_toml(RiskConfig, folder, "risk", settings.environment).limit, ""
    except ConfigError as wrong:
        error = str(wrong)
    began = datetime.strptime(found.since, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp() if found and found.since else None
    collars = [limit.value for limit in limits if limit.name == "price_collar"]
    return ConfigSeen(
        environment=settings.environment,
        fingerprint=digest.hexdigest()[:16],
        error=error,
        changed_since_start=[str(path) for path in there if began is not None and path.stat().st_mtime > began + 1],
        limits=sorted({limit.name for limit in limits}),
        collar=min(collars, default=None),
        wide=next((f"{found.name} {found.value:g}" for found in limits if found.unit == "equity" and found.value > WIDE), ""),
    )


def complaints(folder: Path, count: int = COMPLAINTS) -> list[Complaint]:
    """The newest warnings and worse of all services. Those that differ in numbers only are one: an outage would fill the page."""
    found: dict[tuple[str, str], Complaint] = {}
    for line in log_files.read(folder):
        if not line.raw and at_least(line.level, "warning"):
            key = line.service, _NUMBERS.sub("#", line.message)
            before = found.pop(key, None)  # put in again at the end: the dict keeps the order of the last time
            found[key] = Complaint(line=line, times=before.times + 1 if before else 1)
    return list(found.values())[-count:]


def _releases() -> dict[str, str]:
    names = ("tradewinds", "psycopg", "redis", "aiohttp", "msgspec", "uvloop")
    return {name: metadata.version(name) for name in names if _installed(name)}


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
