"""How long it takes from the death of an executor until its successor may order again, with 500 orders at the venue."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from libs.common.bus import MemoryBus
from libs.common.clocks import SECOND, SystemClock
from libs.common.database import Database
from libs.common.journal import PostgresJournal
from libs.domain.orders import Order
from libs.store import sessions
from services.sim_venue.market import START_BY_HAND
from tests.desks import Approvals, a_desk, an_approval, statuses
from tests.integration.test_remote_desk import ALPACA, BINANCE, OPEN, Kind, remote
from tests.scenes import begin, clear
from tests.sim_venues import SimVenue, a_sim_venue
from tests.waiting import until

ORDERS = 500
WITHIN_S = 10.0
A_MINUTE = 180  # requests: what a venue such as Alpaca allows


def resting(kind: Kind) -> Sequence[Order]:
    """Buys far below the market, each of a book of its own."""
    made = [
        an_approval(
            n,
            f"strategy_{n}",
            symbol=kind.symbol,
            price=Decimal(kind.price // 2),
            quantity=Decimal(1),
            rests_s=36_000,
            starts=START_BY_HAND,
        )
        for n in range(ORDERS)
    ]
    return [msgspec.structs.replace(order, venue=kind.config.name, valid_until=START_BY_HAND + 3600 * SECOND) for order in made]


def with_budget(kind: Kind, a_minute: int) -> Kind:
    return kind._replace(config=msgspec.structs.replace(kind.config, requests_per_minute=a_minute))


async def time_passes(venue: SimVenue) -> None:
    """So that not all orders are of one moment: Alpaca cannot list more than 500 of those."""
    while True:
        await venue.pass_time(0.01)
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", [ALPACA, BINANCE], ids=["alpaca", "ccxt"])
async def test_500_open_orders_are_taken_up_again_within_ten_seconds_on_a_budget_of_requests(
    kind: Kind, url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plenty, frugal = with_budget(kind, 1_000_000), with_budget(kind, A_MINUTE)
    async with a_sim_venue() as venue, contextlib.AsyncExitStack() as leaving:
        await venue.weather(requests_per_minute=1_000_000)  # the budget is our own: of the executor that begins anew
        database = Database(url, "test")
        leaving.push_async_callback(database.close)
        await clear(database)
        instruments = {symbol: listing.instrument for symbol, listing in venue.host.listings.items()}
        account = replace(await begin(database, OPEN, list(instruments.values()), deposit=Decimal(10_000_000)), venue=kind.config.name)
        await database.write([sessions.advanced(OPEN.session_id, START_BY_HAND, START_BY_HAND, 0)])
        await venue.quote(kind.symbol, kind.price - 0.01, kind.price)
        async with a_desk(url, redis_url, account, database, remote(plenty, venue).access(account), instruments, OPEN) as desk:
            await Approvals(PostgresJournal(database, MemoryBus(), SystemClock())).approve(*resting(kind))
            passing = asyncio.create_task(time_passes(venue))
            for _ in range(6):
                with contextlib.suppress(TimeoutError):  # it waits for ten seconds, which may be short for so many
                    await desk.comes_to(*["ACKED"] * ORDERS, clock=START_BY_HAND + SECOND)
                    break
            passing.cancel()
        began = time.monotonic()
        async with a_desk(url, redis_url, account, database, remote(frugal, venue).access(account), instruments, OPEN) as desk:
            await until(lambda: "trading paper" in str(desk.context.readiness.shown()))
            took_s = time.monotonic() - began
        with capsys.disabled():
            print(f"\n{kind.config.name}: armed {took_s:.2f} s after a start with {ORDERS} open orders, {A_MINUTE} requests a minute")
        assert took_s < WITHIN_S
        assert await statuses(database) == ["ACKED"] * ORDERS
