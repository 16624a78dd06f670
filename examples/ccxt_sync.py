"""ccxt, as its manual shows it: markets, prices, an account, orders. python examples/ccxt_sync.py [http://127.0.0.1:9108]"""

import time

import ccxt
from venue_urls import at_the_venue

exchange = ccxt.binance({"apiKey": "demo-binance-key", "secret": "demo-binance-secret"})
exchange.urls["api"] = at_the_venue(exchange.urls["api"])
symbol = "BTC/USD"

# Markets and prices
markets = exchange.load_markets()
market = exchange.market(symbol)
print("markets", sorted(markets))
print("precision", market["precision"], "limits", market["limits"]["cost"])
print("server time", exchange.iso8601(exchange.fetch_time()), "status", exchange.fetch_status()["status"])

ticker = exchange.fetch_ticker(symbol)
book = exchange.fetch_order_book(symbol, limit=5)
print("last", ticker["last"], "bid", book["bids"][0], "ask", book["asks"][0])
print("tickers", sorted(exchange.fetch_tickers([symbol])), "best", exchange.fetch_bids_asks([symbol])[symbol]["bid"])
print("trades", len(exchange.fetch_trades(symbol, limit=10)), "candles", exchange.fetch_ohlcv(symbol, "1m", limit=3))

# The account
balance = exchange.fetch_balance()
print("free USD", balance["USD"]["free"], "fees", exchange.fetch_trading_fee(symbol)["taker"])

# A limit order that waits, is changed and is canceled
bid = book["bids"][0][0]
order = exchange.create_order(symbol, "limit", "buy", 0.01, exchange.price_to_precision(symbol, bid * 0.9))
print("placed", order["id"], order["status"])
order = exchange.edit_order(order["id"], symbol, "limit", "buy", 0.02, exchange.price_to_precision(symbol, bid * 0.91))
print("changed", order["id"], order["amount"], "open", [o["id"] for o in exchange.fetch_open_orders(symbol)])
print("canceled", exchange.cancel_order(order["id"], symbol)["status"])

# A stop, and everything canceled at once
exchange.create_order(symbol, "market", "buy", 0.01, None, {"triggerPrice": exchange.price_to_precision(symbol, bid * 1.2)})
print("canceled all", len(exchange.cancel_all_orders(symbol)))

# A market order, until it has filled
order = exchange.create_order(symbol, "market", "buy", 0.01)
deadline = time.monotonic() + 30
while order["status"] != "closed" and time.monotonic() < deadline:
    time.sleep(0.1)
    order = exchange.fetch_order(order["id"], symbol)
print("filled", order["filled"], "at", order["average"])

trades = exchange.fetch_my_trades(symbol)
print("my trades", [(t["id"], t["amount"], t["price"], t["fee"]["cost"]) for t in trades])
print("closed orders", len(exchange.fetch_closed_orders(symbol)), "BTC", exchange.fetch_balance()["BTC"]["total"])

# What a venue refuses
try:
    exchange.create_order(symbol, "limit", "buy", 1000, exchange.price_to_precision(symbol, bid * 0.9))
except (ccxt.InsufficientFunds, ccxt.InvalidOrder) as error:
    print("refused", type(error).__name__)
print("done")
