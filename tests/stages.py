"""The stage and the sender of an account without the desk around them: nothing happens but in a `turn`."""

import asyncio
from typing import Any, Final

from libs.common.bus import MemoryBus
from libs.common.clocks import MarketClock
from libs.common.consumer import Bell, Consumer
from libs.common.database import Database, Write
from libs.common.envelope import Sealer
from libs.common.journal import PostgresJournal
from libs.common.leases import Lease
from libs.domain.orders import Order
from libs.store.execution import ExecutionStore
from libs.store.sessions import Account
from libs.venues.broker import Broker
from services.trade_executor import reconcile
from services.trade_executor.send import Sender
from services.trade_executor.stage import ExecutionStage
from tests.desks import NOW, Approvals
from tests.factories import HandClock
from tests.paper import ALFA, COIN
from tests.scenes import SESSION

INSTRUMENTS: Final = {"ALFA": ALFA, "BTC/USD": COIN}


class Desk:
    """The stage and the sender of one account, before a venue. Nothing happens but in `turn`."""

    def __init__(
        self,
        database: Database,
        account: Account,
        broker: Broker,
        *,
        sends: bool = True,
        host: HandClock | None = None,
        fleet_tag: str = "",
    ) -> None:
        self.database = database
        self.host = host or HandClock()
        self.market = MarketClock(self.host)
        self.market.hear(NOW, 1.0)
        self.broker = broker
        self.account_id = account.account_id
        self.store = ExecutionStore(database, account)
        self.lease = Lease(database, "executor:paper", "one", self.host)
        self.sender = Sender(broker, self.lease, self.host, lambda evidence: self.stage.show(evidence))
        self.stage = ExecutionStage(
            self.store,
            self.market,
            self.host,
            Sealer("trade_executor", self.host),
            self.lease,
            account=account,
            session=SESSION,
            instruments=INSTRUMENTS,
            venue=broker,
            start=self.sender.start if sends else lambda orders, cancels: None,
            fleet_tag=fleet_tag,
        )
        journal = PostgresJournal(database, MemoryBus(), self.host)
        self.consumer = Consumer(journal, self.lease.name, self.stage, Bell(), lambda: self.lease.epoch)
        self.risk = Approvals(journal)

    async def begin(self) -> "Desk":
        """What a service does before its first order."""
        assert await self.lease.acquire(ExecutionStage.streams, asyncio.Event())
        await self.store.deposit(Write("select lease_guard(%s, %s)", (self.lease.name, self.lease.epoch)))
        await self.stage.load()
        await self.look()
        self.stage.dispatch.armed = True
        return self

    async def look(self) -> None:
        """What the venue knows and we do not."""
        held = self.stage.unresolved()
        found = (await reconcile.looked_up(self.broker, held, self.sender.in_flight)).shown
        owing = reconcile.owing_since(held, found)
        self.stage.show(await reconcile.missed(self.broker, self.store, self.account_id, SESSION, owing_since=owing))
        await self.show(*found)

    async def turn(self) -> None:
        """Until nothing is left to decide and every request has its answer."""
        while not self.stage.settled or await self.consumer.step(wait=False):
            await self.consumer.drain()
            await self.sender.drain()

    async def trade(self, *orders: Order) -> None:
        await self.risk.approve(*orders)
        await self.turn()

    async def show(self, *evidence: Any) -> None:
        self.stage.show(evidence)
        await self.turn()
