"""trade_executor: approved orders to the broker, fills into the books. One task group per account, under its lease."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from libs.common.consumer import Bell, Consumer
from libs.common.database import LeaseLost, Unreachable, Write
from libs.common.journal import PostgresJournal
from libs.common.leases import Lease
from libs.common.logs import about
from libs.common.runner import Context
from libs.common.settings import Settings, from_toml
from libs.domain.actions import CorporateAction, happening
from libs.domain.configuration import PaperConfig, SystemConfig
from libs.domain.instruments import Instrument
from libs.domain.market import Quote, TradeTick
from libs.domain.orders import Status
from libs.domain.streams import CONTROL, ORDERS_APPROVED, ORDERS_UPDATES, PORTFOLIO_UPDATES, TRADES_EXECUTED
from libs.quant.fills import terms_of
from libs.store import actions, control, sessions
from libs.store.execution import ExecutionStore
from libs.store.market_reader import MarketReader
from libs.store.sessions import Account, Session
from libs.venues.line_file import LineFileLocked
from libs.venues.paper.broker import PaperBroker
from services.trade_executor import reconcile
from services.trade_executor.hop import Held
from services.trade_executor.send import Sender, evidence_of
from services.trade_executor.stage import ExecutionStage, News

log = logging.getLogger(__name__)

RECONCILE_EVERY_S: Final = 30.0
LOOK_UP_EVERY_S: Final = 1.0
AGREE_AFTER_S: Final = 2.0


async def work(context: Context, settings: Settings) -> None:
    """Trades the accounts of whatever session is playing, until asked to stop."""
    system = from_toml(SystemConfig, Path(settings.config_dir), "system", settings.environment)
    database = context.database("sessions")
    while not context.stopping.is_set():
        session = await sessions.awaited(database, context.stopping)
        if session is None:
            return
        context.sealer.session_id = session.session_id
        accounts = await sessions.accounts(database, session.session_id)
        instruments = await sessions.instruments(database, session.venue)
        upcoming = within(session, await actions.of_venue(database, session.venue))
        async with asyncio.TaskGroup() as group:
            for account in accounts:
                group.create_task(AccountDesk(context, settings, system.paper, session, account, instruments, upcoming).run())


class AccountDesk:
    """One account of one session: its broker, its books, and the tasks between them."""

    def __init__(
        self,
        context: Context,
        settings: Settings,
        paper: PaperConfig,
        session: Session,
        account: Account,
        instruments: Mapping[str, Instrument],
        upcoming: Sequence[CorporateAction] = (),
    ) -> None:
        self._context = context
        self._path = Path(settings.state_dir) / "paper" / f"{account.account_id}.log"
        self._paper = paper
        self._session = session
        self._account = account
        self._instruments = instruments
        self._upcoming = upcoming
        name = account.account_id
        self._database = context.database(f"executor:{name}")
        self._looking = context.database(f"orders:{name}")  # a question that no hop has to wait for
        self._journal = PostgresJournal(self._database, context.bus, context.clock)
        self._store = ExecutionStore(self._database, account)
        self._lease = Lease(context.database("lease"), f"executor:{name}", context.holder, context.clock)
        self._bell = Bell()
        self._over = asyncio.Event()  # asked to stop, the session has ended, or the lease is lost

    async def run(self) -> None:
        """Waits for the account's lease, reconciles, then trades while it is ours; again when it was lost."""
        while not self._context.stopping.is_set():
            self._over.clear()
            if not await self._lease.acquire(ExecutionStage.streams, self._context.stopping):
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
            self._context.readiness.set("service", False, "lease lost")
        try:
            await self._lease.release()
        except Unreachable as error:
            log.warning("lease %s not released, it will run out: %s", self._lease.name, error, extra=self._about("lease_released"))

    async def _trade(self) -> bool:
        """Under the lease: until asked to stop or the session has ended (True), or the lease is lost."""
        broker = await self._open_broker()
        if broker is None:
            return self._context.stopping.is_set()
        reader = MarketReader(
            self._context.name,
            self._context.database("market"),
            self._context.bus,
            self._context.clock,
            self._session,
            "venue",
            self._ticks(broker),
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
            start=sender.start,
        )
        consumer = Consumer(self._journal, self._lease.name, stage, self._bell, lambda: self._lease.epoch)
        try:
            async with asyncio.TaskGroup() as group:
                background = [
                    group.create_task(reader.listen()),
                    group.create_task(
                        self._context.bus.listen([ORDERS_APPROVED.address, CONTROL.of(self._context.name)], self._ring, self._bell.ring)
                    ),
                    group.create_task(self._end()),
                    group.create_task(self._play(broker, reader)),
                    group.create_task(self._reports(broker)),
                ]
                await self._prepare(broker, sender)
                background.append(group.create_task(self._reconcile(broker, sender)))
                self._context.readiness.set("service", True, f"trading {self._account.account_id}, epoch {self._lease.epoch}")
                await consumer.run(self._over)
                await sender.drain()
                while self._lease.held() and (await consumer.step(wait=False) or sender.in_flight):
                    await sender.drain()  # an answer is evidence for one more hop
                for task in background:
                    task.cancel()
        finally:
            broker.close()
        return self._lease.held() or self._context.stopping.is_set()

    # --- the venue

    async def _open_broker(self) -> PaperBroker | None:
        """The account's paper venue. Its book may still be in a dying predecessor's hands: wait, never share.

        None when asked to stop, or the lease is lost, first.
        """
        fills = self._session.fills
        aggregated_bars = self._session.grace_ns if "bar" in fills["on"].values() else 0
        terms = terms_of(fills.get("terms") or msgspec.structs.asdict(self._paper))  # what a session began with it keeps
        while not (self._over.is_set() or self._context.stopping.is_set()):
            try:
                return PaperBroker.open(
                    self._path,
                    self._account.account_id,
                    self._instruments,
                    fills["on"],
                    terms,
                    {self._account.base_currency: self._account.deposit},
                    fills["latency_ns"],
                    clock=self._context.clock,
                    allow_short=self._account.allow_short,
                    bar_grace_ns=aggregated_bars,
                    actions=self._upcoming,
                )
            except LineFileLocked as error:
                log.warning("waiting for the paper book: %s", error, extra=self._about("book_opened"))
                await asyncio.sleep(0.5)
        return None

    def _ticks(self, broker: PaperBroker) -> Callable[[Sequence[Quote | TradeTick]], None]:
        def hear(ticks: Sequence[Quote | TradeTick]) -> None:
            broker.on_market(ticks, 0)  # expiry is for the clock to say: another symbol's ticks of this time may follow
            self._show_reports(broker)

        return hear

    async def _play(self, broker: PaperBroker, reader: MarketReader) -> None:
        """Closed bars to the venue, then the time they closed at."""
        while not reader.finished:
            try:
                for closing in await reader.closings():
                    broker.on_market(closing.bars, closing.market_time)
                    self._show_reports(broker)
                    if closing.step:
                        self._stage.finish_step(closing.step)
                        self._bell.ring()
            except Unreachable as error:
                log.warning("bars wait for the database: %s", error, extra=self._about("database_lost"))
                await asyncio.sleep(0.2)
            broker.on_market((), reader.settled)
            self._show_reports(broker)
        self._over.set()
        self._bell.ring()

    def _show_reports(self, broker: PaperBroker) -> None:
        if reports := broker.drain_reports():
            self._show(evidence_of(reports))

    async def _reports(self, broker: PaperBroker) -> None:
        while True:
            self._show(evidence_of(await broker.next_reports()))

    # --- the record

    async def _prepare(self, broker: PaperBroker, sender: Sender) -> None:
        """Before the first order: the deposit is booked, and what happened while nobody looked is known."""
        guard = Write("select lease_guard(%s, %s)", (self._lease.name, self._lease.epoch))
        while not self._over.is_set():
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
                await asyncio.sleep(0.2)

    async def _look(self, broker: PaperBroker, sender: Sender, held: Sequence[Held]) -> None:
        missed = await reconcile.missed(broker, self._store, self._account.account_id, self._session)
        self._show([*missed, *await reconcile.looked_up(broker, held, sender.in_flight)])

    async def _reconcile(self, broker: PaperBroker, sender: Sender) -> None:
        """Unknown orders each second, everything each half minute, and whenever somebody asks for it."""
        next_full = 0.0
        obeyed = None
        while True:
            try:
                unknown = [h for h in self._stage.unresolved() if self._in_doubt(h, sender)]
                now = self._context.clock.monotonic()
                asked = await control.asked_to_reconcile(self._looking)
                if now >= next_full or asked != obeyed:
                    obeyed, next_full = asked, now + RECONCILE_EVERY_S
                    await self._look(broker, sender, self._stage.unresolved())
                    self._cancel_again(sender)
                    await self._compare(broker)
                elif unknown:
                    await self._look(broker, sender, unknown)
            except Unreachable as error:
                log.warning("reconciliation waits for the database: %s", error, extra=self._about("database_lost"))
            await asyncio.sleep(LOOK_UP_EVERY_S)

    def _in_doubt(self, held: Held, sender: Sender) -> bool:
        """Only the venue knows what became of it: no answer, or an intent whose commit was not answered and so was never sent."""
        if held.status is Status.SUBMITTING:
            return self._stage.settled and held.order.client_order_id not in sender.in_flight
        return held.status in (Status.UNKNOWN, Status.CANCEL_UNKNOWN)

    def _cancel_again(self, sender: Sender) -> None:
        """Cancels whose request may never have left are asked for once more: asking twice does no harm."""
        asked = (Status.PENDING_CANCEL, Status.CANCEL_UNKNOWN)
        waiting = [h.order for h in self._stage.unresolved() if h.status in asked and h.order.client_order_id not in sender.in_flight]
        sender.start([], waiting)

    async def _compare(self, broker: PaperBroker) -> None:
        """Ledger against venue. Only two looks that agree count: the first may have met a fill on its way into the books."""
        if not await reconcile.differences(broker, self._store):
            return
        await asyncio.sleep(AGREE_AFTER_S)
        if self._stage.settled and (found := await reconcile.differences(broker, self._store)):
            differ = self._about("ledger_compared")
            log.critical("account %s: ledger and venue differ: %s", self._account.account_id, "; ".join(found), extra=differ)

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
        self._bell.ring()

    def _lost(self, reason: str) -> None:
        log.error("lease lost: %s", reason, extra=self._about("lease_lost"))
        self._over.set()
        self._bell.ring()

    async def _end(self) -> None:
        await self._context.stopping.wait()
        self._over.set()
        self._bell.ring()


def within(session: Session, found: Sequence[CorporateAction]) -> list[CorporateAction]:
    """The corporate actions that the session plays."""
    return happening(found, session.start_time, session.fills["on"])


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
