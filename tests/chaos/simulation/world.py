"""One simulation: two executors, one active and one in reserve, a record, a bus, a venue, and what a seed makes of them."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from libs.common.clocks import SECOND
from libs.common.database import Database, Unreachable
from libs.common.envelope import Sealer, array, numbered
from libs.common.http import Readiness
from libs.common.runner import Context
from libs.common.settings import Settings
from libs.domain.executions import takes_ns
from libs.domain.identity import client_order_id, order_id, signal_id
from libs.domain.instruments import Instrument
from libs.domain.market import Clock
from libs.domain.orders import CancelRequest, Order
from libs.domain.streams import CLOCK, ORDERS_APPROVED
from libs.store import risk
from libs.store.risk import Assessment
from libs.store.sessions import Account, Session
from libs.venues.broker import Broker, OutcomeUnknown
from services.trade_executor import kill_watch
from services.trade_executor.brokers import NotYet
from services.trade_executor.desk import AccountDesk
from tests.chaos.simulation.bells import Belfry, VirtualBus
from tests.chaos.simulation.broker import SimBroker, Weather, Wires
from tests.chaos.simulation.differences import STATEMENTS
from tests.chaos.simulation.judge import Broken, Judge
from tests.chaos.simulation.loop import Process, VirtualLoop
from tests.chaos.simulation.record import Record
from tests.chaos.simulation.scenario import ACTIVE_S, BOOKS, SYMBOLS, Approval, Kill, Outage, Scenario, Wound
from tests.chaos.simulation.server import Line, VirtualDatabase
from tests.chaos.simulation.story import Story
from tests.chaos.simulation.venue import ACCOUNT, SimVenue
from tests.factories import NOON

EPOCH: Final = NOON - 1000 * SECOND
"""UTC of the loop's second 0: market time begins at NOON, the loop at 1000."""

DEPOSIT: Final = Decimal(100_000)
LEASE: Final = f"executor:{ACCOUNT}"
HEALED_BY_S: Final = 400.0
"""Longer than any order may stay in doubt once everything works: the 120 s of an absence, late requests and lagging reads."""

CLOCK_EVERY_S: Final = 0.45
LOOK_EVERY_S: Final = 0.5
INSTRUMENTS: Final = {
    symbol: Instrument(symbol=symbol, venue="TEST", asset_class="equity", currency="USD", tick=Decimal("0.01"), lot=Decimal(1))
    for symbol in SYMBOLS
}
SESSION: Final = Session(
    session_id="session",
    feed="scripted",
    seed=1,
    mode="free",
    speed=1.0,
    venue="TEST",
    timeframes=("1m",),
    grace_ns=SECOND // 4,
    start_time=NOON,
    fills={"on": dict.fromkeys(SYMBOLS, "quote"), "latency_ns": 0},
    market_time=NOON,
    horizon=0,
    step=0,
    paused=False,
    key=b"key",
)
ACCOUNT_ROW: Final = Account(ACCOUNT, ACCOUNT, "TEST", "USD", True, DEPOSIT)
SETTINGS: Final = Settings(database_url="postgresql:///", redis_url="", state_dir="/nonexistent")


class VirtualClock:
    """A process's host clock: its own zero, the world's pace."""

    def __init__(self, loop: VirtualLoop, offset: float) -> None:
        self._loop = loop
        self._offset = offset

    def now_ns(self) -> int:
        return EPOCH + int(self._loop.now * SECOND)

    def monotonic(self) -> float:
        return self._loop.now + self._offset


class VirtualContext(Context):
    """What the runner would have given the service."""

    def __init__(self, world: "World", process: Process) -> None:
        self.name = "trade_executor"
        self.settings = SETTINGS
        self.clock = VirtualClock(world.loop, world.dice.random() * 1000)  # type: ignore[assignment]
        self.holder = process.name
        self.bus = VirtualBus(world.belfry, process)
        self.sealer = Sealer(self.name, self.clock)
        self.sealer.session_id = SESSION.session_id
        self.needs = ()
        self.readiness = Readiness("service")
        self.stopping = asyncio.Event()
        self.info = {}
        self._databases = []
        self._world = world
        self._process = process

    def database(self, purpose: str) -> Database:
        database = VirtualDatabase(self._world.line, self._process, purpose)
        self._databases.append(database)
        return database


