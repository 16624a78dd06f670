"""A short life of the money path: the real risk hop, the real desk of an account with the real adapter, at the real sim_venue.

In three seconds it sees what an order path has to live through: fills in parts, an answer that is lost, a cancel whose answer is lost,
an order that never arrived, fills while nobody looks, restarts, an exit, a kill switch, an order that is too late. Every wait of it is
bounded: with a bug planted the run goes on to its end, for the judge to see what became of it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pytest

from libs.common.bus import RedisBus
from libs.common.clocks import MarketClock, SystemClock
from libs.common.consumer import Bell, Consumer
from libs.common.database import Database, Write
from libs.common.envelope import Sealer
from libs.common.journal import Hop, Outgoing, PostgresJournal
from libs.common.latency import Latency
from libs.common.leases import Lease
from libs.common.settings import from_toml
from libs.domain.configuration import LimitConfig, RiskConfig, StrategyConfig, VenueConfig
from libs.domain.identity import signal_id
from libs.domain.instruments import Instrument
from libs.domain.messages import Signal
from libs.quant.adjustments import Adjustments
from libs.store import limits, sessions, strategies
from libs.store.control import Control
from libs.store.risk import RiskStore
from libs.store.sessions import Account
from services.risk_manager.limits import LimitsKeeper
from services.risk_manager.losses import LossKeeper
from services.risk_manager.stage import RiskStage
from services.sim_venue.market import START_BY_HAND
from services.trade_executor.brokers import Remote
from tests.chaos.history import CONFIG
from tests.desks import Service, a_desk
from tests.factories import SECOND
from tests.scenes import GRACE, SESSION, a_bar, begin, clear, record
from tests.sim_venues import SimVenue, a_sim_venue

LIMITS: Final[Sequence[LimitConfig]] = from_toml(RiskConfig, CONFIG, "risk", "development").limit
MINUTE: Final = 60 * SECOND
OPEN: Final = replace(SESSION, start_time=START_BY_HAND, market_time=START_BY_HAND, fills={"on": {}, "latency_ns": 0})
VENUE: Final = VenueConfig(name="alpaca", adapter="alpaca", asset_classes=("equity",))
FAST: Final = StrategyConfig(id="fast", class_name="sma_cross", symbols=["*"], account="paper", allocation=1.0)
SLOW: Final = StrategyConfig(id="slow", class_name="sma_cross", symbols=["*"], account="paper", allocation=1.0)
PRICE: Final = 100.07
WITHIN_S: Final = 2.0  # of what happens in a tenth of it
AFTER_A_MISS_S: Final = 0.3  # once something did not come about: what follows from it will not either
PACE: Final[Mapping[str, float]] = {
    "services.trade_executor.reconciler.LOOK_UP_EVERY_S": 0.05,
    "services.trade_executor.reconciler.LOOK_UP_AT_MOST_S": 0.2,
    "services.trade_executor.reconciler.RECONCILE_EVERY_S": 0.3,
    "services.trade_executor.desk.OPEN_AGAIN_S": 0.05,
    "services.trade_executor.reconcile.AGREE_REMOTELY_AFTER_S": 0.3,
}
"""How often the desk looks again, so that nothing of it takes long."""


@dataclass
class Run:
    """What the script has at hand."""

    database: Database
    venue: SimVenue
    risk: "Risk"
    control: Control
    missed: list[str] = field(default_factory=list)  # what did not come about in time: nothing, where nothing is planted
    desk: Service | None = None

    async def funded(self) -> None:
        """Until the desk has booked the deposit: nothing can be sized before."""
        while not await self.database.fetch("select from cash_balances"):
            await self.desk_at_work.hears(self.risk.now)

    @property
    def desk_at_work(self) -> Service:
        assert self.desk is not None
        return self.desk

    async def shows(self, symbol: str, price: float = PRICE, size: float = 1_000_000.0) -> None:
        await self.venue.quote(symbol, price - 0.01, price, size)

    async def wants(self, strategy_id: str, symbol: str, target: float) -> None:
        """A signal, and what risk makes of it."""
        await self.risk.judge(strategy_id, symbol, target)

    async def comes_to(self, strategy_id: str, symbol: str, *wanted: str) -> None:
        """Plays the clock until the orders of a book stand so, the oldest first; goes on without when they do not."""
        query = "select status, filled_quantity from orders where strategy_id = %s and symbol = %s order by created_at, leg"
        clock = SystemClock()
        give_up = clock.monotonic() + (AFTER_A_MISS_S if self.missed else WITHIN_S)
        while True:
            found = [row[0] for row in await self.database.fetch(query, (strategy_id, symbol))]
            if found == list(wanted):
                return
            if clock.monotonic() > give_up:
                self.missed.append(f"{strategy_id} {symbol}: {', '.join(found)} instead of {', '.join(wanted)}")
                return
            await self.desk_at_work.hears(self.risk.now)
            await self.risk.consumer.drain()


class Risk:
    """risk_manager's stage on the account."""

    def __init__(self, database: Database, bus: RedisBus, account: Account, instruments: Mapping[str, Instrument]) -> None:
        host = SystemClock()
        self.now = START_BY_HAND + MINUTE + GRACE  # a bar of a minute has just closed
        self.market = MarketClock(host)
        self._sealer = Sealer("strategy_engine", host)
        self._journal = PostgresJournal(database, bus, host)
        self.lease = Lease(database, f"risk:{account.account_id}", "short run", host)
        stage = RiskStage(
            RiskStore(database, account.account_id, OPEN.session_id, OPEN.venue, "1s", SECOND + GRACE),
            self.market,
            host,
            Sealer("risk_manager", host),
            self.lease,
            account=account,
            session=OPEN,
            instruments=instruments,
            strategies=[FAST, SLOW],
            limits=LimitsKeeper(database, account, host),
            adjustments=Adjustments([], OPEN.start_time),
            fleet_tag="TEST",
            latency=Latency(),
            losses=LossKeeper(account, OPEN, self.lease.name, host, self._sealer, bus.publish),
        )
        self.consumer = Consumer(self._journal, self.lease.name, stage, Bell(), lambda: self.lease.epoch)
        self._n = 0

    async def judge(self, strategy_id: str, symbol: str, target: float) -> None:
        self._n += 1
        bar_time = START_BY_HAND - self._n * MINUTE  # only the name of the signal
        signal = Signal(
            signal_id=signal_id(OPEN.session_id, strategy_id, symbol, "1m", bar_time),
            session_id=OPEN.session_id,
            account_id="paper",
            strategy_id=strategy_id,
            symbol=symbol,
            timeframe="1m",
            bar_time=bar_time,
            decided_at=self.now,
            target=target,
            confidence=1.0,
            reference_price=PRICE,
            valid_until=self.now + MINUTE,
            reason="short run",
            triggered_ns=0,
        )
        self.market.hear(self.now, 1.0)
        sealed = self._sealer.seal("signals", signal, ts_event_ns=self.now)
        out = [Outgoing("signals", f"signals.{strategy_id}", signal.signal_id, sealed)]
        await self._journal.commit(Hop(writes=[strategies.store_signals([(signal, b"")])], out=out))
        await self.consumer.drain()


