"""Market data with alpaca-py, as its documentation shows it. What is not Alpaca's is the address.

    python examples/alpaca_data.py [ADDRESS] [KEY] [SECRET]

Without arguments: the venue at SIM_VENUE_URL, or that of `make run` on this machine, and its demo account.
"""

import os
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
    from alpaca.trading.client import TradingClient

ADDRESS = os.environ.get("SIM_VENUE_URL", "http://127.0.0.1:9108")


def main(address: str = ADDRESS, key: str = "PKDEMO0000000000DEMO", secret: str = "demo-secret") -> None:
    assets = TradingClient(key, secret, paper=True, url_override=f"{address}/alpaca").get_all_assets()
    symbols = [asset.symbol for asset in assets if asset.tradable][:2]
    client = StockHistoricalDataClient(key, secret, url_override=f"{address}/alpaca")
    quotes = client.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=symbols, feed=DataFeed.IEX))
    for symbol, quote in quotes.items():
        print(f"{symbol}: {quote.bid_price} / {quote.ask_price} at {quote.timestamp}")
    now = max(quote.timestamp for quote in quotes.values())

    for symbol, trade in client.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=symbols)).items():
        print(f"{symbol}: last trade {trade.size:g} at {trade.price}")
    for symbol, bar in client.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols=symbols)).items():
        print(f"{symbol}: minute of {bar.timestamp:%H:%M} closed at {bar.close}")

    minutes = client.get_stock_bars(
        StockBarsRequest(symbol_or_symbols=symbols, timeframe=TimeFrame.Minute, start=now - timedelta(hours=1), end=now)
    )
    print(minutes.df.tail())
    fives = client.get_stock_bars(
        StockBarsRequest(symbol_or_symbols=symbols[0], timeframe=TimeFrame(5, TimeFrameUnit.Minute), start=now - timedelta(hours=1))
    )
    print(f"{len(fives[symbols[0]])} bars of five minutes")

    recent = client.get_stock_quotes(StockQuotesRequest(symbol_or_symbols=symbols, start=now - timedelta(minutes=10), limit=50))
    print("quotes:", {symbol: len(found) for symbol, found in recent.data.items()})
    trades = client.get_stock_trades(StockTradesRequest(symbol_or_symbols=symbols, start=now - timedelta(minutes=10), limit=50))
    print("trades:", {symbol: len(found) for symbol, found in trades.data.items()})

    for symbol, snapshot in client.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=symbols)).items():
        print(f"{symbol}: the day so far closed at {snapshot.daily_bar.close if snapshot.daily_bar else None}")


if __name__ == "__main__":
    main(*sys.argv[1:])
