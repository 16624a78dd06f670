"""The Binance dialect's websockets: market streams, the account's stream by listen key, requests by websocket, and what goes wrong."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from aiohttp import WSCloseCode, WSMsgType

from tests.binance_client import Desk, a_desk

D = Decimal


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A venue of its own, for tests of what happens."""
    async with a_desk() as desk:
        yield desk


@pytest.fixture(scope="module")
async def counter() -> AsyncIterator[Desk]:
    """One venue for many tests of what is answered."""
    async with a_desk() as counter:
        yield counter


# --- market streams


async def test_streams_are_subscribed_listed_and_left(desk: Desk) -> None:
    socket = await desk.socket("/ws")
    assert await socket.ask(method="SUBSCRIBE", params=["btcusd@trade", "btcusd@bookTicker"], id=1) == {"result": None, "id": 1}
    assert (await socket.ask(method="LIST_SUBSCRIPTIONS", id=2))["result"] == ["btcusd@trade", "btcusd@bookTicker"]
    await desk.venue.trade("BTC/USD", 50_000.05, 0.25)
    trade = await socket.next("e", "trade")
    assert (trade["s"], trade["t"], trade["p"], trade["q"]) == ("BTCUSD", 1, "50000.05000000", "0.25000000")
    assert await socket.ask(method="UNSUBSCRIBE", params=["btcusd@trade"], id=3) == {"result": None, "id": 3}
    await desk.venue.trade("BTC/USD", 50_000.06, 0.25)
    await desk.venue.quote("BTC/USD", 50_001.0, 50_001.1)
    assert (await socket.next())["b"] == "50001.00000000"


async def test_combined_streams_say_which_they_are(desk: Desk) -> None:
    socket = await desk.socket("/stream?streams=btcusd@trade/btcusd@aggTrade")
    assert (await socket.ask(method="GET_PROPERTY", params=["combined"], id=1))["result"] is True
    await desk.venue.trade("BTC/USD", 50_000.05, 0.25)
    assert [(await socket.next())["stream"] for _ in range(2)] == ["btcusd@trade", "btcusd@aggTrade"]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("", 3),
        ("garbage", 3),
        ('{"method":"SUBSCRIBE"', 3),
        ('{"method":"SUBSCRIBE","params":' + "[" * 5_000, 3),
        ("[]", 2),
        ('{"method":7}', 2),
        ('{"method":"SHOUT","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":"btcusd@trade","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2),
        ('{"method":"SUBSCRIBE","params":["btcusd@nothing"],"id":1}', 2),
        ('{"method":"SUBSCRIBE","params":["btcusd@trade"],"id":-1}', 2),
        ('{"method":"SUBSCRIBE","params":["btcusd@trade"],"id":{}}', 2),
        ('{"method":"SET_PROPERTY","params":["colour",true],"id":1}', 0),
        ('{"method":"SET_PROPERTY","params":["combined",5],"id":1}', 1),
    ],
)
async def test_a_message_that_cannot_be_read_is_told_why_and_the_stream_goes_on(counter: Desk, sent: str, code: int) -> None:
    socket = await counter.socket("/ws/btcusd@trade")
    await socket.ws.send_str(sent)
    assert (await socket.next())["error"]["code"] == code
    await counter.venue.trade("BTC/USD", 50_000.05, 0.25)
    assert (await socket.next())["e"] == "trade"


async def test_a_snapshot_and_the_diffs_after_it_are_the_venues_book(desk: Desk) -> None:
    socket = await desk.socket("/ws/btcusd@depth@100ms")
    await socket.ask(method="LIST_SUBSCRIPTIONS", id=1)
    await desk.venue.quote("BTC/USD", 50_001.0, 50_001.1)
    snapshot = (await desk.client.public("/api/v3/depth", symbol="BTCUSD")).body
    book = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
    known = snapshot["lastUpdateId"]
    for n in (2, 3):
        await desk.venue.quote("BTC/USD", 50_000.0 + n, 50_000.1 + n)
        event = await socket.next("e", "depthUpdate")
        while event["u"] <= known:
            event = await socket.next("e", "depthUpdate")
        assert event["U"] <= known + 1
        known = event["u"]
        for side in ("b", "a"):
            book[side] = {price: size for price, size in (book[side] | dict(event[side])).items() if D(size)}
    final = (await desk.client.public("/api/v3/depth", symbol="BTCUSD")).body
    assert (known, book) == (final["lastUpdateId"], {"b": dict(final["bids"]), "a": dict(final["asks"])})


async def test_tickers_candles_and_partial_books_come_at_their_pace(desk: Desk) -> None:
    names = [
        "btcusd@ticker",
        "btcusd@miniTicker",
        "btcusd@kline_1m",
        "btcusd@depth5",
        "!miniTicker@arr",
        "btcusd@ticker_1h",
        "btcusd@avgPrice",
    ]
    socket = await desk.socket(f"/stream?streams={'/'.join(names)}")
    await socket.ask(method="LIST_SUBSCRIPTIONS", id=1)
    await desk.venue.trade("BTC/USD", 50_000.05, 0.25)
    came = {event["stream"]: event["data"] for event in [await socket.next() for _ in names]}
    assert sorted(came) == sorted(names)
    assert came["btcusd@ticker"]["c"] == came["!miniTicker@arr"][0]["c"] == came["btcusd@kline_1m"]["k"]["c"] == "50000.05000000"
    assert came["btcusd@kline_1m"]["k"]["x"] is False
    assert came["btcusd@depth5"]["bids"] == [["50000.00000000", "2.00000000"]]


