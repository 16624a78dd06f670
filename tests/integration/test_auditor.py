"""The order-flow auditor at the real sim_venue and at the paper venue's book: what halts an account, and what does not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from libs.common.bus import MemoryBus
from libs.common.clocks import SECOND, SystemClock
from libs.common.database import Database
from libs.common.envelope import Sealer
from libs.common.journal import PostgresJournal
from libs.domain.configuration import VenueConfig
from libs.domain.orders import Order
from libs.domain.reconciling import order_item
from libs.quant.fills import FillTerms
from libs.store import control, reconciliation
from libs.store.control import Control
from libs.store.sessions import Account
from libs.venues.broker import Broker, NotSent
from libs.venues.endpoint import Endpoint
from libs.venues.paper.broker import PaperBroker
from libs.venues.remote import adapter, connected
from services.risk_manager import auditor as auditing
from services.risk_manager.auditor import Auditor
from services.risk_manager.brokers import NotRead, PaperReader, Reader, RemoteReader, own_keys
from services.sim_venue.market import START_BY_HAND
from tests.desks import Approvals, an_approval
from tests.paper import ALFA, a_quote, an_order
from tests.scenes import SESSION, begin
from tests.sim_venues import SimVenue, a_sim_venue
from tests.waiting import until_so

D = Decimal
OPEN = replace(SESSION, start_time=START_BY_HAND, market_time=START_BY_HAND, fills={"on": {}, "latency_ns": 0})


class Kind(NamedTuple):
    """A venue, and something that is traded there."""

    config: VenueConfig
    symbol: str


ALPACA = Kind(VenueConfig(name="alpaca", adapter="alpaca", asset_classes=("equity",)), "AAPL")
BINANCE = Kind(VenueConfig(name="binance", adapter="ccxt", exchange="binance", asset_classes=("crypto",)), "BTC/USD")


class Scene:
    """An account at a venue, whoever trades it, and its auditor."""

    def __init__(self, database: Database, account: Account, reader: Reader, trader: Broker, symbol: str) -> None:
        clock = SystemClock()
        self.database = database
        self.journal = PostgresJournal(database, MemoryBus(), clock)
        self.control = Control(database, self.journal, clock, cool_off_s=0)
        self.auditor = Auditor("paper", reader, database, self.control, clock, Sealer("risk_manager", clock), lambda: START_BY_HAND)
        self.trader = trader
        self.symbol = symbol
        self.account = account

    def order(self, n: int, **changed: Any) -> Order:
        terms = {"symbol": self.symbol, "price": D(50), "quantity": D(2)} | changed
        order = an_approval(n, f"strategy_{n}", starts=START_BY_HAND, rests_s=600, **terms)
        return msgspec.structs.replace(order, venue=self.account.venue)

    async def approves(self, order: Order) -> None:
        await Approvals(self.journal).approve(order)

    async def sends(self, order: Order) -> None:
        await self.trader.submit(order, SystemClock().monotonic() + 5)

    async def audits(self) -> list[str]:
        """What is found, and what it has led to."""
        return [finding.what for finding in await self.auditor.audit()]

    async def fills(self, venue: SimVenue) -> None:
        """What can be filled at the price of the market is."""
        await venue.quote(self.symbol, 99.99, 100)
        await until_so(self._filled)

    async def _filled(self) -> bool:
        return bool(await self.trader.fills_since(0))

    async def empty(self) -> bool:
        return not await self.trader.open_orders()

    async def close(self) -> None:
        await self.trader.disconnect()
        await self.auditor._reader.close()

    async def kills(self) -> list[tuple[str, str, str, str]]:
        return [(k.scope, k.key, k.mode, k.by) for k in await control.killed(self.database)]


HALTED = [("account", "paper", "halt", "auditor")]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two looks that have to agree follow upon each other: what is between them here is only time."""
    monkeypatch.setattr(auditing, "AGREE_AFTER_S", 0.01)


@pytest.fixture
async def venue() -> AsyncIterator[SimVenue]:
    async with a_sim_venue() as venue:
        yield venue


