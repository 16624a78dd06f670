"""The kill switch at a desk: what leaves, what is cancelled, and what is known of it without a server."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from libs.common.clocks import SystemClock
from libs.common.database import Database
from libs.common.journal import PostgresJournal
from libs.domain.kill import Mode, Scope
from libs.domain.orders import Evidence, Order
from libs.store.control import Control
from libs.store.sessions import Account
from libs.venues.broker import OrderReport
from tests.chaos.proxy import Proxy, a_proxy, through
from tests.desks import NOW, Service, a_desk, an_approval
from tests.paper import ALFA, COIN
from tests.scenes import begin
from tests.scripted_broker import ScriptedBroker
from tests.waiting import until, until_so

INSTRUMENTS = {"ALFA": ALFA, "BTC/USD": COIN}
REST_S = 10_000


class Venue(ScriptedBroker):
    """Ends what is to be canceled, and says so; with `cancel_all` all of it at one request."""

    def __init__(self, *, cancel_all: bool = False) -> None:
        super().__init__()
        self.abilities = self.abilities._replace(cancel_all=cancel_all)
        self.swept = 0
        self.deaf = 0  # requests to cancel that it will not act upon

    async def cancel(self, client_order_id: str) -> None:
        await super().cancel(client_order_id)
        if self.deaf:
            self.deaf -= 1
            return
        self._end(client_order_id)

    async def cancel_all(self) -> None:
        self.swept += 1
        for id_ in list(self.seen):
            self._end(id_)

    def _end(self, id_: str) -> None:
        order = self.seen[id_]
        if order.status == "open":
            self.seen[id_] = order._replace(status="canceled")
            self.news.put_nowait(OrderReport(id_, Evidence.CANCELED, order.filled, NOW, "canceled"))


@pytest.fixture
async def account(database: Database) -> Account:
    return await begin(database)


class Killable:
    """A desk with orders at its venue, and the operator's hand on it."""

    def __init__(self, service: Service, database: Database, venue: Venue) -> None:
        self.service = service
        self.venue = venue
        self._database = database
        self._control = Control(database, PostgresJournal(database, service.context.bus, SystemClock()), SystemClock())

    async def rests(self, *orders: Order) -> None:
        """These are approved, sent and accepted."""
        await self.service.risk.approve(*orders)
        await self.service.comes_to(*["ACKED"] * len(orders), clock=NOW)

    async def kill(self, scope: Scope, key: str, mode: Mode) -> None:
        await self._control.kill(scope, key, mode, "a test", "me")

    async def hears(self, title: str) -> None:
        """A notification of it is written."""

        async def told() -> bool:
            return any(title in row[0] for row in await self._database.fetch("select title from notifications"))

        await until_so(told)


Start = Callable[..., AbstractAsyncContextManager[Killable]]


@pytest.fixture
def start(url: str, redis_url: str, database: Database, account: Account, tmp_path: Path) -> Start:
    """Starts a desk before a venue; by way of proxies, where they are given."""

    @asynccontextmanager
    async def started(venue: Venue, *, postgres: Proxy | None = None, redis: Proxy | None = None) -> AsyncIterator[Killable]:
        async def access() -> Venue:
            return venue

        by = through(url, postgres.port) if postgres else url
        bell = through(redis_url, redis.port) if redis else redis_url
        async with a_desk(by, bell, account, database, access, INSTRUMENTS, state_dir=str(tmp_path)) as service:
            yield Killable(service, database, venue)

    return started


def resting(n: int, **changed: Any) -> Order:
    return an_approval(n, rests_s=REST_S, **changed)


async def holding(database: Database, symbol: str, quantity: int) -> None:
    await database.fetch("insert into positions values ('paper', 'fast', %s, %s, 100, 0, now())", (symbol, quantity))


@pytest.mark.parametrize("cancel_all", [False, True], ids=["one by one", "all at once"])
async def test_a_halt_cancels_every_open_order_and_says_when_the_venue_lists_none(start: Start, cancel_all: bool) -> None:
    async with start(Venue(cancel_all=cancel_all)) as desk:
        await desk.rests(resting(1), resting(2, symbol="BTC/USD"))
        await desk.kill("fleet", "", "halt")
        await desk.service.comes_to("CANCELED", "CANCELED", clock=NOW)
        await desk.hears("Kill switch: 2 orders of paper are gone from the venue")
        assert (desk.venue.swept, len(desk.venue.cancelled)) == ((1, 0) if cancel_all else (0, 2))


async def test_a_part_of_an_account_is_never_ended_by_a_request_for_all(start: Start) -> None:
    async with start(Venue(cancel_all=True)) as desk:
        await desk.rests(resting(1), resting(2, strategy_id="slow"), resting(3, symbol="BTC/USD"))
        await desk.kill("symbol", "ALFA", "halt")
        await desk.service.comes_to("CANCELED", "CANCELED", "ACKED", clock=NOW)
        assert desk.venue.swept == 0


@pytest.mark.parametrize(("mode", "left"), [("reduce_only", "ACKED"), ("flatten", "CANCELED"), ("halt", "CANCELED")])
async def test_only_where_books_may_be_reduced_an_exit_stays(start: Start, database: Database, mode: Mode, left: str) -> None:
    await holding(database, "BTC/USD", 10)
    async with start(Venue()) as desk:
        await desk.rests(resting(1), resting(2, symbol="BTC/USD", side="sell"))
        await desk.kill("account", "paper", mode)
        await desk.service.comes_to("CANCELED", left, clock=NOW)