async def test_a_candle_is_told_closed_once(desk: Desk) -> None:
    socket = await desk.socket("/ws/btcusd@kline_1s")
    await socket.ask(method="LIST_SUBSCRIPTIONS", id=1)
    await desk.venue.trade("BTC/USD", 50_000.0, 0.25)
    await desk.venue.pass_time(1)
    await desk.venue.trade("BTC/USD", 50_001.0, 0.5)
    candles = [(await socket.next())["k"] for _ in range(2)]
    assert [(k["c"], k["x"]) for k in candles] == [("50000.00000000", True), ("50001.00000000", False)]


# --- the account's stream


async def test_an_orders_life_on_a_listen_key(desk: Desk) -> None:
    key = (await desk.client.send("POST", "/api/v3/userDataStream")).body["listenKey"]
    socket = await desk.socket(f"/ws/{key}")
    await socket.ask(method="LIST_SUBSCRIPTIONS", id=1)
    order = (await desk.client.order(newClientOrderId="mine", quantity="0.5", price="49000")).body["orderId"]
    new = await socket.next("e", "executionReport")
    assert (new["x"], new["X"], new["i"], new["c"], new["w"], new["t"]) == ("NEW", "NEW", order, "mine", True, -1)
    locked = await socket.next("e", "outboundAccountPosition")
    assert {one["a"]: one["l"] for one in locked["B"]}["USD"] == "24524.50000000"
    await desk.venue.quote("BTC/USD", 48_999.0, 48_999.1, size=0.2)
    fill = await socket.next("e", "executionReport")
    assert (fill["x"], fill["X"], fill["l"], fill["z"], fill["N"]) == ("TRADE", "PARTIALLY_FILLED", "0.20000000", "0.20000000", "USD")
    await desk.client.signed("DELETE", "/api/v3/order", symbol="BTCUSD", orderId=order, newClientOrderId="gone")
    end = await socket.next("e", "executionReport")
    assert (end["x"], end["X"], end["c"], end["C"]) == ("CANCELED", "CANCELED", "gone", "mine")
    (trade,) = (await desk.client.signed("GET", "/api/v3/myTrades", symbol="BTCUSD")).body
    assert (trade["id"], trade["price"], trade["commission"]) == (fill["t"], fill["L"], fill["n"])
    last = await socket.next("e", "outboundAccountPosition")
    account = {one["asset"]: one for one in (await desk.client.signed("GET", "/api/v3/account")).body["balances"]}
    assert all((one["f"], one["l"]) == (account[one["a"]]["free"], account[one["a"]]["locked"]) for one in last["B"])


async def test_a_listen_key_is_kept_and_given_up(desk: Desk) -> None:
    path = "/api/v3/userDataStream"
    key = (await desk.client.send("POST", path)).body["listenKey"]
    assert (await desk.client.send("POST", path)).body["listenKey"] == key
    assert (await desk.client.send("PUT", path, f"listenKey={key}")).body == {}
    assert (await desk.client.send("DELETE", path, f"listenKey={key}")).body == {}
    assert (await desk.client.send("PUT", path, f"listenKey={key}")).error == (400, -1125, "This listenKey does not exist.")


async def test_deposits_and_busts_are_told_as_changes_of_balance(desk: Desk) -> None:
    socket = await desk.socket("/ws-api/v3")
    params = desk.client.ws_params()
    assert (await socket.ask(id=1, method="userDataStream.subscribe.signature", params=params))["result"] == {"subscriptionId": 0}
    await desk.venue.control("POST", "transfer", {"account": "demo-binance", "currency": "USD", "amount": "-500"})
    assert (await socket.event("balanceUpdate"))["d"] == "-500.00000000"
    await desk.client.order(type="MARKET", price=None, timeInForce=None, quantity="0.01")
    await desk.venue.quote("BTC/USD", 50_000.0, 50_000.0)
    await desk.venue.control("POST", "bust", {"execution": 1})
    updates = [await socket.event("balanceUpdate") for _ in range(2)]
    assert {one["a"]: one["d"] for one in updates} == {"BTC": "-0.01000000", "USD": "500.50000000"}
    assert (await socket.event("outboundAccountPosition"))["B"]


