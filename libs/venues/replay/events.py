"""From recorded rows to market events. A row that cannot be read stays in its place, as a BadRow with the reason."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from math import isfinite
from pathlib import Path

from libs.domain.market import BadRow, Bar, MarketEvent, Quote, QuoteBar, TradeTick
from libs.quant.calendars import is_open
from libs.venues.replay.dataset import COLUMNS, DataSet, Layout, Recording
from libs.venues.replay.files import Cell, Row, files_of, rows
from libs.venues.replay.timestamps import nanoseconds
from libs.venues.timeline import BARS, QUOTES, TRADES, Placed

_RAW_LIMIT = 1000  # characters of a bad row worth keeping


class Unreadable(ValueError):
    """A row says nothing that can be used. The message is `code: expected ..., got ...`."""


def events(dataset: DataSet, stream: int, root: Path) -> Iterator[Placed]:
    """The events of the recording number `stream` of a set, ascending in time.

    Rows outside of the set's stretch or of the instrument's hours are left out. A row earlier than the one before it is
    a BadRow, known when that one was. Events are numbered per symbol from 1.

    Raises:
        DataNotFound: no file, or not one of the expected columns.
    """
    recording = dataset.recordings[stream]
    calendars = {instrument.symbol: instrument.calendar for instrument in dataset.instruments}
    venue = dataset.instruments[0].venue
    rank = QUOTES if recording.layout in ("quotes", "quote_bars") else TRADES
    numbers: Counter[str] = Counter()
    last, beside, inside = dataset.start, "", True  # where a row stands whose own place cannot be read
    for number, row in enumerate(_rows(recording, root), 1):
        symbol = _symbol(recording, row)
        try:
            ts = _time(row)
        except Unreadable as error:
            if inside:
                bad = _bad(venue, symbol, last + recording.length, error, row)
                yield Placed(bad.ts, rank, beside, stream, number, bad)
            continue
        calendar = calendars.get(symbol)
        inside = dataset.start <= ts < dataset.end and (calendar is None or is_open(calendar, ts))
        if not inside:
            continue
        known = max(ts, last) + recording.length
        try:
            if ts < last:
                raise Unreadable(f"out_of_order: expected a time from {last}, got {ts}")
            if calendar is None:
                raise Unreadable(f"unknown_symbol: expected one of {', '.join(calendars)}, got {symbol!r}")
            values = _numbers(COLUMNS[recording.layout], row)
        except Unreadable as error:
            yield Placed(known, rank, symbol, stream, number, _bad(venue, symbol, known, error, row))
        else:
            numbers[symbol] += 1
            tick, *bars = _made(recording, venue, symbol, numbers[symbol], ts, values)
            yield Placed(known, rank, symbol, stream, number, tick)
            for bar in bars:
                yield Placed(known, BARS, symbol, stream, number, bar)
        last, beside = max(ts, last), symbol


def _rows(recording: Recording, root: Path) -> Iterator[Row]:
    names = ("ts", *COLUMNS[recording.layout], *(("symbol",) if recording.symbol is None else ()))
    columns = [recording.names.get(name, name) for name in names]
    return chain.from_iterable(rows(file, columns) for file in files_of(root / recording.path))


def _symbol(recording: Recording, row: Row) -> str:
    if recording.symbol is not None:
        return recording.symbol
    return str(row.cells[-1])[:32] if row.whole else ""


def _time(row: Row) -> int:
    if not row.whole:
        raise Unreadable(f"cells: expected as many as there are columns, got {len(row.cells)}")
    cell = row.cells[0]
    if isinstance(cell, int):
        return cell
    try:
        return nanoseconds(str(cell))
    except ValueError as error:
        raise Unreadable(f"not_a_time: expected a time as ts, got {cell!r}") from error


def _numbers(names: Sequence[str], row: Row) -> list[float]:
    return [_number(name, cell) for name, cell in zip(names, row.cells[1:], strict=False)]


def _number(name: str, cell: Cell) -> float:
    if cell is None or cell == "":
        raise Unreadable(f"missing: expected a number as {name}, got nothing")
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unreadable(f"not_a_number: expected a number as {name}, got {cell!r}") from error
    if not isfinite(value):
        raise Unreadable(f"not_finite: expected a number as {name}, got {value}")
    return value


def _bad(venue: str, symbol: str, known: int, error: Unreadable, row: Row) -> BadRow:
    raw = ",".join(str(cell) for cell in row.cells)
    return BadRow(venue=venue, symbol=symbol, ts=known, reason=str(error), raw=raw[:_RAW_LIMIT])


def _made(recording: Recording, venue: str, symbol: str, seq: int, ts: int, values: Sequence[float]) -> Sequence[MarketEvent]:
    """The tick of a row and, of a bar's row, the bar. The tick of a bar is its close at the time it is known."""
    known = ts + recording.length
    timeframe = recording.timeframe or ""
    layout: Layout = recording.layout
    match layout:
        case "quotes":
            bid, ask, bid_size, ask_size = values
            return (Quote(venue=venue, symbol=symbol, seq=seq, ts=ts, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size),)
        case "trades":
            price, size = values
            return (TradeTick(venue=venue, symbol=symbol, seq=seq, ts=ts, price=price, size=size),)
        case "trade_bars":
            opened, high, low, close, volume = values
            return (
                TradeTick(venue=venue, symbol=symbol, seq=seq, ts=known, price=close, size=volume),
                Bar(
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
                ),
            )
        case "quote_bars":
            bid_open, bid_high, bid_low, bid, bid_size, ask_open, ask_high, ask_low, ask, ask_size = values
            return (
                Quote(venue=venue, symbol=symbol, seq=seq, ts=known, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size),
                QuoteBar(
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
                ),
            )
