"""Quotes and trades of any venue, as ccxt unifies them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import takewhile
from typing import Any, Final

from libs.domain.market import BadRow, Quote, TradeTick
from libs.venues.ccxt_venue.calls import Calls
from libs.venues.ccxt_venue.mapping import MS
from libs.venues.ccxt_venue.tape import Tape
from libs.venues.ccxt_venue.trade_line import NamedLine
from libs.venues.freshness import Freshness, Mute

PAGE: Final = 1000
SUBSCRIBED_AFTER_S: Final = 3.0  # surely


class UnifiedMarket:
    """Takes what ccxt has parsed at the moment it has: whoever awaits its futures gets the ends of a burst and misses what is between."""

    def __init__(self, exchange: Any, calls: Calls, symbols: Sequence[str], tape: Tape, freshness: Freshness) -> None:
        self._exchange = exchange
        self._calls = calls
        self._symbols = list(symbols)
        self._tape = tape
        self._freshness = freshness
        self._lines = {symbol: NamedLine() for symbol in symbols}
        self._since = 0

    def tap(self, message: object, url: str) -> bool:
        self._freshness.heard()
        return False

    def resolved(self, result: object) -> None:
        if isinstance(result, list):
            new = list(takewhile(self._is_new, reversed(result)))
            for trade in reversed(new):
                self._take_trade(trade, refilled=False)
        elif isinstance(result, dict):
            for ticker in [result] if "bid" in result else result.values():
                if isinstance(ticker, dict) and ticker.get("symbol") in self._lines and "bid" in ticker:
                    self._take_quote(ticker)

    def _is_new(self, trade: Any) -> bool:
        line = self._lines.get(str(trade.get("symbol"))) if isinstance(trade, dict) and "takerOrMaker" in trade else None
        return line is not None and line.is_new(_name(trade))

    def _take_trade(self, trade: Mapping[str, Any], refilled: bool) -> None:
        symbol = trade["symbol"]
        try:
            price, size, ts = float(trade["price"]), float(trade["amount"]), int(trade["timestamp"]) * MS
        except (KeyError, TypeError, ValueError) as error:
            self._bad(symbol, error, trade)
            return
        if ts > self._since:  # some venues begin a stream with the past
            tick = TradeTick(venue=self._tape.venue, symbol=symbol, seq=0, ts=ts, price=price, size=size)
            for due in self._lines[symbol].add(_name(trade), tick):
                self._tape.trade(due, refilled)

    def _take_quote(self, ticker: Mapping[str, Any]) -> None:
        symbol, time = ticker["symbol"], ticker.get("timestamp")
        try:
            bid, ask = float(ticker["bid"]), float(ticker["ask"])
            bid_size, ask_size = float(ticker.get("bidVolume") or 0), float(ticker.get("askVolume") or 0)
        except (KeyError, TypeError, ValueError) as error:
            self._bad(symbol, error, ticker)
            return
        ts = int(time) * MS if time else self._tape.now()
        quote = Quote(venue=self._tape.venue, symbol=symbol, seq=0, ts=ts, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size)
        self._tape.quote(quote)

    def _bad(self, symbol: str, error: Exception, said: Mapping[str, Any]) -> None:
        reason, raw = f"{type(error).__name__}: {error}", str(said.get("info") or said)[:500]
        self._tape.bad(BadRow(venue=self._tape.venue, symbol=symbol, ts=self._tape.now(), reason=reason, raw=raw))

    async def subscribe(self) -> None:
        """Nobody says when a subscription holds."""
        self._freshness.heard()

    async def refill(self, since: int) -> None:
        self._since = since
        if not self._exchange.has.get("fetchTrades"):
            return
        for symbol in self._symbols:
            for trade in await self._calls.read(partial(self._exchange.fetch_trades, symbol, since // MS, PAGE)):
                self._take_trade(trade, refilled=True)

    async def listen(self) -> None:
        has, watches = self._exchange.has, []
        if has.get("watchTradesForSymbols"):
            watches.append(partial(self._exchange.watch_trades_for_symbols, self._symbols))
        else:
            watches += [partial(self._exchange.watch_trades, symbol) for symbol in self._symbols]
        if has.get("watchBidsAsks"):
            watches.append(partial(self._exchange.watch_bids_asks, self._symbols))
        else:
            watches += [partial(self._exchange.watch_ticker, symbol) for symbol in self._symbols]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stay_sure())
            tasks.create_task(self._look_again())
            for watch in watches:
                tasks.create_task(_until_lost(watch))

    async def _look_again(self) -> None:
        """For what happened after the history was asked and before the subscription held."""
        await asyncio.sleep(SUBSCRIBED_AFTER_S)
        await self.refill(self._since)

    async def _stay_sure(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if self._freshness.left_s() == 0:
                raise Mute(f"nothing heard for {self._freshness.silent_s():.0f} s")


async def _until_lost(watch: Callable[[], Awaitable[object]]) -> None:
    while True:
        await watch()


def _name(trade: Mapping[str, Any]) -> str:
    return str(trade.get("id") or f"{trade.get('timestamp')}:{trade.get('price')}:{trade.get('amount')}:{trade.get('side')}")
