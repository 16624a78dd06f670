"""One account's desk: its broker, its books, and the tasks between them, under the account's lease."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from libs.common.consumer import Bell, Consumer
from libs.common.crash_points import reached
from libs.common.database import LeaseLost, Unreachable, Write
from libs.common.envelope import accounts_of
from libs.common.journal import PostgresJournal
from libs.common.leases import Lease
from libs.common.logs import about
from libs.common.runner import Context
from libs.domain.configuration import BADLY_EXECUTED, WIDEST_COLLAR, OnDisconnect
from libs.domain.instruments import Instrument
from libs.domain.streams import CONTROL, ORDERS_APPROVED, ORDERS_UPDATES, PORTFOLIO_UPDATES, TRADES_EXECUTED
from libs.domain.trades import Fill
from libs.store.execution import ExecutionStore
from libs.store.limits import LimitsInForce
from libs.store.market_reader import MarketReader
from libs.store.reconciliation import Guard, ReconcileStore
from libs.store.sessions import Account, Session
from libs.venues.broker import Broker, Link, OutcomeUnknown
from libs.venues.reconnecting import ended
from services.trade_executor import dead_man, links, reconcile, stopping
from services.trade_executor.brokers import NotYet, Open
from services.trade_executor.disarming import Ground, GroundWatch
from services.trade_executor.evidence import News
from services.trade_executor.floor import Floor
from services.trade_executor.gate import Gate
from services.trade_executor.last_look import LastLook
from services.trade_executor.links import Standing
from services.trade_executor.reconciler import LOOK_UP_EVERY_S, Reconciler
from services.trade_executor.reserve import Reserve, Warm, nothing_to_load
from services.trade_executor.send import Sender, evidence_of
from services.trade_executor.silence import Silence
from services.trade_executor.stage import ExecutionStage

log = logging.getLogger(__name__)

SERVICE: Final = "trade_executor"  # by whichever name this process runs
OPEN_AGAIN_S: Final = 0.5
AWAY_S: Final = 10.0  # nothing is sent meanwhile; an adapter that connects again needs a moment

Say = Callable[[bool, str], None]
"""Whether the desk trades, and why not."""


class AccountDesk:
    """One account of one session."""

    def __init__(
        self,
        context: Context,
        session: Session,
        account: Account,
        instruments: Mapping[str, Instrument],
        open_: Open,
        say: Say,
        warm: Warm = nothing_to_load,
        on_disconnect: OnDisconnect = "keep",
        fleet_tag: str = "TWND",
        widest_collar: float = WIDEST_COLLAR,
        ground: Ground | None = None,
        badly_beyond: float = BADLY_EXECUTED,
    ) -> None:
        """`ground`: what is watched beside the account itself, None for nothing; the service always gives one."""
        self._context = context
        self._session = session
        self._account = account
        self._instruments = instruments
        self._open = open_
        self._say = say
        self._on_disconnect = on_disconnect
        self._fleet_tag = fleet_tag
        self._held_back = ""  # why nothing is sent that adds to a book; "" when it is
        self._widest_collar = widest_collar
        self._ground = ground
        self._badly_beyond = badly_beyond
        name = account.account_id
        self._database = context.database(f"executor:{name}")
        self._looking = context.database(f"orders:{name}")  # a question that no hop has to wait for
        self._journal = PostgresJournal(self._database, context.bus, context.clock)
        self._store = ExecutionStore(self._database, account)
        self._lease = Lease(context.database("lease"), f"executor:{name}", context.holder, context.clock)
        self._gate = Gate(account, context.clock)
        self._reserve = Reserve(say, [self._database, self._looking], warm)
        self._bell = Bell()
        self._over = asyncio.Event()  # asked to stop, the session has ended, or the lease is lost
        self._reconciler: Reconciler | None = None  # while there is a broker
        self.link: Link | None = None  # as last seen; None while there is no broker

    async def run(self) -> None:
        """Waits for the account's lease, reconciles, then trades while it is ours; again when it was lost."""
        while not self._context.stopping.is_set():
            self._over.clear()
            ours = await self._lease.acquire(ExecutionStage.streams, self._context.stopping, self._reserve.behind)
            self._reserve.over()
            if not ours:
                return
            over = False
            try:
                async with asyncio.TaskGroup() as group:
                    keeping = group.create_task(self._lease.keep(self._lost))
                    over = await self._trade()
                    keeping.cancel()
            except* LeaseLost as lost:
                self._lost(str(_first(lost)))
            if over:
                break
            log.error("%s stands down", self._lease.name, extra=self._about("lease_lost"))
            self._say(False, "lease lost")
        try:
            await self._lease.release()
        except Unreachable as error:
            log.warning("lease %s not released, it will run out: %s", self._lease.name, error, extra=self._about("lease_released"))

    @property
    def standing(self) -> Standing:
        """Who attends to the account, as far as we know."""
        looked_at = self._reconciler.looked_at if self._reconciler else None
        looked_s = None if looked_at is None else round(self._context.clock.monotonic() - looked_at, 1)
        return Standing(self._lease.held(), self._lease.epoch, self._reserve.holder, looked_s)

    async def _trade(self) -> bool:
        """Under the lease: until asked to stop or the session has ended (True), or the lease is lost."""
        reached("CP20")
        ending = asyncio.create_task(self._end())
        try:
            broker = await self._open_broker()
            if broker is None:
                return self._context.stopping.is_set()
            try:
                await self._trade_with(broker)
            finally:
                self.link = self._reconciler = None
                links.forget(self._account)
                await broker.disconnect()
        finally:
            ending.cancel()
        return self._lease.held() or self._context.stopping.is_set()

    async def _open_broker(self) -> Broker | None:
        """The account's broker, however long it takes. None when asked to stop, or the lease is lost, first."""
        said = ""
        while not self._over.is_set():
            try:
                return await self._open()
            except NotYet as error:
                if str(error) != said:  # an outage of a night is one line, not sixty thousand
                    said = str(error)
                    log.warning("waiting for venue %s: %s", self._account.venue, said, extra=self._about("venue_opened"))
                self._say(False, f"waits for venue {self._account.venue}: {said}")
            await asyncio.sleep(OPEN_AGAIN_S)
        return None

    async def _trade_with(self, broker: Broker) -> None:
        floor = Floor(broker, self._show)
        reader = MarketReader(
            self._context.name,
            self._context.database("market"),
            self._context.bus,
            self._context.clock,
            self._session,
            "venue",
            floor.ticks,
        )
        sender = Sender(broker, self._lease, self._context.clock, self._show, self._gate)
        self._stage = stage = ExecutionStage(
            self._store,
            reader.market,
            self._context.clock,
            self._context.sealer,
            self._lease,
            account=self._account,
            session=self._session,
            instruments=self._instruments,
            venue=broker,
            start=sender.start,
            quotes=floor.quotes,
            gate=self._gate,
            pace=sender.pace,
            fleet_tag=self._fleet_tag,
            badly_beyond=self._badly_beyond,
            silence=Silence(self._instruments, self._session, floor.quotes, self._ground.bounds) if self._ground else None,
            last_look=LastLook(
                self._store,
                self._account,
                self._session,
                self._instruments,
                floor.quotes,
                LimitsInForce(self._database, self._context.clock),
                self._widest_collar,
            ),
        )
        self._reconciler = reconciler = self._a_reconciler(broker, sender)
        trading = asyncio.Event()
        ground = self._a_ground_watch(broker, trading)
        consumer = Consumer(self._journal, self._lease.name, stage, self._bell, lambda: self._lease.epoch)
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(reader.listen()),
                group.create_task(self._context.bus.listen([ORDERS_APPROVED.address, CONTROL.of(SERVICE)], self._ring, self._bell.ring)),
                group.create_task(self._play(floor, reader)),
                group.create_task(self._reports(broker)),
                group.create_task(self._watch_link(broker, trading)),
                *map(group.create_task, stopping.guards(self._context, self._gate, stage, broker, sender, self._bell.ring)),
            ]
            background += map(group.create_task, ground.tasks() if ground else ())
            await self._prepare(reconciler, consumer)
            if ground:
                await ground.begun(self._over, partial(self._say, False))
            background.append(group.create_task(reconciler.run()))
            background.append(group.create_task(dead_man.keep_armed(broker, self._account)))
            self._say(True, self._trading)
            trading.set()
            await consumer.run(self._over)
            await sender.drain()
            while self._lease.held() and (await consumer.step(wait=False) or sender.in_flight):
                await sender.drain()  # an answer is evidence for one more hop
            await ended(*background)
            if ground and self._lease.held():
                await ground.leave()
            if self._lease.held():  # else whoever took over keeps it armed
                await dead_man.leave(broker, self._account, self._on_disconnect)

    # --- the market, and the venue's own word

    async def _play(self, floor: Floor, reader: MarketReader) -> None:
        """Closed bars to the venue, where it plays along, then the time they closed at."""
        while not reader.finished:
            try:
                for closing in await reader.closings():
                    floor.hear(closing.bars, closing.market_time)
                    if closing.step:
                        self._stage.finish_step(closing.step)
                        self._bell.ring()
            except Unreachable as error:
                log.warning("bars wait for the database: %s", error, extra=self._about("database_lost"))
                await asyncio.sleep(0.2)
            floor.hear((), reader.settled)
            if self._stage.dispatch.overdue():
                self._bell.ring()
        self._over.set()
        self._bell.ring()

    async def _reports(self, broker: Broker) -> None:
        while True:
            try:
                reports = await reconcile.answered(broker.next_reports(), "its reports")
                if any(isinstance(report, Fill) for report in reports):
                    reached("CP14")
                self._show(evidence_of(reports))
            except OutcomeUnknown as error:
                log.error("reports of venue %s are not read: %s", self._account.venue, error, extra=self._about("reports_read"))
                await asyncio.sleep(LOOK_UP_EVERY_S)

    async def _watch_link(self, broker: Broker, trading: asyncio.Event) -> None:
        """Publishes how the connection is; an outage that lasts is the service's, once the desk trades."""
        clock = self._context.clock
        heard, away, said = clock.monotonic(), False, self._trading
        while True:
            self.link = link = links.shown(self._account, broker.link())
            heard = clock.monotonic() if link.up else heard
            if trading.is_set():
                was, away = away, clock.monotonic() - heard > AWAY_S
                now = f"venue {self._account.venue} is away: {link.detail}" if away else self._trading
                if now != said:
                    said = now
                    self._say(not away, said)
                if away and not was and self._on_disconnect == "cancel":  # now, where requests still arrive; else when it is back
                    self._stage.dispatch.withdraw()
                    self._bell.ring()
            await asyncio.sleep(links.EVERY_S)

    @property
    def _trading(self) -> str:
        if not self._stage.dispatch.armed:
            return f"nothing of {self._account.account_id} is sent before venue {self._account.venue} has been looked at again"
        held_back = "; ".join([*filter(None, [self._held_back]), *(f"{reason.text} ({reason.code})" for reason in self._gate.unfit)])
        only = f"; nothing is sent that adds to a book: {held_back}" if held_back else ""
        return f"trading {self._account.account_id}, epoch {self._lease.epoch}{only}"

    # --- the record

    def _a_reconciler(self, broker: Broker, sender: Sender) -> Reconciler:
        store = ReconcileStore(self._looking, self._account.account_id, self._account.venue, Guard(self._lease.name, self._lease.epoch))
        return Reconciler(
            broker,
            self._stage,
            sender,
            self._store,
            store,
            self._looking,
            self._context.clock,
            account=self._account,
            session=self._session,
            instruments=self._instruments,
            fleet_tag=self._fleet_tag,
            show=self._show,
            undecided=self._undecided,
        )

    def _a_ground_watch(self, broker: Broker, trading: asyncio.Event) -> GroundWatch | None:
        if self._ground is None:
            return None

        def said() -> None:
            if trading.is_set() and broker.link().up:
                self._say(True, self._trading)

        return GroundWatch(
            self._ground,
            self._gate,
            self._context.database(f"ground:{self._account.account_id}"),
            self._context.database(f"disarmed:{self._account.account_id}"),
            self._context.clock,
            self._lease,
            account=self._account,
            lockstep=self._session.lockstep,
            reached=lambda: broker.link().up,
            pending=lambda: self._held_back if self._stage.dispatch.armed or not trading.is_set() else self._trading,
            said=said,
        )

    def _undecided(self, said: str) -> None:
        """What holds the account back has changed; "" when nothing does any more."""
        self._held_back = said
        if self._stage.dispatch.armed:
            self._say(True, self._trading)
            self._bell.ring()

    async def _prepare(self, reconciler: Reconciler, consumer: Consumer) -> None:
        """Before the first order: the deposit is booked, and a whole look has agreed, or what differs is on record."""
        guard = Write("select lease_guard(%s, %s)", (self._lease.name, self._lease.epoch))
        while not self._over.is_set():
            wait_s = 0.2
            try:
                await self._store.deposit(guard)
                await self._stage.load()
                await reconciler.arm(partial(consumer.step, wait=False))
                channels = (ORDERS_UPDATES, TRADES_EXECUTED, PORTFOLIO_UPDATES)
                await self._journal.ring_last({c.stream: c.address for c in channels if c.stream})
                return
            except Unreachable as error:
                log.warning("reconciliation waits for the database: %s", error, extra=self._about("database_lost"))
            except OutcomeUnknown as error:
                self._say(False, f"nothing is ordered yet: reconciles with venue {self._account.venue}: {error}")
                reconciler.unanswered(error)
                wait_s = LOOK_UP_EVERY_S
            await asyncio.sleep(wait_s)

    # --- wiring

    def _show(self, evidence: Sequence[News]) -> None:
        if evidence:
            self._stage.show(evidence)
            self._bell.ring()

    def _about(self, action: str) -> dict[str, object]:
        """Of a log line that says what did not work."""
        account, session = self._account.account_id, self._session.session_id
        return about(action, "failure", lease=self._lease.name, account_id=account, session_id=session)

    def _ring(self, channel: str, payload: bytes) -> None:
        """Orders of other accounts are passed over at the next look; in lockstep at once, for everybody has to be through."""
        if self._session.lockstep or accounts_of(payload) & {self._account.account_id, ""}:
            self._bell.ring()

    def _lost(self, reason: str) -> None:
        log.error("lease lost: %s", reason, extra=self._about("lease_lost"))
        self._over.set()
        self._bell.ring()

    async def _end(self) -> None:
        await self._context.stopping.wait()
        self._over.set()
        self._bell.ring()


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
