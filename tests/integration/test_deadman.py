"""deadman against the real sim_venue: what it ends, with which key, and what it says; its worker is a process as in a fleet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from fleet.embedded.ports import free_port
from libs.common.clocks import SystemClock
from libs.common.database import Database
from libs.common.runner import Context
from libs.common.settings import ConfigError
from libs.domain.configuration import AccountConfig, DeadmanConfig, SystemConfig, VenueConfig
from libs.domain.fleet import PORTS
from libs.venues.endpoint import Endpoint
from libs.venues.remote import adapter, connected
from services.deadman import executors, hand, worker
from services.deadman.app import Deadman, check_keys, owned
from services.deadman.executors import Guarded
from services.deadman.hand import Hand, Task
from services.deadman.keys import Ring
from services.deadman.memory import Memory
from services.deadman.settings import DeadmanSettings
from services.deadman.telling import Telling
from tests.paper import an_order
from tests.scenes import clear
from tests.sim_venues import SimVenue, a_sim_venue
from tests.waiting import until

ALPACA = VenueConfig(name="alpaca", adapter="alpaca", asset_classes=("equity",))
BINANCE = VenueConfig(name="binance", adapter="ccxt", exchange="binance", asset_classes=("crypto",))
SYSTEM = SystemConfig(
    account=[AccountConfig(name="stocks", base_currency="USD", deposit=Decimal(1), venue="alpaca")],
    venue=[ALPACA, BINANCE],
    deadman=DeadmanConfig(after=1.0, every=0.2),
)


class Executor:
    """Answers as the /info of a trade_executor does, or not at all."""

    def __init__(self) -> None:
        self.port = free_port()
        self.accounts: dict[str, dict[str, object]] = {"stocks": {"venue": "alpaca", "held": True, "up": True}}
        self._runner: web.AppRunner | None = None

    async def _info(self, _: web.Request) -> web.Response:
        return web.json_response({"name": "trade_executor", "venues": self.accounts})

    async def answers(self) -> None:
        app = web.Application()
        app.add_routes([web.get("/info", self._info)])
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def is_gone(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


@pytest.fixture
async def executor() -> AsyncIterator[Executor]:
    found = Executor()
    await found.answers()
    yield found
    await found.is_gone()


async def resting(venue: SimVenue, config: VenueConfig, account: str, symbol: str, count: int) -> None:
    """Orders of the trader, at half the price of the market."""
    dialect = "alpaca" if config.adapter == "alpaca" else "binance"
    key, secret = await venue.account(account, dialect, {"USD": 100_000})
    await venue.quote(symbol, 99.99, 100)
    instruments = {s: listing.instrument for s, listing in venue.host.listings.items()}
    endpoint = Endpoint(f"{venue.url}/{dialect}", key, secret, "paper")
    trader = await connected(adapter(config, endpoint, instruments, SystemClock(), listens=False))
    for n in range(count):
        order = an_order(n, symbol=symbol, quantity=Decimal(1), price=Decimal(50), account_id=account)
        await trader.submit(order, SystemClock().monotonic() + 5)
    await trader.disconnect()


async def open_orders(venue: SimVenue, account: str) -> int:
    return int((await venue.control("GET", f"accounts/{account}"))["open_orders"])


@asynccontextmanager
async def watching(venue: SimVenue, executor: Executor, state: Path, database_url: str = "") -> AsyncIterator[Context]:
    """A dead man at work."""
    settings = DeadmanSettings(database_url=database_url, state_dir=str(state), port_offset=executor.port - PORTS["trade_executor"])
    context = Context("deadman", settings, needs=())
    async with aiohttp.ClientSession() as http:
        telling = Telling(context)
        ring = Ring(http, venue.url, "paper", lambda name: "")
        deadman = Deadman(context, settings, SYSTEM, http, Hand(ring), telling, {}, check_after_s=3600)
        tasks = [asyncio.create_task(telling.run()), asyncio.create_task(deadman.run())]
        try:
            yield context
        finally:
            context.stopping.set()
            await tasks[1]
            tasks[0].cancel()
            await context.close()


def shown(context: Context, account: str = "stocks") -> dict[str, Any]:
    """How an account stands, as /info says it."""
    found: Any = context.info["deadman"]()
    return dict(found.get(account, {}))


async def test_it_ends_all_that_is_open_once_nobody_attends_and_says_so(executor: Executor, url: str, tmp_path: Path) -> None:
    database = Database(url, "test")
    await clear(database)
    async with a_sim_venue() as venue:
        await resting(venue, ALPACA, "stocks", "AAPL", 3)
        async with watching(venue, executor, tmp_path, url) as context:
            await until(lambda: shown(context) != {})
            assert await open_orders(venue, "stocks") == 3
            await executor.is_gone()
            await until(lambda: shown(context)["swept"] == "nothing is open")
            assert await open_orders(venue, "stocks") == 0
            await executor.answers()
            await until(lambda: not shown(context)["tripped"])
            titles = "select title from notifications where producer = 'deadman' order by created_at, title"
            told: list[str] = []
            while len(told) < 3:
                told = [row[0] for row in await database.fetch(titles)]
    await database.close()
    assert sorted(told) == ["Attended to again: stocks", "Nothing is open any more: stocks", "The dead man has tripped: stocks"]


async def test_one_that_is_started_while_the_executor_is_gone_knows_whom_it_guards(tmp_path: Path, executor: Executor) -> None:
    memory = Memory(tmp_path / "deadman" / "accounts.json")
    memory.learn({"stocks": Guarded(venue="alpaca", on_disconnect="cancel"), "paper": Guarded(venue="paper")})
    assert Memory(tmp_path / "deadman" / "accounts.json").accounts == memory.accounts
    await executor.is_gone()
    async with a_sim_venue() as venue, watching(venue, executor, tmp_path) as context:
        await until(lambda: shown(context).get("tripped", False))
        assert shown(context, "paper") == {}
        assert "paper on paper: nothing to cancel" in str(context.readiness.shown())


@pytest.mark.parametrize(
    ("account", "attended"),
    [
        ({"held": True, "up": True}, True),
        ({"held": True, "up": False}, True),
        ({"held": True, "up": False, "on_disconnect": "cancel"}, False),
        ({"held": False, "up": True}, False),
    ],
    ids=["well", "venue away, orders may rest", "venue away, they may not", "no lease"],
)
async def test_an_account_is_attended_to_by_whoever_holds_its_lease(executor: Executor, account: dict[str, object], attended: bool) -> None:
    executor.accounts = {"stocks": {"venue": "alpaca", **account}}
    async with aiohttp.ClientSession() as http:
        look = await executors.look(http, [f"http://127.0.0.1:{executor.port}", f"http://127.0.0.1:{free_port()}"])
    assert (("stocks" in look.attended), look.answered) == (attended, True)


async def test_a_standby_that_holds_the_lease_counts(executor: Executor) -> None:
    standby = Executor()
    executor.accounts["stocks"]["held"] = False
    await standby.answers()
    async with aiohttp.ClientSession() as http:
        look = await executors.look(http, [f"http://127.0.0.1:{one.port}" for one in (executor, standby)])
    await standby.is_gone()
    assert look.attended == {"stocks"}


@pytest.mark.parametrize(("config", "symbol"), [(ALPACA, "AAPL"), (BINANCE, "BTC/USD")], ids=["alpaca", "ccxt"])
async def test_a_key_of_its_own_opens_the_account_and_ends_its_orders(config: VenueConfig, symbol: str) -> None:
    async with a_sim_venue() as venue, aiohttp.ClientSession() as http:
        await resting(venue, config, "main", symbol, 2)
        endpoint = await Ring(http, venue.url, "paper", lambda name: "").endpoint("main", config)
        assert endpoint.key not in (await venue.account("main", "alpaca", {}))[0]
        assert await worker.done(Task(what="check", venue=config, endpoint=endpoint)) == hand.Outcome(found=2)
        assert await open_orders(venue, "main") == 2
        assert await worker.done(Task(what="sweep", venue=config, endpoint=endpoint)) == hand.Outcome(found=2)
        assert await open_orders(venue, "main") == 0


async def test_what_it_cannot_do_is_said_and_not_taken_for_done() -> None:
    async with a_sim_venue() as venue, aiohttp.ClientSession() as http:
        ring = Ring(http, venue.url, "paper", lambda name: "")
        await resting(venue, ALPACA, "main", "AAPL", 1)
        endpoint = await ring.endpoint("main", ALPACA)
        wrong = await worker.done(Task(what="check", venue=ALPACA, endpoint=replace(endpoint, secret="guessed")))
        assert (wrong.wrong_key, wrong.verified) == (True, False)
        unknown = await Hand(ring).check("nobody", ALPACA)
        assert (unknown.wrong_key, unknown.verified) == (False, False)


def test_real_money_is_not_traded_without_a_key_to_end_its_orders_with() -> None:
    real = msgspec.structs.replace(ALPACA, url="")
    system = msgspec.structs.replace(SYSTEM, venue=[real])
    live = DeadmanSettings(execution_mode="live", live_trading_confirmed="yes")
    keys = {"ALPACA_DEADMAN_API_KEY": "AK", "ALPACA_DEADMAN_SECRET_KEY": "s"}
    check_keys(live, system, lambda name: keys.get(name, ""))
    assert owned(system, lambda name: keys.get(name, "")) == {"stocks": Guarded(venue="alpaca")}
    assert owned(system, lambda name: "") == {}
    with pytest.raises(ConfigError, match="venue alpaca needs ALPACA_DEADMAN_API_KEY and ALPACA_DEADMAN_SECRET_KEY"):
        check_keys(live, system, lambda name: "x" if "DEADMAN" not in name else "")
