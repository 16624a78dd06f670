"""Market data of the Alpaca dialect, by alpaca-py and by a raw client."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from libs.domain.market import Quote, TradeTick
from tests.alpaca_clients import Alpaca, TimeFrame, TimeFrameUnit, an_alpaca, ask_data

OPEN = 1_736_173_800_000_000_000  # 2025-01-06 14:30 UTC
MINUTE = 60_000_000_000
SIX = datetime(2025, 1, 6, tzinfo=UTC)
PRICES = {"AAPL": [100.0, 101.0, 99.0, 102.0, 103.0, 98.0, 97.5], "MSFT": [400.0, 401.0, 402.0]}


@pytest.fixture
async def alpaca() -> AsyncIterator[Alpaca]:
    """A trade a minute, each a second and 123,456,789 ns into it, of two symbols."""
    async with an_alpaca() as found:
        for minute in range(7):
            shown = [_trade(symbol, prices[minute]) for symbol, prices in PRICES.items() if minute < len(prices)]
            await found.venue.show(*shown, at=OPEN + minute * MINUTE + 1_123_456_789)
        yield found


async def test_minutes_are_made_of_trades(alpaca: Alpaca) -> None:
    asked = ask_data.StockBarsRequest(symbol_or_symbols=["AAPL", "MSFT"], timeframe=TimeFrame.Minute, start=SIX)
    bars = await alpaca.call(alpaca.data.get_stock_bars, asked)
    assert [bar.close for bar in bars["AAPL"]] == PRICES["AAPL"]
    assert [bar.close for bar in bars["MSFT"]] == PRICES["MSFT"]
    assert bars["AAPL"][0].timestamp.isoformat() == "2025-01-06T14:30:00+00:00"
    assert bars["AAPL"][0].volume == 5


@pytest.mark.parametrize(
    ("timeframe", "expected"),
    [
        (TimeFrame(5, TimeFrameUnit.Minute), [("14:30", 100.0, 103.0, 99.0, 103.0, 25), ("14:35", 98.0, 98.0, 97.5, 97.5, 10)]),
        (TimeFrame.Hour, [("14:00", 100.0, 103.0, 97.5, 97.5, 35)]),
        (TimeFrame.Day, [("05:00", 100.0, 103.0, 97.5, 97.5, 35)]),
        (TimeFrame.Week, [("05:00", 100.0, 103.0, 97.5, 97.5, 35)]),
    ],
)
async def test_longer_bars_are_made_of_minutes(alpaca: Alpaca, timeframe: Any, expected: list[Any]) -> None:
    asked = ask_data.StockBarsRequest(symbol_or_symbols="AAPL", timeframe=timeframe, start=SIX)
    bars = await alpaca.call(alpaca.data.get_stock_bars, asked)
    assert [(f"{b.timestamp:%H:%M}", b.open, b.high, b.low, b.close, b.volume) for b in bars["AAPL"]] == expected


async def test_a_month_begins_on_its_first_day_in_new_york(alpaca: Alpaca) -> None:
    (bar,) = (await alpaca.raw("GET", "/v2/stocks/AAPL/bars?timeframe=3Month&start=2025-01-01")).body["bars"]
    assert bar["t"] == "2025-01-01T05:00:00Z"


@pytest.mark.parametrize("kind", ["bars", "trades", "quotes"])
@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 4])
async def test_pages_give_everything_once_and_in_order(alpaca: Alpaca, kind: str, sort: str, limit: int) -> None:
    for price in (98.0, 98.5):  # two of each within the same nanosecond
        await alpaca.venue.show(_quote("AAPL", price), _trade("AAPL", price), at=alpaca.venue.host.now())
    path = f"/v2/stocks/{kind}?symbols=MSFT,AAPL&timeframe=1Min&start=2025-01-06T00:00:00Z&sort={sort}"
    whole = (await alpaca.raw("GET", path)).body[kind]
    paged: dict[str, list[Any]] = {}
    token: str | None = ""
    while token is not None:
        page = (await alpaca.raw("GET", f"{path}&limit={limit}" + (f"&page_token={token}" if token else ""))).body
        assert sum(map(len, page[kind].values())) <= limit
        for symbol, rows in page[kind].items():
            paged.setdefault(symbol, []).extend(rows)
        token = page["next_page_token"]
    assert paged == whole
    assert [row["t"] for row in whole["AAPL"]] == sorted((row["t"] for row in whole["AAPL"]), reverse=sort == "desc")


async def test_times_are_exact_to_the_nanosecond(alpaca: Alpaca) -> None:
    trade = (await alpaca.raw("GET", "/v2/stocks/MSFT/trades/latest")).body["trade"]
    assert (trade["t"], trade["p"], trade["s"], trade["i"]) == ("2025-01-06T14:32:01.123456789Z", 402.0, 5, 3)


async def test_alpaca_py_pages_by_itself(alpaca: Alpaca) -> None:
    asked = ask_data.StockTradesRequest(symbol_or_symbols=["AAPL", "MSFT"], start=SIX, limit=9)
    trades = await alpaca.call(alpaca.data.get_stock_trades, asked)
    assert {symbol: len(found) for symbol, found in trades.data.items()} == {"AAPL": 7, "MSFT": 2}


async def test_the_latest_of_everything_and_a_snapshot(alpaca: Alpaca) -> None:
    both = ["AAPL", "MSFT"]
    quotes = await alpaca.call(alpaca.data.get_stock_latest_quote, ask_data.StockLatestQuoteRequest(symbol_or_symbols=both))
    trades = await alpaca.call(alpaca.data.get_stock_latest_trade, ask_data.StockLatestTradeRequest(symbol_or_symbols=both))
    bars = await alpaca.call(alpaca.data.get_stock_latest_bar, ask_data.StockLatestBarRequest(symbol_or_symbols=both))
    shots = await alpaca.call(alpaca.data.get_stock_snapshot, ask_data.StockSnapshotRequest(symbol_or_symbols=both))
    assert (quotes["AAPL"].bid_price, quotes["AAPL"].ask_price, "MSFT" in quotes) == (100.0, 100.02, False)
    assert (trades["AAPL"].price, bars["AAPL"].close) == (97.5, 98.0)  # the last minute has not ended
    assert shots["AAPL"].daily_bar.close == 97.5
    assert shots["MSFT"].latest_quote is None


async def test_the_day_before_is_in_the_snapshot(alpaca: Alpaca) -> None:
    await alpaca.venue.show(_trade("AAPL", 90.0), at=OPEN + 24 * 60 * MINUTE)
    shot = (await alpaca.raw("GET", "/v2/stocks/AAPL/snapshot")).body
    assert (shot["symbol"], shot["dailyBar"]["c"], shot["prevDailyBar"]["c"]) == ("AAPL", 90.0, 97.5)


async def test_a_day_without_start_begins_at_midnight_in_new_york_and_ends_now(alpaca: Alpaca) -> None:
    await alpaca.venue.show(_trade("AAPL", 90.0), at=OPEN + 24 * 60 * MINUTE)
    (bar,) = (await alpaca.raw("GET", "/v2/stocks/AAPL/bars?timeframe=1Min")).body["bars"]
    assert bar["c"] == 90.0


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("bars?symbols=AAPL&timeframe=7Fortnight", 400, "invalid timeframe: 7Fortnight"),
        ("bars?symbols=AAPL&timeframe=60Min", 400, "invalid timeframe: 60Min"),
        ("bars?timeframe=1Min", 400, "symbols is required"),
        ("trades?symbols=AAPL&limit=0", 400, "invalid limit: expected a whole number from 1 to 10000"),
        ("trades?symbols=AAPL&limit=10001", 400, "invalid limit: expected a whole number from 1 to 10000"),
        ("trades?symbols=AAPL&start=yesterday", 400, "invalid start: expected RFC 3339 like 2024-01-02T15:04:05Z, or 2024-01-02"),
        ("trades?symbols=AAPL&page_token=%%%", 400, "invalid page_token"),
        ("trades?symbols=AAPL&sort=sideways", 400, "invalid sort: expected one of asc, desc"),
        ("ZZZ/trades", 404, "asset not found for ZZZ"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_name(alpaca: Alpaca, query: str, status: int, message: str) -> None:
    answer = await alpaca.raw("GET", f"/v2/stocks/{query}")
    assert (answer.status, answer.body["message"]) == (status, message)


def _trade(symbol: str, price: float) -> TradeTick:
    return TradeTick(venue="", symbol=symbol, seq=0, ts=0, price=price, size=5.0)


def _quote(symbol: str, bid: float) -> Quote:
    return Quote(venue="", symbol=symbol, seq=0, ts=0, bid=bid, ask=bid + 0.01, bid_size=1.0, ask_size=1.0)
