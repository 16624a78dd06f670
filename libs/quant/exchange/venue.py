"""A simulated venue for one account: orders in, market events in, records of what became of them out.

It decides and keeps its book in memory; whoever needs it durable writes the records down before believing them. The
paper broker does that, a backtest does not have to.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from libs.domain.actions import CorporateAction
from libs.domain.market import Bar, MarketEvent, QuoteBar
from libs.domain.orders import Order
from libs.quant.exchange.adjust import adjustment
from libs.quant.exchange.book import NEVER, Accepted, Adjusted, Book, BookedOrder, Ended, Moved, Record
from libs.quant.exchange.matching import KINDS, expired, meet, moment
from libs.quant.exchange.rules import Rules, refusal


class Turned(Exception):
    """The venue will not do it; the message is its reason."""


class Venue:
    """One account's book and the rules it is kept by. Every method that returns records has applied them."""

    def __init__(self, book: Book, rules: Rules, actions: Iterable[CorporateAction] = ()) -> None:
        """`actions`: what becomes of the venue's symbols, in any order; those the book has adjusted for are passed over."""
        self.book = book
        self.rules = rules
        self._kinds = {symbol: KINDS[kind] for symbol, kind in rules.fill_on.items() if symbol in rules.instruments}
        done = {record.action.key for record in book.adjustments}
        upcoming = (action for action in actions if action.key not in done)
        self._upcoming = sorted(upcoming, key=lambda action: (action.effective, action.symbol, action.kind))

    def take(self, order: Order) -> Accepted:
        """Takes an order, or raises Turned with the reason. It meets only events newer than what was heard of its symbol."""
        reason = refusal(order, self.book, self.rules)
        if reason is not None:
            raise Turned(reason)
        heard = self.book.heard.get(order.symbol, NEVER)
        return Accepted(order=order, heard=heard, market_time=self.book.market_time)

    def replace(self, client_order_id: str, order: Order) -> list[Record]:
        """The end of an open order and another in its place, or raises Turned with the reason and the old one stays.

        A trailing stop goes on from where the old one stood, unless its own beginning is nearer to the market.
        """
        old = self._open(client_order_id)
        if old.filled or old.triggered:
            raise Turned(f"order {client_order_id} is being executed")
        reason = refusal(order, self.book, self.rules, without=old)
        if reason is not None:
            raise Turned(reason)
        heard, now = self.book.heard.get(order.symbol, NEVER), self.book.market_time
        records: list[Record] = [
            Ended(client_order_id=client_order_id, status="canceled", market_time=now),
            Accepted(order=order, heard=heard, market_time=now),
        ]
        if old.stop is not None and order.trail is not None and old.order.trail is not None:
            begins = None if order.stop_price is None else self.rules.instruments[order.symbol].ticks(order.stop_price)
            stands = old.stop if begins is None else (max if order.side == "sell" else min)(old.stop, begins)
            records.append(Moved(client_order_id=order.client_order_id, stop=stands, triggered=False, heard=heard, market_time=now))
        return records

    def cancel(self, client_order_id: str) -> Ended:
        """Ends an open order, or raises Turned when it is not open."""
        self._open(client_order_id)
        return Ended(client_order_id=client_order_id, status="canceled", market_time=self.book.market_time)

    def _open(self, client_order_id: str) -> BookedOrder:
        booked = self.book.orders.get(client_order_id)
        if booked is None:
            raise Turned(f"no order {client_order_id}")
        if booked.status != "open":
            raise Turned(f"order {client_order_id} is {booked.status}")
        return booked

    def hear(self, events: Sequence[MarketEvent], market_time: int) -> list[Record]:
        """Shows the market to the open orders, in the order given, then ends what ends at or before `market_time`.

        Corporate actions come before the first event that happened when they held: not before a bar that had begun without
        them and is only known now. An event heard before, or older than one heard before, does nothing.
        """
        records: list[Record] = []
        book, kinds = self.book, self._kinds
        for event in events:
            if self._upcoming:
                records += self._due(_known(event), market_time)
            kind = kinds.get(event.symbol)
            if kind is None or not isinstance(event, kind):
                continue
            at = moment(event)
            if at <= book.heard.get(event.symbol, NEVER):
                continue
            book.heard[event.symbol] = at
            if event.symbol in book.open:
                records += self.applied(meet(event, book, self.rules, market_time))
        if self._upcoming:
            records += self._due(market_time, market_time)
        book.market_time = max(book.market_time, market_time)
        if book.open:
            records += self.applied(expired(book, market_time))
        return records

    def applied(self, records: Sequence[Record]) -> Sequence[Record]:
        """Takes records into the book, and gives them back."""
        for record in records:
            self.book.apply(record)
        return records

    def paid(self, amounts: Iterable[tuple[str, Decimal]]) -> None:
        """Takes into account what was paid to it (below 0: by it) beside trading: (currency, amount)."""
        for currency, amount in amounts:
            self.book.cash[currency] += amount

    def _due(self, holds: int, market_time: int) -> list[Record]:
        """What holds at that moment, and has not been done."""
        records: list[Record] = []
        market_time = max(holds, market_time)
        while self._upcoming and self._upcoming[0].effective <= holds:
            action = self._upcoming.pop(0)
            ends = [
                Ended(client_order_id=booked.order.client_order_id, status="canceled", market_time=market_time)
                for booked in self.book.resting(action.symbol)
            ]
            records += self.applied(ends)
            records += self.applied([self._adjusted(action, market_time)])
        return records

    def _adjusted(self, action: CorporateAction, market_time: int) -> Adjusted:
        instrument = self.rules.instruments[action.symbol]
        before = self.book.positions.get(action.symbol, _NOTHING)
        after, cash = adjustment(before, action, instrument)
        return Adjusted(action=action, before=before, after=after, cash=cash, currency=instrument.currency, market_time=market_time)


_NOTHING: Final = Decimal(0)


def _known(event: MarketEvent) -> int:
    """When an event happened: a bar by its start, for what holds from an open on must hold before the bar of that open."""
    return event.start if isinstance(event, Bar | QuoteBar) else event.ts