class Outcome(NamedTuple):
    """What became of one simulation."""

    seed: int
    broken: str  # the invariant that does not hold; "" when all do
    digest: str  # of everything that happened; "" unless asked for
    orders: int
    fills: int
    virtual_s: float
    statuses: Counter[str]
    faults: Counter[str]
    story: list[str]


@dataclass
class Slot:
    """Where an executor runs: one process after another."""

    name: str
    starts: int = 0
    process: Process | None = None
    context: VirtualContext | None = None


class World:
    """Builds itself from a scenario; `run` plays it to its end."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.dice = Random(scenario.seed ^ 0x5EED)
        self.loop = VirtualLoop(self.dice, shuffle=scenario.shuffle)  # type: ignore[abstract]
        self.story = Story(self.loop)
        self.record = Record(lambda: self.loop.now, EPOCH)
        self.record.understand(STATEMENTS)
        self.line = Line(self.loop, self.record, self.dice, self.story)
        self.line.lost_before, self.line.lost_after = scenario.record_lost_before, scenario.record_lost_after
        self.line.slow_s = scenario.record_slow_s
        self.line.applied = self._applied
        self.belfry = Belfry(self.loop, self.dice, scenario.bells_lost, scenario.bells_doubled, scenario.bells_slow_s)
        self.venue = SimVenue(INSTRUMENTS, DEPOSIT, self.dice, self.story, self.market_time, scenario.lag_s)
        self.wires = Wires(
            self.loop,
            self.venue,
            scenario.weather,
            self.dice,
            self.story,
            good_till_date=scenario.good_till_date,
            dead_man=scenario.dead_man,
        )
        self.judge = Judge(self.record, self.wires, self.story, LEASE)
        self.wires.left = self._left
        self.record.watch = self._committed
        self.broken = ""
        self.faults: Counter[str] = Counter()
        self._slots = [Slot("a"), Slot("b")]
        self._processes: list[Process] = []
        self._wounds = list(scenario.wounds)
        self._moments: Counter[str] = Counter()
        self._clock_no = 0
        self._approvals = 0
        self._healed = False
        self._sealer = Sealer("world", VirtualClock(self.loop, 0.0))
        self._sealer.session_id = SESSION.session_id
        self._collector = Sealer("data_collector", VirtualClock(self.loop, 0.0))
        self._collector.session_id, self._collector.key = SESSION.session_id, SESSION.key
        self.record.session = {name: getattr(SESSION, name) for name in Session.__dataclass_fields__}
        self.record.names = {ACCOUNT: ACCOUNT}

    def market_time(self) -> int:
        """ns, to the microsecond."""
        return EPOCH + int(self.loop.now * 1_000_000) * 1_000

    def run(self, *, digest: bool = False, trace: bool = False) -> Outcome:
        """To the end, or to the first invariant that breaks."""
        scenario, loop = self.scenario, self.loop
        for slot in self._slots:
            self._at(loop.now + self.dice.random() * 0.1, self._boot, slot)
        for approval in scenario.approvals:
            self._at(approval.at, self._approve, approval)
        for outage in scenario.outages:
            self._at(outage.at, self._cut, outage)
        for kill in scenario.kills:
            self._at(kill.at, self._kill, kill)
        for wound in scenario.wounds:
            if wound.trigger == "time":
                self._at(wound.at, self._wound, wound, None)
        self._at(loop.now, self._tick)
        self._at(loop.now, self._market)
        self._at(1000.0 + ACTIVE_S, self._heal)
        try:
            with patch.object(kill_watch, "FILE_EVERY_S", 3600.0):  # there are no files here
                loop.run()
            self._look_for_crashes()
        except Broken as error:
            self._breaks(str(error))
        finally:
            for process in self._processes:
                process.bury()
            loop.close()
        return Outcome(
            scenario.seed,
            self.broken,
            self.story.digest() if digest else "",
            len(self.record.orders),
            len(self.record.trades),
            loop.now - 1000.0,
            Counter(str(row.status) for row in self.record.orders.values()),
            self.faults,
            self.story.lines() if trace else [],
        )

    def _at(self, when: float, do: Callable[..., object], *args: Any) -> None:
        self.loop.later(when - self.loop.now, self._guarded, do, args)

    def _guarded(self, do: Callable[..., object], args: tuple[Any, ...]) -> None:
        try:
            do(*args)
        except Broken as error:
            self._breaks(str(error))

    def _breaks(self, why: str) -> None:
        if not self.broken:
            self.broken = why
            self.story.tell("BROKEN", why)
        self.loop.stop()

    # --- the executors

    def _boot(self, slot: Slot) -> None:
        slot.starts += 1
        process = Process(self.loop, f"{slot.name}{slot.starts}")
        self._processes.append(process)
        self.story.tell("starts", process.name)
        context = VirtualContext(self, process)
        slot.process, slot.context = process, context
        process.start(self._live(slot, context, process))

    async def _live(self, slot: Slot, context: VirtualContext, process: Process) -> None:
        """As the runner and the service: a desk, made again when the database was away at a moment it does not wait through."""
        try:
            while not context.stopping.is_set():
                session = replace(SESSION, market_time=self.record.session["market_time"])
                desk = AccountDesk(
                    context,
                    session,
                    ACCOUNT_ROW,
                    INSTRUMENTS,
                    lambda: self._open(process, context),
                    _nothing,
                    on_disconnect=self.scenario.on_disconnect,
                )
                try:
                    await desk.run()
                except* Unreachable:
                    await asyncio.sleep(0.5)
        except Exception as error:
            if process.alive:  # else it is being buried
                self._breaks(f"L: {process.name} has crashed: {_first(error)!r}")
            raise
        if not context.stopping.is_set():
            self._breaks(f"L: {process.name} has ended by itself")
        self.story.tell("has left", process.name)
        process.alive = False
        self._at(self.loop.now + 0.2, self._boot, slot)

    async def _open(self, process: Process, context: VirtualContext) -> Broker:
        broker = SimBroker(self.wires, process, context.clock)
        try:
            await broker.connect()
        except OutcomeUnknown as error:
            raise NotYet(str(error)) from error
        return broker

    # --- what hits them

    def _moment(self, trigger: str, process: Process | None) -> None:
        self._moments[trigger] += 1
        for wound in self._wounds:
            if wound.trigger == trigger and wound.n == self._moments[trigger]:
                self._wound(wound, process)

    def _wound(self, wound: Wound, process: Process | None) -> None:
        if self._healed:
            return
        slots = [s for s in self._slots if s.process is not None and s.process.alive]
        chosen = [s for s in slots if s.process is process] or slots
        if not chosen:
            return
        slot = self.dice.choice(chosen)
        assert slot.process is not None
        target = slot.process
        target.stop_at = target.steps + wound.steps, lambda: self._hit(wound, slot, target)

    def _hit(self, wound: Wound, slot: Slot, process: Process) -> None:
        self.story.tell(wound.kind, process.name, f"{wound.for_s:g} s")
        self.faults[wound.kind] += 1
        match wound.kind:
            case "kill":
                process.kill()
                if wound.reaped:
                    self._at(self.loop.now + 0.05, self._release, process.name)
                self._at(self.loop.now + wound.for_s, self._boot, slot)
            case "freeze":
                process.freeze()
                self._at(self.loop.now + wound.for_s, process.wake)
            case "stop":
                assert slot.context is not None
                slot.context.stopping.set()

    def _release(self, holder: str) -> None:
        """The supervisor has reaped it."""
        self.record.execute([("select lease_release(%s, %s)", (LEASE, holder))])

    def _cut(self, outage: Outage) -> None:
        self.story.tell("record away", f"{outage.for_s:.1f} s", outage.hangs)
        self.faults["record away"] += 1
        self.line.away_until, self.line.hangs = self.loop.now + outage.for_s, outage.hangs

    def _kill(self, kill: Kill) -> None:
        self.story.tell("kill switch", kill.scope, kill.key, kill.mode)
        self.faults["kill switch"] += 1
        self.record.kills[kill.scope, kill.key] = kill.mode
        if kill.mode == "halt":
            self.judge.halts[kill.scope, kill.key] = self.loop.now
        self._at(kill.off_at, self._rearm, kill)

    def _rearm(self, kill: Kill) -> None:
        self.record.kills.pop((kill.scope, kill.key), None)
        self.judge.halts.pop((kill.scope, kill.key), None)

    def _heal(self) -> None:
        """From here on nothing goes wrong any more; what has gone wrong has to come right."""
        self.story.tell("all heals")
        self._healed = True
        self.wires.weather = Weather()
        self.line.heal()
        self.venue.lag_s = 0.0
        self.belfry.lost = self.belfry.doubled = 0.0
        self._at(self.loop.now + LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        if self.judge.settled():
            self.judge.final()
            self.story.tell("settled")
            self.loop.stop()
        elif self.loop.now > 1000.0 + ACTIVE_S + HEALED_BY_S:
            self.judge.final()
            raise Broken("L: something is still on its way")
        else:
            self._at(self.loop.now + LOOK_EVERY_S, self._look)

    # --- the market, and risk_manager's part

    def _tick(self) -> None:
        """data_collector: the time, in the record and by bell."""
        self._clock_no += 1
        now = self.market_time()
        self.record.session["market_time"] = now
        clock = Clock(session_id=SESSION.session_id, market_time=now, speed=1.0, closed=[], noticed_ns=0, events=0, step=0)
        sealed = self._collector.seal(CLOCK.address, clock, ts_event_ns=now)
        self.belfry.ring(CLOCK.address, array([numbered(sealed, self._clock_no)]))
        self._at(self.loop.now + CLOCK_EVERY_S, self._tick)

    def _market(self) -> None:
        self.venue.move()
        self._at(self.loop.now + (0.1 + self.dice.random()) * (1 if not self._healed else 8), self._market)

    def _approve(self, approval: Approval) -> None:
        self._approvals += 1
        now = self.market_time()
        strategy, symbol = BOOKS[approval.book]
        signal = signal_id("session", strategy, symbol, "1m", self._approvals)
        id_ = order_id(signal, 0)
        order = Order(
            order_id=id_,
            client_order_id=client_order_id("TEST", id_, 1),
            account_id=ACCOUNT,
            venue="TEST",
            session_id="session",
            strategy_id=strategy,
            symbol=symbol,
            signal_id=signal,
            leg=0,
            side=approval.side,
            order_type="market" if approval.ticks is None else "limit",
            quantity=Decimal(approval.lots),
            price=None if approval.ticks is None else Decimal(10_000 + approval.ticks) / 100,
            time_in_force="GTD",
            decided_at=now,
            valid_until=now + int(approval.valid_s * SECOND),
            expires_at=now + int(approval.rests_s * SECOND) + takes_ns(approval.execution),
            execution=approval.execution,
        )
        verdict = Assessment(signal, SESSION.session_id, ACCOUNT, strategy, symbol, "APPROVED", "", "", "", "", "[]")
        writes = [risk.store_assessments([verdict]), risk.store_orders([order], 1)]
        self._journal(order, order, [(write.sql, write.params) for write in writes])
        if approval.cancelled_at is not None:
            request = CancelRequest(order_id=id_, account_id=ACCOUNT, reason="superseded")
            self._at(approval.cancelled_at, self._journal, order, request, [])

    def _journal(self, order: Order, payload: Order | CancelRequest, statements: list[tuple[str, Any]]) -> None:
        stream = ORDERS_APPROVED.stream or ""
        body = self._sealer.seal(stream, payload, ts_event_ns=self.market_time())
        rows = self.record.execute(
            [*statements, ("select journal_append(%s, %s::uuid[], %b::text[])", (stream, [order.order_id], [body.decode()]))]
        )
        self.belfry.ring(stream, array([numbered(body, rows[-1][0][0])]))

    # --- what is watched

    def _left(self, process: Process, order: Order, frozen_meanwhile: bool) -> None:
        self._judged(self.judge.left, process, order, frozen_meanwhile)
        self._moment("left", process)

    def _committed(self, changes: Any) -> None:
        self._judged(self.judge.committed, changes)
        if any(change.table == "leases" and (change.before is None or change.before.epoch < change.after.epoch) for change in changes):
            holder = self.record.leases[LEASE].holder
            self._moment("lease", next((p for p in self._processes if p.name == holder), None))

    def _judged(self, judge: Callable[..., None], *args: Any) -> None:
        """A verdict stops the run from within whatever asked for it."""
        try:
            judge(*args)
        except Broken as error:
            self._breaks(str(error))

    def _applied(self, process: Process) -> None:
        self._moment("commit", process)

    def _look_for_crashes(self) -> None:
        if self.record.unknown:
            raise Broken(f"statements.py does not know: {self.record.unknown[0]}")
        if self.loop.failures and not self.broken:
            raise Broken(f"L: {self.loop.failures[0]}")


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _nothing(ok: bool, detail: str) -> None:
    """Nobody watches its readiness."""


def run_one(seed: int, *, harsh: bool = False, digest: bool = False, trace: bool = False) -> Outcome:
    """One simulation, from its seed."""
    return World(Scenario.harsh(seed) if harsh else Scenario.of(seed)).run(digest=digest, trace=trace)
