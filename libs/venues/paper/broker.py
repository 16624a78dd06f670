"""The paper venue: a broker in this process, with a durable book of its own and fills on the market it is told of."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Self

import msgspec

from libs.common.clocks import HostClock
from libs.domain.instruments import Instrument
from libs.domain.market import MarketEvent
from libs.domain.orders import Evidence, Order
from libs.domain.trades import Fill
from libs.quant.fills import FillTerms
from libs.venues.broker import Holdings, NotSent, OrderReport, OutcomeUnknown, Refused, VenueOrder
from libs.venues.feed import FillOn
from libs.venues.paper.book import NEVER, Accepted, Book, Ended, Filled, Opened, Record, decode, encode
from libs.venues.paper.book_file import BookDamaged, BookFailed, BookFile
from libs.venues.paper.matching import KINDS, expired, fills, moment
from libs.venues.paper.rules import Rules, refusal

_EVIDENCE = {"canceled": Evidence.CANCELED, "expired": Evidence.EXPIRED}


class PaperBroker:
    """One account at the paper venue. Only `next_reports` waits; every other call is done when it returns.

    Nothing is answered or reported before it is flushed to the book file, and the book in memory is rebuilt from the
    file when it is opened, so a killed process loses no order, fill or coin. Reports not yet taken are not kept:
    after a restart ask `open_orders`, `find` and `fills_since`. Once a write has failed, every call but `drain_reports`
    raises `BookFailed` (`submit` and `cancel`: `OutcomeUnknown`) until the book is opened again.
    """

    absence_is_proof: bool = True  # the file is ours alone: an order that is not in it was never accepted

    def __init__(self, file: BookFile, book: Book, rules: Rules, clock: HostClock) -> None:
        self._file = file
        self._book = book
        self._rules = rules
        self._clock = clock
        self._kinds = {symbol: KINDS[kind] for symbol, kind in rules.fill_on.items() if symbol in rules.instruments}
        self._reports: list[Fill | OrderReport] = []
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
    ) -> Self:
        """Open the account's book, or begin one with `deposit` (by currency) when the file is new.

        Args:
            latency_ns: market time from decision to the venue.
            clock: host time, for send deadlines only.
            bar_grace_ns: by which `decided_at` of orders lies after the end of the decided bar; 0 for recorded bars.

        Raises:
            BookLocked: another process has it.
            BookDamaged: the file is not what was written, belongs to another account, or holds an open order of a
                symbol that is no longer known.
        """
        file, payloads = BookFile.open(path)
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
        return cls(file, book, Rules(instruments, fill_on, terms, latency_ns, bar_grace_ns, allow_short), clock)

    def close(self) -> None:
        """Give up the book and its lock."""
        self._file.close()

    async def submit(self, order: Order, deadline: float) -> None:
        """See `Broker`. The order meets only events newer than what was heard of its symbol before this call."""
        if self._clock.monotonic() > deadline:
            raise NotSent(f"deadline of {order.client_order_id} has passed")
        reason = refusal(order, self._book, self._rules)
        if reason is not None:
            raise Refused(reason)
        heard = self._book.heard.get(order.symbol, NEVER)
        self._answer(Accepted(order=order, heard=heard, market_time=self._book.market_time))

    async def cancel(self, client_order_id: str) -> None:
        """See `Broker`. The report of the end is there at once."""
        booked = self._book.orders.get(client_order_id)
        if booked is None:
            raise Refused(f"no order {client_order_id}")
        if booked.status != "open":
            raise Refused(f"order {client_order_id} is {booked.status}")
        self._answer(Ended(client_order_id=client_order_id, status="canceled", market_time=self._book.market_time))

    def on_market(self, events: Sequence[MarketEvent], market_time: int) -> None:
        """Fill open orders with the events, in the order given, then expire what ends at or before `market_time`.

        An event heard before, or older than one heard before, does nothing. All of it is flushed at once, then reported.
        """
        self._file.check()
        book, kinds = self._book, self._kinds
        records: list[Record] = []
        for event in events:
            kind = kinds.get(event.symbol)
            if kind is None or not isinstance(event, kind):
                continue
            at = moment(event)
            if at <= book.heard.get(event.symbol, NEVER):
                continue
            book.heard[event.symbol] = at
            if event.symbol in book.open:
                records += self._applied(fills(event, book, self._rules, market_time))
        book.market_time = max(book.market_time, market_time)
        if book.open:
            records += self._applied(expired(book, market_time))
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

    async def holdings(self) -> Holdings:
        """See `Broker`."""
        self._file.check()
        cash, positions = self._book.cash, self._book.positions
        return Holdings({c: amount for c, amount in cash.items() if amount}, {s: held for s, held in positions.items() if held})

    async def next_reports(self) -> Sequence[Fill | OrderReport]:
        """See `Broker`."""
        while not self._reports:
            self._news.clear()
            await self._news.wait()
        return self.drain_reports()

    def drain_reports(self) -> Sequence[Fill | OrderReport]:
        """What `next_reports` would return, without waiting; empty when there is no news."""
        taken, self._reports = self._reports, []
        return taken

    def _answer(self, record: Record) -> None:
        try:
            self._file.append(encode([record]))
        except BookFailed as error:
            raise OutcomeUnknown(str(error)) from error
        self._book.apply(record)
        self._report([record])

    def _applied(self, records: Sequence[Record]) -> Sequence[Record]:
        for record in records:
            self._book.apply(record)
        return records

    def _report(self, records: Sequence[Record]) -> None:
        for record in records:
            if isinstance(record, Filled):
                self._reports.append(record.fill)
            elif isinstance(record, Ended):
                filled = self._book.orders[record.client_order_id].filled
                evidence = _EVIDENCE[record.status]
                self._reports.append(OrderReport(record.client_order_id, evidence, filled, record.market_time, record.status))
        if self._reports:
            self._news.set()


def _read(path: Path, payloads: Sequence[bytes]) -> Book:
    book = Book()
    for n, payload in enumerate(payloads, 1):
        try:
            records = decode(payload)
        except msgspec.MsgspecError as error:
            raise BookDamaged(f"{path}: line {n} is none of this version: {error}") from error
        for record in records:
            book.apply(record)
    return book


def _check(file: BookFile, book: Book, account_id: str, instruments: Mapping[str, Instrument]) -> None:
    if book.account_id != account_id:
        raise BookDamaged(f"{file.path} belongs to account {book.account_id!r}, not {account_id!r}")
    for symbol in book.open:
        if symbol not in instruments:
            raise BookDamaged(f"{file.path} holds open orders of {symbol}, which is no longer known")
