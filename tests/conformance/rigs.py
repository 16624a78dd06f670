"""A broker of each kind, and the hand that moves the venue behind it."""

import asyncio
import tempfile
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from libs.common.clocks import SystemClock
from libs.domain.actions import CorporateAction
from libs.domain.configuration import VenueConfig
from libs.domain.instruments import Instrument
from libs.domain.orders import Order
from libs.domain.trades import Fill
from libs.quant.sim_venue.listings import Fees, Listing
from libs.venues.alpaca.broker import AlpacaBroker
from libs.venues.broker import Broker, OrderReport, Report
from libs.venues.budget import Budget
from libs.venues.ccxt_venue.broker import CcxtBroker
from libs.venues.endpoint import Endpoint
from libs.venues.paper.broker import PaperBroker
from libs.venues.reconnecting import Backoff
from tests.paper import ALFA, COIN, DEPOSIT, D, a_quote, an_order, open_paper
from tests.sim_venues import SimVenue, a_sim_venue

SPLIT: Final = CorporateAction(venue="TEST", symbol="ALFA", effective=2_000, kind="split", ratio=D(7), reference_price=D(100))
MILLISECOND: Final = 1_000_000
WITHIN_S: Final = 3.0  # a remote venue's news has come by then, or never comes
MUTE_AFTER_S: Final = 0.5
LOOK_S: Final = 0.01
PLENTY: Final = 100_000  # requests a minute


class Rig(Protocol):
    """A broker whose account began with DEPOSIT and nothing else, and whose venue does what it is told.

    Moments are small numbers; `at` says which market time each is.
    """

    broker: Broker
    symbol: str

    def at(self, moment: int) -> int: ...

    def order(self, n: int = 1, **how: Any) -> Order:
        """As `tests.paper.an_order`, of this rig's symbol and time."""

    async def show(self, moment: int, ask: float, size: float) -> None:
        """The market shows the symbol at `ask`, bid two cents lower."""

    async def pass_time(self, moment: int) -> None:
        """Market time moves on and nothing else happens."""

    async def restart(self) -> None:
        """Our process died and runs again; `broker` is the new one."""


Make = Callable[[], AbstractAsyncContextManager[Rig]]


class PaperRig:
    symbol = "ALFA"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._paper = self._opened()
        self.broker: Broker = self._paper

    def at(self, moment: int) -> int:
        return moment

    def order(self, n: int = 1, **how: Any) -> Order:
        return an_order(n, **how)

    async def show(self, moment: int, ask: float, size: float) -> None:
        self._paper.on_market([a_quote(moment, bid=ask - 0.02, ask=ask, size=size)], moment)

    async def pass_time(self, moment: int) -> None:
        self._paper.on_market([], moment)

    async def restart(self) -> None:
        self._paper.close()
        self._paper = self._opened()
        self.broker = self._paper

    def _opened(self) -> PaperBroker:
        return open_paper(self._path, actions=[SPLIT])

    def close(self) -> None:
        self._paper.close()


@asynccontextmanager
async def paper() -> AsyncIterator[Rig]:
    with tempfile.TemporaryDirectory() as folder:
        rig = PaperRig(Path(folder) / "paper.log")
        yield rig
        rig.close()


