"""The figures of the kill switch: 500 orders gone from a venue within 5 s, and nothing that leaves 250 ms after it was set."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from libs.common.bus import MemoryBus
from libs.common.clocks import SECOND, SystemClock
from libs.common.database import Database
from libs.common.journal import PostgresJournal
from libs.domain.orders import Order
from libs.store.control import Control
from services.sim_venue.market import START_BY_HAND
from tests.desks import an_approval
from tests.integration.test_remote_desk import ALPACA, Scene, trading
from tests.sim_venues import a_sim_venue
from tests.waiting import until_so

ORDERS = 500
FAST = ALPACA._replace(config=msgspec.structs.replace(ALPACA.config, requests_per_minute=100_000))


def resting(first: int, last: int) -> list[Order]:
    """Buys far from the market, each of a book of its own, that may be sent for an hour."""
    orders = [
        an_approval(n, f"strategy_{n}", symbol=FAST.symbol, price=Decimal(50), quantity=Decimal(1), starts=START_BY_HAND, rests_s=7200)
        for n in range(first, last)
    ]
    until = START_BY_HAND + 3600 * SECOND
    return [msgspec.structs.replace(order, venue=FAST.config.name, valid_until=until) for order in orders]


async def kill(database: Database) -> None:
    control = Control(database, PostgresJournal(database, MemoryBus(), SystemClock()), SystemClock())  # without Redis: no bell
    await control.kill("fleet", "", "halt", "a test", "tests")


async def test_500_orders_are_gone_from_the_venue_within_5_seconds(url: str, redis_url: str, database: Database) -> None:
    async with a_sim_venue() as venue, trading(FAST, venue, database, url, redis_url) as scene:
        await venue.weather(requests_per_minute=1_000_000)
        await scene.shows(FAST.price)
        await scene.desk.risk.approve(*resting(0, ORDERS))
        await all_acked(scene, ORDERS)
        began = SystemClock().monotonic()
        await kill(database)

        async def verified() -> bool:
            rows = await database.fetch("select title from notifications")
            return any(row[0].startswith(f"Kill switch: {ORDERS} orders of paper are gone from the venue") for row in rows)

        await until_so(verified)
        took = SystemClock().monotonic() - began
        print(f"{ORDERS} orders canceled and verified absent in {took:.2f} s")
        assert took < 5.0


async def test_no_order_leaves_later_than_250_ms_after_the_switch_was_set(url: str, redis_url: str, database: Database) -> None:
    async with a_sim_venue() as venue, trading(FAST, venue, database, url, redis_url) as scene:
        await venue.weather(requests_per_minute=1_000_000)
        await scene.shows(FAST.price)
        orders = resting(0, ORDERS)
        await scene.desk.risk.approve(*orders)
        await all_acked(scene, 50)  # in the middle of it
        await kill(database)
        await asyncio.sleep(0.25)
        there = arrived(scene, orders)
        assert 50 <= there < ORDERS
        await until_so(lambda: none_left(scene))
        assert arrived(scene, orders) == there, "an order left later"


async def all_acked(scene: Scene, count: int) -> None:
    """So many orders rest; the clock goes on, as orders are sent only while it does."""

    async def rest() -> bool:
        await scene.desk.says(START_BY_HAND + SECOND)
        rows = await scene.database.fetch("select count(*) from orders where status in ('ACKED', 'PENDING_CANCEL', 'CANCELED')")
        return int(rows[0][0]) >= count

    async with asyncio.timeout(60):
        while not await rest():  # noqa: ASYNC110 - a clock has to be played meanwhile
            await asyncio.sleep(0.02)


def arrived(scene: Scene, orders: Sequence[Order]) -> int:
    """How many of the orders the venue itself was ever asked to take."""
    counts = scene.venue.host.requests
    return sum(counts.of(order.client_order_id).get("order_submit", 0) for order in orders)


async def none_left(scene: Scene) -> bool:
    await scene.desk.says(START_BY_HAND + SECOND)
    rows = await scene.database.fetch("select count(*) from orders where status in ('APPROVED', 'SUBMITTING', 'ACKED', 'PENDING_CANCEL')")
    return int(rows[0][0]) == 0
