"""A fleet that is nothing but the money path: real servers, real services, a market that moves and targets that keep coming."""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from fleet import migrate
from fleet.embedded import ports
from fleet.embedded.postgres import EmbeddedPostgres
from fleet.embedded.valkey import EmbeddedValkey
from fleet.leases import Undertaker
from libs.common.bus import RedisBus
from libs.common.database import Database, Unreachable
from libs.common.settings import Settings
from libs.domain.configuration import LimitConfig
from libs.domain.fleet import PORTS
from libs.domain.health import TRADING
from libs.store import builds, sessions
from tests.chaos import terms
from tests.chaos.kept import KeptServer, KeptService
from tests.chaos.load import Load
from tests.chaos.market import Market
from tests.chaos.proxy import Controls, Proxy, through
from tests.chaos.terms import VenueName
from tests.scenes import CONSUMERS

ROOT: Final = Path(__file__).parents[2]
SITE: Final = Path(__file__).parent / "site"
LOOK_S: Final = 0.05
READY_WITHIN_S: Final = 90.0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How large a money path is, and how it is loaded."""

    venues: Sequence[VenueName] = ("alpaca", "binance")
    services: Sequence[str] = ("sim_venue", "risk_manager", "trade_executor")
    strategies: int = 8  # of each account; each trades every symbol there
    per_s: float = 25.0  # targets
    protected: int = 0  # of those, how many have stops at the venue, which follow their positions
    collar: float = terms.COLLAR
    quiet: Collection[str] = ()  # symbols that the load leaves alone
    most_held: float = terms.MOST_HELD  # of each symbol in an account, in its currency
    proxied: bool = False  # whether the executor's connections can be cut: see `proxies`
    environment: Mapping[str, str] = field(default_factory=dict)  # of all services
    of_service: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def limits(self) -> list[LimitConfig]:
        """What risk_manager holds to."""
        return terms.limits(self.collar, self.most_held)


class TooSlow(AssertionError):
    """Something that had to become true did not in time."""


class MoneyPath:
    """The running fleet."""

    def __init__(self, folder: Path, shape: Shape, seed: int, load: type[Load] = Load) -> None:
        self.folder = folder
        self.shape = shape
        self.postgres = KeptServer(EmbeddedPostgres(folder / "postgres"))
        self.valkey = KeptServer(EmbeddedValkey(folder / "valkey"))
        self.services: dict[str, KeptService] = {}
        self.proxies: dict[str, Proxy] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._bus: RedisBus | None = None
        self._told: web.AppRunner | None = None
        self.is_evidence = False  # whether something was found that nobody has planted
        self.session = terms.session(shape.venues)
        self.offset = _free_offset()
        draw = Random(seed)
        venue_url = f"http://127.0.0.1:{PORTS['sim_venue'] + self.offset}"
        self.market = Market(terms.instruments(shape.venues), self.session, venue_url, Random(draw.random()))
        books = terms.books(shape.venues, shape.strategies)
        self.quiet_books = [book for book in books if book.symbol in shape.quiet]
        busy = [book for book in books if book.symbol not in shape.quiet]
        self.load = load(self.session, self.market, busy, shape.per_s, shape.collar, Random(draw.random()))
        self.looking = Database("", "chaos:looking")
        self.http: aiohttp.ClientSession
        self._databases: list[Database] = []

    # --- where things are

    @property
    def database_url(self) -> str:
        return self.postgres.server.url

    @property
    def redis_url(self) -> str:
        return self.valkey.server.url

    @property
    def venue_state(self) -> Path:
        """Where sim_venue keeps its log, the truth of what happened there."""
        return self.folder / "sim_venue" / "manual-1"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    # --- its life

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["MoneyPath"]:
        """Everything runs, and orders flow; gone afterwards."""
        self.logs.mkdir(parents=True, exist_ok=True)
        terms.write(self.folder / "config", self.shape.venues, self.shape.strategies, self.shape.limits, self.shape.protected)
        try:
            await asyncio.gather(asyncio.to_thread(self.postgres.server.start), asyncio.to_thread(self.valkey.server.start))
            await asyncio.to_thread(migrate.upgrade, self.database_url)
            async with aiohttp.ClientSession() as self.http:
                yield await self._begun()
                await asyncio.gather(*(kept.end() for kept in self.services.values()))
        finally:
            await self._end()
            for server in (self.valkey.server, self.postgres.server):
                await asyncio.to_thread(server.kill)

    def _database(self, purpose: str) -> Database:
        database = Database(self.database_url, f"chaos:{purpose}")
        self._databases.append(database)
        return database

    async def _begun(self) -> "MoneyPath":
        self.looking = self._database("looking")
        await sessions.register_instruments(self.looking, terms.instruments(self.shape.venues))
        await sessions.open_new(self.looking, self.session, terms.accounts(self.shape.venues), CONSUMERS)
        await self._speak_for_others()
        opened = await sessions.current(self.looking)
        assert opened is not None
        self.market.key = opened.key
        bus = RedisBus(self.redis_url)
        self._undertaker = Undertaker(Database(self.database_url, "chaos:undertaker"), lambda _: None)
        self._bus = bus
        self._tasks += [
            asyncio.create_task(task)
            for task in (
                self.postgres.keep(),
                self.valkey.keep(),
                self._undertaker.run(),
                self.market.play(self._database("market"), bus),
                self.load.run(self._database("load"), bus),
            )
        ]
        for name in self.shape.services:
            if name == "trade_executor" and self.shape.proxied:
                await self.start_behind_lines()
            elif name != "sim_venue" or set(self.shape.venues) != {"paper"}:
                self.start(name)
        if self.proxies:
            await self._let_lines_be_told()
        await self.until(self.ready, "every service is ready", READY_WITHIN_S)
        await self._fair_weather()
        return self

    async def _speak_for_others(self) -> None:
        """The load and the market play the services of the money path that do not run here, and are of the same build."""
        settings = Settings(database_url=self.database_url, redis_url=self.redis_url, config_dir=str(self.folder / "config"))
        for name in sorted(TRADING - set(self.shape.services)):
            await builds.declare(self.looking, builds.build_of(name, "chaos", settings))

    async def _let_lines_be_told(self) -> None:
        """For a person who wants to try something himself while it runs."""
        self._told = web.AppRunner(Controls(self.proxies).application(), access_log=None)
        await self._told.setup()
        await web.TCPSite(self._told, "127.0.0.1", 0).start()
        print(f"chaos: lines can be told at http://127.0.0.1:{self._told.addresses[0][1]}/proxies", file=sys.stderr, flush=True)

    async def start_behind_lines(self, key: str = "") -> KeptService:
        """Starts an executor, perhaps one more, all of whose connections go by way of `proxies` of its own: <key>:postgres and so on."""
        key, offset = key or "trade_executor", _free_offset()
        venue, postgres, redis = (urlsplit(url) for url in (self.services["sim_venue"].url, self.database_url, self.redis_url))
        for name, url, port in (("postgres", postgres, 0), ("redis", redis, 0), ("venue", venue, PORTS["sim_venue"] + offset)):
            line = self.proxies[f"{key}:{name}"] = Proxy(url.hostname or "", url.port or 0)
            await line.listen(port)
        urls = {
            "DATABASE_URL": through(self.database_url, self.proxies[f"{key}:postgres"].port),
            "REDIS_URL": through(self.redis_url, self.proxies[f"{key}:redis"].port),
        }
        return self.start("trade_executor", offset, key, **urls)

    def start(self, name: str, port_offset: int | None = None, key: str = "", **environment: str) -> KeptService:
        """Starts a service and keeps it alive from now on; `key` when there is another of this name."""
        given = {k: os.environ[k] for k in ("PATH", "HOME") if k in os.environ}
        own: dict[str, str] = {
            **given,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "STATE_DIR": str(self.folder),
            "CONFIG_DIR": str(self.folder / "config"),
            "SIM_MARKET": "manual",
            "LOG_LEVEL": "INFO",
            "PYTHONPATH": os.pathsep.join((str(SITE), str(ROOT))),
            "CHAOS_LAG_S": "4",
            **self.shape.environment,
            **self.shape.of_service.get(name, {}),
            **environment,
        }
        logs = self.logs / key
        logs.mkdir(exist_ok=True)
        kept = KeptService(name, self.offset if port_offset is None else port_offset, own, logs, self._undertaker.bury)
        self.services[key or name] = kept
        self._tasks.append(asyncio.create_task(kept.keep()))
        return kept

    async def _end(self) -> None:
        """Of whatever is left, however it came to this: what keeps things alive ends first, and takes them with it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(line.close() for line in self.proxies.values()))
        if self._told is not None:
            await self._told.cleanup()
        if self._bus is not None:
            await self._bus.close()
        for database in self._databases:
            await database.close()

    async def _fair_weather(self) -> None:
        if "sim_venue" in self.services:
            await self.venue("PUT", "weather", {"requests_per_minute": 1_000_000})

    def wipe(self, *, remove_folder: bool = True) -> None:
        """Removes all that it left."""
        self.postgres.server.wipe()  # as root its data lie elsewhere
        self.valkey.server.wipe()
        if remove_folder:
            shutil.rmtree(self.folder)

    # --- looking at it

    async def ready(self) -> bool:
        """Whether every service says so."""
        return all(await asyncio.gather(*(kept.ready(self.http) for kept in self.services.values())))

    async def until(self, condition: Callable[[], Awaitable[bool] | bool], what: str, within_s: float) -> float:
        """Looks until it is so; the seconds that it took.

        Raises:
            TooSlow: it is not so within that time.
            RuntimeError: a task of the harness has ended.
        """
        began = time.monotonic()
        while not (found if isinstance(found := condition(), bool) else await found):
            for task in self._tasks:
                if task.done():
                    raise RuntimeError(f"the harness itself has failed while waiting until {what}") from task.exception()
            if time.monotonic() - began > within_s:
                raise TooSlow(f"not within {within_s:g} s: {what}\n{await self.condition()}")
            await asyncio.sleep(LOOK_S)
        return time.monotonic() - began

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Asks the record, again while it is away."""
        while True:
            try:
                return await self.looking.fetch(query, values)
            except Unreachable:
                await asyncio.sleep(LOOK_S)

    async def one(self, query: str, *values: object) -> Any:
        """The one value of a query."""
        return (await self.rows(query, *values))[0][0]

    async def orders_flow(self, within_s: float = 60.0) -> float:
        """Until in every account an order that was approved from now on is known to be taken; the seconds until then."""
        since = await self.one("select clock_timestamp()")
        taken = (
            "select count(distinct account_id) = %s from orders where created_at > %s"
            " and status in ('ACKED', 'PARTIAL', 'FILLED', 'PENDING_CANCEL', 'CANCELED')"
        )

        async def flowing() -> bool:
            return bool(await self.one(taken, len(self.shape.venues), since))

        return await self.until(flowing, "a new order of every account has been taken by its venue", within_s)

    async def condition(self) -> str:
        """What can be told of it, for people."""
        lines = []
        for name, kept in self.services.items():
            try:
                async with self.http.get(f"{kept.url}/ready", timeout=aiohttp.ClientTimeout(total=1)) as answer:
                    lines.append(f"{name}: {await answer.text()}")
            except (aiohttp.ClientError, TimeoutError) as error:
                lines.append(f"{name}: {type(error).__name__} {error}")
            if kept.process is not None:
                lines += [f"    {line[:400]}" for line in kept.process.last_lines(4)]
        with contextlib.suppress(TimeoutError):
            found = await asyncio.wait_for(self.rows("select account_id, status, count(*) from orders group by 1, 2 order by 1, 2"), 2)
            lines.append(f"orders: {found}")
        return "\n".join(lines)

    async def venue(self, method: str, path: str, body: object = None) -> Any:
        """The answer of sim_venue's control API, asked again while it is away."""
        url = f"{self.services['sim_venue'].url}/sim/v1/{path}"
        while True:
            try:
                async with self.http.request(method, url, json=body, timeout=aiohttp.ClientTimeout(total=5)) as answer:
                    if answer.status < 400:
                        return await answer.json() if answer.content_length else None
                    if answer.status != 503:
                        raise AssertionError(f"{method} {path}: {answer.status} {await answer.text()}")
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(LOOK_S)


def _free_offset() -> int:
    draw = Random(os.getpid() ^ time.monotonic_ns())
    return next(n for n in iter(lambda: draw.randrange(2_000, 20_000, 10), None) if all(ports.is_free(p + n) for p in PORTS.values()))


@contextlib.asynccontextmanager
async def a_money_path(shape: Shape, seed: int, folder: Path | None = None) -> AsyncIterator[MoneyPath]:
    """A money path in a folder of its own, which is removed unless it was given, something failed or `is_evidence` was set."""
    kept = folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    path = MoneyPath(kept, shape, seed)
    try:
        async with path.running():
            yield path
    except BaseException:
        print(f"what it left behind is in {kept}", file=sys.stderr)
        raise
    if path.is_evidence:
        print(f"what it left behind is in {kept}", file=sys.stderr)
    elif folder is None:
        path.wipe()
