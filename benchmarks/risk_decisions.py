"""Durable risk decisions: signals through risk_manager's own hop, read, judged and committed with their orders.

Most of them a second, in a closed loop: 128 signals of as many books are queued, then worked off, again and again. Only the working off
is timed. And how long one takes in an open loop: ten signals each 20 ms, whatever became of those before, from there to their durable
orders, the commit of the signals included, as strategy_engine would make it. Orders are marked as ended, as the executor would.
"""

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import uuid4

import uvloop

from benchmarks.figures import Figure, middle
from benchmarks.fleet import CONFIG, Failed
from benchmarks.record import Urls, record
from libs.common.bus import RedisBus
from libs.common.clocks import SECOND, MarketClock, SystemClock
from libs.common.consumer import Bell, Consumer
from libs.common.database import Database, Write
from libs.common.envelope import Sealer
from libs.common.journal import Hop, Outgoing, PostgresJournal
from libs.common.latency import Latency
from libs.common.leases import Lease
from libs.common.settings import from_toml
from libs.domain.configuration import RiskConfig, StrategiesConfig, SystemConfig
from libs.domain.identity import signal_id
from libs.domain.instruments import Instrument
from libs.domain.market import Bar
from libs.domain.messages import Signal
from libs.domain.streams import SIGNALS
from libs.quant.adjustments import Adjustments
from libs.store import limits, market, sessions, strategies
from libs.store.execution import ExecutionStore
from libs.store.risk import RiskStore
from libs.store.sessions import Account, Session
from services.risk_manager.limits import LimitsKeeper
from services.risk_manager.losses import LossKeeper
from services.risk_manager.stage import RiskStage

FIGURES: Final = ("risk_decisions_per_s", "risk_decision_p50_ms", "risk_decision_p99_ms")
RUNS: Final = 5
ROUNDS: Final = 160  # of a run
TURNS: Final = 500  # of a run of the open loop
TURN_S: Final = 0.02
A_TURN: Final = 10  # signals: 500 a second for ten seconds
PRICES: Final = 50
PATIENCE_S: Final = 10.0  # for what is queued when the open loop ends
START: Final = 1_736_173_800 * SECOND
SYMBOLS: Final = [f"S{n:03}" for n in range(128)]
STREAM: Final = SIGNALS.stream or ""


def measure() -> dict[str, Figure]:
    """Five runs of each loop on one record."""
    with record() as urls:
        rates, waits = uvloop.run(_runs(urls))
    sustained = {
        f"risk_decision_{name}_ms": Figure(
            value=middle([run[name] for run in waits]),
            unit="ms at 500 signals/s",
            target=20.0 if name == "p99" else None,
            runs=[run[name] for run in waits],
            limit="two commits, a read of the account and Python beside a writer of signals in the same process",
        )
        for name in ("p50", "p99")
    }
    return {
        "risk_decisions_per_s": Figure(
            value=middle(rates, 0),
            unit="decisions/s, 128 queued",
            target=2_000,
            better="higher",
            runs=rates,
            limit="Python on one core: judging, sealing and encoding each order; the commit is shared by 128",
        )
    } | sustained


async def _runs(urls: Urls) -> tuple[list[float], list[dict[str, float]]]:
    bench = Bench(urls)
    try:
        await bench.prepare()
        waits = [await bench.sustain() for _ in range(RUNS)]  # before a hundred thousand orders have to be vacuumed away
        return [await bench.run() for _ in range(RUNS)], waits
    finally:
        await bench.close()


