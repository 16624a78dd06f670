"""Market data in the record: bars by transaction, ticks by COPY, refused rows with their reasons."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from libs.common.database import Database, Rejected, Write
from libs.common.wire import Row
from libs.domain.columns import Columns, QuoteBarColumns, QuoteColumns
from libs.domain.market import BadRow, Bar, Quote, QuoteBar, TradeTick

_ROWS_IN_DEFAULT: Final = "23514"  # SQLSTATE check_violation: the default partition would have to give rows away
_PG_EPOCH_US: Final = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970

QUOTE_COLUMNS: Final = ("venue", "symbol", "timestamp", "price", "bid", "ask", "bid_size", "ask_size", "volume")
QUOTE_TYPES: Final = ("text", "text", "int8", "float8", "float8", "float8", "float8", "float8", "float8")
"""A timestamptz is eight bytes of microseconds since 2000 on the wire: as an int8 it costs no datetime objects."""

BarEvent = Bar | QuoteBar


def tick_row(event: Quote | TradeTick) -> Row:
    """A row for COPY into market_quotes."""
    at = event.ts // 1000 - _PG_EPOCH_US
    if isinstance(event, Quote):
        return (event.venue, event.symbol, at, None, event.bid, event.ask, event.bid_size, event.ask_size, None)
    return (event.venue, event.symbol, at, event.price, None, None, None, None, event.size)


def store_bars(bars: Sequence[BarEvent]) -> list[Write]:
    """Rows of bars, each time and symbol once; what is there already (a replayed day) stays as it is."""
    trade_bars = [b for b in bars if isinstance(b, Bar)]
    quote_bars = [b for b in bars if isinstance(b, QuoteBar)]
    writes = []
    if trade_bars:
        writes.append(
            Write(
                "insert into market_ohlcv (venue, symbol, timeframe, timestamp, open_price, high_price, low_price, close_price, volume,"
                " adjusted_close) select v, s, f, at_ns(t), o, h, l, c, x, c from unnest(%b::text[], %b::text[], %b::text[], %b::int8[],"
                " %b::float8[], %b::float8[], %b::float8[], %b::float8[], %b::float8[]) u(v, s, f, t, o, h, l, c, x)"
                " on conflict (venue, symbol, timeframe, timestamp) do update set open_price = excluded.open_price,"
                " high_price = excluded.high_price, low_price = excluded.low_price, close_price = excluded.close_price,"
                " volume = excluded.volume, adjusted_close = excluded.adjusted_close where market_ohlcv.close_price is null",
                [
                    [b.venue for b in trade_bars],
                    [b.symbol for b in trade_bars],
                    [b.timeframe for b in trade_bars],
                    [b.start for b in trade_bars],
                    [b.open for b in trade_bars],
                    [b.high for b in trade_bars],
                    [b.low for b in trade_bars],
                    [b.close for b in trade_bars],
                    [b.volume for b in trade_bars],
                ],
            )
        )
    if quote_bars:
        sides = ("bid_open", "bid_high", "bid_low", "bid_close", "bid_size", "ask_open", "ask_high", "ask_low", "ask_close", "ask_size")
        writes.append(
            Write(
                "insert into market_ohlcv (venue, symbol, timeframe, timestamp, bid_open, bid_high, bid_low, bid_close, bid_size, ask_open,"
                " ask_high, ask_low, ask_close, ask_size) select v, s, f, at_ns(t), b1, b2, b3, b4, b5, a1, a2, a3, a4, a5 from"
                " unnest(%b::text[], %b::text[], %b::text[], %b::int8[], %b::float8[], %b::float8[], %b::float8[], %b::float8[],"
                " %b::float8[], %b::float8[], %b::float8[], %b::float8[], %b::float8[], %b::float8[])"
                " u(v, s, f, t, b1, b2, b3, b4, b5, a1, a2, a3, a4, a5)"
                " on conflict (venue, symbol, timeframe, timestamp) do update set bid_open = excluded.bid_open,"
                " bid_high = excluded.bid_high, bid_low = excluded.bid_low, bid_close = excluded.bid_close, bid_size = excluded.bid_size,"
                " ask_open = excluded.ask_open, ask_high = excluded.ask_high, ask_low = excluded.ask_low, ask_close = excluded.ask_close,"
                " ask_size = excluded.ask_size where market_ohlcv.bid_close is null",
                [
                    [b.venue for b in quote_bars],
                    [b.symbol for b in quote_bars],
                    [b.timeframe for b in quote_bars],
                    [b.start for b in quote_bars],
                    *([getattr(b, side) for b in quote_bars] for side in sides),
                ],
            )
        )
    return writes


async def bars_between(
    database: Database, venue: str, timeframes: Sequence[str], lengths: Sequence[int], after: Sequence[int], known_by: int
) -> list[BarEvent]:
    """Stored bars in the order in which they became known: by end, finest first, symbol; quote bars before trade bars.

    Args:
        lengths: of each timeframe, ns.
        after: per timeframe, the start of the last bar already seen.
        known_by: market ns; a bar counts whose start + length is at or before it (take the grace off first).
    """
    rows = await database.fetch(
        "select symbol, b.timeframe, ns_of(timestamp), open_price, high_price, low_price, close_price, volume, bid_open, bid_high,"
        " bid_low, bid_close, bid_size, ask_open, ask_high, ask_low, ask_close, ask_size"
        " from unnest(%b::text[], %b::int8[], %b::int8[]) u(timeframe, length, after)"
        " join market_ohlcv b on b.timeframe = u.timeframe and b.venue = %s and b.timestamp > at_ns(u.after)"
        " and b.timestamp <= at_ns(%s - u.length) order by ns_of(timestamp) + u.length, u.length, symbol",
        (list(timeframes), list(lengths), list(after), venue, known_by),
    )
    bars: list[BarEvent] = []
    for symbol, timeframe, start, *values in rows:
        prices, quotes = values[:5], values[5:]
        if quotes[3] is not None:
            bars.append(_quote_bar(venue, symbol, timeframe, start, quotes))
        if prices[3] is not None:
            bars.append(
                Bar(
                    venue=venue,
                    symbol=symbol,
                    seq=0,
                    timeframe=timeframe,
                    start=start,
                    open=prices[0],
                    high=prices[1],
                    low=prices[2],
                    close=prices[3],
                    volume=prices[4],
                )
            )
    return bars


async def newest_ticks(database: Database, venue: str, symbols: Sequence[str], since: int, *, quotes: bool = True) -> dict[str, int]:
    """By symbol, the market time of its newest stored tick at or after `since`; symbols without one are left out.

    With `quotes` false only trades count.
    """
    rows = await database.fetch(
        "select s, ns_of(q.timestamp) from unnest(%b::text[]) s join lateral (select timestamp from market_quotes where venue = %s"
        " and symbol = s and timestamp >= at_ns(%s) and (%s or price is not null) order by timestamp desc limit 1) q on true",
        (list(symbols), venue, since, quotes),
    )
    return {symbol: at for symbol, at in rows}


class Series(NamedTuple):
    """Stored trade bars of one kind."""

    venue: str
    symbol: str
    timeframe: str


async def stored_series(database: Database, symbols: Sequence[str]) -> list[Series]:
    """Which venues and timeframes have trade bars of the symbols."""
    rows = await database.fetch(
        "select distinct venue, symbol, timeframe from market_ohlcv where symbol = any(%b::text[]) and close_price is not null"
        " order by 1, 2, 3",
        (list(symbols),),
    )
    return [Series(*row) for row in rows]


async def bars_of(database: Database, venue: str, symbols: Sequence[str], timeframe: str, begins: int, ends: int) -> dict[str, Columns]:
    """Stored trade bars of each symbol that has any, with begins <= start < ends."""
    rows = await database.fetch(
        "select symbol, array_agg(ns_of(timestamp) order by timestamp), array_agg(open_price order by timestamp),"
        " array_agg(high_price order by timestamp), array_agg(low_price order by timestamp), array_agg(close_price order by timestamp),"
        " array_agg(volume order by timestamp) from market_ohlcv where venue = %s and symbol = any(%b::text[]) and timeframe = %s"
        " and timestamp >= at_ns(%s) and timestamp < at_ns(%s) and close_price is not null group by symbol",
        (venue, list(symbols), timeframe, begins, ends),
    )
    return {symbol: Columns(*columns) for symbol, *columns in rows}


async def quote_bars_of(
    database: Database, venue: str, symbols: Sequence[str], timeframe: str, begins: int, ends: int
) -> dict[str, QuoteBarColumns]:
    """Stored quote bars of each symbol that has any, with begins <= start < ends."""
    columns = ", ".join(f"array_agg({name} order by timestamp)" for name in QuoteBarColumns._fields[1:])
    rows = await database.fetch(
        "select symbol, array_agg(ns_of(timestamp) order by timestamp), " + columns + " from market_ohlcv where venue = %s"
        " and symbol = any(%b::text[]) and timeframe = %s and timestamp >= at_ns(%s) and timestamp < at_ns(%s)"
        " and bid_close is not null group by symbol",
        (venue, list(symbols), timeframe, begins, ends),
    )
    return {symbol: QuoteBarColumns(*columns) for symbol, *columns in rows}


async def quotes_of(database: Database, venue: str, symbols: Sequence[str], begins: int, ends: int) -> dict[str, QuoteColumns]:
    """Stored quotes of each symbol that has any, begins <= time < ends, to the microsecond that the record keeps."""
    rows = await database.fetch(
        "select symbol, array_agg(ns_of(timestamp) order by timestamp), array_agg(bid order by timestamp),"
        " array_agg(ask order by timestamp), array_agg(bid_size order by timestamp), array_agg(ask_size order by timestamp)"
        " from market_quotes where venue = %s"
        " and symbol = any(%b::text[]) and timestamp >= at_ns(%s) and timestamp < at_ns(%s) and bid is not null group by symbol",
        (venue, list(symbols), begins, ends),
    )
    return {symbol: QuoteColumns(*columns) for symbol, *columns in rows}


def _quote_bar(venue: str, symbol: str, timeframe: str, start: int, quotes: Sequence[float]) -> QuoteBar:
    bid_open, bid_high, bid_low, bid_close, bid_size, ask_open, ask_high, ask_low, ask_close, ask_size = quotes
    return QuoteBar(
        venue=venue,
        symbol=symbol,
        seq=0,
        timeframe=timeframe,
        start=start,
        bid_open=bid_open,
        bid_high=bid_high,
        bid_low=bid_low,
        bid_close=bid_close,
        bid_size=bid_size,
        ask_open=ask_open,
        ask_high=ask_high,
        ask_low=ask_low,
        ask_close=ask_close,
        ask_size=ask_size,
    )


def store_refused(session_id: str, rows: Sequence[BadRow]) -> Write:
    """Rows that were not believed."""
    return Write(
        "insert into data_quarantine (session_id, venue, symbol, timestamp, reason, raw)"
        " select %s, v, s, at_ns(t), r, x from unnest(%b::text[], %b::text[], %b::int8[], %b::text[], %b::text[]) u(v, s, t, r, x)",
        (
            session_id,
            [r.venue for r in rows],
            [_storable(r.symbol) for r in rows],
            [r.ts for r in rows],
            [_storable(r.reason) for r in rows],
            [_storable(r.raw) for r in rows],
        ),
    )


def _storable(text: str) -> str:
    """Corrupt text with what no text column can hold replaced: a row that says what was wrong must not be refused itself."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")


async def ensure_partitions(database: Database, at: int) -> None:
    """The month of a market time has its partitions. One whose first rows came too early stays in the default partition."""
    for table in ("market_quotes", "market_ohlcv"):
        try:
            await database.fetch("select ensure_market_partition(%s, %s)", (table, at))
        except Rejected as error:
            if error.sqlstate != _ROWS_IN_DEFAULT:
                raise