@pytest.mark.parametrize(
    ("mode", "changed", "becomes"),
    [
        pytest.param("reduce_only", {"side": "sell"}, "ACKED", id="reduce-only, an exit"),
        pytest.param("reduce_only", {}, "DENIED", id="reduce-only, an entry"),
        pytest.param("flatten", {"side": "sell", "purpose": "liquidation", "reduce_only": True}, "ACKED", id="flatten, its liquidation"),
        pytest.param("flatten", {"side": "sell"}, "DENIED", id="flatten, an exit of the strategy"),
        pytest.param("halt", {"side": "sell", "purpose": "liquidation", "reduce_only": True}, "DENIED", id="halt, a liquidation"),
    ],
)
async def test_what_may_still_be_sent(start: Start, database: Database, mode: Mode, changed: dict[str, Any], becomes: str) -> None:
    await holding(database, "ALFA", 10)
    async with start(Venue()) as desk:
        await desk.kill("account", "paper", mode)
        await desk.service.risk.approve(msgspec.structs.replace(an_approval(1), **changed))
        await desk.service.comes_to(becomes, clock=NOW)


async def test_what_the_venue_does_not_end_is_asked_for_again(start: Start) -> None:
    async with start(Venue()) as desk:
        await desk.rests(resting(1))
        desk.venue.deaf = 1
        await desk.kill("fleet", "", "halt")
        await desk.hears("Kill switch: 1 orders of paper are gone from the venue")
        assert len(desk.venue.cancelled) == 2


async def test_an_order_on_its_way_when_the_switch_is_set_does_not_leave(start: Start) -> None:
    async with start(Venue()) as desk:
        desk.venue.gate.clear()  # the order waits for its connection
        await desk.service.risk.approve(an_approval(1))
        await desk.service.comes_to("SUBMITTING", clock=NOW)
        await desk.kill("fleet", "", "halt")
        await until(lambda: desk.venue.hold(an_approval(1)) != "")
        desk.venue.gate.set()
        await desk.service.comes_to("NOT_ACCEPTED", clock=NOW)
        assert desk.venue.seen == {}


def not_sent() -> float:
    return REGISTRY.get_sample_value("tradewinds_order_submits_total", {"outcome": str(Evidence.NOT_SENT)}) or 0.0


async def test_nothing_leaves_while_nobody_knows_whether_the_switch_is_set(start: Start, url: str) -> None:
    async with a_proxy(url) as postgres, start(Venue(), postgres=postgres) as desk:
        desk.venue.gate.clear()
        await desk.service.risk.approve(an_approval(1))
        await desk.service.comes_to("SUBMITTING", clock=NOW)
        await postgres.cut()
        await until(lambda: "was last known" in desk.venue.hold(an_approval(1)))
        desk.venue.gate.set()
        before = not_sent()
        await until(lambda: not_sent() > before)  # its time to be sent has passed
        await postgres.mend()
        await desk.service.comes_to("NOT_ACCEPTED", clock=NOW)
        assert desk.venue.seen == {}


async def test_what_came_late_to_the_wire_leaves_once_when_the_switch_is_known_anew(start: Start, url: str) -> None:
    async with a_proxy(url) as postgres, start(Venue(), postgres=postgres) as desk:
        desk.venue.gate.clear()
        await desk.service.risk.approve(an_approval(1))
        await desk.service.comes_to("SUBMITTING", clock=NOW)
        await postgres.cut()
        await until(lambda: "was last known" in desk.venue.hold(an_approval(1)))
        desk.venue.gate.set()
        await postgres.mend()
        await desk.service.comes_to("ACKED", clock=NOW)
        assert len(desk.venue.seen) == 1


async def test_the_file_stops_trading_without_any_server_and_goes_on_record_when_there_is_one(
    start: Start, url: str, redis_url: str, database: Database, tmp_path: Path
) -> None:
    async with a_proxy(url) as postgres, a_proxy(redis_url) as redis, start(Venue(cancel_all=True), postgres=postgres, redis=redis) as desk:
        await desk.rests(resting(1), resting(2, symbol="BTC/USD"))
        await postgres.cut()
        await redis.cut()
        (tmp_path / "kill").touch()
        await until(lambda: all(order.status == "canceled" for order in desk.venue.seen.values()))
        assert "the kill switch of fleet is on" in desk.venue.hold(an_approval(3))
        (tmp_path / "kill").unlink()  # taking it away lifts nothing
        await redis.mend()
        await postgres.mend()
        await desk.service.comes_to("CANCELED", "CANCELED")
        rows = await database.fetch("select scope, mode, active, set_by, reason from kill_switch")
        assert rows == [("fleet", "halt", True, "file", "an empty kill file (kill file)")]


async def test_a_file_of_a_part_stops_that_part_also_where_the_servers_are_well(start: Start, tmp_path: Path) -> None:
    async with start(Venue()) as desk:
        await desk.rests(resting(1), resting(2, symbol="BTC/USD"))
        (tmp_path / "kill").write_text("halt symbol:ALFA odd prices\n")
        await desk.service.comes_to("CANCELED", "ACKED", clock=NOW)


async def test_a_kill_outlives_the_desk(start: Start, database: Database) -> None:
    venue = Venue()
    async with start(venue) as desk:
        await desk.rests(resting(1))
        venue.deaf = 100
        await desk.kill("fleet", "", "halt")
        await desk.service.comes_to("PENDING_CANCEL", clock=NOW)
    venue.deaf = 0
    async with start(venue) as desk:
        await desk.service.risk.approve(an_approval(2))
        await desk.service.comes_to("CANCELED", "DENIED", clock=NOW)
