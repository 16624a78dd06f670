"""What the venue's market has shown: the newest quote of each symbol, trades and quotes of a while, and bars."""

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Final, Generic, TypeVar

import msgspec

from libs.domain.market import BadRow, Bar, MarketEvent, Quote, TradeTick
from libs.domain.names import TIMEFRAMES
from libs.quant.bars import BarsOf
from libs.venues.feed import FeedStep

Redraw = Callable[[int], Iterator[FeedStep]]
"""The steps of the feed later than a time."""

TICKS_HELD: Final = 50_000
TICKS_KEPT: Final = 1_000  # of each kind, in a snapshot
REST_EVERY: Final = 300  # steps drawn again, some milliseconds
MINUTES_HELD: Final = 200_000
MINUTE: Final = TIMEFRAMES["1m"]

Tick = TypeVar("Tick", bound=Quote | TradeTick)
Minute = tuple[int, float, float, float, float, float]
"""Start, open, high, low, close, volume."""


class Tape:
    """Written by the market; read by the dialects. Times are market time in ns. Trades carry `seq` as their public id."""

    def __init__(self, bars_of: Mapping[str, BarsOf], redraw: Redraw | None = None) -> None:
        """
        Args:
            bars_of: what the bars of a symbol are made of, by symbol; of trades where it says nothing.
            redraw: draws again what is no longer held; None where nothing can (a manual market).
        """
        self._bars_of = bars_of
        self._redraw = redraw
        self._symbols: dict[str, _Symbol] = {}
        self.now = 0

    def hear(self, events: Sequence[MarketEvent | BadRow], now: int) -> None:
        """Takes in a step of the feed."""
        self.now = max(self.now, now)
        for event in events:
            if isinstance(event, BadRow):
                continue
            symbol = self._symbols.get(event.symbol)
            if symbol is None:
                symbol = self._symbols[event.symbol] = _Symbol(event.symbol, self._bars_of.get(event.symbol, "trade"))
            symbol.hear(event)

    def quote(self, symbol: str) -> Quote | None:
        """The newest."""
        held = self._symbols.get(symbol)
        return held.quotes.newest if held else None

    def trade(self, symbol: str) -> TradeTick | None:
        """The newest."""
        held = self._symbols.get(symbol)
        return held.trades.newest if held else None

    def trades(self, symbol: str, start: int, end: int, limit: int) -> Sequence[TradeTick]:
        """The oldest `limit` of those in [start, end); what is no longer held is drawn again from the feed."""
        held = self._symbols.get(symbol)
        return list(islice(self._ticks(TradeTick, held.trades, symbol, start, end), max(limit, 0))) if held else ()

    async def older_trades(self, symbol: str, start: int, end: int, limit: int) -> Sequence[TradeTick]:
        """As `trades`, for stretches of any length: others run while it draws."""
        held = self._symbols.get(symbol)
        return await self._older(TradeTick, held.trades, symbol, start, end, limit) if held else ()

    async def older_quotes(self, symbol: str, start: int, end: int, limit: int) -> Sequence[Quote]:
        """The oldest `limit` of those in [start, end); what is no longer held is drawn again from the feed, while others run."""
        held = self._symbols.get(symbol)
        return await self._older(Quote, held.quotes, symbol, start, end, limit) if held else ()

    def _ticks(self, kind: type[Tick], held: "_Ring[Tick]", symbol: str, start: int, end: int) -> Iterator[Tick]:
        """One after the other, so that no more is drawn than is taken."""
        until = min(end, held.since)
        for step in self._drawn(start, until):
            yield from _of(kind, symbol, step)
        yield from held.between(start if self._redraw is None else max(start, until), end)

    async def _older(self, kind: type[Tick], held: "_Ring[Tick]", symbol: str, start: int, end: int, limit: int) -> list[Tick]:
        found: list[Tick] = []
        while self._redraw is not None and start < (until := min(end, held.since)) and len(found) < limit:
            for n, step in enumerate(self._drawn(start, until), 1):
                found += _of(kind, symbol, step)
                if len(found) >= limit:
                    return found[:limit]
                if n % REST_EVERY == 0:
                    await asyncio.sleep(0)
            start = until  # and on, as the ring may have let go of some meanwhile
        return [*found, *islice(held.between(start, end), limit - len(found))]

    def _drawn(self, start: int, until: int) -> Iterator[FeedStep]:
        """Steps of the feed in [start, until)."""
        if self._redraw is None or start >= until:
            return iter(())
        return takewhile(lambda step: step.time < until, self._redraw(start - 1))

    def bars(self, symbol: str, timeframe: str, start: int, end: int, limit: int) -> Sequence[Bar]:
        """The oldest `limit` of the bars that start in [start, end), the open one last, as far as the market has come.

        `timeframe` is a key of TIMEFRAMES. Lengths count from the epoch, so a day begins at midnight UTC.
        """
        held = self._symbols.get(symbol)
        if held is None or limit <= 0:
            return ()
        length = TIMEFRAMES[timeframe]
        first = -(-start // length) * length
        if length < MINUTE:
            ticks = self._ticks(TradeTick, held.trades, symbol, first, end + length) if held.made_of is TradeTick else ()
            parts: Iterator[_Candle] = (_Candle.of(tick.ts, tick.price, tick.size) for tick in ticks)
        else:
            parts = held.minutes_from(first)
        return [candle.bar(held.venue, symbol, timeframe) for candle in islice(_grouped(parts, length, end), limit)]

    def kept(self) -> list["SymbolKept"]:
        """All minute bars and the newest ticks, for a snapshot."""
        return [held.kept() for held in self._symbols.values()]

    def recall(self, kept: Sequence["SymbolKept"], now: int) -> None:
        """Takes back what a snapshot has kept, that was made at `now`."""
        self.now = now
        for one in kept:
            self._symbols[one.symbol] = _Symbol.recalled(one, self._bars_of.get(one.symbol, "trade"))


def _of(kind: type[Tick], symbol: str, step: FeedStep) -> list[Tick]:
    return [event for event in step.events if isinstance(event, kind) and event.symbol == symbol]


class SymbolKept(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol's tape in a snapshot."""

    symbol: str
    venue: str
    recorded: bool
    minutes: list[Minute]
    quotes: list[Quote]
    trades: list[TradeTick]


class _Ring(Generic[Tick]):
    """The newest ticks of one kind. All of those since `since` are here."""

    def __init__(self) -> None:
        self._ticks: deque[Tick] = deque(maxlen=TICKS_HELD)
        self.newest: Tick | None = None
        self.since = 0

    def kept(self) -> list[Tick]:
        """The newest, for a snapshot."""
        return list(islice(self._ticks, max(0, len(self._ticks) - TICKS_KEPT), None))

    def recall(self, kept: Sequence[Tick]) -> None:
        """Begins with those of a snapshot: what was before them is not held."""
        self._ticks.extend(kept)
        if kept:
            self.newest = kept[-1]
            self.since = kept[0].ts + 1 if len(kept) == TICKS_KEPT else 0

    def add(self, tick: Tick) -> None:
        if len(self._ticks) == TICKS_HELD:
            self.since = self._ticks[0].ts + 1  # another of the same time may have gone before
        self._ticks.append(tick)
        self.newest = tick

    def between(self, start: int, end: int) -> list[Tick]:
        if self.newest is not None and self.newest.ts < start:
            return []
        recent: list[Tick] = []
        for tick in reversed(self._ticks):  # what is asked for is mostly the newest
            if tick.ts < start:
                break
            if tick.ts < end:
                recent.append(tick)
        recent.reverse()
        return recent


class _Candle:
    __slots__ = ("close", "high", "low", "open", "start", "volume")

    def __init__(self, start: int, open_: float, high: float, low: float, close: float, volume: float) -> None:
        self.start, self.open, self.high, self.low, self.close, self.volume = start, open_, high, low, close, volume

    @classmethod
    def of(cls, ts: int, price: float, size: float) -> "_Candle":
        return cls(ts, price, price, price, price, size)

    def take(self, later: "_Candle") -> None:
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume

    def row(self) -> Minute:
        return self.start, self.open, self.high, self.low, self.close, self.volume

    def bar(self, venue: str, symbol: str, timeframe: str) -> Bar:
        return Bar(
            venue=venue,
            symbol=symbol,
            seq=self.start // TIMEFRAMES[timeframe],
            timeframe=timeframe,
            start=self.start,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
        )


def _grouped(parts: Iterator[_Candle], length: int, end: int) -> Iterator[_Candle]:
    """Candles of one length from shorter ones, those that start before `end`."""
    open_: _Candle | None = None
    for part in parts:
        start = part.start - part.start % length
        if open_ is not None and start == open_.start:
            open_.take(part)
            continue
        if open_ is not None:
            yield open_
            open_ = None
        if start >= end:
            return
        open_ = _Candle(start, part.open, part.high, part.low, part.close, part.volume)
    if open_ is not None:
        yield open_


class _Symbol:
    def __init__(self, name: str, bars_of: BarsOf) -> None:
        self.name = name
        self.venue = ""
        self.made_of: type[TradeTick] | type[Quote] = TradeTick if bars_of == "trade" else Quote
        self.quotes: _Ring[Quote] = _Ring()
        self.trades: _Ring[TradeTick] = _Ring()
        self.minutes: dict[int, _Candle] = {}  # ascending
        self._recorded = False  # its bars come whole from the feed

    @classmethod
    def recalled(cls, kept: SymbolKept, bars_of: BarsOf) -> "_Symbol":
        symbol = cls(kept.symbol, bars_of)
        symbol.venue = kept.venue
        symbol.minutes = {row[0]: _Candle(*row) for row in kept.minutes}
        symbol.quotes.recall(kept.quotes)
        symbol.trades.recall(kept.trades)
        symbol._recorded = kept.recorded
        return symbol

    def kept(self) -> SymbolKept:
        return SymbolKept(
            symbol=self.name,
            venue=self.venue,
            recorded=self._recorded,
            minutes=[candle.row() for candle in self.minutes.values()],
            quotes=self.quotes.kept(),
            trades=self.trades.kept(),
        )

    def hear(self, event: MarketEvent) -> None:
        self.venue = event.venue
        if isinstance(event, Quote):
            self.quotes.add(event)
        elif isinstance(event, TradeTick):
            self.trades.add(event)
        elif isinstance(event, Bar) and event.timeframe == "1m":
            self._recorded = True
            self._minute(_Candle(event.start, event.open, event.high, event.low, event.close, event.volume))
        if isinstance(event, self.made_of) and not self._recorded:
            self._count(event)

    def _count(self, tick: Quote | TradeTick) -> None:
        price, size = (tick.price, tick.size) if isinstance(tick, TradeTick) else ((tick.bid + tick.ask) / 2, 0.0)
        self._minute(_Candle(tick.ts - tick.ts % MINUTE, price, price, price, price, size))

    def _minute(self, candle: _Candle) -> None:
        held = self.minutes.get(candle.start)
        if held is not None:
            held.take(candle)
            return
        self.minutes[candle.start] = candle
        if len(self.minutes) > MINUTES_HELD:
            del self.minutes[next(iter(self.minutes))]

    def minutes_from(self, start: int) -> Iterator[_Candle]:
        """Those that start at `start` or later."""
        if self.minutes and next(reversed(self.minutes)) < start:
            return iter(())
        starts = list(self.minutes)
        return (self.minutes[at] for at in starts[bisect_left(starts, start) :])
