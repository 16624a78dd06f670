"""One account's desk: its broker, its books, and the tasks between them, under the account's lease."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from libs.common import metrics
from libs.common.consumer import Bell, Consumer
from libs.common.crash_points import reached
from libs.common.database import LeaseLost, Unreachable, Write
from libs.common.journal import PostgresJournal
from libs.common.leases import Lease
from libs.common.logs import about
from libs.common.runner import Context
from libs.domain.configuration import OnDisconnect
from libs.domain.instruments import Instrument
from libs.domain.orders import Status
from libs.domain.streams import CONTROL, ORDERS_APPROVED, ORDERS_UPDATES, PORTFOLIO_UPDATES, TRADES_EXECUTED
from libs.domain.trades import Fill
from libs.store import control
from libs.store.execution import ExecutionStore
from libs.store.market_reader import MarketReader
from libs.store.sessions import Account, Session
from libs.venues.broker import Broker, Link, OutcomeUnknown
from libs.venues.reconnecting import ended
from services.trade_executor import dead_man, links, reconcile
from services.trade_executor.absence import Absences, never_accepted
from services.trade_executor.brokers import NotYet, Open
from services.trade_executor.evidence import News
from services.trade_executor.floor import Floor
from services.trade_executor.hop import Held
from services.trade_executor.links import Standing
from services.trade_executor.reconcile import Asked
from services.trade_executor.reserve import Reserve, Warm, nothing_to_load
from services.trade_executor.send import Sender, evidence_of
from services.trade_executor.stage import ExecutionStage

log = logging.getLogger(__name__)

SERVICE: Final = "trade_executor"  # by whichever name this process runs
RECONCILE_EVERY_S: Final = 30.0
LOOK_UP_EVERY_S: Final = 1.0
LOOK_UP_AT_MOST_S: Final = 15.0  # a venue that leaves an order in doubt is asked ever less often: its request budget is needed for cancels
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
    ) -> None:
        self._context = context
        self._session = session
        self._account = account
        self._instruments = instruments
        self._open = open_
        self._say = say
        self._on_disconnect = on_disconnect
        name = account.account_id
        self._database = context.database(f"executor:{name}")
        self._looking = context.database(f"orders:{name}")  # a question that no hop has to wait for
        self._journal = PostgresJournal(self._database, context.bus, context.clock)
        self._store = ExecutionStore(self._database, account)
        self._lease = Lease(context.database("lease"), f"executor:{name}", context.holder, context.clock)
        self._reserve = Reserve(say, [self._database, self._looking], warm)
        self._bell = Bell()
        self._over = asyncio.Event()  # asked to stop, the session has ended, or the lease is lost
        self._absences = Absences()
        self._read_to: int | None = None  # market time at which the venue's fills were read last
        self._looked_at: float | None = None  # when the venue last answered a look, whole
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
        looked_s = None if self._looked_at is None else round(self._context.clock.monotonic() - self._looked_at, 1)
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
                self.link = self._looked_at = None
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
        sender = Sender(broker, self._lease, self._context.clock, self._show)
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
        )
        trading = asyncio.Event()
        consumer = Consumer(self._journal, self._lease.name, stage, self._bell, lambda: self._lease.epoch)
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(reader.listen()),
                group.create_task(self._context.bus.listen([ORDERS_APPROVED.address, CONTROL.of(SERVICE)], self._ring, self._bell.ring)),
                group.create_task(self._play(floor, reader)),
                group.create_task(self._reports(broker)),
                group.create_task(self._watch_link(broker, trading)),
            ]
            await self._prepare(broker, sender)
            background.append(group.create_task(self._reconcile(broker, sender)))
            background.append(group.create_task(dead_man.keep_armed(broker, self._account)))
            self._say(True, self._trading)
            trading.set()
            await consumer.run(self._over)
            await sender.drain()
            while self._lease.held() and (await consumer.step(wait=False) or sender.in_flight):
                await sender.drain()  # an answer is evidence for one more hop
            await ended(*background)
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
            if self._stage.overdue():
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
        heard, away = clock.monotonic(), False
        while True:
            self.link = link = links.shown(self._account, broker.link())
            heard = clock.monotonic() if link.up else heard
            if trading.is_set() and away != (clock.monotonic() - heard > AWAY_S):
                away = not away
                self._say(not away, f"venue {self._account.venue} is away: {link.detail}" if away else self._trading)
                if away and self._on_disconnect == "cancel":  # now, where requests still arrive; else when it is back
                    self._stage.withdraw()
                    self._bell.ring()
            await asyncio.sleep(links.EVERY_S)

    @property
    def _trading(self) -> str:
        return f"trading {self._account.account_id}, epoch {self._lease.epoch}"

    # --- the record

    async def _prepare(self, broker: Broker, sender: Sender) -> None:
        """Before the first order: the deposit is booked, and what happened while nobody looked is known."""
        guard = Write("select lease_guard(%s, %s)", (self._lease.name, self._lease.epoch))
        while not self._over.is_set():
            wait_s = 0.2
            try:
                await self._store.deposit(guard)
                await self._stage.load()
                await self._look(broker, sender, self._stage.unresolved())
                self._cancel_again(sender)
                channels = (ORDERS_UPDATES, TRADES_EXECUTED, PORTFOLIO_UPDATES)
                await self._journal.ring_last({c.stream: c.address for c in channels if c.stream})
                return
            except Unreachable as error:
                log.warning("reconciliation waits for the database: %s", error, extra=self._about("database_lost"))
            except OutcomeUnknown as error:
                self._say(False, f"reconciles with venue {self._account.venue}: {error}")
                self._unanswered(error)
                wait_s = LOOK_UP_EVERY_S
            await asyncio.sleep(wait_s)

    async def _look(self, broker: Broker, sender: Sender, held: Sequence[Held]) -> None:
        """Asks the venue what became of orders, then for what it has filled: so the fills an end speaks of come before it.

        Raises:
            OutcomeUnknown: it did not answer all of it. What it did answer is shown.
        """
        began = self._stage.market_time()
        found = await reconcile.looked_up(broker, held, sender.in_flight)
        owing = reconcile.owing_since(held, found.shown)
        missed = await reconcile.missed(broker, self._store, self._account.account_id, self._session, self._read_to, owing)
        self._read_to = began or None  # 0: nobody has said the time yet
        if missed or found.shown:
            reached("CP19")
        self._show([*missed, *found.shown])
        absent = self._absences.note(held, found.absent, self._context.clock.monotonic())
        if settled := await never_accepted(broker, self._store, absent):
            self._absences.settled(shown.client_order_id for shown in settled)
            self._show(settled)
        if found.unanswered:
            raise OutcomeUnknown(f"{len(found.unanswered)} orders could not be looked up: {found.unanswered[0]}")
        self._looked_at = self._context.clock.monotonic()

    async def _reconcile(self, broker: Broker, sender: Sender) -> None:
        """Unknown orders each second, everything each half minute, after each reconnection, and when somebody asks for it."""
        asked = Asked(self._context.clock, every_s=RECONCILE_EVERY_S)
        patience = reconcile.Patience(LOOK_UP_EVERY_S, LOOK_UP_EVERY_S if broker.abilities.absence_is_proof else LOOK_UP_AT_MOST_S)
        while True:
            try:
                doubtful = [h for h in self._stage.unresolved() if self._in_doubt(h, sender)]
                if asked.now(await control.asked_to_reconcile(self._looking), connected=broker.link().up):
                    await self._look(broker, sender, self._stage.unresolved())
                    self._cancel_again(sender)
                    await self._compare(broker)
                elif patience.wants({h.order.client_order_id for h in doubtful}, self._context.clock.monotonic()):
                    await self._look(broker, sender, doubtful)
            except Unreachable as error:
                log.warning("reconciliation waits for the database: %s", error, extra=self._about("database_lost"))
            except OutcomeUnknown as error:
                asked.again()
                self._unanswered(error)
            await asyncio.sleep(LOOK_UP_EVERY_S)

    def _in_doubt(self, held: Held, sender: Sender) -> bool:
        """Only the venue knows what became of it: no answer, a fill not heard of, or an intent whose commit was not answered, and
        that was never sent."""
        if held.status in (Status.SUBMITTING, Status.PENDING_REPLACE):
            return self._stage.settled and held.order.client_order_id not in sender.in_flight
        return held.owed or held.status in (Status.UNKNOWN, Status.CANCEL_UNKNOWN, Status.REPLACE_UNKNOWN)

    def _cancel_again(self, sender: Sender) -> None:
        """Cancels whose request may never have left are asked for once more: asking twice does no harm."""
        asked = (Status.PENDING_CANCEL, Status.CANCEL_UNKNOWN)
        waiting = [h.order for h in self._stage.unresolved() if h.status in asked and h.order.client_order_id not in sender.in_flight]
        sender.start([], waiting)

    async def _compare(self, broker: Broker) -> None:
        """Ledger against venue. Only what two looks see alike counts: one alone may have met a fill on its way into the books."""
        found = await reconcile.differences(broker, self._store)
        if found:
            await asyncio.sleep(reconcile.agree_after_s(broker))
            if not self._stage.settled:
                return
            found = reconcile.agreed(found, await reconcile.differences(broker, self._store))
        metrics.RECONCILE_DIFFERENCES.labels(account=self._account.account_id).set(len(found))
        if found:
            differ = self._about("ledger_compared")
            log.critical("account %s: ledger and venue differ: %s", self._account.account_id, "; ".join(map(str, found)), extra=differ)

    # --- wiring

    def _show(self, evidence: Sequence[News]) -> None:
        if evidence:
            self._stage.show(evidence)
            self._bell.ring()

    def _unanswered(self, error: OutcomeUnknown) -> None:
        log.warning("venue %s does not say: %s", self._account.venue, error, extra=self._about("reconciled"))

    def _about(self, action: str) -> dict[str, object]:
        """Of a log line that says what did not work."""
        account, session = self._account.account_id, self._session.session_id
        return about(action, "failure", lease=self._lease.name, account_id=account, session_id=session)

    def _ring(self, channel: str, payload: bytes) -> None:
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