class Bench:
    """One account, its stage, and whoever queues signals for it."""

    def __init__(self, urls: Urls) -> None:
        self._clock = SystemClock()
        self._market = MarketClock(self._clock)
        self._now = START
        self._bus = RedisBus(urls.redis)
        self._database = Database(urls.database, "bench")
        self._other = Database(urls.database, "bench:lease")
        self._journal = PostgresJournal(self._database, self._bus, self._clock)
        self._signals = PostgresJournal(self._other, self._bus, self._clock)
        self._sealer = Sealer("bench", self._clock)
        self._session_id = str(uuid4())
        self._config = from_toml(StrategiesConfig, CONFIG, "strategies", "development").strategy
        self._latency = Latency()
        self._bell = Bell()
        self._consumer: Consumer | None = None

    async def prepare(self) -> None:
        """A funded account, instruments, prices, and the lease."""
        session, account = await self._open()
        instruments = await sessions.instruments(self._database, "BENCH")
        await market.ensure_partitions(self._database, START)
        await self._database.write(market.store_bars([_bar(symbol) for symbol in SYMBOLS]))
        await strategies.register(self._database, self._config)
        await ExecutionStore(self._database, account).deposit(Write("select 1", ()))
        lease = Lease(self._other, f"risk:{account.account_id}", "bench", self._clock)
        await lease.acquire(RiskStage.streams, asyncio.Event())
        await limits.begin(self._database, from_toml(RiskConfig, CONFIG, "risk", "development").limit, "bench")
        stage = RiskStage(
            RiskStore(self._database, account.account_id, session.session_id, "BENCH", "1s", SECOND),
            self._market,
            self._clock,
            self._sealer,
            lease,
            account=account,
            session=session,
            instruments=instruments,
            strategies=self._config,
            limits=LimitsKeeper(self._database, account, self._clock),
            adjustments=Adjustments((), START),
            fleet_tag="TWND",
            latency=self._latency,
            losses=LossKeeper(account, session, lease.name, self._clock, self._sealer, self._bus.publish),
        )
        self._consumer = Consumer(self._journal, lease.name, stage, self._bell, lambda: lease.epoch)
        await self._round()  # connections and prepared statements

    async def run(self) -> float:
        """Decisions a second over all rounds.

        Raises:
            Failed: not every signal became an order.
        """
        seconds = sum([await self._round() for _ in range(ROUNDS)])
        return round(ROUNDS * len(SYMBOLS) / seconds)

    async def sustain(self) -> dict[str, float]:
        """Milliseconds from a signal to its durable order, 500 of them a second offered for ten seconds.

        Raises:
            Failed: not every signal became an order.
        """
        assert self._consumer is not None
        self._pass(61 * SECOND)
        self._latency.forget()
        stopping = asyncio.Event()
        working = asyncio.create_task(self._consumer.run(stopping))
        offered = ended = 0
        began = time.perf_counter()
        for turn in range(TURNS):
            await asyncio.sleep(max(0.0, began + turn * TURN_S - time.perf_counter()))
            ended += await self._end()
            await self._queue(signals := self._due(offered))
            offered += len(signals)
            self._bell.ring()
        until = time.perf_counter() + PATIENCE_S
        while ended < offered and time.perf_counter() < until:
            await asyncio.sleep(TURN_S)
            ended += await self._end()
        stopping.set()
        self._bell.ring()
        await working
        if ended != offered:
            raise Failed(f"{offered} signals led to {ended} orders")
        found = self._latency.quantiles_ms()
        assert found is not None
        return {name: found[name] for name in ("p50", "p99")}

    async def close(self) -> None:
        """Lets the connections go."""
        await self._database.close()
        await self._other.close()
        await self._bus.close()

    async def _open(self) -> tuple[Session, Account]:
        system = from_toml(SystemConfig, CONFIG, "system", "development")
        await sessions.register_instruments(self._database, [_instrument(symbol) for symbol in SYMBOLS])
        session = Session(
            session_id=self._session_id,
            feed="bench",
            seed=1,
            mode="free",
            speed=1.0,
            venue="BENCH",
            timeframes=("1s",),
            grace_ns=0,
            start_time=START,
            fills={"on": {}, "latency_ns": 0},
            market_time=START,
            horizon=START,
            step=0,
            paused=False,
        )
        await sessions.open_new(self._database, session, system.account, {"risk": RiskStage.streams})
        (account,) = await sessions.accounts(self._database, session.session_id)
        return session, account

    async def _round(self) -> float:
        """Seconds for one queue of signals."""
        assert self._consumer is not None
        self._pass(61 * SECOND)
        signals = [self._signal(symbol, 100.0) for symbol in SYMBOLS]
        await self._queue(signals)
        began = time.perf_counter()
        await self._consumer.drain()
        seconds = time.perf_counter() - began
        ended = await self._end()
        if ended != len(signals):
            raise Failed(f"{len(signals)} signals led to {ended} orders")
        return seconds

    def _due(self, offered: int) -> list[Signal]:
        """Those of one turn of the open loop, book after book; a book's next order has another price, or it would be a duplicate."""
        self._pass(round(TURN_S * SECOND))
        return [self._signal(SYMBOLS[n % len(SYMBOLS)], 100.0 + n // len(SYMBOLS) % PRICES / 100) for n in range(offered, offered + A_TURN)]

    def _pass(self, ns: int) -> None:
        """Market time goes by."""
        self._now += ns
        self._market.hear(self._now, 1.0)

    async def _queue(self, signals: Sequence[Signal]) -> None:
        out = [
            Outgoing(STREAM, SIGNALS.of(s.strategy_id), s.signal_id, self._sealer.seal(STREAM, s, ts_event_ns=self._now)) for s in signals
        ]
        await self._signals.commit(Hop(writes=[strategies.store_signals([(signal, b"") for signal in signals])], out=out))

    async def _end(self) -> int:
        """How many orders were approved since the last look; they are over."""
        return len(await self._other.fetch("update orders set status = 'EXPIRED' where status = 'APPROVED' returning id"))

    def _signal(self, symbol: str, price: float) -> Signal:
        strategy = self._config[0].id
        return Signal(
            signal_id=signal_id(self._session_id, strategy, symbol, "1s", self._now),
            session_id=self._session_id,
            account_id="paper",
            strategy_id=strategy,
            symbol=symbol,
            timeframe="1s",
            bar_time=self._now,
            decided_at=self._now,
            target=1.0,
            confidence=1.0,
            reference_price=price,
            valid_until=self._now + 5 * SECOND,
            reason="sma_cross: target 0 -> 1",
            triggered_ns=self._clock.now_ns(),
        )


def _instrument(symbol: str) -> Instrument:
    return Instrument(symbol=symbol, venue="BENCH", asset_class="equity", currency="USD", tick=Decimal("0.01"), lot=Decimal(1))


def _bar(symbol: str) -> Bar:
    return Bar(venue="BENCH", symbol=symbol, seq=1, timeframe="1s", start=START, open=100.0, high=100.0, low=100.0, close=100.0, volume=1.0)
