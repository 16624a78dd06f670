"""Trading with alpaca-py, as its documentation shows it. What is not Alpaca's is the address.

    python examples/alpaca_trading.py [ADDRESS] [KEY] [SECRET]

Without arguments: the venue at SIM_VENUE_URL, or that of `make run` on this machine, and its demo account.
"""

import os
import sys
import time
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py imports websockets.legacy
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import AssetClass, OrderClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
    from alpaca.trading.models import Order, Position
    from alpaca.trading.requests import (
        ClosePositionRequest,
        GetAssetsRequest,
        GetCalendarRequest,
        GetOrderByIdRequest,
        GetOrdersRequest,
        LimitOrderRequest,
        MarketOrderRequest,
        ReplaceOrderRequest,
        StopLossRequest,
        TakeProfitRequest,
        TrailingStopOrderRequest,
    )

ADDRESS = os.environ.get("SIM_VENUE_URL", "http://127.0.0.1:9108")


def main(address: str = ADDRESS, key: str = "PKDEMO0000000000DEMO", secret: str = "demo-secret") -> None:
    client = TradingClient(key, secret, paper=True, url_override=f"{address}/alpaca")
    symbol = look_around(client)
    buy(client, symbol)
    rest_and_replace(client, symbol)
    bracket(client, symbol)
    trail(client, symbol)
    close(client, symbol)


def look_around(client: TradingClient) -> str:
    """Account, assets and hours; the symbol that is traded from here on."""
    account = client.get_account()
    print(f"account {account.account_number}: {account.status.value}, buying power {account.buying_power}, equity {account.equity}")
    assets = client.get_all_assets(GetAssetsRequest(asset_class=AssetClass.US_EQUITY))
    symbols = [asset.symbol for asset in assets if asset.tradable]
    print("assets:", ", ".join(symbols))
    asset = client.get_asset(symbols[0])
    print(f"{asset.symbol} trades on {asset.exchange.value}, fractionable: {asset.fractionable}")
    clock = client.get_clock()
    print(f"it is {clock.timestamp}, the market is {'open' if clock.is_open else 'closed'}, next close {clock.next_close}")
    day = clock.timestamp.date()
    for session in client.get_calendar(GetCalendarRequest(start=day, end=day)):
        print(f"{session.date}: {session.open:%H:%M} to {session.close:%H:%M}")
    return str(asset.symbol)


def buy(client: TradingClient, symbol: str) -> None:
    order = client.submit_order(MarketOrderRequest(symbol=symbol, qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.DAY))
    order = filled(client, order)
    print(f"bought {order.filled_qty} {order.symbol} at {order.filled_avg_price}")
    position = client.get_open_position(symbol)
    print(f"holding {position.qty} at {position.avg_entry_price}, worth {position.market_value}")


def rest_and_replace(client: TradingClient, symbol: str) -> None:
    """A limit order far below the market, another price for it, and its end."""
    price = far_below(client.get_open_position(symbol))
    order = client.submit_order(
        LimitOrderRequest(
            symbol=symbol,
            qty=1,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.GTC,
            limit_price=price,
            client_order_id=f"example-{time.time_ns()}",
        )
    )
    found = client.get_order_by_client_id(order.client_order_id)
    print(f"order {found.client_order_id} rests at {found.limit_price}: {found.status.value}")
    changed = client.replace_order_by_id(order.id, ReplaceOrderRequest(limit_price=round(price - 1, 2)))
    print(f"replaced by {changed.id} at {changed.limit_price}; the old one is {client.get_order_by_id(order.id).status.value}")
    resting = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, symbols=[symbol]))
    print(f"{len(resting)} order open")
    client.cancel_order_by_id(changed.id)
    print(f"and now {client.get_order_by_id(changed.id).status.value}")
    try:
        client.cancel_order_by_id(changed.id)
    except APIError as error:
        print(f"a second time is refused: {error.status_code} {error.code} {error.message}")


def bracket(client: TradingClient, symbol: str) -> None:
    """An entry that waits, with the two exits that wait for it."""
    price = far_below(client.get_open_position(symbol))
    order = client.submit_order(
        LimitOrderRequest(
            symbol=symbol,
            qty=5,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.GTC,
            limit_price=price,
            order_class=OrderClass.BRACKET,
            take_profit=TakeProfitRequest(limit_price=round(price * 1.1, 2)),
            stop_loss=StopLossRequest(stop_price=round(price * 0.95, 2), limit_price=round(price * 0.94, 2)),
        )
    )
    order = client.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))
    print("bracket:", ", ".join(f"{leg.type.value} {leg.side.value} ({leg.status.value})" for leg in [order, *(order.legs or [])]))
    for canceled in client.cancel_orders():
        print(f"canceled {canceled.id}: {canceled.status}")


def trail(client: TradingClient, symbol: str) -> None:
    order = client.submit_order(
        TrailingStopOrderRequest(symbol=symbol, qty=2, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, trail_percent=5)
    )
    print(f"a stop follows at {order.trail_percent} %")
    client.cancel_order_by_id(order.id)


def close(client: TradingClient, symbol: str) -> None:
    half = client.close_position(symbol, ClosePositionRequest(percentage="50"))
    print(f"sold {filled(client, half).filled_qty}")
    for closed in client.close_all_positions(cancel_orders=True):
        print(f"closing {closed.symbol}: {closed.status}")
        if isinstance(closed.body, Order):
            filled(client, closed.body)
    print(f"positions left: {len(client.get_all_positions())}")


def filled(client: TradingClient, order: Order) -> Order:
    """Waits until it has filled, a minute at most."""
    for _ in range(240):
        if order.status == OrderStatus.FILLED:
            return order
        time.sleep(0.25)
        order = client.get_order_by_id(order.id)
    raise SystemExit(f"{order.client_order_id} is still {order.status.value}")


def far_below(position: Position) -> float:
    return round(float(position.current_price or 0) * 0.8, 2)


if __name__ == "__main__":
    main(*sys.argv[1:])
