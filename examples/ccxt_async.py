"""ccxt with asyncio, as its manual shows it. python examples/ccxt_async.py [http://127.0.0.1:9108]"""

import asyncio

import ccxt.async_support as ccxt
from venue_urls import at_the_venue


async def main() -> None:
    exchange = ccxt.binance({"apiKey": "demo-binance-key", "secret": "demo-binance-secret"})
    exchange.urls["api"] = at_the_venue(exchange.urls["api"])
    symbol = "BTC/USD"
    try:
        await exchange.load_markets()
        ticker, book, trades, candles, balance = await asyncio.gather(
            exchange.fetch_ticker(symbol),
            exchange.fetch_order_book(symbol),
            exchange.fetch_trades(symbol, limit=10),
            exchange.fetch_ohlcv(symbol, "5m", limit=3),
            exchange.fetch_balance(),
        )
        print("last", ticker["last"], "bid", book["bids"][0], "trades", len(trades), "candles", candles)
        print("free USD", balance["USD"]["free"])

        # Several orders at once, found again by the client's own id
        bid = book["bids"][0][0]
        prices = [exchange.price_to_precision(symbol, bid * share) for share in (0.9, 0.8, 0.7)]
        orders = await asyncio.gather(*(exchange.create_limit_buy_order(symbol, 0.01, price) for price in prices))
        print("placed", [order["id"] for order in orders])
        found = await exchange.fetch_order(None, symbol, {"clientOrderId": orders[0]["clientOrderId"]})
        print("found", found["id"], found["status"], found["price"])
        print("open", len(await exchange.fetch_open_orders(symbol)))
        await asyncio.gather(*(exchange.cancel_order(order["id"], symbol) for order in orders))
        print("open", len(await exchange.fetch_open_orders(symbol)))

        # Post-only, immediate-or-cancel, and a market order for an amount of money
        maker = await exchange.create_order(symbol, "limit", "buy", 0.01, prices[0], {"postOnly": True})
        print("post-only", maker["type"], (await exchange.cancel_order(maker["id"], symbol))["status"])
        taker = await exchange.create_order(symbol, "limit", "buy", 0.01, prices[0], {"timeInForce": "IOC"})
        spent = await exchange.create_market_buy_order_with_cost(symbol, 500)
        for order in (taker, spent):
            while order["status"] == "open":
                await asyncio.sleep(0.1)
                order = await exchange.fetch_order(order["id"], symbol)
            print(order["type"], order["status"], "filled", order["filled"], "cost", order["cost"])
        print("my trades", len(await exchange.fetch_my_trades(symbol)), "orders", len(await exchange.fetch_orders(symbol)))
        try:
            await exchange.cancel_order("1000000", symbol)
        except ccxt.OrderNotFound as error:
            print("refused", type(error).__name__)
        print("done")
    finally:
        await exchange.close()


asyncio.run(asyncio.wait_for(main(), 60))
