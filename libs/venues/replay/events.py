"""From recorded rows to market events. A row that cannot be read stays in its place, as a BadRow with the reason.

A row that is as it should be and still says nothing to trade on is left out and counted, by symbol and reason:
`one_sided` (a quote without bid or without ask), `suspicious` (so marked by its source), `crossed` and `unchanged`
(updates of one side that make no new quote).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from libs.domain.instruments import Calendar
from libs.domain.market import BadRow, Bar, MarketEvent, Quote, QuoteBar, TradeTick
from libs.quant.calendars import is_open, overlaps
from libs.quant.market_checks import fault
from libs.venues.replay.best import BestQuote
from libs.venues.replay.cells import NothingToTradeOn, Unreadable, numbers_of, start_of, symbol_of
from libs.venues.replay.dataset import DataSet, Recording
from libs.venues.replay.files import Row, files_of, rows
from libs.venues.timeline import BARS, QUOTES, TRADES, Placed

LeftOut = Counter[tuple[str, str]]
"""Rows left out so far, by symbol and reason."""

_RAW_LIMIT: Final = 1000  # characters of a bad row worth keeping


def events(dataset: DataSet, stream: int, root: Path, left_out: LeftOut | None = None) -> Iterator[Placed]:
    """The events of the recording number `stream` of a set, ascending in time.

    Rows outside of the set's stretch or of the instrument's hours are passed over; a bar is within them when it overlaps a
    session. A row earlier than the one before it is a BadRow, known when that one was. Events are numbered per symbol
    and kind from 1. Rows left out are added to `left_out`.

    Raises:
        DataNotFound: no file, or not one of the expected columns.
    """
    reader = _Reader(dataset, stream, Counter() if left_out is None else left_out)
    return chain.from_iterable(reader.placed(number, row) for number, row in enumerate(_rows(reader.recording, root), 1))


def _rows(recording: Recording, root: Path) -> Iterator[Row]:
    names = ["ts", *recording.columns]
    if recording.symbol is None:
        names.append("symbol")
    if recording.suspicious:
        names.append("suspicious")
    columns = [recording.names.get(name, name) for name in names]
    return chain.from_iterable(rows(file, columns) for file in files_of(root / recording.path))


class _Reader:
    """One recording being read: what it needs to remember from row to row."""

    def __init__(self, dataset: DataSet, stream: int, left_out: LeftOut) -> None:
        self.recording = dataset.recordings[stream]
        self._dataset = dataset
        self._stream = stream
        self._left_out = left_out
        self._venue = dataset.instruments[0].venue
        self._calendars = {instrument.symbol: instrument.calendar for instrument in dataset.instruments}
        self._untraded = {symbol for symbol in self._calendars if dataset.bars_of(symbol) == "quote"}
        self._rank = TRADES if self.recording.layout in ("trades", "trade_bars") else QUOTES
        self._seen: Counter[tuple[str, str]] = Counter()  # events by symbol and kind
        self._last, self._beside, self._inside = dataset.start, "", True  # where a row stands whose own place cannot be read
        self._best: defaultdict[str, BestQuote] = defaultdict(BestQuote)

    def placed(self, number: int, row: Row) -> Iterator[Placed]:
        """The events of a row, or the BadRow it makes."""
        symbol = symbol_of(self.recording, row)
        if symbol is None:
            return
        length = self.recording.length
        calendar = self._calendars.get(symbol)
        try:
            ts = start_of(self.recording, row, calendar)
        except Unreadable as error:
            if self._inside:
                yield self._bad(number, self._beside, symbol, self._last + length, error, row)
            return
        self._inside = self._dataset.start <= ts < self._dataset.end and (calendar is None or _trading(calendar, ts, length))
        if not self._inside:
            self._overhear(symbol, row)
            return
        known = max(ts, self._last) + length
        try:
            if ts < self._last:
                raise Unreadable(f"out_of_order: expected a time from {self._last}, got {ts}")
            if calendar is None:
                raise Unreadable(f"unknown_symbol: expected one of {', '.join(self._calendars)}, got {symbol!r}")
            values = self._values(symbol, row)
        except Unreadable as error:
            yield self._bad(number, symbol, symbol, known, error, row)
        except NothingToTradeOn as reason:
            self._left_out[symbol, str(reason)] += 1
        else:
            tick, *bars = self._made(symbol, ts, values)
            yield Placed(known, self._rank, symbol, self._stream, number, tick)
            for bar in bars:
                yield Placed(known, BARS, symbol, self._stream, number, bar)
        self._last, self._beside = max(ts, self._last), symbol

    def _values(self, symbol: str, row: Row) -> Sequence[float]:
        """The numbers that make the row's events."""
        values = numbers_of(self.recording, row)
        if self.recording.layout != "best_updates":
            return values
        best = self._best[symbol].add(*values)
        if isinstance(best, str):
            raise NothingToTradeOn(best)
        return best

    def _overhear(self, symbol: str, row: Row) -> None:
        """Takes in what a row from outside of the hours says about the best quote, which outlives them."""
        if self.recording.layout != "best_updates":
            return
        try:
            self._values(symbol, row)
        except (Unreadable, NothingToTradeOn):
            return

    def _bad(self, number: int, place: str, symbol: str, known: int, error: Unreadable, row: Row) -> Placed:
        raw = ",".join(str(cell) for cell in row.cells)
        bad = BadRow(venue=self._venue, symbol=symbol, ts=known, reason=str(error), raw=raw[:_RAW_LIMIT])
        return Placed(known, self._rank, place, self._stream, number, bad)

    def _made(self, symbol: str, ts: int, values: Sequence[float]) -> Iterator[MarketEvent]:
        """The tick of a row and, of a bar's row, the bars. The tick of a bar is its close at the time it is known."""
        venue, seq = self._venue, self._next(symbol, "row")
        known = ts + self.recording.length
        timeframe = self.recording.timeframe or ""
        match self.recording.layout:
            case "quotes" | "best_updates":
                bid, ask, bid_size, ask_size = values
                yield Quote(venue=venue, symbol=symbol, seq=seq, ts=ts, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size)
            case "trades":
                price, size = values
                yield TradeTick(venue=venue, symbol=symbol, seq=seq, ts=ts, price=price, size=size)
            case "trade_bars":
                opened, high, low, close, volume = values
                yield TradeTick(venue=venue, symbol=symbol, seq=seq, ts=known, price=close, size=volume)
                yield Bar(
                    venue=venue,
                    symbol=symbol,
                    seq=seq,
                    timeframe=timeframe,
                    start=ts,
                    open=opened,
                    high=high,
                    low=low,
                    close=close,
                    volume=volume,
                )
            case "quote_bars":
                bid_open, bid_high, bid_low, bid, bid_size, ask_open, ask_high, ask_low, ask, ask_size = values
                yield Quote(venue=venue, symbol=symbol, seq=seq, ts=known, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size)
                quote_bar = QuoteBar(
                    venue=venue,
                    symbol=symbol,
                    seq=seq,
                    timeframe=timeframe,
                    start=ts,
                    bid_open=bid_open,
                    bid_high=bid_high,
                    bid_low=bid_low,
                    bid_close=bid,
                    bid_size=bid_size,
                    ask_open=ask_open,
                    ask_high=ask_high,
                    ask_low=ask_low,
                    ask_close=ask,
                    ask_size=ask_size,
                )
                yield quote_bar
                if symbol in self._untraded and fault(quote_bar) is None:
                    yield middle(quote_bar, self._next(symbol, "middle"))

    def _next(self, symbol: str, kind: str) -> int:
        self._seen[symbol, kind] += 1
        return self._seen[symbol, kind]


def middle(bar: QuoteBar, seq: int) -> Bar:
    """The bar between bid and ask, for symbols whose trades nobody tells of. Volume 0.

    Its high and low are halfway between those of the two sides, which may have come at different moments.
    """
    return Bar(
        venue=bar.venue,
        symbol=bar.symbol,
        seq=seq,
        timeframe=bar.timeframe,
        start=bar.start,
        open=(bar.bid_open + bar.ask_open) / 2,
        high=(bar.bid_high + bar.ask_high) / 2,
        low=(bar.bid_low + bar.ask_low) / 2,
        close=(bar.bid_close + bar.ask_close) / 2,
        volume=0.0,
    )


def _trading(calendar: Calendar, ts: int, length: int) -> bool:
    return overlaps(calendar, ts, ts + length) if length else is_open(calendar, ts)
