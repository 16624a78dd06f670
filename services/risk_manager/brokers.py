"""What the auditor reads a broker with: a connection of its own, where the operator gives one a key of its own, and no way to order."""

import asyncio
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Final, Protocol, TypeVar

import aiohttp
import msgspec

from libs.common.clocks import SECOND, HostClock
from libs.domain import credentials
from libs.domain.configuration import VenueConfig
from libs.domain.credentials import Keys, Look
from libs.domain.instruments import Instrument
from libs.domain.orders import Order
from libs.domain.reconciling import Amounts
from libs.domain.statements import Line, Word
from libs.domain.trades import Fill
from libs.quant.calendars import DAY
from libs.quant.risk.audit import Broker
from libs.store.sessions import Account, Session
from libs.venues import broker as port
from libs.venues.broker import OutcomeUnknown, WrongKey
from libs.venues.endpoint import Endpoint, Mode
from libs.venues.line_file import LineFileDamaged
from libs.venues.paper.reading import PaperReading, book_of
from libs.venues.remote import adapter, connected, load_library
from libs.venues.sim_control import DIALECTS, SimControl, SimVenueAway, SimVenueRefused

T = TypeVar("T")

PURPOSE: Final = "auditor"
OVERLAP_NS: Final = 300 * SECOND  # market time: a fill may be listed later than one that came after it
AGREE_AFTER_S: Final = 2.0
AGREE_REMOTELY_AFTER_S: Final = 20.0
ANSWER_WITHIN_S: Final = 30.0  # a whole look


class NotRead(Exception):
    """The broker could not be read, or not whole: nothing is proven. The message says why."""


class Reader(Protocol):
    """The way to look at one account."""

    async def look(self) -> Broker:
        """What is there now, with every fill since what `judged` was said of.

        Raises:
            NotRead.
        """

    def judged(self, look: Broker) -> None:
        """That look has been compared: its fills need not be read again."""

    async def close(self) -> None:
        """Lets go of the connection."""


class StatementReader(Protocol):
    """The way to a whole account."""

    agree_after_s: float
    """How long a difference has to last: what a remote venue shows of an account may lag behind what it has told."""

    async def statement(self, since: int) -> Word:
        """What the venue says of the account: executions from that market time (ns) on, open orders, cash and positions.

        Raises:
            NotRead.
        """

    async def close(self) -> None:
        """Lets go of the connection; the next statement makes another."""


class NoReader:
    """There is no way to a broker; a person is told, as of one that does not answer."""

    def __init__(self, why: str) -> None:
        self._why = why
        self.agree_after_s = AGREE_AFTER_S

    async def statement(self, since: int) -> Word:
        """See `StatementReader`."""
        raise NotRead(self._why)

    async def look(self) -> Broker:
        """See `Reader`."""
        raise NotRead(self._why)

    def judged(self, look: Broker) -> None:
        """See `Reader`."""

    async def close(self) -> None:
        """See `Reader`."""


