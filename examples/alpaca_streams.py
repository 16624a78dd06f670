"""Both streams of alpaca-py, as its documentation shows them: an order is sent, and its fill and the market's quotes are heard.

    python examples/alpaca_streams.py [ADDRESS] [KEY] [SECRET]

Without arguments: the venue at SIM_VENUE_URL, or that of `make run` on this machine, and its demo account. Ends by itself.
"""

import os
import sys
import threading
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py imports websockets.legacy
    from alpaca.data.live import StockDataStream
    from alpaca.data.models import Bar, Quote, Trade
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderSide, TimeInForce
    from alpaca.trading.models import TradeUpdate
    from alpaca.trading.requests import MarketOrderRequest
    from alpaca.trading.stream import TradingStream

ADDRESS = os.environ.get("SIM_VENUE_URL", "http://127.0.0.1:9108")


def main(address: str = ADDRESS, key: str = "PKDEMO0000000000DEMO", secret: str = "demo-secret") -> None:
    sockets = address.replace("http", "ws", 1) + "/alpaca"
    market = StockDataStream(key, secret, url_override=f"{sockets}/v2/iex")
    trading = TradingStream(key, secret, paper=True, url_override=f"{sockets}/stream")
    client = TradingClient(key, secret, paper=True, url_override=f"{address}/alpaca")
    symbol = next(asset.symbol for asset in client.get_all_assets() if asset.tradable)
    quoted, filled = threading.Event(), threading.Event()

    async def on_quote(quote: Quote) -> None:
        if not quoted.is_set():
            print(f"quote {quote.symbol}: {quote.bid_price} / {quote.ask_price} at {quote.timestamp}")
        quoted.set()

    async def on_trade(trade: Trade) -> None:
        print(f"trade {trade.symbol}: {trade.size:g} at {trade.price}")

    async def on_bar(bar: Bar) -> None:
        print(f"bar {bar.symbol}: closed at {bar.close}")

    async def on_update(update: TradeUpdate) -> None:
        print(f"{update.event}: {update.order.side.value} {update.order.qty} {update.order.symbol}, {update.order.status.value}")
        if update.event == "fill":
            print(f"filled {update.qty:g} at {update.price}, position {update.position_qty:g}")
            filled.set()

    market.subscribe_quotes(on_quote, symbol)
    market.subscribe_trades(on_trade, symbol)
    market.subscribe_bars(on_bar, symbol)
    trading.subscribe_trade_updates(on_update)
    threads = [threading.Thread(target=stream.run, daemon=True) for stream in (market, trading)]
    for thread in threads:
        thread.start()

    expect(quoted, "a quote")
    client.submit_order(MarketOrderRequest(symbol=symbol, qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY))
    expect(filled, "a fill")
    filled.clear()
    client.close_position(symbol)
    expect(filled, "a fill")

    market.stop()
    trading.stop()
    for thread in threads:
        thread.join(timeout=10)
    print("both streams closed")


def expect(event: threading.Event, what: str) -> None:
    if not event.wait(timeout=60):
        raise SystemExit(f"no {what[2:]} within a minute")


if __name__ == "__main__":
    main(*sys.argv[1:])
