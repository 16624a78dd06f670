"""What the venue says unasked, from its stream and, behind every gap and each half minute, from its history."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final

from libs.common.clocks import SECOND
from libs.domain.orders import Order
from libs.domain.trades import Fill
from libs.venues.broker import OrderReport, Report
from libs.venues.ccxt_venue.connection import SUBSCRIBED_WITHIN_S, cause_of, lose, until
from libs.venues.ccxt_venue.history import History
from libs.venues.ccxt_venue.lookup import Lookup
from libs.venues.ccxt_venue.mapping import time_of, venue_order
from libs.venues.ccxt_venue.news import ENDS, Ring, Stream, Tell
from libs.venues.reconnecting import Backoff, ended, reconnecting

log = logging.getLogger(__name__)

OVERLAP_NS: Final = 300 * SECOND  # market time by which each look at the history reaches back behind the newest fill that it had
LOOKS: Final = 10  # in vain, after which an order whose request was not answered is no longer asked for here: its desk does so
_TOLD: Final = 50_000  # fills whose keys are remembered


class Reports:
    """Of one account. Fills are told once by their `exec_key`, wherever they were seen first."""

    def __init__(
        self, exchange: Any, stream: Callable[[Tell, Ring], Stream], history: History, lookup: Lookup, symbols: Iterable[str], poll_s: float
    ) -> None:
        """
        Args:
            symbols: of the account, as they are when each look begins.
            poll_s: host seconds between two looks at the history.
        """
        self._exchange = exchange
        self._stream = stream
        self._history = history
        self._lookup = lookup
        self._symbols = symbols
        self._poll_s = poll_s
        self._waiting: list[Report] = []
        self._news = asyncio.Event()
        self._rung: set[str] = set()
        self._bell = asyncio.Event()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._newest: dict[str, int] = {}  # execution time of the newest fill of the history; it may lag behind the stream
        self._lost: asyncio.Future[None] | None = None
        self._backoff = Backoff()
        self._listener: asyncio.Task[None] | None = None
        self._in_vain: dict[str, int] = {}  # looks that found no trace of such an order, one after another
        self._may_be_open: dict[str, Decimal] = {}  # quantities of our orders that the venue has not said the end of
        self.fault = "the stream of reports is not connected yet"

    def start(self) -> None:
        """Listens from now on, and connects again for ever."""
        if self._listener is None:
            self._listener = asyncio.create_task(reconnecting(self._connection, self._broken, self._backoff))

    async def next(self) -> list[Report]:
        """Waits for news."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        taken, self._waiting = self._waiting, []
        return taken

    def sent(self, order: Order) -> None:
        """It may be at the venue from now on."""
        self._may_be_open[order.client_order_id] = order.quantity

    def not_there(self, client_order_id: str) -> None:
        """It was never accepted, or has ended."""
        self._may_be_open.pop(client_order_id, None)
        self._in_vain.pop(client_order_id, None)

    async def close(self) -> None:
        """Listens no more; a second time does nothing."""
        if self._listener is not None:
            await ended(self._listener)
            self._listener = None

    async def _connection(self) -> None:
        """Subscribes first and reads the history then: what happens between the two is told twice and never missed."""
        stream = self._stream(self._tell, self._ring)
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._exchange.hooks.tap = stream.tap
        self._exchange.hooks.lost = partial(lose, lost)
        try:
            await asyncio.wait_for(stream.subscribe(), SUBSCRIBED_WITHIN_S)
            await self._catch_up(self._symbols)
            self.fault = ""
            self._backoff.reset()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(until(lost))
                tasks.create_task(stream.listen())
                tasks.create_task(self._answer_the_bell())
                tasks.create_task(self._look_now_and_then())
        finally:
            lost.cancel()
            self._exchange.drop_streams()

    def _broken(self, error: Exception) -> None:
        self.fault = f"the stream of reports was lost: {cause_of(error)}"
        log.warning("%s: %s", self._exchange.id, self.fault)

    async def _look_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            await self._catch_up(self._symbols)

    async def _answer_the_bell(self) -> None:
        while True:
            await self._bell.wait()
            self._bell.clear()
            rung, self._rung = self._rung, set()
            await self._catch_up(rung)

    async def _catch_up(self, symbols: Iterable[str]) -> None:
        """Fills first: an order that ended has them, and is not found open any more."""
        for symbol in list(symbols):
            newest = self._newest.get(symbol)
            for seen in await self._history.fills([symbol], None if newest is None else newest - OVERLAP_NS):
                self._newest[symbol] = max(self._newest.get(symbol, 0), seen.executed_at)
                self._tell(seen)
        if not self._may_be_open:
            return
        listed = {order.client_order_id for order in await self._lookup.open_orders(list(self._symbols))}
        for client_id in [one for one in self._may_be_open if one not in listed]:
            order = await self._lookup.shown(client_id, list(self._symbols))
            self._note(client_id, found=order is not None)
            if order and client_id in self._may_be_open:  # None proves nothing, and the stream may have told meanwhile
                self._tell_end(order)

    def _note(self, client_id: str, *, found: bool) -> None:
        """An order that the venue never had would be asked for at every look for ever."""
        self._in_vain[client_id] = 0 if found else self._in_vain.get(client_id, 0) + 1
        if self._in_vain[client_id] >= LOOKS:
            self.not_there(client_id)

    def _tell_end(self, order: Mapping[str, Any]) -> None:
        """Of an order that is open no more. That it is filled is said by its fills."""
        seen = venue_order(order)
        if seen.status == "filled":
            self.not_there(seen.client_order_id)
        elif evidence := ENDS.get(seen.status):
            self._tell(OrderReport(seen.client_order_id, evidence, seen.filled, time_of(order), f"looked up: {seen.status}"))

    def _ring(self, symbol: str) -> None:
        self._rung.add(symbol)
        self._bell.set()

    def _tell(self, report: Report) -> None:
        if isinstance(report, Fill):
            if report.exec_key in self._told:
                return
            self._told[report.exec_key] = None
            if len(self._told) > _TOLD:
                self._told.popitem(last=False)
            self._history.learn(report)
            if report.cumulative >= self._may_be_open.get(report.client_order_id, Decimal("Infinity")):
                self.not_there(report.client_order_id)
        elif isinstance(report, OrderReport) and report.evidence in ENDS.values():
            self.not_there(report.client_order_id)
        self._waiting.append(report)
        self._news.set()