class PaperReader:
    """The paper venue, by its own book."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = PaperReading(path)
        self.agree_after_s = AGREE_AFTER_S

    async def statement(self, since: int) -> Word:
        """See `StatementReader`. Reads the whole book, beside the event loop."""
        try:
            book = await asyncio.to_thread(book_of, self._path)
        except (OSError, LineFileDamaged, msgspec.MsgspecError, KeyError) as error:
            raise NotRead(f"the paper venue's book cannot be read: {error}") from error
        if not book.account_id:
            raise NotRead(f"there is no book of the paper venue at {self._path}")
        held = Amounts(*({name: amount for name, amount in side.items() if amount} for side in (book.cash, book.positions)))
        open_ = {id_ for resting in book.open.values() for id_ in resting}
        return Word([_line(fill) for fill in book.fills if fill.executed_at >= since], open_, held)

    async def look(self) -> Broker:
        """See `Reader`. Reads beside the event loop."""
        try:
            await asyncio.to_thread(self._reading.read_on)
        except (OSError, LineFileDamaged, msgspec.MsgspecError, KeyError) as error:
            self._reading = PaperReading(self._path)  # it may have read half of a line
            raise NotRead(f"the paper venue's book cannot be read: {error}") from error
        return Broker(self._reading.open_orders(), self._reading.fills())

    def judged(self, look: Broker) -> None:
        """See `Reader`."""
        self._reading.drop_fills(len(look.fills))

    async def close(self) -> None:
        """See `Reader`: nothing is held."""


class RemoteReader:
    """A venue of `config/system.toml`, by an adapter that hears nothing and may send nothing."""

    def __init__(
        self,
        account: Account,
        venue: VenueConfig,
        session: Session,
        instruments: Mapping[str, Instrument],
        mode: Mode,
        look: Look,
        sim_url: str,
        clock: HostClock,
        now: int,
    ) -> None:
        """
        Args:
            look: into the environment, for keys.
            sim_url: of sim_venue, where the venue is that.
            now: market time, ns: fills of the day before it are read at first, and none of before the session.
        """
        self._account = account
        self._venue = venue
        self._instruments = {symbol: i for symbol, i in instruments.items() if i.asset_class in venue.asset_classes}
        self._mode = mode
        self._look = look
        self._sim_url = sim_url
        self._clock = clock
        self._broker: port.Broker | None = None
        self.agree_after_s = AGREE_AFTER_S if venue.url == "sim" else AGREE_REMOTELY_AFTER_S
        self._first = session.start_time
        self._since = max(session.start_time, now - DAY)

    async def look(self) -> Broker:
        """See `Reader`."""
        return await self._answered(self._read())

    async def statement(self, since: int) -> Word:
        """See `StatementReader`."""
        return await self._answered(self._state(since))

    async def _answered(self, question: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(question, ANSWER_WITHIN_S)
        except TimeoutError:
            await self.close()
            raise NotRead(f"venue {self._venue.name} did not answer within {ANSWER_WITHIN_S:g} s") from None
        except (OutcomeUnknown, WrongKey, SimVenueAway, SimVenueRefused, ValueError) as error:
            await self.close()
            raise NotRead(f"venue {self._venue.name}: {error}") from error

    async def _read(self) -> Broker:
        broker = self._broker = self._broker or await self._connected()
        return Broker(await broker.open_orders(), await broker.fills_since(self._since))

    async def _state(self, since: int) -> Word:
        broker = self._broker = self._broker or await self._connected()
        open_ = {order.client_order_id for order in await broker.open_orders()}
        fills = await broker.fills_since(max(since, self._first))
        return Word([_line(fill) for fill in fills], open_, Amounts(*await broker.holdings()))

    def judged(self, look: Broker) -> None:
        """See `Reader`."""
        newest = max((fill.executed_at for fill in look.fills), default=0)
        self._since = max(self._since, newest - OVERLAP_NS, self._first)

    async def close(self) -> None:
        """See `Reader`."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.disconnect()

    async def _connected(self) -> port.Broker:
        await asyncio.to_thread(load_library, self._venue)
        broker = adapter(self._venue, await self._endpoint(), self._instruments, self._clock, listens=False)
        broker.hold = sends_nothing
        return await connected(broker)

    async def _endpoint(self) -> Endpoint:
        if self._venue.url == "sim":
            dialect = DIALECTS[self._venue.adapter]
            async with aiohttp.ClientSession() as http:
                key = await SimControl(http, self._sim_url).key(self._account.account_id, dialect, PURPOSE)
            return Endpoint(f"{self._sim_url}/{dialect}", key.key, key.secret, "paper")
        keys = own_keys(self._venue, self._look)
        return Endpoint(self._venue.url, keys.key, keys.secret, self._mode)


def _line(fill: Fill) -> Line:
    return Line(
        fill.exec_key,
        fill.client_order_id,
        fill.symbol,
        fill.side,
        fill.quantity,
        fill.price,
        fill.fee,
        fill.fee_currency,
        fill.executed_at,
    )


def own_keys(venue: VenueConfig, look: Look) -> Keys:
    """The auditor's own keys, which may be read-only; without any, the trader's, where this process is given them.

    Raises:
        ValueError: there are neither; the message says which are wanted.
    """
    if any(map(look, credentials.variables(venue, PURPOSE))) or not all(map(look, credentials.variables(venue))):
        return credentials.keys(venue, look, PURPOSE)
    return credentials.keys(venue, look)


def sends_nothing(order: Order) -> str:
    """Why an order may not leave: asked by the adapter before the first byte of any."""
    return f"the auditor only looks; it was asked to send {order.client_order_id}"
