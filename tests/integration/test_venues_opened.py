"""The collector's way to the venues of config/system.toml: what it waits for, what it refuses, and how it goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from decimal import Decimal

import msgspec
import pytest

from libs.common.clocks import HostClock
from libs.common.runner import Context
from libs.common.settings import ConfigError
from libs.domain.configuration import AccountConfig, SystemConfig, VenueConfig
from libs.venues.broker import OutcomeUnknown, WrongKey
from libs.venues.endpoint import Endpoint
from libs.venues.feed import LiveFeed
from services.data_collector import venues
from services.data_collector.settings import CollectorSettings
from services.data_collector.venues import Market, Venues
from tests.paper import ALFA, COIN
from tests.scripted_live import ScriptedVenue
from tests.sim_venues import SimVenue, a_sim_venue
from tests.waiting import until

STOCKS = VenueConfig(name="alpaca", adapter="alpaca", asset_classes=("equity",))
COINS = VenueConfig(name="binance", adapter="ccxt", exchange="binance", asset_classes=("crypto",))
REAL = msgspec.structs.replace(COINS, url="")


@pytest.fixture
async def sim() -> AsyncIterator[SimVenue]:
    async with a_sim_venue(dialects=(), seed=7) as venue:
        yield venue


def a_system(*configured: VenueConfig) -> SystemConfig:
    accounts = [AccountConfig(name=venue.name, base_currency="USD", deposit=Decimal(1), venue=venue.name) for venue in configured]
    return SystemConfig(account=accounts, venue=list(configured))


class Opening:
    """Venues, and an adapter that answers as the test wants."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, url: str, redis_url: str, sim_url: str, *configured: VenueConfig, **more: str
    ) -> None:
        offset = int(sim_url.rsplit(":", 1)[1]) - 9108
        values = {"database_url": url, "redis_url": redis_url, "feed": "venues", "port_offset": offset, **more}
        self.settings = msgspec.convert(values, CollectorSettings, strict=False)
        self.context = Context("data_collector", self.settings)
        self.endpoints: dict[str, Endpoint] = {}
        self.answers: list[Exception | None] = []
        self.feeds: list[ScriptedVenue] = []
        self.system = a_system(*configured)
        monkeypatch.setattr(venues, "opened", self._open)
        monkeypatch.setattr(venues, "AGAIN_S", 0.001)

    async def _open(self, venue: VenueConfig, endpoint: Endpoint, clock: HostClock, market: Market) -> LiveFeed:
        if self.answers and (answer := self.answers.pop(0)):
            raise answer
        self.endpoints[venue.name] = endpoint
        self.feeds.append(ScriptedVenue(ALFA if venue.adapter == "alpaca" else COIN))
        return self.feeds[-1]

    def venues(self, keys: Mapping[str, str] | None = None) -> Venues:
        return Venues(self.context, self.settings, self.system, lambda name: (keys or {}).get(name, ""))


MakeOpening = Callable[..., Opening]


@pytest.fixture
async def opening(monkeypatch: pytest.MonkeyPatch, url: str, redis_url: str, sim: SimVenue) -> AsyncIterator[MakeOpening]:
    made: list[Opening] = []

    def make(*configured: VenueConfig, **more: str) -> Opening:
        made.append(Opening(monkeypatch, url, redis_url, sim.url, *configured, **more))
        return made[-1]

    yield make
    for each in made:
        await each.context.close()


async def test_simulated_venues_are_one_market_with_the_speed_seed_and_time_of_sim_venue(opening: MakeOpening, sim: SimVenue) -> None:
    it = opening(STOCKS, COINS)
    async with AsyncExitStack() as stack:
        found = await it.venues().opened(stack)
        assert found is not None
        feed, lead_s = found
        assert {i.venue for i in feed.instruments} == {"SIM-manual-7"}
        assert (feed.seed, feed.start, lead_s) == (7, sim.host.now(), venues.SIM_LEAD_S)
        assert it.endpoints["alpaca"].url == f"{sim.url}/alpaca"
        assert it.endpoints["alpaca"].key.startswith("PK")
        assert it.endpoints["binance"].url == f"{sim.url}/binance"
    assert all(made.closed for made in it.feeds)


async def test_a_venue_that_does_not_answer_is_waited_for_and_named_and_what_was_open_is_closed(opening: MakeOpening) -> None:
    it = opening(COINS, STOCKS)
    it.answers = [None, OutcomeUnknown("connection refused")]
    async with AsyncExitStack() as stack:
        assert await it.venues().opened(stack) is not None
        assert it.context.readiness.shown()["service"]["detail"] == "waits for venue alpaca: connection refused"
        assert [feed.closed for feed in it.feeds] == [True, False, False]


async def test_a_sim_venue_that_is_not_there_is_waited_for_until_asked_to_stop(opening: MakeOpening, sim: SimVenue) -> None:
    it = opening(STOCKS)
    await sim.stop()
    waiting = asyncio.create_task(it.venues().opened(AsyncExitStack()))
    await until(lambda: "is sim_venue running" in str(it.context.readiness.shown()["service"]["detail"]))
    it.context.stopping.set()
    assert await waiting is None
    await sim.start()


async def test_real_venues_have_the_time_of_the_world_and_keys_from_the_environment(opening: MakeOpening) -> None:
    it = opening(REAL)
    async with AsyncExitStack() as stack:
        found = await it.venues({"BINANCE_API_KEY": "k", "BINANCE_SECRET_KEY": "s"}).opened(stack)
    assert found is not None
    feed, lead_s = found
    assert (feed.instruments[0].venue, feed.speed, lead_s) == ("VENUES", 1.0, float("inf"))
    assert it.endpoints["binance"] == Endpoint("", "k", "s", "paper")


async def test_real_money_has_a_market_of_its_own_in_the_record(opening: MakeOpening) -> None:
    it = opening(REAL, execution_mode="live", live_trading_confirmed="yes")
    async with AsyncExitStack() as stack:
        found = await it.venues({"BINANCE_API_KEY": "k", "BINANCE_SECRET_KEY": "s"}).opened(stack)
    assert found is not None
    assert {i.venue for i in found[0].instruments} == {"LIVE"}
    assert it.endpoints["binance"] == Endpoint("", "k", "s", "live")


async def test_a_key_that_is_missing_or_wrong_is_the_operators_to_mend(opening: MakeOpening) -> None:
    with pytest.raises(ConfigError, match="BINANCE_API_KEY and BINANCE_SECRET_KEY"):
        await opening(REAL).venues().opened(AsyncExitStack())
    it = opening(STOCKS)
    it.answers = [WrongKey("a live key")]
    with pytest.raises(ConfigError, match="venue alpaca: a live key"):
        await it.venues().opened(AsyncExitStack())


def test_lockstep_with_a_live_feed_is_refused(opening: MakeOpening) -> None:
    with pytest.raises(ConfigError, match=r"LOCKSTEP=1 plays a market step by step.*or LOCKSTEP=0"):
        opening(STOCKS, lockstep="1").venues()


def test_simulated_and_real_venues_do_not_share_a_market_time(opening: MakeOpening) -> None:
    with pytest.raises(ConfigError, match="alpaca is simulated, binance is not"):
        opening(STOCKS, REAL).venues()


def test_a_market_of_venues_where_nobody_trades_is_refused(opening: MakeOpening) -> None:
    with pytest.raises(ConfigError, match=r"needs a \[\[venue\]\]"):
        opening().venues()