async def at_sim(kind: Kind, venue: SimVenue, database: Database) -> Scene:
    instruments = {symbol: listing.instrument for symbol, listing in venue.host.listings.items()}
    account = replace(await begin(database, OPEN, list(instruments.values())), venue=kind.config.name)
    dialect = "alpaca" if kind.config.adapter == "alpaca" else "binance"
    key, secret = await venue.account("paper", dialect, {"USD": 100_000})
    await venue.quote(kind.symbol, 99.99, 100)
    endpoint = Endpoint(f"{venue.url}/{dialect}", key, secret, "paper")
    trader = await connected(adapter(kind.config, endpoint, instruments, SystemClock(), listens=False))
    reader = RemoteReader(account, kind.config, OPEN, instruments, "paper", lambda name: "", venue.url, SystemClock(), START_BY_HAND)
    return Scene(database, account, reader, trader, kind.symbol)


@pytest.fixture(params=[ALPACA, BINANCE], ids=["alpaca", "ccxt"])
async def scene(request: pytest.FixtureRequest, venue: SimVenue, database: Database) -> AsyncIterator[Scene]:
    scene = await at_sim(request.param, venue, database)
    yield scene
    await scene.close()


async def test_an_order_that_nobody_approved_halts_its_account_by_the_auditors_name(scene: Scene) -> None:
    await scene.approves(good := scene.order(1))
    await scene.sends(good)
    assert (await scene.audits(), await scene.kills()) == ([], [])
    await scene.sends(scene.order(2))
    assert (await scene.audits(), await scene.kills()) == (["unapproved"], HALTED)
    (item,) = await reconciliation.standing(scene.database)
    assert (item.item.kind, item.item.key) == ("unapproved", scene.order(2).client_order_id)
    said = await scene.database.fetch("select severity, kind from notifications")
    alerts = await scene.database.fetch("select count(*) from journal where stream = 'risk.alerts' and strpos(body, 'RC-D02') > 0")
    assert (said, alerts) == ([("critical", "risk")], [(1,)])


@pytest.fixture
async def shares(venue: SimVenue, database: Database) -> AsyncIterator[Scene]:
    scene = await at_sim(ALPACA, venue, database)
    yield scene
    await scene.close()


async def test_an_order_of_nobodys_that_was_filled_at_once_is_found_as_well(shares: Scene, venue: SimVenue) -> None:
    await shares.sends(shares.order(1, price=D(101)))
    await shares.fills(venue)
    assert (await shares.audits(), await shares.kills()) == (["unapproved"], HALTED)


@pytest.mark.parametrize(("sent", "what"), [({"quantity": D(3)}, "quantity"), ({"price": D(51)}, "price"), ({"side": "sell"}, "side")])
async def test_an_order_that_was_sent_otherwise_than_approved_halts(
    shares: Scene, venue: SimVenue, sent: dict[str, Any], what: str
) -> None:
    if what == "side":
        await shares.sends(shares.order(9, price=D(101)))
        await shares.fills(venue)  # something to sell
        await shares.approves(shares.order(9, price=D(101)))
        sent = {**sent, "price": D(200)}
    await shares.approves(shares.order(1, price=sent["price"] if what == "side" else D(50)))
    await shares.sends(shares.order(1, **sent))
    assert (await shares.audits(), await shares.kills()) == ([what], HALTED)


async def test_what_was_told_once_halts_no_second_time_when_a_person_has_rearmed(shares: Scene) -> None:
    await shares.sends(shares.order(1))
    assert await shares.audits() == ["unapproved"]
    (item,) = await reconciliation.standing(shares.database)
    await shares.control.decide(str(item.item.id), "ignore", "mine, by hand", "someone")
    await shares.control.rearm("account", "paper", "mine, by hand", "someone")
    assert (await shares.audits(), await shares.kills()) == (["unapproved"], [])
    assert await reconciliation.standing(shares.database) == []
    await shares.sends(shares.order(2))
    await shares.audits()
    assert await shares.kills() == HALTED


async def test_an_order_that_a_person_has_accepted_where_the_reconciler_found_it_halts_nothing(shares: Scene) -> None:
    await shares.sends(hand := shares.order(1))
    await shares.database.write(reconciliation.store_items([order_item("paper", "order", hand.client_order_id, "adopted", "", "")]))
    (item,) = await reconciliation.standing(shares.database)
    await shares.control.decide(str(item.item.id), "adopt", "mine, by hand", "someone")
    assert (await shares.audits(), await shares.kills()) == ([], [])


