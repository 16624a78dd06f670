"""The paper venue: a broker in this process, with a durable book of its own and fills on the market it is told of."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Self

import msgspec

from libs.common.clocks import HostClock
from libs.domain.actions import CorporateAction
from libs.domain.instruments import Instrument
from libs.domain.market import MarketEvent
from libs.domain.orders import Evidence, Order, VenueOrder
from libs.domain.trades import Fill
from libs.quant.exchange.book import Adjusted, Book, Ended, Filled, Opened, Record, decode, encode
from libs.quant.exchange.rules import Rules
from libs.quant.exchange.venue import Turned, Venue
from libs.quant.fills import FillOn, FillTerms
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
    held_back,
    unheld,
)
from libs.venues.line_file import LineFile, LineFileDamaged, LineFileFailed

_EVIDENCE = {"canceled": Evidence.CANCELED, "expired": Evidence.EXPIRED}


class PaperBroker:
    """One account at the paper venue. Only `next_reports` waits; every other call is done when it returns.

    Nothing is answered or reported before it is flushed to the book file, and the book in memory is rebuilt from the
    file when it is opened, so a killed process loses no order, fill or coin. Reports not yet taken are not kept:
    after a restart ask `open_orders`, `find` and `fills_since`. Once a write has failed, every call but `drain_reports`
    raises `LineFileFailed` (`submit` and `cancel`: `OutcomeUnknown`) until the book is opened again.
    """

    abilities = Abilities(
        cancel_all=True,
        dead_man=False,
        good_till_date=True,
        absence_is_proof=True,  # the file is ours alone
        stops=True,
        oco=True,
        trailing=True,
        replaces=True,
    )

    def __init__(self, file: LineFile, venue: Venue, clock: HostClock) -> None:
        self._file = file
        self._venue = venue
        self._book = venue.book
        self._clock = clock
        self.hold: Hold = unheld
        self._reports: list[Report] = []
        self._news = asyncio.Event()

    @classmethod
    def open(
        cls,
        path: Path,
        account_id: str,
        instruments: Mapping[str, Instrument],
        fill_on: Mapping[str, FillOn],
        terms: FillTerms,
        deposit: Mapping[str, Decimal],
        latency_ns: int,
        *,
        clock: HostClock,
        allow_short: bool = False,
        bar_grace_ns: int = 0,
        actions: Sequence[CorporateAction] = (),
    ) -> Self:
        """Open the account's book, or begin one with `deposit` (by currency) when the file is new.

        Args:
            latency_ns: market time from decision to the venue.
            clock: host time, for send deadlines only.
            bar_grace_ns: by which `decided_at` of orders lies after the end of the decided bar; 0 for recorded bars.
            actions: corporate actions of the timeline, each applied once when the market reaches it.

        Raises:
            LineFileLocked: another process has it.
            LineFileDamaged: the file is not what was written, belongs to another account, or holds an open order of a
                symbol that is no longer known.
        """
        file, payloads = LineFile.open(path)
        try:
            book = _read(file.path, payloads)
            if not payloads:
                opened = Opened(account_id=account_id, deposit=dict(deposit))
                file.append(encode([opened]))
                book.apply(opened)
            _check(file, book, account_id, instruments)
        except BaseException:
            file.close()
            raise
        return cls(file, Venue(book, Rules(instruments, fill_on, terms, latency_ns, bar_grace_ns, allow_short), actions), clock)

    async def connect(self) -> None:
        """See `Broker`: it is open already."""

    async def disconnect(self) -> None:
        """See `Broker`."""
        self.close()

    def close(self) -> None:
        """Give up the book and its lock."""
        self._file.close()

    async def submit(self, order: Order, deadline: float) -> None:
        """See `Broker`. The order meets only events newer than what was heard of its symbol before this call."""
        self._may_leave([order], deadline)
        try:
            accepted = self._venue.take(order)
        except Turned as reason:
            raise Refused(str(reason)) from reason
        self._answer(accepted)

    async def submit_oco(self, orders: Sequence[Order], deadline: float) -> None:
        """See `Broker`. One append for both."""
        self._may_leave(orders, deadline)
        try:
            accepted = [self._venue.take(order) for order in orders]  # the second holds back nothing that the first does not
        except Turned as reason:
            raise Refused(str(reason)) from reason
        self._answer(*accepted)

    async def replace(self, client_order_id: str, order: Order, deadline: float) -> None:
        """See `Broker`. One append for the end of the one and the beginning of the other."""
        self._may_leave([order], deadline)
        try:
            records = self._venue.replace(client_order_id, order)
        except Turned as reason:
            raise Refused(str(reason)) from reason
        self._answer(*records, replaced=client_order_id)

    def _may_leave(self, orders: Sequence[Order], deadline: float) -> None:
        if self._clock.monotonic() > deadline:
            raise NotSent(f"deadline of {orders[0].client_order_id} has passed")
        if why := held_back(self.hold, orders):
            raise NotSent(why)

    async def cancel(self, client_order_id: str) -> None:
        """See `Broker`. The report of the end is there at once."""
        try:
            ended = self._venue.cancel(client_order_id)
        except Turned as reason:
            raise Refused(str(reason)) from reason
        self._answer(ended)

    async def cancel_all(self) -> None:
        """See `Broker`. One append for all of them."""
        ended = [self._venue.cancel(order.client_order_id) for order in await self.open_orders()]
        if ended:
            self._answer(*ended)

    async def dead_man(self, after_s: float) -> None:
        """See `Broker`: it dies with us."""
        raise Refused("the paper venue has no dead man's switch: it is in the process whose death it would have to notice")

    def link(self) -> Link:
        """See `Broker`."""
        try:
            self._file.check()
        except LineFileFailed as error:
            return Link(False, str(error), None, None, None)
        return Link(True, "", 0.0, None, None)

    def on_market(self, events: Sequence[MarketEvent], market_time: int) -> None:
        """What `Venue.hear` makes of it, flushed at once, then reported."""
        self._file.check()
        records = self._venue.hear(events, market_time)
        if records:
            self._file.append(encode(records))
            self._report(records)

    async def find(self, client_order_id: str) -> VenueOrder | None:
        """See `Broker`."""
        self._file.check()
        booked = self._book.orders.get(client_order_id)
        return None if booked is None else booked.view()

    async def open_orders(self) -> Sequence[VenueOrder]:
        """See `Broker`."""
        self._file.check()
        return [booked.view() for resting in self._book.open.values() for booked in resting.values()]

    async def fills_since(self, executed_at: int) -> Sequence[Fill]:
        """See `Broker`."""
        self._file.check()
        return sorted((f for f in self._book.fills if f.executed_at >= executed_at), key=lambda f: f.executed_at)

    async def adjustments(self) -> Sequence[Adjustment]:
        """See `Broker`."""
        self._file.check()
        return [_adjustment(record) for record in self._book.adjustments]

    async def holdings(self) -> Holdings:
        """See `Broker`."""
        self._file.check()
        cash, positions = self._book.cash, self._book.positions
        return Holdings({c: amount for c, amount in cash.items() if amount}, {s: held for s, held in positions.items() if held})

    async def next_reports(self) -> Sequence[Report]:
        """See `Broker`."""
        while not self._reports:
            self._news.clear()
            await self._news.wait()
        return self.drain_reports()

    def drain_reports(self) -> Sequence[Report]:
        """What `next_reports` would return, without waiting; empty when there is no news."""
        taken, self._reports = self._reports, []
        return taken

    def _answer(self, *records: Record, replaced: str = "") -> None:
        try:
            self._file.append(encode(records))
        except LineFileFailed as error:
            raise OutcomeUnknown(str(error)) from error
        self._report(self._venue.applied(records), replaced)

    def _report(self, records: Sequence[Record], replaced: str = "") -> None:
        for record in records:
            if isinstance(record, Filled):
                self._reports.append(record.fill)
            elif isinstance(record, Ended):
                filled = self._book.orders[record.client_order_id].filled
                evidence = Evidence.REPLACED if record.client_order_id == replaced else _EVIDENCE[record.status]
                self._reports.append(OrderReport(record.client_order_id, evidence, filled, record.market_time, record.status))
            elif isinstance(record, Adjusted):
                self._reports.append(_adjustment(record))
        if self._reports:
            self._news.set()


def _adjustment(record: Adjusted) -> Adjustment:
    return Adjustment(record.action, record.after, record.cash, record.currency, record.market_time)


def _read(path: Path, payloads: Sequence[bytes]) -> Book:
    book = Book()
    for n, payload in enumerate(payloads, 1):
        try:
            records = decode(payload)
        except msgspec.MsgspecError as error:
            raise LineFileDamaged(f"{path}: line {n} is none of this version: {error}") from error
        for record in records:
            book.apply(record)
    return book


def _check(file: LineFile, book: Book, account_id: str, instruments: Mapping[str, Instrument]) -> None:
    if book.account_id != account_id:
        raise LineFileDamaged(f"{file.path} belongs to account {book.account_id!r}, not {account_id!r}")
    for symbol in book.open:
        if symbol not in instruments:
            raise LineFileDamaged(f"{file.path} holds open orders of {symbol}, which is no longer known")
