"""Outages that orders live through at a remote venue: the real desk and adapter at the real sim_venue, whose log is asked afterwards."""

from decimal import Decimal

import pytest

from libs.common.clocks import SECOND
from libs.common.database import Database
from services.sim_venue.market import START_BY_HAND
from services.trade_executor.cancelling import MOST
from tests.chaos.short_run import PACE
from tests.desks import statuses
from tests.integration.test_remote_desk import ALPACA, trading
from tests.sim_venues import a_sim_venue

D = Decimal
NOW = START_BY_HAND + SECOND


@pytest.fixture(autouse=True)
def pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The desk looks again after moments, not seconds."""
    for name, seconds in PACE.items():
        monkeypatch.setattr(name, seconds)


async def test_parts_that_fill_while_the_stream_is_mute_are_all_booked_before_the_end_is_believed(
    database: Database, url: str, redis_url: str
) -> None:
    async with a_sim_venue() as venue, trading(ALPACA, venue, database, url, redis_url) as scene:
        await scene.shows(100)
        order = await scene.approves(1, D(99))
        await scene.desk.comes_to("ACKED", clock=NOW)
        await venue.fault("mute", what="orders")
        for _ in range(3):
            await venue.quote("AAPL", 98.99, 99.0, size=0.25)
        await scene.desk.risk.cancel(order)
        await scene.desk.comes_to("CANCELED", clock=NOW)
        assert await database.fetch("select filled_quantity, (select count(*) from trades) from orders") == [(D("0.75"), 3)]
        assert await scene.balances() == []


async def test_an_order_that_cannot_be_cancelled_is_asked_for_three_times_a_minute_and_no_more(
    database: Database, url: str, redis_url: str
) -> None:
    async with a_sim_venue() as venue, trading(ALPACA, venue, database, url, redis_url) as scene:
        await scene.shows(100)
        order = await scene.approves(1, D(95))
        await scene.desk.comes_to("ACKED", clock=NOW)
        await venue.fault("status_before", what="order_cancel", status=500, count=None)
        await scene.desk.risk.cancel(order)
        for _ in range(60):  # hops, each of which would ask again
            await scene.desk.hears(NOW)
        asked = (await venue.requests(order.client_order_id)).get("order_cancel", 0)
        assert asked == MOST
        assert await statuses(database) == ["ACKED"]


async def test_with_a_key_that_is_revoked_nothing_is_sent_and_nothing_is_believed(database: Database, url: str, redis_url: str) -> None:
    async with a_sim_venue() as venue, trading(ALPACA, venue, database, url, redis_url) as scene:
        await scene.shows(100)
        order = await scene.approves(1, D(95))
        await scene.desk.comes_to("ACKED", clock=NOW)
        keys = dict(venue.host.credentials)
        venue.host.credentials.clear()
        await scene.desk.risk.cancel(order)
        for _ in range(5):
            await scene.desk.hears(NOW)
        late = await scene.approves(2, D(95))
        for _ in range(5):
            await scene.desk.hears(NOW)
        assert (await statuses(database))[0] in ("CANCEL_UNKNOWN", "PENDING_CANCEL", "ACKED")
        assert venue.host.view.accounts["paper"].order_of(late.client_order_id) is None
        venue.host.credentials.update(keys)
        await scene.desk.comes_to("CANCELED", (await statuses(database))[1], clock=NOW)
