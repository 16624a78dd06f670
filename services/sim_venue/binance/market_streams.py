"""Market streams: one pump for all readers, running while there are any. Each event is written once, whoever reads it."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from libs.domain.market import Bar, MarketEvent, Quote, TradeTick
from libs.quant.sim_venue.listings import Listing
from services.sim_venue.binance import klines, tickers, trades
from services.sim_venue.binance.books import Diff
from services.sim_venue.binance.desk import Desk
from services.sim_venue.binance.market_data import average
from services.sim_venue.binance.order_answers import Json, encoded
from services.sim_venue.binance.symbols import wire
from services.sim_venue.binance.topics import Pace, Topic, length_of

log = logging.getLogger(__name__)

Reader = Callable[[str, str, str], None]
"""Takes the name of a stream, an event of it as JSON, and the symbol it is about ("" of several). Must not raise."""

PACES: Final[dict[Pace, float]] = {"fast": 0.1, "slow": 1.0}
"""Seconds of host time between two looks."""


class MarketStreams:
    """Who reads what."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._topics: dict[str, Topic] = {}
        self._readers: dict[str, dict[Reader, None]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._diffs: dict[str, Diff] = {}  # by stream
        self._shown: dict[str, int] = {}  # of partial books: the update that was shown last
        self._best: dict[str, tuple[object, object]] = {}
        self._last: dict[str, tuple[TradeTick, bool]] = {}
        self._told: dict[str, int] = {}  # of candle streams: when the first candle opens that may have more to tell
        self._candle: dict[str, tuple[Bar, bool]] = {}  # as it was told last, and whether it was closed
        self._stirred: dict[Pace, set[str]] = {pace: set() for pace in PACES}  # symbols with events since the last look

    def add(self, topic: Topic, reader: Reader) -> None:
        """Lets a reader have a stream's events from now on."""
        if topic.name not in self._topics:
            self._begin(topic)
        self._readers[topic.name][reader] = None
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._follow())]
            self._tasks += [asyncio.create_task(self._look(pace, seconds)) for pace, seconds in PACES.items()]

    def _begin(self, topic: Topic) -> None:
        self._topics[topic.name] = topic
        self._readers[topic.name] = {}
        if topic.kind == "depth" and topic.listing is not None:
            self._diffs[topic.name] = self._desk.book(topic.listing).follow()
        if topic.kind == "kline":
            self._told[topic.name] = klines.opens(topic.detail, self._desk.host.now())

    def remove(self, name: str, reader: Reader) -> None:
        """No more of it. The pump stops with its last reader."""
        readers = self._readers.get(name, {})
        readers.pop(reader, None)
        if not readers and name in self._topics:
            self._end(self._topics.pop(name))
        if not self._topics:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    def _end(self, topic: Topic) -> None:
        del self._readers[topic.name]
        self._shown.pop(topic.name, None)
        self._told.pop(topic.name, None)
        self._candle.pop(topic.name, None)
        diff = self._diffs.pop(topic.name, None)
        if diff is not None and topic.listing is not None:
            self._desk.book(topic.listing).forget(diff)

    def _tell(self, topic: Topic, event: object) -> None:
        text = encoded(event)
        symbol = topic.listing.symbol if topic.listing is not None else ""
        for reader in list(self._readers[topic.name]):
            reader(topic.name, text, symbol)

    # --- with each event of the market

    async def _follow(self) -> None:
        behind = True
        while behind:
            batches = self._desk.host.market()
            try:
                async for batch in batches:
                    try:
                        self._hear(batch)
                    except Exception:
                        log.exception("market events were not passed on")
            finally:
                batches.close()
            behind = batches.overrun  # what it did not read in time is lost to its readers too

    def _hear(self, batch: Sequence[MarketEvent]) -> None:
        for event in batch:
            for stirred in self._stirred.values():
                stirred.add(event.symbol)
            if isinstance(event, TradeTick):
                self._trade(event)
        for symbol in dict.fromkeys(event.symbol for event in batch if isinstance(event, Quote)):
            self._quote(symbol)

    def _of(self, symbol: str, kind: str) -> Topic | None:
        return self._topics.get(f"{wire(symbol).lower()}@{kind}")

    def _trade(self, trade: TradeTick) -> None:
        before, down = self._last.get(trade.symbol, (trade, False))
        down = trade.price < before.price or (trade.price == before.price and down)
        self._last[trade.symbol] = trade, down
        for kind, spelled in (("trade", trades.trade_event), ("aggTrade", trades.aggregate_event)):
            topic = self._of(trade.symbol, kind)
            if topic is not None:
                self._tell(topic, spelled(wire(trade.symbol), trade, down))

    def _quote(self, symbol: str) -> None:
        topic = self._of(symbol, "bookTicker")
        if topic is None or topic.listing is None:
            return
        depth = self._desk.host.exchange.depth(symbol, 1)
        best = tuple(depth[0]), tuple(depth[1])
        if self._best.get(symbol) != best:
            self._best[symbol] = best
            self._tell(topic, tickers.book_ticker_event(topic.listing, depth, self._desk.book(topic.listing).update))

    # --- at a pace

    async def _look(self, pace: Pace, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            stirred, self._stirred[pace] = self._stirred[pace], set()
            for topic in [topic for topic in self._topics.values() if topic.pace == pace]:
                try:
                    for event in self._events(topic, stirred):
                        self._tell(topic, event)
                except Exception:
                    log.exception("the stream %s has told nothing", topic.name)

    def _events(self, topic: Topic, stirred: set[str]) -> Iterable[object]:
        """What a stream tells now."""
        if topic.listing is None:
            told = [self._ticker(topic, listing) for listing in self._desk.symbols if listing.symbol in stirred]
            return [told] if told else ()
        match topic.kind:
            case "depth":
                return self._diff(topic, topic.listing)
            case "partial":
                return self._partial(topic, topic.listing)
            case "kline":
                return self._candles(topic, topic.listing)
            case _:
                return [self._ticker(topic, topic.listing)] if topic.listing.symbol in stirred else ()

    def _diff(self, topic: Topic, listing: Listing) -> Iterable[object]:
        event = self._desk.book(listing).told(self._diffs[topic.name], self._desk.host.now())
        return () if event is None else (event,)

    def _partial(self, topic: Topic, listing: Listing) -> Iterable[object]:
        book = self._desk.book(listing)
        before, self._shown[topic.name] = self._shown.get(topic.name), book.update
        return () if before == book.update else (book.snapshot(topic.levels),)

    def _candles(self, topic: Topic, listing: Listing) -> Iterable[object]:
        """Those that have closed since, each once, and the open one where it has changed."""
        now = self._desk.host.now()
        bars = klines.candles(self._desk.host.tape, listing.symbol, topic.detail, self._told[topic.name], now + 1, 1000)
        for bar in bars:
            end = klines.closes(topic.detail, bar.start)
            if self._candle.get(topic.name) != (bar, end <= now):
                self._candle[topic.name] = bar, end <= now
                yield klines.event(bar, topic.detail, wire(listing.symbol), now)
            self._told[topic.name] = end if end <= now else bar.start

    def _ticker(self, topic: Topic, listing: Listing) -> Json:
        tape, now = self._desk.host.tape, self._desk.host.now()
        match topic.kind:
            case "ticker":
                return tickers.ticker_event(tickers.statistics(tape, listing, now), tape.quote(listing.symbol))
            case "miniTicker":
                return tickers.mini_event(tickers.statistics(tape, listing, now))
            case "rolling":
                return tickers.rolling_event(tickers.statistics(tape, listing, now, length_of(topic)), topic.detail)
            case _:
                price = average(self._desk, listing)
                return {
                    "e": "avgPrice",
                    "E": now // 1_000_000,
                    "s": wire(listing.symbol),
                    "i": "5m",
                    "w": price["price"],
                    "T": price["closeTime"],
                }