async def test_what_only_one_of_two_looks_has_halts_nothing(shares: Scene) -> None:
    await shares.sends(shares.order(1))
    auditor, looks = shares.auditor, 0
    compared = auditor._compared

    async def gone_meanwhile() -> Any:
        nonlocal looks
        looks += 1
        if looks == 2:
            await shares.trader.cancel(shares.order(1).client_order_id)
            await until_so(shares.empty)
        return await compared()

    auditor._compared = gone_meanwhile  # type: ignore[method-assign]
    assert (await shares.audits(), await shares.kills(), looks) == ([], [], 2)


async def test_a_look_that_failed_proves_nothing_and_a_person_is_told_that_nobody_watches(
    shares: Scene, venue: SimVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "BLIND_AFTER_S", 0.0)
    await shares.sends(shares.order(1))
    await venue.stop()
    assert (await shares.audits(), await shares.kills()) == ([], [])
    await shares.auditor._tell_blind()
    await venue.start()
    assert (await shares.audits(), await shares.kills()) == (["unapproved"], HALTED)
    await shares.auditor._tell_blind()
    told = await shares.database.fetch("select state from notifications where key = 'auditor_blind:paper' order by id")
    assert told == [("firing",), ("resolved",)]


async def test_the_auditors_own_connection_sends_no_order(shares: Scene) -> None:
    await shares.audits()
    reader = shares.auditor._reader
    assert isinstance(reader, RemoteReader)
    assert reader._broker is not None
    with pytest.raises(NotSent, match="only looks"):
        await reader._broker.submit(shares.order(1), SystemClock().monotonic() + 5)


def test_its_own_key_goes_before_the_traders_and_half_of_one_is_refused() -> None:
    real = VenueConfig(name="alpaca", adapter="alpaca", asset_classes=("equity",), url="")
    trader = {"ALPACA_API_KEY": "PK1", "ALPACA_SECRET_KEY": "s1"}
    own = {"ALPACA_AUDITOR_API_KEY": "PK2", "ALPACA_AUDITOR_SECRET_KEY": "s2"}
    assert own_keys(real, lambda name: (trader | own).get(name, "")).key == "PK2"
    assert own_keys(real, lambda name: trader.get(name, "")).key == "PK1"
    with pytest.raises(ValueError, match="ALPACA_AUDITOR_API_KEY and ALPACA_AUDITOR_SECRET_KEY"):
        own_keys(real, lambda name: "")
    with pytest.raises(ValueError, match="needs ALPACA_AUDITOR_SECRET_KEY"):
        own_keys(real, lambda name: (trader | {"ALPACA_AUDITOR_API_KEY": "PK2"}).get(name, ""))


async def test_the_paper_venue_is_read_by_its_own_book_while_the_trader_has_it(database: Database, tmp_path: Path) -> None:
    account, path = await begin(database), tmp_path / "paper.log"
    reader = PaperReader(path)
    broker = PaperBroker.open(path, "paper", {"ALFA": ALFA}, {"ALFA": "quote"}, FillTerms(), {"USD": D(100_000)}, 0, clock=SystemClock())
    scene = Scene(database, account, reader, broker, "ALFA")
    await scene.approves(good := scene.order(1))
    await scene.sends(good)
    broker.on_market([a_quote(good.decided_at + SECOND, bid=40, ask=41)], good.decided_at + SECOND)
    assert (await broker.open_orders(), await scene.audits(), await scene.kills()) == ([], [], [])
    assert len(await broker.fills_since(0)) == 1
    await scene.sends(scene.order(2))
    assert (await scene.audits(), await scene.kills()) == (["unapproved"], HALTED)
    broker.close()


async def test_a_paper_book_that_is_damaged_is_not_read_and_read_again_once_it_is_whole(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "paper.log"
    reader = PaperReader(path)
    broker = PaperBroker.open(path, "paper", {"ALFA": ALFA}, {"ALFA": "quote"}, FillTerms(), {"USD": D(100_000)}, 0, clock=SystemClock())
    await broker.submit(an_order(1), float("inf"))
    whole = path.read_bytes()
    path.write_bytes(whole[:12] + b"?" + whole[13:])
    with pytest.raises(NotRead, match="checksum"):
        await reader.look()
    path.write_bytes(whole)
    assert [order.client_order_id for order in (await reader.look()).orders] == [an_order(1).client_order_id]
    broker.close()
