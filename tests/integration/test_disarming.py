"""The state of the system at a desk: what disarms it, what goes meanwhile, and that it is armed again by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from libs.common.clocks import SystemClock
from libs.common.database import Database
from libs.common.envelope import Sealer, array, numbered
from libs.domain.configuration import GuardsConfig
from libs.domain.guards import Build
from libs.domain.health import judge
from libs.domain.observed import Seen
from libs.domain.orders import Order
from libs.domain.streams import ORDERS_APPROVED
from libs.store import builds, disarmed, monitoring
from libs.store.risk import RiskStore
from libs.store.sessions import Account
from services.trade_executor.disarming import Ground
from tests.desks import NOW, Service, a_desk, an_approval, statuses
from tests.factories import SECOND
from tests.paper import ALFA, COIN
from tests.scenes import SESSION, begin
from tests.scripted_broker import ScriptedBroker, a_fill
from tests.waiting import until, until_so

INSTRUMENTS = {"ALFA": ALFA, "BTC/USD": COIN}
OWN = Build("trade_executor", "me", "1.4.0", builds.SCHEMA, "c0ffee")
RISK = OWN._replace(service="risk_manager", instance="risk")

EASY = GuardsConfig(disk_free=0.0001, disk_free_gib=0.0, memory_available=0.0001, loop_lag_s=30.0, journal_lag_s=300.0, calm_s=0.3)
"""Bounds that whatever machine the tests run on keeps."""
FULL = msgspec.structs.replace(EASY, disk_free=1.0)


class Settable(SystemClock):
    """The host's clock, which somebody sets."""

    ahead_s = 0.0

    def now_ns(self) -> int:
        return super().now_ns() + int(self.ahead_s * SECOND)


@pytest.fixture
async def account(database: Database) -> Account:
    return await begin(database)


class Standing:
    """A desk on its ground, before a venue that takes every order."""

    def __init__(self, desk: Service, venue: ScriptedBroker, database: Database, clock: Settable) -> None:
        self.desk = desk
        self.venue = venue
        self.clock = clock
        self._database = database

    async def keys(self) -> list[str]:
        return [reason.key for reason in await disarmed.disarmed(self._database)]

    async def is_disarmed_by(self, *keys: str) -> None:
        async def so() -> bool:
            return await self.keys() == list(keys)

        await until_so(so)

    def fills(self, order: Order) -> None:
        """The venue fills all of it."""
        fill = a_fill(order, 10)
        self.venue.fills.append(fill)
        self.venue.positions[order.symbol] += fill.quantity
        self.venue.cash["USD"] -= fill.quantity * fill.price + fill.fee
        self.venue.news.put_nowait(fill)

    def said(self) -> str:
        return str(self.desk.context.readiness.shown()["service"]["detail"])


@asynccontextmanager
async def standing(
    url: str,
    redis_url: str,
    account: Account,
    database: Database,
    bounds: GuardsConfig = EASY,
    on_record: tuple[Build, ...] = (RISK,),
) -> AsyncIterator[Standing]:
    for build in on_record:
        await builds.declare(database, build)
    venue, clock = ScriptedBroker(), Settable()
    ground = Ground(OWN, bounds, Path("/"), frozenset({"risk_manager", "trade_executor"}))

    async def access() -> ScriptedBroker:
        return venue

    async with a_desk(url, redis_url, account, database, access, INSTRUMENTS, ground=ground, clock=clock) as desk:
        yield Standing(desk, venue, database, clock)


async def test_on_sound_ground_orders_leave(url: str, redis_url: str, account: Account, database: Database) -> None:
    async with standing(url, redis_url, account, database) as s:
        await s.desk.risk.approve(an_approval())
        await s.desk.comes_to("ACKED", clock=NOW)
        assert await s.keys() == []


async def test_another_release_of_risk_manager_keeps_the_desk_disarmed_until_it_is_replaced(
    url: str, redis_url: str, account: Account, database: Database
) -> None:
    old = RISK._replace(instance="old", release="1.3.9")
    async with standing(url, redis_url, account, database, on_record=(old,)) as s:
        await s.is_disarmed_by("releases")
        await s.desk.risk.approve(an_approval())
        for _ in range(5):
            await s.desk.hears(NOW)
        assert (await statuses(database), s.venue.submitted) == (["APPROVED"], [])
        assert "risk_manager runs release 1.3.9, trade_executor release 1.4.0 (RC-REL)" in s.said()
        (symptom,) = judge(Seen(record=await monitoring.look(database, []))).symptoms[-1:]
        assert (symptom.key, symptom.severity, symptom.after_s) == ("disarmed:paper", "critical", 0.0)
        await database.fetch("update builds set at = at - interval '6 seconds' where instance = 'old' returning 1")
        await builds.declare(database, RISK)
        await s.desk.comes_to("ACKED", clock=NOW)
        await s.is_disarmed_by()
        assert "RC-REL" not in s.said()


async def test_a_clock_that_is_set_lets_out_only_what_closes_until_the_databases_clock_confirms_it(
    url: str, redis_url: str, account: Account, database: Database
) -> None:
    async with standing(url, redis_url, account, database) as s:
        first, later = an_approval(1, "slow"), NOW + 6 * SECOND
        await s.desk.risk.approve(first)
        await s.desk.comes_to("ACKED", clock=NOW)
        s.fills(first)
        await s.desk.comes_to("FILLED", clock=NOW)
        s.clock.ahead_s = 3.0
        await s.is_disarmed_by("clock_step", "clock_offset")
        await s.desk.risk.approve(an_approval(2), an_approval(3, "slow", side="sell"))
        await s.desk.comes_to("FILLED", "APPROVED", "ACKED", clock=NOW)
        await s.desk.comes_to("FILLED", "EXPIRED", "ACKED", clock=later)
        rows = await database.fetch("select detail from order_events where event = 'expire'")
        assert rows[0][0].startswith("never sent: too late; the host's clock was set by +3.0 s")
        s.clock.ahead_s = 0.0
        await s.is_disarmed_by()
        await s.desk.risk.approve(an_approval(4, starts=later))
        await s.desk.comes_to("FILLED", "EXPIRED", "ACKED", "ACKED", clock=later)


async def test_while_the_disk_is_full_everybody_can_read_why(url: str, redis_url: str, account: Account, database: Database) -> None:
    store = RiskStore(database, "paper", SESSION.session_id, SESSION.venue, "1s", SECOND)
    async with standing(url, redis_url, account, database, FULL) as s:
        await s.is_disarmed_by("disk")
        (reason,) = (await store.read(0, 1, NOW)).disarmed
        assert (reason.code, reason.limit) == ("RC-C10", "100% free")
        await until(lambda: "of the disk is free (RC-C10)" in s.said())
    assert (await store.read(0, 1, NOW)).disarmed == []  # nobody watches the ground any more


async def test_a_bell_that_nobody_of_ours_rang_makes_no_order(url: str, redis_url: str, account: Account, database: Database) -> None:
    async with standing(url, redis_url, account, database) as s:
        await s.desk.risk.approve(an_approval(1))
        await s.desk.comes_to("ACKED", clock=NOW)
        forged = msgspec.structs.replace(an_approval(2, "slow"), venue="paper")
        sealed = Sealer("risk_manager", SystemClock()).seal("orders.approved", forged, ts_event_ns=NOW)
        await s.desk.context.bus.publish([(ORDERS_APPROVED.address, array([numbered(sealed, 2)]))])
        for _ in range(5):
            await s.desk.hears(NOW)
        assert (await statuses(database), len(s.venue.submitted)) == (["ACKED"], 1)
