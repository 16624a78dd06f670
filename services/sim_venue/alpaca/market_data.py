"""/v2/stocks: what the market has shown. Times are market time; everything trades at one place, whatever `feed` is asked for."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple

from aiohttp import web

from libs.domain.market import Bar, Quote, TradeTick
from services.sim_venue.alpaca import bars as bars_of
from services.sim_venue.alpaca import query
from services.sim_venue.alpaca.data_json import bar_json, quote_json, trade_json
from services.sim_venue.alpaca.door import Call
from services.sim_venue.alpaca.errors import bad_value, not_found
from services.sim_venue.alpaca.wire import Json, answer, local, midnight

MOST: Final = 10_000
USUAL: Final = 1_000
FEEDS: Final = ("sip", "iex", "delayed_sip", "boats", "overnight", "otc")


class Item(NamedTuple):
    """One bar, quote or trade, and where it stands in its series."""

    at: int
    seq: int
    json: Json


Series = Callable[[str, int, int, int], Awaitable[Sequence[Item]]]
"""The oldest `limit` items of a symbol in [start, end)."""


async def bars(call: Call) -> web.Response:
    """GET /v2/stocks/bars and /v2/stocks/{symbol}/bars"""
    return answer(await _listing(call, "bars", _bars(call)))


async def quotes(call: Call) -> web.Response:
    """GET /v2/stocks/quotes and /v2/stocks/{symbol}/quotes"""
    return answer(await _listing(call, "quotes", _quotes(call)))


async def trades(call: Call) -> web.Response:
    """GET /v2/stocks/trades and /v2/stocks/{symbol}/trades"""
    return answer(await _listing(call, "trades", _trades(call)))


async def latest_bars(call: Call) -> web.Response:
    """GET /v2/stocks/bars/latest and /v2/stocks/{symbol}/bars/latest: the newest minute that has ended."""
    return answer(_latest(call, "bar", lambda symbol: _bar(_minute(call, symbol))))


async def latest_quotes(call: Call) -> web.Response:
    """GET /v2/stocks/quotes/latest and /v2/stocks/{symbol}/quotes/latest"""
    return answer(_latest(call, "quote", lambda symbol: _quote(call.tape.quote(symbol))))


async def latest_trades(call: Call) -> web.Response:
    """GET /v2/stocks/trades/latest and /v2/stocks/{symbol}/trades/latest"""
    return answer(_latest(call, "trade", lambda symbol: _trade(call.tape.trade(symbol))))


async def snapshots(call: Call) -> web.Response:
    """GET /v2/stocks/snapshots"""
    _check_feed(call)
    return answer({symbol: _snapshot(call, symbol) for symbol in _symbols(call) if symbol in call.listings})


async def snapshot(call: Call) -> web.Response:
    """GET /v2/stocks/{symbol}/snapshot"""
    _check_feed(call)
    (symbol,) = _symbols(call)
    return answer({"symbol": symbol, **_snapshot(call, symbol)})


def _bars(call: Call) -> Series:
    begins = bars_of.timeframe(call.query.get("timeframe", ""))
    query.choice(call.query, "adjustment", ("raw", "split", "dividend", "spin-off", "all"), "raw")

    async def series(symbol: str, start: int, end: int, limit: int) -> Sequence[Item]:
        found = bars_of.bars(call.tape, symbol, begins, start, end, limit)
        return [Item(bar.start, 0, bar_json(bar)) for bar in found]

    return series


def _quotes(call: Call) -> Series:
    async def series(symbol: str, start: int, end: int, limit: int) -> Sequence[Item]:
        return [Item(quote.ts, quote.seq, quote_json(quote)) for quote in await call.tape.older_quotes(symbol, start, end, limit)]

    return series


def _trades(call: Call) -> Series:
    async def series(symbol: str, start: int, end: int, limit: int) -> Sequence[Item]:
        return [Item(trade.ts, trade.seq, trade_json(trade)) for trade in await call.tape.older_trades(symbol, start, end, limit)]

    return series


class _Page(NamedTuple):
    """Where an earlier page ended."""

    symbol: str = ""
    at: int = -1
    seq: int = -1

    @classmethod
    def of(cls, token: str) -> "_Page":
        try:
            symbol, at, seq = base64.urlsafe_b64decode(token).decode().split("|")
            return cls(symbol, int(at), int(seq))
        except (binascii.Error, UnicodeDecodeError, ValueError) as error:
            raise bad_value("invalid page_token") from error

    def token(self) -> str:
        return base64.urlsafe_b64encode("|".join(map(str, self)).encode()).decode()


async def _listing(call: Call, name: str, series: Series) -> Json:
    """One page: symbols in alphabetical order, each in order of time."""
    _check_feed(call)
    start, end = _range(call)
    left = query.whole(call.query, "limit", USUAL, 1, MOST)
    backwards = query.choice(call.query, "sort", ("asc", "desc"), "asc") == "desc"
    page = _Page.of(call.query["page_token"]) if call.query.get("page_token") else _Page()
    found: dict[str, list[Json]] = {}
    after: _Page | None = None
    symbols = _symbols(call)
    for symbol in sorted(symbol for symbol in symbols if symbol in call.listings and symbol >= page.symbol):
        items = await (_backwards if backwards else _forwards)(series, symbol, start, end, page, left + 1)
        if len(items) > left:
            after = _Page(symbol, items[left - 1].at, items[left - 1].seq) if left else page
            items = items[:left]
        if items:
            found[symbol] = [item.json for item in items]
            page = _Page(symbol, items[-1].at, items[-1].seq)
        left -= len(items)
        if after is not None:
            break
    token = None if after is None else after.token()
    if "symbol" in call.request.match_info:
        return {"symbol": symbols[0], name: found.get(symbols[0], []), "next_page_token": token}
    return {name: found, "next_page_token": token}


async def _forwards(series: Series, symbol: str, start: int, end: int, page: _Page, limit: int) -> list[Item]:
    """From where the last page ended: its last item shares its time with some before it, which are passed over."""
    if symbol != page.symbol:
        return list(await series(symbol, start, end, limit))
    passed = 0
    while True:
        found = await series(symbol, max(start, page.at), end, limit + passed)
        new = [item for item in found if (item.at, item.seq) > (page.at, page.seq)]
        if len(new) >= limit or len(found) < limit + passed:
            return new[:limit]
        passed = passed * 2 + len(found) - len(new)


async def _backwards(series: Series, symbol: str, start: int, end: int, page: _Page, limit: int) -> list[Item]:
    """The newest first, in windows that double: what is asked for is mostly the newest."""
    before = (page.at, page.seq) if symbol == page.symbol else (end, 0)
    end = min(end, before[0] + 1)
    window = bars_of.MINUTE
    while True:
        since = max(start, end - window)
        found = [item for item in await series(symbol, since, end, 10_000_000) if (item.at, item.seq) < before]
        if len(found) >= limit or since == start:
            return found[::-1][:limit]
        window *= 4


def _range(call: Call) -> tuple[int, int]:
    """`start` is the beginning of the day in New York where none is given; `end` is included, and never after now."""
    start, end = query.time(call.query, "start"), query.time(call.query, "end")
    now = call.now
    end = now if end is None else min(end, now)
    if start is None:
        start = midnight(local(end).date())
    if start > end and call.query.get("end"):
        raise bad_value("end should not be before start")
    return start, end + 1


def _latest(call: Call, name: str, newest: Callable[[str], Json | None]) -> Json:
    _check_feed(call)
    symbols = _symbols(call)
    if "symbol" in call.request.match_info:
        return {"symbol": symbols[0], name: newest(symbols[0])}
    found = {symbol: newest(symbol) for symbol in symbols if symbol in call.listings}
    return {f"{name}s": {symbol: item for symbol, item in found.items() if item is not None}}


def _snapshot(call: Call, symbol: str) -> Json:
    days = bars_of.newest(call.tape, symbol, bars_of.timeframe("1Day"), call.now, 2)
    return {
        "latestTrade": _trade(call.tape.trade(symbol)),
        "latestQuote": _quote(call.tape.quote(symbol)),
        "minuteBar": _bar(_minute(call, symbol)),
        "dailyBar": _bar(days[-1] if days else None),
        "prevDailyBar": _bar(days[-2] if len(days) > 1 else None),
    }


def _minute(call: Call, symbol: str) -> Bar | None:
    """The newest minute that has ended; the one that has only begun where there is no other."""
    for at in (call.now - bars_of.MINUTE, call.now):
        found = bars_of.newest(call.tape, symbol, bars_of.timeframe("1Min"), at, reach=10 * bars_of.MINUTE)
        if found:
            return found[-1]
    return None


def _bar(bar: Bar | None) -> Json | None:
    return None if bar is None else bar_json(bar)


def _quote(quote: Quote | None) -> Json | None:
    return None if quote is None else quote_json(quote)


def _trade(trade: TradeTick | None) -> Json | None:
    return None if trade is None else trade_json(trade)


def _symbols(call: Call) -> list[str]:
    """The symbols asked about. One that is not listed has nothing to show, as at Alpaca; alone in a path it is not found."""
    parts: Mapping[str, str] = call.request.match_info
    if "symbol" in parts:
        symbol = parts["symbol"].upper()
        if symbol not in call.listings:
            raise not_found(f"asset not found for {symbol[:40]}")
        return [symbol]
    symbols = [symbol.upper() for symbol in query.words(call.query, "symbols")]
    if not symbols:
        raise bad_value("symbols is required")
    return symbols


def _check_feed(call: Call) -> None:
    query.choice(call.query, "feed", FEEDS, "sip")
    query.choice(call.query, "currency", ("USD",), "USD")
