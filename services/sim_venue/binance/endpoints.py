"""Every request that is served: by REST path and by the method of the websocket API, with its weight and who may send it."""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from services.sim_venue.binance import account, exchange_info, market_data, order_lists, order_reads, trading, user_stream
from services.sim_venue.binance.desk import Handler
from services.sim_venue.binance.parameters import Parameters
from services.sim_venue.kinds import What

Security = Literal["none", "key", "signed"]
Weight = int | Callable[[Parameters], int]


class Endpoint(NamedTuple):
    """One kind of request."""

    verb: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    method: str  # of the websocket API; "" where it has none
    handler: Handler
    weight: Weight
    what: What
    security: Security = "none"
    orders: int = 0  # how many new orders it counts for

    def weight_of(self, parameters: Parameters) -> int:
        """What the request counts for."""
        return self.weight if isinstance(self.weight, int) else self.weight(parameters)


def _with_symbol(one: int, all_of_them: int) -> Weight:
    return lambda p: one if "symbol" in p else all_of_them


def _depth(p: Parameters) -> int:
    levels = _number(p, "limit")
    return 5 if levels <= 100 else 25 if levels <= 500 else 50 if levels <= 1000 else 250


def _number(p: Parameters, name: str) -> int:
    text = p.text(name) or "0"
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else 0


def _of_trades(p: Parameters) -> int:
    return 5 if "orderId" in p else 20


def _rolling(p: Parameters) -> int:
    return min(200, 4 * max(1, (p.text("symbols") or "").count(",") + 1))


_API: Final = "/api/v3"

ENDPOINTS: Final = (
    Endpoint("GET", f"{_API}/ping", "ping", exchange_info.ping, 1, "other"),
    Endpoint("GET", f"{_API}/time", "time", exchange_info.time, 1, "other"),
    Endpoint("GET", f"{_API}/exchangeInfo", "exchangeInfo", exchange_info.exchange_info, 20, "market_read"),
    Endpoint("GET", f"{_API}/depth", "depth", market_data.depth, _depth, "market_read"),
    Endpoint("GET", f"{_API}/trades", "trades.recent", market_data.recent_trades, 25, "market_read"),
    Endpoint("GET", f"{_API}/historicalTrades", "trades.historical", market_data.historical_trades, 25, "market_read"),
    Endpoint("GET", f"{_API}/aggTrades", "trades.aggregate", market_data.aggregate_trades, 4, "market_read"),
    Endpoint("GET", f"{_API}/klines", "klines", market_data.candles, 2, "market_read"),
    Endpoint("GET", f"{_API}/uiKlines", "uiKlines", market_data.candles, 2, "market_read"),
    Endpoint("GET", f"{_API}/avgPrice", "avgPrice", market_data.average_price, 2, "market_read"),
    Endpoint("GET", f"{_API}/ticker/24hr", "ticker.24hr", market_data.day_ticker, _with_symbol(2, 80), "market_read"),
    Endpoint("GET", f"{_API}/ticker", "ticker", market_data.rolling_ticker, _rolling, "market_read"),
    Endpoint("GET", f"{_API}/ticker/price", "ticker.price", market_data.price_ticker, _with_symbol(2, 4), "market_read"),
    Endpoint("GET", f"{_API}/ticker/bookTicker", "ticker.book", market_data.book_ticker, _with_symbol(2, 4), "market_read"),
    Endpoint("POST", f"{_API}/order", "order.place", trading.place, 1, "order_submit", "signed", 1),
    Endpoint("POST", f"{_API}/order/test", "order.test", trading.test, 1, "other", "signed"),
    Endpoint("GET", f"{_API}/order", "order.status", order_reads.order, 4, "order_read", "signed"),
    Endpoint("DELETE", f"{_API}/order", "order.cancel", trading.cancel, 1, "order_cancel", "signed"),
    Endpoint("POST", f"{_API}/order/cancelReplace", "order.cancelReplace", trading.cancel_replace, 1, "order_replace", "signed", 1),
    Endpoint("GET", f"{_API}/openOrders", "openOrders.status", order_reads.open_orders, _with_symbol(6, 80), "order_read", "signed"),
    Endpoint("DELETE", f"{_API}/openOrders", "openOrders.cancelAll", trading.cancel_all, 1, "order_cancel", "signed"),
    Endpoint("GET", f"{_API}/allOrders", "allOrders", order_reads.all_orders, 20, "order_read", "signed"),
    Endpoint("POST", f"{_API}/orderList/oco", "orderList.place.oco", order_lists.oco, 1, "order_submit", "signed", 2),
    Endpoint("POST", f"{_API}/orderList/oto", "orderList.place.oto", order_lists.oto, 1, "order_submit", "signed", 2),
    Endpoint("POST", f"{_API}/orderList/otoco", "orderList.place.otoco", order_lists.otoco, 1, "order_submit", "signed", 3),
    Endpoint("GET", f"{_API}/orderList", "orderList.status", order_reads.one_list, 4, "order_read", "signed"),
    Endpoint("DELETE", f"{_API}/orderList", "orderList.cancel", order_lists.cancel, 1, "order_cancel", "signed"),
    Endpoint("GET", f"{_API}/openOrderList", "openOrderLists.status", order_reads.open_lists, 6, "order_read", "signed"),
    Endpoint("GET", f"{_API}/allOrderList", "allOrderLists", order_reads.all_lists, 20, "order_read", "signed"),
    Endpoint("GET", f"{_API}/account", "account.status", account.account, 20, "account_read", "signed"),
    Endpoint("GET", f"{_API}/account/commission", "account.commission", account.commission, 20, "account_read", "signed"),
    Endpoint("GET", f"{_API}/myTrades", "myTrades", account.my_trades, _of_trades, "account_read", "signed"),
    Endpoint("GET", f"{_API}/rateLimit/order", "account.rateLimits.orders", account.order_counts, 40, "account_read", "signed"),
    Endpoint("POST", f"{_API}/userDataStream", "userDataStream.start", user_stream.start, 2, "other", "key"),
    Endpoint("PUT", f"{_API}/userDataStream", "userDataStream.ping", user_stream.keep, 2, "other", "key"),
    Endpoint("DELETE", f"{_API}/userDataStream", "userDataStream.stop", user_stream.stop, 2, "other", "key"),
    Endpoint("GET", "/sapi/v1/system/status", "", exchange_info.system_status, 1, "other"),
    Endpoint("GET", "/sapi/v1/capital/config/getall", "", account.capital, 10, "account_read", "signed"),
    Endpoint("GET", "/sapi/v1/asset/tradeFee", "", account.trade_fees, 1, "account_read", "signed"),
    Endpoint("GET", "/sapi/v1/margin/allPairs", "", account.nothing, 1, "other", "key"),
    Endpoint("GET", "/sapi/v1/margin/isolated/allPairs", "", account.nothing, 10, "other", "key"),
    Endpoint("GET", "/fapi/v1/exchangeInfo", "", exchange_info.no_contracts, 1, "other"),
    Endpoint("GET", "/dapi/v1/exchangeInfo", "", exchange_info.no_contracts, 1, "other"),
)
