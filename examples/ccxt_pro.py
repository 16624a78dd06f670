"""ccxt pro: the market and an account by websocket, as its manual shows it. python examples/ccxt_pro.py [http://127.0.0.1:9108]"""

import asyncio

import ccxt.pro as ccxt
from venue_urls import at_the_venue


async def main() -> None:
    exchange = ccxt.binance({"apiKey": "demo-binance-key", "secret": "demo-binance-secret"})
    exchange.urls["api"] = at_the_venue(exchange.urls["api"])
    symbol = "BTC/USD"
    try:
        await exchange.load_markets()
        tickers, ticker, best, book, trades, candles = await asyncio.gather(
            exchange.watch_tickers(),
            exchange.watch_ticker(symbol),
            exchange.watch_bids_asks([symbol]),
            exchange.watch_order_book(symbol),
            exchange.watch_trades(symbol),
            exchange.watch_ohlcv(symbol, "1m"),
        )
        print("last", ticker["last"], "best", best[symbol]["bid"], "bid", book["bids"][0], "trade", trades[-1]["price"])
        print("candle", candles[-1], "all tickers", sorted(tickers))
        for _ in range(3):
            book = await exchange.watch_order_book(symbol)
            print("book", book["nonce"], book["bids"][0], book["asks"][0])

        # The account: what is watched before an order is sent misses nothing of it
        updates = asyncio.gather(exchange.watch_orders(symbol), exchange.watch_my_trades(symbol), exchange.watch_balance())
        await asyncio.sleep(0.5)
        order = await exchange.create_order(symbol, "market", "buy", 0.01)
        orders, mine, balance = await updates
        print("order", orders[-1]["id"] == order["id"], "trade", mine[-1]["order"] == order["id"], "BTC", balance["BTC"]["free"])
        while orders[-1]["status"] != "closed":
            orders = await exchange.watch_orders(symbol)
        print("order", orders[-1]["status"], "filled", orders[-1]["filled"])

        # Orders by the same connection
        price = exchange.price_to_precision(symbol, book["bids"][0][0] * 0.9)
        resting = await exchange.create_order_ws(symbol, "limit", "buy", 0.01, price)
        changed = await exchange.edit_order_ws(resting["id"], symbol, "limit", "buy", 0.02, price)
        print("changed", changed["amount"], "open", len(await exchange.fetch_open_orders_ws(symbol)))
        print("canceled", (await exchange.cancel_order_ws(changed["id"], symbol))["status"])
        print("USD", (await exchange.fetch_balance())["USD"]["total"])
        await exchange.un_watch_trades(symbol)
        print("done")
    finally:
        await exchange.close()


asyncio.run(asyncio.wait_for(main(), 60))
