"""The desk of an account as trade_executor runs it, on the real record and bus, before whatever broker a test gives it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec

from libs.common.bus import RedisBus
from libs.common.clocks import SystemClock
from libs.common.consumer import Bell
from libs.common.database import Database
from libs.common.envelope import Sealer
from libs.common.journal import Hop, Outgoing, PostgresJournal
from libs.common.runner import Context
from libs.common.settings import Settings
from libs.domain.configuration import OnDisconnect
from libs.domain.instruments import Instrument
from libs.domain.orders import CancelRequest, Order
from libs.domain.streams import ORDERS_UPDATES
from libs.store import risk
from libs.store.risk import Assessment
from libs.store.sessions import Account, Session
from services.data_collector.publish import Publisher
from services.trade_executor.app import Attendance
from services.trade_executor.brokers import Open
from services.trade_executor.desk import AccountDesk
from services.trade_executor.disarming import Ground
from tests.factories import NOON, SECOND
from tests.paper import a_quote, an_order
from tests.scenes import GRACE, SESSION

NOW = NOON + GRACE


def an_approval(n: int = 1, strategy_id: str = "fast", starts: int = NOON, rests_s: int = 10, **changed: Any) -> Order:
    """A buy of 10 ALFA that may be sent for five seconds and rests for ten."""
    order = an_order(n, decided_at=starts, expires_at=starts + rests_s * SECOND, **changed)
    return msgspec.structs.replace(order, venue="paper", strategy_id=strategy_id, valid_until=starts + 5 * SECOND)


class Approvals:
    """risk_manager's part of the conversation."""

    def __init__(self, journal: PostgresJournal) -> None:
        self._journal = journal
        self._sealer = Sealer("risk_manager", SystemClock())

    async def approve(self, *orders: Order) -> None:
        assessments = [
            Assessment(o.signal_id, o.session_id, o.account_id, o.strategy_id, o.symbol, "APPROVED", "", "", "", "", "[]") for o in orders
        ]
        writes = [risk.store_assessments(assessments), risk.store_orders(orders, 1)]
        await self._journal.commit(Hop(writes=writes, out=[self._out(order, order) for order in orders]))

    async def cancel(self, order: Order) -> None:
        request = CancelRequest(order_id=order.order_id, account_id=order.account_id, reason="superseded")
        await self._journal.commit(Hop(out=[self._out(order, request)]))

    def _out(self, order: Order, payload: object) -> Outgoing:
        sealed = self._sealer.seal("orders.approved", payload, ts_event_ns=NOW)
        return Outgoing("orders.approved", "orders.approved", order.order_id, sealed)


async def statuses(database: Database) -> list[str]:
    return [row[0] for row in await database.fetch("select status from orders order by id")]


class Service:
    """The whole desk of an account in this process, on the real bus."""

    def __init__(self, context: Context, database: Database, publisher: Publisher, risk: Approvals, bell: Bell) -> None:
        self.context = context
        self.risk = risk
        self._database = database
        self._publisher = publisher
        self._bell = bell

    async def hears(self, now: int) -> None:
        """Plays the clock once, and lets what it sets in motion begin."""
        await self._publisher.send(now, clock=self._publisher.clock(now))
        await self._bell.wait(0.05)

    async def says(self, now: int) -> None:
        """The market clock stands there."""
        await self._publisher.send(now, clock=self._publisher.clock(now))

    async def comes_to(self, *wanted: str, quote: int | None = None, clock: int | None = None) -> None:
        """Plays a quote and its clock, or the clock alone, again and again as nobody may listen yet, until the orders stand so."""
        async with asyncio.timeout(10):
            while await statuses(self._database) != list(wanted):
                if quote is not None:
                    self._publisher.add(a_quote(quote))
                if (now := quote or clock) is not None:
                    await self._publisher.send(now, clock=self._publisher.clock(now))
                await self._bell.wait(0.1)


@asynccontextmanager
async def a_desk(
    url: str,
    redis_url: str,
    account: Account,
    database: Database,
    access: Open,
    instruments: Mapping[str, Instrument],
    session: Session = SESSION,
    on_disconnect: OnDisconnect = "keep",
    state_dir: str = ".state",
    ground: Ground | None = None,
    clock: SystemClock | None = None,
) -> AsyncIterator[Service]:
    """The desk at work, until the body is left: then asked to stop, as by SIGTERM."""
    settings = Settings(database_url=url, redis_url=redis_url, state_dir=state_dir)
    context, bus, bell = Context("trade_executor", settings), RedisBus(redis_url), Bell()
    context.clock = clock or context.clock
    sealer = Sealer("data_collector", context.clock)
    sealer.key = session.key
    sealer.session_id = context.sealer.session_id = session.session_id
    publisher = Publisher(bus, sealer, context.clock, session.session_id, session.speed)
    listening = asyncio.create_task(bus.listen([ORDERS_UPDATES.address], lambda *_: bell.ring(), bell.ring))
    attendance = Attendance(context.readiness, [account.account_id])
    say = partial(attendance.say, account.account_id)
    desk = AccountDesk(context, session, account, instruments, access, say, on_disconnect=on_disconnect, ground=ground)
    working = asyncio.create_task(desk.run())
    try:
        yield Service(context, database, publisher, Approvals(PostgresJournal(database, bus, context.clock)), bell)
        context.stopping.set()
        await working
    finally:
        working.cancel()
        listening.cancel()
        await context.close()
        await bus.close()
