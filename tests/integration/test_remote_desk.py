"""The desk of an account at a remote venue: the real adapters against the real sim_venue, the record compared with what that holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec
import pytest

from fleet.venue_books import in_symbols
from libs.common.bus import MemoryBus
from libs.common.clocks import SECOND, SystemClock
from libs.common.database import Database, Write
from libs.common.journal import PostgresJournal
from libs.common.runner import Context
from libs.common.settings import ConfigError, Settings
from libs.domain.configuration import SystemConfig, VenueConfig
from libs.domain.credentials import of_another_market
from libs.domain.orders import Order
from libs.store import sessions
from libs.store.activity import AtVenue
from libs.store.audit import ledger_faults
from libs.store.control import Control
from libs.store.sessions import Account
from libs.venues.alpaca.broker import AlpacaBroker
from libs.venues.broker import WrongKey
from libs.venues.endpoint import Mode
from libs.venues.sim_control import SimControl
from services.sim_venue.market import START_BY_HAND
from services.trade_executor import app, reconcile
from services.trade_executor.app import check_mode
from services.trade_executor.brokers import NotYet, Remote
from tests.desks import Service, a_desk, an_approval, statuses
from tests.scenes import SESSION, begin
from tests.sim_venues import SimVenue, a_sim_venue
from tests.waiting import until

D = Decimal
OPEN = replace(SESSION, start_time=START_BY_HAND, market_time=START_BY_HAND, fills={"on": {}, "latency_ns": 0})


class Kind(NamedTuple):
    """A venue, and something that is traded there at about this price."""

    config: VenueConfig
    symbol: str
    price: int


ALPACA = Kind(VenueConfig(name="alpaca", adapter="alpaca", asset_classes=("equity",)), "AAPL", 100)
BINANCE = Kind(VenueConfig(name="binance", adapter="ccxt", exchange="binance", asset_classes=("crypto",)), "BTC/USD", 1000)

REAL = ALPACA._replace(config=VenueConfig(name="alpaca", adapter="alpaca", asset_classes=("equity",), url=""))


class Scene(NamedTuple):
    """A desk at work, and the venue it trades at."""

    kind: Kind
    venue: SimVenue
    desk: Service
    database: Database

    async def approves(self, n: int, limit: Decimal) -> Order:
        """An order to buy two that may rest for ten minutes of market time."""
        order = an_approval(n, f"strategy_{n}", symbol=self.kind.symbol, price=limit, quantity=D(2), starts=START_BY_HAND, rests_s=600)
        order = msgspec.structs.replace(order, venue=self.kind.config.name)
        await self.desk.risk.approve(order)
        return order

    async def shows(self, price: int) -> None:
        """The market at that price, a tick wide."""
        await self.venue.quote(self.kind.symbol, price - 0.01, price)

    async def balances(self) -> list[str]:
        """Where ledger and venue differ."""
        async with aiohttp.ClientSession() as http:
            holdings = await SimControl(http, self.venue.url).holdings("paper")
        there = AtVenue("paper", self.kind.config.name, "USD", frozenset({self.kind.symbol}))
        return await ledger_faults(self.database, {"paper": in_symbols(holdings, there)})


def remote(kind: Kind, venue: SimVenue, **environment: str) -> Remote:
    instruments = {symbol: listing.instrument for symbol, listing in venue.host.listings.items()}
    return Remote(kind.config, "paper", lambda name: environment.get(name, ""), venue.url, instruments, SystemClock())


@pytest.fixture(params=[ALPACA, BINANCE], ids=["alpaca", "ccxt"])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@asynccontextmanager
async def trading(kind: Kind, venue: SimVenue, database: Database, url: str, redis_url: str) -> AsyncIterator[Scene]:
    """A desk that is about to trade; its market's clock stands at the venue's."""
    instruments = {symbol: listing.instrument for symbol, listing in venue.host.listings.items()}
    (account,) = await sessions.accounts(database, OPEN.session_id) or [await begin(database, OPEN, list(instruments.values()))]
    account = replace(account, venue=kind.config.name)
    await database.write([sessions.advanced(OPEN.session_id, START_BY_HAND, START_BY_HAND, 0)])
    async with a_desk(url, redis_url, account, database, remote(kind, venue).access(account), instruments, OPEN) as desk:
        yield Scene(kind, venue, desk, database)


async def test_orders_are_sent_filled_booked_and_balance_also_after_a_restart(
    kind: Kind, database: Database, url: str, redis_url: str
) -> None:
    async with a_sim_venue() as venue:
        async with trading(kind, venue, database, url, redis_url) as scene:
            await scene.shows(kind.price)
            await scene.approves(1, D(kind.price + 1))
            await scene.approves(2, D(kind.price - 5))
            await scene.desk.comes_to("ACKED", "ACKED", clock=START_BY_HAND + SECOND)
            await scene.shows(kind.price)
            await scene.desk.comes_to("FILLED", "ACKED", clock=START_BY_HAND + SECOND)
            assert await scene.balances() == []
        await scene.shows(kind.price - 6)  # the second fills while nobody looks
        async with trading(kind, venue, database, url, redis_url) as scene:
            await scene.desk.comes_to("FILLED", "FILLED", clock=START_BY_HAND + SECOND)
            assert await scene.balances() == []


async def test_an_order_ends_when_its_time_is_over(kind: Kind, database: Database, url: str, redis_url: str) -> None:
    async with a_sim_venue() as venue, trading(kind, venue, database, url, redis_url) as scene:
        await scene.shows(kind.price)
        order = await scene.approves(1, D(kind.price - 5))
        await scene.desk.comes_to("ACKED", clock=START_BY_HAND + SECOND)
        await scene.desk.comes_to("CANCELED", clock=order.expires_at)
        assert (await venue.requests(order.client_order_id))["order_cancel"] == 1


@pytest.mark.parametrize("fault", [{"kind": "status_after", "status": 504}, {"kind": "drop_after"}], ids=["504", "no answer"])
async def test_an_answer_that_is_lost_after_the_order_was_taken_costs_one_request_and_no_order(
    kind: Kind, database: Database, url: str, redis_url: str, fault: dict[str, object]
) -> None:
    async with a_sim_venue() as venue, trading(kind, venue, database, url, redis_url) as scene:
        await scene.shows(kind.price)
        await venue.fault(**fault, what="order_submit")  # type: ignore[arg-type]
        order = await scene.approves(1, D(kind.price + 1))
        await scene.desk.comes_to("ACKED", clock=START_BY_HAND + SECOND)
        await scene.shows(kind.price)
        await scene.desk.comes_to("FILLED", clock=START_BY_HAND + SECOND)
        assert (await venue.requests(order.client_order_id))["order_submit"] == 1
        assert await scene.balances() == []


async def test_a_fill_that_the_stream_left_out_is_booked_however_much_was_filled_since(
    kind: Kind, database: Database, url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "AGREE_REMOTELY_AFTER_S", 0.3)  # a look that met a fill on its way looks again before it is asked anew
    operator = Control(database, PostgresJournal(database, MemoryBus(), SystemClock()), SystemClock())
    async with a_sim_venue() as venue, trading(kind, venue, database, url, redis_url) as scene:
        await scene.shows(kind.price)
        await scene.approves(1, D(kind.price - 1))
        await scene.approves(2, D(kind.price - 2))
        await scene.desk.comes_to("ACKED", "ACKED", clock=START_BY_HAND + SECOND)
        await venue.fault("lose", what="orders", count=1)
        await scene.shows(kind.price - 1)
        await venue.pass_time(500)
        await scene.shows(kind.price - 2)
        await scene.desk.comes_to("ACKED", "FILLED", clock=START_BY_HAND + SECOND)
        await operator.reconcile("test", "ann")
        await scene.desk.comes_to("FILLED", "FILLED", clock=START_BY_HAND + SECOND)
        assert await scene.balances() == []
        assert await database.fetch("select exec_key, reason from fill_quarantine") == []


async def test_a_venue_that_is_not_there_is_waited_for_and_told_of(kind: Kind, database: Database, url: str, redis_url: str) -> None:
    async with a_sim_venue() as venue:
        await venue.weather(maintenance=True)
        async with trading(kind, venue, database, url, redis_url) as scene:
            await until(lambda: "waits for venue" in str(scene.desk.context.readiness.shown()))
            await scene.approves(1, D(kind.price - 5))
            await venue.weather()
            await scene.desk.comes_to("ACKED", clock=START_BY_HAND + SECOND)


async def test_a_key_that_is_missing_or_of_the_wrong_kind_is_a_fault_of_the_configuration(database: Database) -> None:
    account = await begin(database)
    async with a_sim_venue() as venue:
        real = ALPACA._replace(config=VenueConfig(name="alpaca", adapter="alpaca", asset_classes=("equity",), url=f"{venue.url}/alpaca"))
        with pytest.raises(ConfigError, match="venue alpaca needs ALPACA_API_KEY and ALPACA_SECRET_KEY"):
            await remote(real, venue).access(account)()
        with pytest.raises(ConfigError, match="account paper at venue alpaca"):
            await remote(real, venue, ALPACA_API_KEY="AKLIVE00000000000000", ALPACA_SECRET_KEY="s3cret").access(account)()
        venue_of_nobody = remote(ALPACA, venue)
    with pytest.raises(NotYet, match="is sim_venue running"):
        await venue_of_nobody.access(account)()
    assert await statuses(database) == []


async def test_a_key_that_is_refused_after_it_has_worked_is_waited_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await begin(database)
    async with a_sim_venue() as venue:
        open_ = remote(ALPACA, venue).access(account)
        await (await open_()).disconnect()

        async def revoked(broker: object) -> None:
            raise WrongKey("the key is not known")

        monkeypatch.setattr(AlpacaBroker, "connect", revoked)
        with pytest.raises(NotYet, match="the key is not known. Put the new key in its place"):
            await open_()


@pytest.mark.parametrize(
    ("market", "config", "mode", "may"),
    [
        ("SIM-closes-1", ALPACA.config, "paper", True),
        ("VENUES", REAL.config, "paper", True),
        ("LIVE", REAL.config, "live", True),
        ("VENUES", REAL.config, "live", False),
        ("LIVE", REAL.config, "paper", False),
        ("SIM-closes-1", REAL.config, "live", False),
        ("SIM-closes-1", REAL.config, "paper", False),
        ("LIVE", ALPACA.config, "paper", False),
        ("CLOSES", None, "paper", True),
        ("LIVE", None, "paper", False),
    ],
)
def test_a_session_of_one_market_never_trades_at_another(market: str, config: VenueConfig | None, mode: Mode, may: bool) -> None:
    assert (of_another_market(market, [config], mode) == "") is may


async def test_an_executor_that_was_started_for_real_money_waits_for_a_session_of_real_money(
    database: Database, url: str, redis_url: str, tmp_path: Path
) -> None:
    await begin(database, replace(OPEN, venue="VENUES"))
    await database.write([Write("update accounts set venue = 'alpaca'", ())])
    (tmp_path / "system.toml").write_text(
        '[[venue]]\nname = "alpaca"\nadapter = "alpaca"\nasset_classes = ["equity"]\nurl = ""\n'
        '[[account]]\nname = "paper"\nbase_currency = "USD"\ndeposit = 1\nvenue = "alpaca"\n'
    )
    (tmp_path / "risk.toml").write_text("limit = []\n")
    live = Settings(database_url=url, redis_url=redis_url, config_dir=str(tmp_path), execution_mode="live", live_trading_confirmed="yes")
    context = Context("trade_executor", live)
    keys = {"ALPACA_API_KEY": "AKLIVE", "ALPACA_SECRET_KEY": "s"}
    working = asyncio.create_task(app.work(context, live, lambda name: keys.get(name, "")))
    await until(lambda: "the session played VENUES" in str(context.readiness.shown()) or working.done())
    context.stopping.set()
    await working
    await context.close()


@pytest.mark.parametrize(
    ("kinds", "environment", "said"),
    [
        ([ALPACA], {}, 'venue alpaca is simulated \\(url = "sim"\\)'),
        ([REAL], {}, "venue alpaca needs ALPACA_API_KEY and ALPACA_SECRET_KEY"),
        ([REAL], {"ALPACA_API_KEY": "PKPAPER", "ALPACA_SECRET_KEY": "s"}, "ALPACA_API_KEY is a paper key"),
        ([], {}, "an account is at venue paper"),
    ],
    ids=["simulated", "no keys", "paper keys", "paper venue"],
)
def test_real_money_is_refused_by_the_executor_itself(kinds: list[Kind], environment: dict[str, str], said: str) -> None:
    live = Settings(database_url="", redis_url="", execution_mode="live", live_trading_confirmed="yes")
    system = SystemConfig(account=[], venue=[kind.config for kind in kinds])
    accounts = [Account("a", "a", kind.config.name, "USD", False, D(1)) for kind in kinds] or [
        Account("a", "a", "paper", "USD", False, D(1))
    ]
    with pytest.raises(ConfigError, match=f"EXECUTION_MODE=live: {said}"):
        check_mode(live, system, accounts, lambda name: environment.get(name, ""))