async def first_life(run: Run) -> None:
    """Everything goes wrong once, and the desk is told to stop."""
    await run.venue.control("PUT", "rules", {"most_lots_per_fill": 90_000_000})  # 90 shares
    for symbol in ("AAPL", "KO", "XOM", "JPM", "SPY"):
        await run.shows(symbol)
    await run.shows("MSFT", 110.0)  # out of reach
    await run.wants("fast", "AAPL", 0.1)
    await run.comes_to("fast", "AAPL", "ACKED")
    await run.shows("AAPL")
    await run.comes_to("fast", "AAPL", "FILLED")

    await run.venue.fault("status_after", status=504, what="order_submit")
    await run.venue.fault("lose", what="orders", symbol="KO")  # nobody says that it is there, and it is shown late
    await run.venue.weather(read_lag_s=0.2)
    await run.wants("slow", "KO", 0.02)
    await run.comes_to("slow", "KO", "ACKED")
    await run.venue.weather()
    await run.shows("KO")
    await run.comes_to("slow", "KO", "FILLED")

    await run.wants("fast", "MSFT", 0.02)
    await run.comes_to("fast", "MSFT", "ACKED")
    await run.venue.fault("drop_after", what="order_cancel")
    await run.wants("fast", "MSFT", 0.0)
    await run.comes_to("fast", "MSFT", "CANCELED")

    await run.wants("slow", "JPM", 0.02)
    await run.comes_to("slow", "JPM", "ACKED")
    await run.shows("JPM", size=5)
    await run.comes_to("slow", "JPM", "PARTIAL")

    await run.venue.fault("drop_before", what="order_submit")
    await run.wants("fast", "XOM", 0.02)
    await run.comes_to("fast", "XOM", "UNKNOWN")
    await run.wants("slow", "XOM", 0.055)  # too much beside what is unknown, and not without it


