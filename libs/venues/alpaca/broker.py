"""Alpaca as a broker: one account, by its REST API and its stream of trade updates."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from libs.common.clocks import HostClock
from libs.domain.instruments import Instrument
from libs.domain.orders import Evidence, Order, VenueOrder
from libs.domain.times import SECOND
from libs.domain.trades import Fill
from libs.venues.alpaca import outcomes
from libs.venues.alpaca.addresses import addresses, check, check_account
from libs.venues.alpaca.known import KnownOrders
from libs.venues.alpaca.order_body import order_body, replacement_body
from libs.venues.alpaca.reading import Reading, decoded
from libs.venues.alpaca.requests import Answer, Requests
from libs.venues.alpaca.socket import Socket, connected
from libs.venues.alpaca.updates import replaced, report_of, standing
from libs.venues.alpaca.wire import Account, OrderState, Unreadable, Update, read, time_ns
from libs.venues.broker import (
    Abilities,
    Adjustment,
    Hold,
    Holdings,
    Link,
    NotSent,
    OrderReport,
    OutcomeUnknown,
    Refused,
    Report,
    Undone,
    WrongKey,
    unheld,
)
from libs.venues.budget import Budget
from libs.venues.endpoint import Endpoint
from libs.venues.freshness import Freshness
from libs.venues.reconnecting import Backoff, ended, reconnecting
from libs.venues.tenfold import Tenfold

log = logging.getLogger(__name__)

MUTE_AFTER_S: Final = 10.0
OVERLAP_NS: Final = 300 * SECOND  # market time by which a refill reaches back behind the newest that was heard
REFILL_EVERY_S: Final = 5.0  # at most, of a stream that goes on talking nonsense
CANCEL_WAIT_S: Final = 5.0  # how long a cancel waits for the request budget
LISTEN: Final = {"action": "listen", "data": {"streams": ["trade_updates"]}}
"""Asks for the updates; asked again, the venue answers again, which shows that the stream is alive."""


class StreamFrame(msgspec.Struct, frozen=True, kw_only=True):
    """What every frame of the trading stream looks like."""

    stream: str
    data: msgspec.Raw = msgspec.Raw(b"{}")


class Greeting(msgspec.Struct, frozen=True, kw_only=True):
    """The data of an `authorization` frame."""

    status: str


class AlpacaBroker:
    """One account at Alpaca, or at a venue that speaks like it.

    What outcomes mean is in `outcomes`; a request is written at most once, see `requests`. Fees of a fill are 0 and its
    liquidity "taker", as Alpaca says neither (see `fill_of`). Corporate actions come as activities that are not read yet,
    so `adjustments` is empty, and holdings that differ after a split have to be looked at by a person.
    """

    abilities = Abilities(
        cancel_all=True,
        dead_man=False,
        good_till_date=False,
        absence_is_proof=False,
        stops=True,
        oco=False,  # the venue itself names the second order of a pair: were the answer lost, nobody could look it up
        trailing=True,
        replaces=True,
    )

    def __init__(
        self,
        endpoint: Endpoint,
        instruments: Mapping[str, Instrument],
        *,
        clock: HostClock,
        budget: Budget | None = None,
        mute_after_s: float = MUTE_AFTER_S,
        backoff: Backoff | None = None,
        listens: bool = True,
    ) -> None:
        """
        Args:
            instruments: by symbol; what may be ordered.
            budget: of the account; Alpaca allows 200 requests a minute, and 180 are used unless it is said otherwise.
            mute_after_s: host seconds without a word after which the stream is connected again.
            listens: whether to hear trade updates at all.
        """
        self._endpoint = endpoint
        self._instruments = instruments
        self._clock = clock
        self._addresses = addresses(endpoint)
        self._requests = Requests(endpoint, budget or Budget(180, clock=clock), clock)
        self._known = KnownOrders()
        self.hold: Hold = unheld
        symbols = {symbol.replace("/", ""): symbol for symbol in instruments if "/" in symbol}
        self._reading = Reading(self._requests, self._addresses.trading, self._known, symbols)
        self._freshness = Freshness(clock, mute_after_s)
        self._backoff = backoff or Backoff()
        self._listens = listens
        self._stream: asyncio.Task[None] | None = None
        self._stream_trouble = "the stream of trade updates is not connected yet"
        self._seen = 0  # market time of the newest that was heard
        self._reports: list[Report] = []
        self._news = asyncio.Event()
        self._missed = False  # something was said that could not be understood
        self._patient_until = 0.0
        self._unreadable = 0
        self._tell_unreadable = Tenfold()

    # --- connecting

    async def connect(self) -> None:
        """See `Broker`. An account that may not trade is connected all the same, to look and to cancel; `link` says why."""
        check(self._endpoint)
        answer = await self._requests.read(f"{self._addresses.trading}/account")
        if outcomes.unauthorized(answer):
            raise WrongKey(f"{self._addresses.trading} does not take the key {self._endpoint.key}: {answer.shown()}")
        account = decoded(answer, Account)
        check_account(self._endpoint.mode, account.account_number)
        self._reading.hindrance = account.hindrance()
        self._seen = max(self._seen, await self._reading.market_time())
        if self._stream is None and self._listens:
            self._stream = asyncio.create_task(reconnecting(self._listen, self._broken, self._backoff))

    async def disconnect(self) -> None:
        """See `Broker`."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await ended(stream)
        await self._requests.close()

    def link(self) -> Link:
        """See `Broker`."""
        trouble = self._reading.hindrance or self._requests.trouble or self._stream_trouble
        return Link(not trouble, trouble, self._requests.latency_ms, self._requests.budget.left(), self._freshness.silent_s())

    # --- orders

    async def submit(self, order: Order, deadline: float) -> None:
        """See `Broker`."""
        instrument = self._instruments.get(order.symbol)
        if instrument is None:
            raise NotSent(f"{order.symbol} is not among the instruments of this account")
        body = order_body(order, instrument)
        url, hold = f"{self._addresses.trading}/orders", partial(self.hold, order)
        answer = await self._requests.send("order", "POST", url, deadline=deadline, body=body, hold=hold)
        self._known.see(outcomes.accepted(answer, order.client_order_id))

    async def submit_oco(self, orders: Sequence[Order], deadline: float) -> None:
        """See `Broker`: not offered here."""
        raise NotSent("pairs of orders that cancel each other are not sent to Alpaca")

    async def replace(self, client_order_id: str, order: Order, deadline: float) -> None:
        """See `Broker`. That it was taken is no promise: what was filled meanwhile is not replaced, and the new one is rejected."""
        instrument = self._instruments.get(order.symbol)
        if instrument is None:
            raise NotSent(f"{order.symbol} is not among the instruments of this account")
        body = replacement_body(order, instrument)
        try:
            venue_id = await self._venue_id(client_order_id)
        except OutcomeUnknown as error:
            raise NotSent(f"the order to be replaced is not known at the venue: {error}") from error
        url, hold = f"{self._addresses.trading}/orders/{venue_id}", partial(self.hold, order)
        answer = await self._requests.send("order", "PATCH", url, deadline=deadline, body=body, hold=hold)
        self._known.see(outcomes.accepted(answer, order.client_order_id))

    async def cancel(self, client_order_id: str) -> None:
        """See `Broker`. Costs a look-up when the order was sent before this process began."""
        await self._delete(f"/orders/{await self._venue_id(client_order_id)}", outcomes.taken)

    async def _venue_id(self, client_order_id: str) -> str:
        """Of the order, or of what it was replaced by at the venue; OutcomeUnknown when the venue does not show it."""
        venue_id = self._known.venue_id(client_order_id)
        if venue_id is not None:
            return venue_id
        order = await self._reading.by_client_id(client_order_id)
        if order is None:
            raise OutcomeUnknown("the venue does not show the order, so there is nothing yet that could be changed")
        return (await self._reading.newest(order)).id

    async def cancel_all(self) -> None:
        """See `Broker`."""
        await self._delete("/orders", outcomes.all_taken)

    async def dead_man(self, after_s: float) -> None:
        """See `Broker`: Alpaca has none."""
        raise Refused("Alpaca has no dead man's switch: DAY orders end with the day, others stay until they are canceled")

    async def _delete(self, path: str, judge: Callable[[Answer], None]) -> None:
        deadline = self._clock.monotonic() + CANCEL_WAIT_S
        try:
            answer = await self._requests.send("cancel", "DELETE", self._addresses.trading + path, deadline=deadline)
        except NotSent as error:
            raise OutcomeUnknown(f"the cancel was not sent, ask again: {error}") from error
        judge(answer)

    # --- reads: each raises OutcomeUnknown when it is not answered, whole and readable

    async def find(self, client_order_id: str) -> VenueOrder | None:
        """See `Broker`. An order that somebody else replaced at the venue stands as what it was replaced by."""
        order = await self._reading.by_client_id(client_order_id)
        if order is None:
            return None
        newest = await self._reading.newest(order)
        return self._reading.view(await self._reading.own(order), await self._reading.own(newest))

    async def open_orders(self) -> Sequence[VenueOrder]:
        """See `Broker`."""
        orders = [await self._reading.own(order) for order in await self._reading.open_orders()]
        return [self._reading.view(order, order)._replace(client_order_id=await self._reading.owner(order)) for order in orders]

    async def fills_since(self, executed_at: int) -> Sequence[Fill]:
        """See `Broker`."""
        return await self._reading.fills_since(executed_at)

    async def adjustments(self) -> Sequence[Adjustment]:
        """See `Broker`: none are read."""
        return ()

    async def holdings(self) -> Holdings:
        """See `Broker`."""
        return await self._reading.holdings()

    # --- the stream

    async def next_reports(self) -> Sequence[Report]:
        """See `Broker`."""
        await self._news.wait()
        self._news.clear()
        reports, self._reports = self._reports, []
        return reports

    async def _listen(self) -> None:
        """One connection, until it ends. What it missed is asked for after it listens, so nothing falls in between."""
        async with connected(self._requests.session, self._addresses.trading_stream, self._freshness) as socket:
            await socket.say({"action": "authenticate", "data": {"key_id": self._endpoint.key, "secret_key": self._endpoint.secret}})
            status = read(await self._hear_of("authorization", socket), Greeting).status
            if status != "authorized":
                raise ConnectionError(f"the stream does not take the key {self._endpoint.key}: {status}")
            await socket.say(LISTEN)
            await self._hear_of("listening", socket)
            await self._refill()
            self._stream_trouble = ""
            self._backoff.reset()
            while True:
                await self._take(await socket.hear(probe=LISTEN))
                if self._missed and self._clock.monotonic() >= self._patient_until:
                    self._patient_until = self._clock.monotonic() + REFILL_EVERY_S
                    await self._refill()

    async def _hear_of(self, stream: str, socket: Socket) -> bytes:
        """The data of the next frame of `stream`; updates that come before it are taken."""
        async with socket.answering():
            while True:
                frame = await socket.hear()
                head = read(frame, StreamFrame)
                if head.stream == stream:
                    return bytes(head.data)
                await self._take(frame)

    async def _take(self, frame: bytes) -> None:
        """One frame. What it may have said when it cannot be understood is found by a refill."""
        try:
            head = read(frame, StreamFrame)
            if head.stream == "trade_updates":
                await self._update(read(bytes(head.data), Update))
        except Unreadable as error:
            self._missed = True
            self._unreadable += 1
            if self._tell_unreadable.due(self._unreadable):
                log.warning(
                    "%d frames of the trading stream could not be read; what they may have said is asked for: %s", self._unreadable, error
                )

    async def _update(self, update: Update) -> None:
        update = msgspec.structs.replace(update, order=await self._reading.own(update.order))
        owner = await self._reading.owner(update.order)
        gone = update.event == "replaced" and await self._reading.is_replaced(update.order)
        report = replaced(update.order, owner, time_ns(update.timestamp, "timestamp")) if gone else report_of(update, owner)
        if isinstance(report, Undone):
            report = report._replace(symbol=self._reading.ours(report.symbol))
        if isinstance(report, Fill):
            report = msgspec.structs.replace(report, symbol=self._reading.ours(report.symbol))
        if report is not None:
            self._tell(report, update.order)
        self._known.see(update.order)

    async def _refill(self) -> None:
        """What was missed: fills since shortly before the newest heard of, and how every order stands that was live."""
        fills = await self._reading.fills_since(max(0, self._seen - OVERLAP_NS))
        before = self._known.live()
        orders = await self._reading.open_orders()
        listed = {order.id for order in orders}
        orders += [order for id_ in before if id_ not in listed and (order := await self._reading.order(id_)) is not None]
        for fill in fills:
            self._tell(fill, None)
        for order in orders:
            told_at = time_ns(order.updated_at or order.submitted_at, "updated_at")
            owner = await self._reading.owner(order)
            if await self._reading.is_replaced(order):
                self._tell(replaced(order, owner, told_at), order)
            elif order.replaced_by is None and (report := standing(await self._reading.own(order), owner, told_at, "refilled")):
                self._tell(report, order)
        self._missed = False
        self._freshness.heard()

    def _tell(self, report: Report, order: OrderState | None) -> None:
        """An order that has ended is not told to be alive: what says so is older than its end."""
        if order and isinstance(report, OrderReport) and report.evidence is Evidence.ACCEPTED and self._known.has_ended(order.id):
            return
        if isinstance(report, Fill | OrderReport):
            self._seen = max(self._seen, report.executed_at if isinstance(report, Fill) else report.market_time)
        self._reports.append(report)
        self._news.set()

    def _broken(self, error: Exception) -> None:
        trouble = f"the stream of trade updates is down: {error}"
        if trouble != self._stream_trouble:  # an outage of a night is one line, not thousands
            log.warning("account of key %s: %s", self._endpoint.key, trouble)
        self._stream_trouble = trouble