async def test_a_pair_of_orders_is_told_as_a_list(desk: Desk) -> None:
    socket = await desk.socket("/ws-api/v3")
    await socket.ask(id=1, method="userDataStream.subscribe.signature", params=desk.client.ws_params())
    pair = {"aboveType": "STOP_LOSS", "aboveStopPrice": "51000", "belowType": "LIMIT_MAKER", "belowPrice": "49000"}
    sent = {"symbol": "BTCUSD", "side": "BUY", "quantity": "0.1", **pair}
    placed = (await desk.client.signed("POST", "/api/v3/orderList/oco", **sent)).body
    begun = await socket.event("listStatus")
    assert (begun["l"], begun["L"], begun["g"], len(begun["O"])) == ("EXEC_STARTED", "EXECUTING", placed["orderListId"], 2)
    await desk.client.signed("DELETE", "/api/v3/orderList", symbol="BTCUSD", orderListId=placed["orderListId"])
    assert (await socket.event("listStatus"))["l"] == "ALL_DONE"


# --- requests by websocket


async def test_orders_are_placed_replaced_and_canceled_by_websocket(desk: Desk) -> None:
    socket = await desk.socket("/ws-api/v3")
    order = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "49000"}
    placed = await socket.ask(id="a", method="order.place", params=desk.client.ws_params(**order, newClientOrderId="mine"))
    assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
    assert placed["rateLimits"][0]["rateLimitType"] == "REQUEST_WEIGHT"
    sent = order | {"price": "48000", "cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": placed["result"]["orderId"]}
    replaced = await socket.ask(id="b", method="order.cancelReplace", params=desk.client.ws_params(**sent, returnRateLimits="false"))
    assert "rateLimits" not in replaced
    new = replaced["result"]["newOrderResponse"]["orderId"]
    canceled = await socket.ask(id="c", method="order.cancel", params=desk.client.ws_params(symbol="BTCUSD", orderId=new))
    assert canceled["result"]["status"] == "CANCELED"
    assert (await desk.venue.requests("mine"))["order_submit"] == 1


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ("garbage", 400, -1135),
        ("[]", 400, -1135),
        ('{"id":{},"method":"ping"}', 400, -1135),
        ('{"id":1,"method":"nothing"}', 404, -1099),
        ('{"id":1,"method":"depth","params":{"symbol":["x",{"y":1}]}}', 400, -1121),
        ('{"id":1,"method":"account.status"}', 401, -2014),
        ('{"id":1,"method":"account.status","params":{"apiKey":"x"}}', 401, -2015),
        ('{"id":1,"method":"account.status","params":{"apiKey":"demo-binance-key","timestamp":1,"signature":"x"}}', 400, -1021),
        ('{"id":1,"method":"order.place","params":{"apiKey":"demo-binance-key"}}', 400, -1102),
    ],
)
async def test_a_request_that_cannot_be_is_refused_and_the_connection_goes_on(counter: Desk, sent: str, status: int, code: int) -> None:
    socket = await counter.socket("/ws-api/v3")
    await socket.ws.send_str(sent)
    answer = await socket.next()
    assert (answer["status"], answer["error"]["code"]) == (status, code)
    assert (await socket.ask(id=2, method="ping"))["result"] == {}


async def test_an_answer_that_is_lost_leaves_the_order_there_and_one_that_never_came_does_not(desk: Desk) -> None:
    order = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "49000"}
    for kind, there in (("drop_after", 1), ("drop_before", 1)):
        await desk.venue.fault(kind, what="order_submit")
        socket = await desk.socket("/ws-api/v3")
        await socket.ws.send_json({"id": 1, "method": "order.place", "params": desk.client.ws_params(**order)})
        async with asyncio.timeout(10):
            assert (await socket.ws.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING)
        assert len((await desk.client.signed("GET", "/api/v3/openOrders", symbol="BTCUSD")).body) == there


# --- what goes wrong


async def test_frames_of_the_account_are_doubled_lost_and_silenced(desk: Desk) -> None:
    key = (await desk.client.send("POST", "/api/v3/userDataStream")).body["listenKey"]
    socket = await desk.socket(f"/ws/{key}")
    await socket.ask(method="LIST_SUBSCRIPTIONS", id=1)
    await desk.venue.fault("duplicate", what="orders")
    await desk.venue.fault("lose", what="orders")
    await desk.client.order()
    assert [(await socket.next())["e"] for _ in range(2)] == ["executionReport", "executionReport"]  # and no position
    await desk.venue.fault("mute", what="orders")
    await desk.client.order()
    assert (await socket.ask(method="LIST_SUBSCRIPTIONS", id=2))["result"] == [key]  # the socket is alive


async def test_a_venue_that_leaves_hangs_up_at_once(desk: Desk) -> None:
    sockets = [await desk.socket(path) for path in ("/ws/btcusd@trade", "/ws-api/v3")]
    desk.venue.venue.close()
    async with asyncio.timeout(10):
        frames = [await socket.ws.receive() for socket in sockets]
    assert [(frame.type, frame.data) for frame in frames] == [(WSMsgType.CLOSE, WSCloseCode.GOING_AWAY)] * 2


async def test_streams_go_on_after_a_restart(desk: Desk) -> None:
    await desk.socket("/ws/btcusd@trade")
    await desk.venue.restart()
    socket = await desk.socket("/ws/btcusd@trade")
    await socket.ask(method="LIST_SUBSCRIPTIONS", id=1)
    await desk.venue.trade("BTC/USD", 50_000.05, 0.25)
    assert (await socket.next())["e"] == "trade"