async def meanwhile(run: Run) -> None:
    """Nobody trades: the venue fills what it has, risk goes on, and a person stops a strategy."""
    await run.shows("JPM")
    await run.wants("fast", "AAPL", 0.0)
    await run.wants("slow", "SPY", 0.01)
    await run.control.kill("strategy", "slow", "halt", "a drill", "tests")


async def second_life(run: Run) -> None:
    """The desk comes back, finds what it missed, exits, and does not send what was killed."""
    await run.comes_to("slow", "JPM", "FILLED")
    await run.comes_to("fast", "AAPL", "FILLED", "ACKED")
    await run.shows("AAPL")
    await run.comes_to("fast", "AAPL", "FILLED", "FILLED")
    await run.comes_to("slow", "SPY", "DENIED")
    await run.wants("slow", "MSFT", 0.01)  # refused: it is still killed
    await run.control.rearm("strategy", "slow", "the drill is over", "tests")
    await run.wants("slow", "MSFT", 0.01)
    await run.comes_to("slow", "MSFT", "ACKED")


async def late(run: Run) -> None:
    """An order is approved that nobody sends within its time; the record knows it, as the desk may act before it hears the clock."""
    await run.wants("fast", "KO", 0.01)
    run.risk.now += MINUTE + SECOND
    await run.database.write([_on_record(run.risk.now)])


async def third_life(run: Run) -> None:
    """What is late is not sent, what rests beyond its time is ended, and trading goes on."""
    await run.comes_to("fast", "KO", "EXPIRED")
    await run.comes_to("slow", "MSFT", "CANCELED")
    await run.wants("slow", "MSFT", 0.01)
    await run.comes_to("slow", "MSFT", "CANCELED", "ACKED")


@asynccontextmanager
async def a_short_run(url: str, redis_url: str, folder: Path) -> AsyncIterator[Run]:
    """The whole of it, on a cleared record; what is left behind can be looked at inside. The venue's log is in the folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name, seconds in PACE.items():
            patch.setattr(name, seconds)
        database, bus = Database(url, "test"), RedisBus(redis_url)
        try:
            await clear(database)
            async with a_sim_venue(folder=folder) as venue:
                yield await _lived(Run(database, venue, *await _opened(database, bus, venue)), url, redis_url)
        finally:
            await database.close()
            await bus.close()


async def _opened(database: Database, bus: RedisBus, venue: SimVenue) -> tuple["Risk", Control]:
    """A session with its account and its prices, and who judges and who stops."""
    instruments = shares(venue)
    account = await begin(database, OPEN, list(instruments.values()))
    await strategies.register(database, [FAST, SLOW])
    await limits.begin(database, LIMITS, "short run")
    risk = Risk(database, bus, replace(account, venue=VENUE.name), instruments)
    await record(database, [a_bar(START_BY_HAND + MINUTE - SECOND, PRICE, symbol) for symbol in instruments], OPEN)
    await database.write([_on_record(risk.now)])
    clock = SystemClock()
    return risk, Control(database, PostgresJournal(database, bus, clock), clock, "tests", cool_off_s=0)


def _on_record(now: int) -> Write:
    return sessions.advanced(OPEN.session_id, now, now, 0)


def shares(venue: SimVenue) -> dict[str, Instrument]:
    return {s: listing.instrument for s, listing in venue.host.listings.items() if listing.instrument.asset_class == "equity"}


async def _lived(run: Run, url: str, redis_url: str) -> Run:
    (account,) = await sessions.accounts(run.database, OPEN.session_id)
    account, instruments = replace(account, venue=VENUE.name), shares(run.venue)
    access = Remote(VENUE, "paper", lambda _: "", run.venue.url, instruments, SystemClock()).access(account)
    assert await run.risk.lease.acquire(RiskStage.streams, asyncio.Event())
    for away, life in ((None, first_life), (meanwhile, second_life), (late, third_life)):
        if away is not None:
            await away(run)
        async with a_desk(url, redis_url, account, run.database, access, instruments, OPEN) as run.desk:
            await run.funded()
            await life(run)
    return run
