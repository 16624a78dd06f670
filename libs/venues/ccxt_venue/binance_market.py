"""Quotes and trades in Binance's own frames."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from libs.common.clocks import HostClock
from libs.domain.market import BadRow, TradeTick
from libs.venues.ccxt_venue import binance
from libs.venues.ccxt_venue.calls import Calls
from libs.venues.ccxt_venue.mapping import MS, Unreadable
from libs.venues.ccxt_venue.tape import Tape
from libs.venues.ccxt_venue.trade_line import NumberedLine
from libs.venues.freshness import Freshness, Mute

PAGE: Final = 1000
MOST_PAGES: Final = 60
"""Of trades that were missed, asked for at once; of a longer gap the oldest are fetched and the rest is left out."""
GAP_WAIT_S: Final = 0.2  # a frame that was overtaken comes by itself


class BinanceMarket:
    """aggTrade and bookTicker streams. Aggregate trades are numbered without gaps and can be asked for by time and number."""

    def __init__(
        self, exchange: Any, calls: Calls, symbols: Sequence[str], tape: Tape, clock: HostClock, probe_s: float, mute_after_s: float
    ) -> None:
        self._exchange = exchange
        self._calls = calls
        self._symbols = {exchange.market(symbol)["id"]: symbol for symbol in symbols}
        self._tape = tape
        self._clock = clock
        self._probe_s = probe_s
        self._mute_after_s = mute_after_s
        self._lines = {symbol: NumberedLine() for symbol in symbols}
        self._fresh: dict[str, Freshness] = {}  # by address: each socket can fall silent by itself
        self._unanswered = 0
        self._answered = asyncio.Event()
        self._gaps: asyncio.Queue[str] = asyncio.Queue()
        self._keepers: list[asyncio.Task[object]] = []

    def tap(self, message: object, url: str) -> bool:
        self._fresh.setdefault(url, Freshness(self._clock, self._mute_after_s)).heard()
        event = binance.event_of(message)
        if event is None:
            return self._reply(message)
        symbol = self._symbols.get(str(event.get("s")))
        if symbol is not None:
            try:
                self._take(event, symbol)
            except (Unreadable, KeyError, TypeError, ValueError) as error:
                reason = f"{type(error).__name__}: {error}"
                self._tape.bad(BadRow(venue=self._tape.venue, symbol=symbol, ts=self._tape.now(), reason=reason, raw=str(event)[:500]))
        return True

    def _reply(self, message: object) -> bool:
        """The answer to a subscription, or to the question whether anybody is there."""
        if isinstance(message, dict) and message.get("id") == binance.LIST["id"]:
            return True
        if isinstance(message, dict) and message.get("result", "") is None:
            self._unanswered -= 1
            if self._unanswered <= 0:
                self._answered.set()
        return False

    def _take(self, event: Mapping[str, Any], symbol: str) -> None:
        if event.get("e") == "aggTrade":
            number, trade = binance.trade_of(event, symbol, self._tape.venue)
            self._in_line(symbol, number, trade, refilled=False)
            if self._lines[symbol].gap():
                self._gaps.put_nowait(symbol)
        elif "u" in event:
            self._tape.quote(binance.quote_of(event, symbol, self._tape.venue, self._tape.now()))

    def _in_line(self, symbol: str, number: int, trade: TradeTick, refilled: bool) -> None:
        for due in self._lines[symbol].add(number, trade):
            self._tape.trade(due, refilled)

    def resolved(self, result: object) -> None:
        """Nothing that matters: its frames never reach ccxt."""

    async def subscribe(self) -> None:
        for line in self._lines.values():
            line.hold()
        self._fresh.clear()
        self._gaps = asyncio.Queue()
        self._answered.clear()
        self._unanswered = 2
        symbols = list(self._symbols.values())
        self._keepers = [
            asyncio.ensure_future(self._exchange.watch_trades_for_symbols(symbols)),
            asyncio.ensure_future(self._exchange.watch_bids_asks(symbols)),
        ]
        for keeper in self._keepers:
            keeper.add_done_callback(_looked_at)
        answered: asyncio.Task[object] = asyncio.ensure_future(self._answered.wait())
        try:  # the two subscriptions end only by failing: their frames never reach ccxt
            done, _ = await asyncio.wait({answered, *self._keepers}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            answered.cancel()

    async def refill(self, since: int) -> None:
        for symbol in self._lines:
            await self._refill(symbol, since)

    async def _refill(self, symbol: str, since: int) -> None:
        line, market_id = self._lines[symbol], self._exchange.market(symbol)["id"]
        number = line.next_number()
        where: dict[str, int] = {"startTime": since // MS} if number is None else {"fromId": number}
        for _ in range(MOST_PAGES):
            asked = {"symbol": market_id, "limit": PAGE, **where}
            page = await self._calls.read(partial(self._exchange.publicGetAggTrades, asked))
            for row in page:
                number, trade = binance.trade_of(row, symbol, self._tape.venue)
                where = {"fromId": number + 1}
                if trade.ts > since:
                    self._in_line(symbol, number, trade, refilled=True)
            if len(page) < PAGE:
                break
        for due in line.settle():
            self._tape.trade(due, refilled=True)

    async def listen(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._stay_sure())
                tasks.create_task(self._mend_gaps())
        finally:
            for keeper in self._keepers:
                keeper.cancel()

    async def _stay_sure(self) -> None:
        while True:
            await asyncio.sleep(self._probe_s)
            for url, client in list(self._exchange.clients.items()):
                fresh = self._fresh.setdefault(url, Freshness(self._clock, self._mute_after_s))
                silent = fresh.silent_s()
                if silent is None:
                    fresh.heard()
                elif fresh.left_s() == 0:
                    raise Mute(f"{url} has said nothing for {silent:.0f} s, and did not answer our question")
                elif silent >= self._probe_s:
                    await client.send(binance.LIST)

    async def _mend_gaps(self) -> None:
        while True:
            symbol = await self._gaps.get()
            await asyncio.sleep(GAP_WAIT_S)
            if self._lines[symbol].gap():
                await self._refill(symbol, 0)


def _looked_at(keeper: asyncio.Task[object]) -> None:
    """Whoever listens is told by other ways that the connection is lost; the error of the second stream says it again."""
    if not keeper.cancelled():
        keeper.exception()