class RemoteRig:
    """An adapter against a sim_venue over loopback."""

    def __init__(self, kind: str, venue: SimVenue) -> None:
        self.kind = kind
        self.venue = venue
        self.dialect = REMOTE[kind].dialect
        self.symbol = REMOTE[kind].instrument.symbol
        self.account = ""
        self.endpoint: Endpoint
        self.broker: Broker
        self._began = 0

    def made(self, endpoint: Endpoint) -> Broker:
        """Another adapter of the same kind, not connected."""
        return REMOTE[self.kind].broker(endpoint, PLENTY)

    async def open(self, account: str) -> None:
        self.account = account
        key, secret = await self.venue.account(account, self.dialect, DEPOSIT)
        self.endpoint = Endpoint(f"{self.venue.url}/{self.dialect}", key, secret, "paper")
        self._began = (self.venue.host.now() // MILLISECOND + 1) * MILLISECOND
        self.broker = self.made(self.endpoint)
        await self.broker.connect()
        await self.until(lambda: self.broker.link().up)

    async def close(self) -> None:
        await self.broker.disconnect()

    def at(self, moment: int) -> int:
        return self._began + moment * MILLISECOND

    def order(self, n: int = 1, **how: Any) -> Order:
        how = {"symbol": self.symbol, "account_id": self.account, **how}
        plain = an_order(n, **how)
        return msgspec.structs.replace(
            plain,
            client_order_id=f"{plain.client_order_id[:-6]}{zlib.crc32(self.account.encode()) % 10**5:05d}{n}",  # tests share a venue
            decided_at=self.at(plain.decided_at),
            valid_until=self.at(plain.valid_until),
            expires_at=self.at(plain.expires_at),
        )

    async def show(self, moment: int, ask: float, size: float) -> None:
        quote = a_quote(self.at(moment), bid=round(ask - 0.02, 2), ask=ask, size=size, symbol=self.symbol)
        await self.venue.show(quote, at=self.at(moment))

    async def pass_time(self, moment: int) -> None:
        await self.venue.control("POST", "market", {"market_time": self.at(moment)})

    async def restart(self) -> None:
        await self.broker.disconnect()
        self.broker = self.made(self.endpoint)
        await self.broker.connect()
        await self.until(lambda: self.broker.link().up)

    def made_frugal(self, per_minute: int) -> Broker:
        """The same with a request budget that can be used up."""
        return REMOTE[self.kind].broker(self.endpoint, per_minute)

    async def until(self, holds: Callable[[], bool]) -> None:
        """AssertionError when it does not come to hold."""

        async def asked() -> bool:
            return holds()

        await eventually(asked, lambda: f"the link says {self.broker.link()}")


async def eventually(holds: Callable[[], Awaitable[bool]], says: Callable[[], str]) -> None:
    """Waits for what has no event to wait for. AssertionError when it does not come to hold."""
    for _ in range(int(WITHIN_S / LOOK_S)):
        if await holds():
            return
        await asyncio.sleep(LOOK_S)
    raise AssertionError(f"never came to hold; {says()}")


def alpaca_broker(endpoint: Endpoint, per_minute: int) -> Broker:
    clock = SystemClock()
    budget = Budget(per_minute, clock=clock)
    return AlpacaBroker(endpoint, {"ALFA": ALFA}, clock=clock, budget=budget, mute_after_s=MUTE_AFTER_S, backoff=Backoff(0.05, 0.1))


def ccxt_broker(endpoint: Endpoint, per_minute: int) -> Broker:
    venue = VenueConfig(name="binance", adapter="ccxt", exchange="binance", asset_classes=("crypto",), requests_per_minute=per_minute)
    coins = {"BTC/USD": COIN}
    return CcxtBroker(venue, endpoint, coins, clock=SystemClock(), probe_s=MUTE_AFTER_S / 2, mute_after_s=MUTE_AFTER_S, poll_s=60.0)


LISTED: Final[Mapping[str, Sequence[Listing]]] = {
    "alpaca": [Listing(instrument=ALFA)],
    "binance": [Listing(instrument=COIN, base="BTC", shortable=False, fees=Fees(maker_bps=D(10), taker_bps=D(10)))],
}


class Kind(NamedTuple):
    """One adapter of a remote venue."""

    dialect: str
    instrument: Instrument
    broker: Callable[[Endpoint, int], Broker]  # with so many requests a minute


REMOTE: Final[Mapping[str, Kind]] = {"alpaca": Kind("alpaca", ALFA, alpaca_broker), "ccxt": Kind("binance", COIN, ccxt_broker)}


@asynccontextmanager
async def a_remote_rig(kind: str, venue: SimVenue, account: str) -> AsyncIterator[RemoteRig]:
    """An adapter and a new account at a venue that lists what it trades."""
    rig = RemoteRig(kind, venue)
    await rig.open(account)
    try:
        yield rig
    finally:
        await rig.close()
        await venue.no_faults()
        await venue.weather()
        await venue.control("PUT", "rules", {})


@asynccontextmanager
async def a_venue_for(kind: str) -> AsyncIterator[SimVenue]:
    dialect = REMOTE[kind].dialect
    async with a_sim_venue(listings=LISTED[dialect]) as venue:
        await venue.weather(requests_per_minute=1_000_000)
        yield venue


async def told(rig: Rig, enough: Callable[[Sequence[Report]], bool]) -> list[Report]:
    """What the broker says from now on, until that is enough. AssertionError when it never is."""
    heard: list[Report] = []
    try:
        async with asyncio.timeout(WITHIN_S):
            while not enough(heard):
                heard += await rig.broker.next_reports()
    except TimeoutError:
        raise AssertionError(f"expected more than {heard}") from None
    return heard


async def told_fills(rig: Rig, quantity: Decimal) -> list[Fill]:
    """The fills that the broker tells of, each once, until they come to so much."""

    def sum_of(heard: Sequence[Report]) -> Decimal:
        return sum({r.exec_key: r.quantity for r in heard if isinstance(r, Fill)}.values(), D(0))

    heard = await told(rig, lambda heard: sum_of(heard) >= quantity)
    return list({r.exec_key: r for r in heard if isinstance(r, Fill)}.values())


async def told_end(rig: Rig, client_order_id: str) -> OrderReport:
    """The report that the order has ended."""

    def ends(heard: Sequence[Report]) -> list[OrderReport]:
        return [r for r in heard if isinstance(r, OrderReport) and r.client_order_id == client_order_id and r.evidence != "accepted"]

    return ends(await told(rig, lambda heard: bool(ends(heard))))[-1]
