"""Market data with alpaca-py, as its documentation shows it. What is not Alpaca's is the address.

    python examples/alpaca_data.py [URL] [KEY] [SECRET]

Without arguments: a simulated venue on this machine (`make run`), its demo account.
"""

import sys
import warnings
from datetime import timedelta

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py imports websockets.legacy
    from alpaca.data.enums import DataFeed
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.requests import (
        StockBarsRequest,
        StockLatestBarRequest,
        StockLatestQuoteRequest,
        StockLatestTradeRequest,
        StockQuotesRequest,
        StockSnapshotRequest,
        StockTradesRequest,
    )
    from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

SYMBOLS = ["AAPL", "MSFT"]


def main(url: str = "http://127.0.0.1:9108/alpaca", key: str = "PKDEMO0000000000DEMO", secret: str = "demo-secret") -> None:
    client = StockHistoricalDataClient(key, secret, url_override=url)
    quotes = client.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=SYMBOLS, feed=DataFeed.IEX))
    for symbol, quote in quotes.items():
        print(f"{symbol}: {quote.bid_price} / {quote.ask_price} at {quote.timestamp}")
    now = max(quote.timestamp for quote in quotes.values())

    for symbol, trade in client.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=SYMBOLS)).items():
        print(f"{symbol}: last trade {trade.size:g} at {trade.price}")
    for symbol, bar in client.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols=SYMBOLS)).items():
        print(f"{symbol}: minute of {bar.timestamp:%H:%M} closed at {bar.close}")

    minutes = client.get_stock_bars(
        StockBarsRequest(symbol_or_symbols=SYMBOLS, timeframe=TimeFrame.Minute, start=now - timedelta(hours=1), end=now)
    )
    print(minutes.df.tail())
    fives = client.get_stock_bars(
        StockBarsRequest(symbol_or_symbols=SYMBOLS[0], timeframe=TimeFrame(5, TimeFrameUnit.Minute), start=now - timedelta(hours=1))
    )
    print(f"{len(fives[SYMBOLS[0]])} bars of five minutes")

    recent = client.get_stock_quotes(StockQuotesRequest(symbol_or_symbols=SYMBOLS, start=now - timedelta(minutes=10), limit=50))
    print(f"quotes: { {symbol: len(found) for symbol, found in recent.data.items()} }")
    trades = client.get_stock_trades(StockTradesRequest(symbol_or_symbols=SYMBOLS, start=now - timedelta(minutes=10), limit=50))
    print(f"trades: { {symbol: len(found) for symbol, found in trades.data.items()} }")

    for symbol, snapshot in client.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=SYMBOLS)).items():
        print(f"{symbol}: the day so far closed at {snapshot.daily_bar.close if snapshot.daily_bar else None}")


if __name__ == "__main__":
    main(*sys.argv[1:])
