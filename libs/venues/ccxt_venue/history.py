"""Fills as the venue's history has them: trades by symbol, the client ids of their orders, and how much was filled before.

A trade says neither whose order it belongs to in our words nor how much of the order was filled by then. Both are put
together here, so that a fill read from the history is the fill that the stream told of.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeVar

from libs.domain.trades import Fill
from libs.venues.ccxt_venue.connection import FLUENT
from libs.venues.ccxt_venue.mapping import MS, decimal, fill, name_of, text

T = TypeVar("T")

Read = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""Makes one request within the budget, and raises `OutcomeUnknown` when it is not answered."""

PAGE: Final = 500  # trades or orders in one answer; every venue of ccxt's gives as many or says less
_REMEMBERED: Final = 50_000  # orders, and fills


class ClientIds:
    """Which of our ids an order of the venue's has, as far as we have been told; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, str] = OrderedDict()
        self._symbols: OrderedDict[str, str] = OrderedDict()

    def learn(self, order: Mapping[str, Any]) -> None:
        """Of a unified order; one that lacks either id teaches nothing."""
        venue_id, client_id = order.get("id"), order.get("clientOrderId")
        if venue_id and not client_id and self.of(str(venue_id)) is None:
            client_id = name_of(order)  # somebody placed it without one
        if venue_id and client_id:
            _put(self._of, str(venue_id), str(client_id))
        if client_id and order.get("symbol"):
            self.place(str(client_id), order["symbol"])

    def place(self, client_id: str, symbol: str) -> None:
        """An order is for a symbol: most venues want it beside the id."""
        _put(self._symbols, client_id, symbol)

    def of(self, venue_id: str) -> str | None:
        """Our id."""
        return self._of.get(venue_id)

    def venue_id(self, client_id: str) -> str | None:
        """The venue's id."""
        return next((venue_id for venue_id, ours in reversed(self._of.items()) if ours == client_id), None)

    def symbol(self, client_id: str) -> str | None:
        """What it trades."""
        return self._symbols.get(client_id)


def _put(memory: OrderedDict[str, T], key: str, value: T) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)


class History:
    """Reads one account's past, symbol by symbol."""

    def __init__(self, exchange: Any, read: Read, ids: ClientIds, quotes: Mapping[str, str]) -> None:
        self._exchange = exchange
        self._read = read
        self._ids = ids
        self._quotes = quotes
        self._sums: OrderedDict[str, Decimal] = OrderedDict()  # filled of an order with a fill, by `exec_key`

    async def fills(self, symbols: Iterable[str], since: int | None) -> list[Fill]:
        """Fills at or after a market time (ns), oldest first; the newest page of each symbol when no time is given.

        Raises:
            OutcomeUnknown: a request was not answered.
            Unreadable: an answer says too little.
        """
        found = [found for symbol in symbols for found in await self._in_market(symbol, since)]
        return sorted(found, key=lambda one: (one.executed_at, one.client_order_id, one.cumulative))

    async def _in_market(self, symbol: str, since: int | None) -> list[Fill]:
        trades = await self._trades(symbol, since)
        by_order: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for trade in trades:
            by_order[text(trade.get("order"), "the order of a trade")].append(trade)
        fills = [found for venue_id, own in by_order.items() for found in await self._of_order(venue_id, symbol, own)]
        return [found for found in fills if found.executed_at >= (since or 0)]

    async def _trades(self, symbol: str, since: int | None) -> list[Mapping[str, Any]]:
        """Each trade once, oldest first, page after page until there is nothing new."""
        start = None if since is None else since // MS
        found: dict[str, Mapping[str, Any]] = {}
        call = partial(self._exchange.fetch_my_trades, symbol, start, PAGE)
        while True:
            page = await self._read(call)
            fresh = {_key(trade): trade for trade in page if _key(trade) not in found}
            found |= fresh
            if start is None or not fresh or len(page) < PAGE:
                return sorted(found.values(), key=_trade_time)
            if self._exchange.id in FLUENT:
                number = max(int(text(trade.get("id"), "the id of a trade")) for trade in fresh.values()) + 1
                call = partial(self._exchange.fetch_my_trades, symbol, None, PAGE, {"fromId": number})
            else:  # again from the newest: a millisecond may span two pages
                newest = max(_trade_time(trade) for trade in fresh.values())
                call = partial(self._exchange.fetch_my_trades, symbol, newest, PAGE)

    def learn(self, told: Fill) -> None:
        """A fill that the stream told of: how much was filled with it need not be asked for."""
        _put(self._sums, told.exec_key, told.cumulative)

    async def _of_order(self, venue_id: str, symbol: str, trades: Sequence[Mapping[str, Any]]) -> list[Fill]:
        """Fills of one order. The venue is asked about orders that we have not heard of, and for trades before those given."""
        client_id, filled = self._ids.of(venue_id), self._filled_before(symbol, trades[0])
        if client_id is None or filled is None:
            order = await self._read(lambda: self._exchange.fetch_order(venue_id, symbol))
            self._ids.learn(order)
            client_id, filled = name_of({"id": venue_id, **order}), Decimal(0)
            seen = sum((_quantity(trade) for trade in trades), Decimal(0))
            if decimal(order.get("filled"), f"filled quantity of {client_id}") != seen and self._exchange.has.get("fetchOrderTrades"):
                trades = await self._read(lambda: self._exchange.fetch_order_trades(venue_id, symbol)) or trades
        fills: list[Fill] = []
        for trade in sorted(trades, key=_trade_time):
            fills.append(fill(trade, client_id, filled, self._quotes[symbol]))
            filled = fills[-1].cumulative
            self.learn(fills[-1])
        return fills

    def _filled_before(self, symbol: str, trade: Mapping[str, Any]) -> Decimal | None:
        with_it = self._sums.get(f"{symbol}:{trade.get('id')}")
        return None if with_it is None else with_it - _quantity(trade)


def _quantity(trade: Mapping[str, Any]) -> Decimal:
    return decimal(trade.get("amount"), "quantity of a trade")


def _key(trade: Mapping[str, Any]) -> str:
    return str(trade.get("id") or f"{trade.get('order')}:{trade.get('timestamp')}:{trade.get('price')}:{trade.get('amount')}")


def _trade_time(trade: Mapping[str, Any]) -> int:
    return int(decimal(trade.get("timestamp"), "time of a trade"))
