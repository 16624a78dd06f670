"""The Binance dialect as a client of the public API documentation meets it: signatures, orders, errors, what can be read."""

import re
from collections.abc import AsyncIterator
from decimal import Decimal
from io import BytesIO
from urllib.parse import quote, urlencode

import pytest
from msgspec.structs import replace

from libs.quant.sim_venue.listings import Listing
from services.sim_venue.binance.endpoints import ENDPOINTS, Endpoint
from services.sim_venue.listings import by_hand
from tests.binance_client import BinanceClient, Desk, a_desk, now_ms

ORDER = "/api/v3/order"
D = Decimal


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A venue of its own, for tests of what happens."""
    async with a_desk() as desk:
        yield desk


@pytest.fixture(scope="module")
async def counter() -> AsyncIterator[Desk]:
    """One venue for many tests of what is answered: nothing happens at it."""
    async with a_desk() as counter:
        yield counter


# --- who asks


async def test_a_signature_is_over_the_query_and_the_form_together(desk: Desk) -> None:
    query = urlencode({"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"})
    form = urlencode({"quantity": "0.01", "price": "49000", "timestamp": now_ms()})
    signed = f"{form}&signature={desk.client.signature(query + form)}"
    assert (await desk.client.send("POST", ORDER, query, body=signed)).body["status"] == "NEW"


async def test_a_signature_is_over_the_characters_that_were_sent(counter: Desk) -> None:
    text = f"symbol=BTCUSD&origClientOrderId=a%2Db&timestamp={now_ms()}"  # %2D and - are the same parameter, and not the same text
    answer = await counter.client.send("GET", ORDER, f"{text}&signature={counter.client.signature(text)}")
    assert answer.error == (400, -2013, "Order does not exist.")


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"timestamp": -10_000}, -1021),
        ({"timestamp": +2_000}, -1021),
        ({"timestamp": -4_000}, None),
        ({"timestamp": -10_000, "recvWindow": 20_000}, None),
        ({"timestamp": 0, "recvWindow": 60_001}, -1131),
    ],
)
async def test_a_request_has_to_come_within_its_window(counter: Desk, parameters: dict[str, int], code: int | None) -> None:
    answer = await counter.client.signed("GET", "/api/v3/account", **parameters | {"timestamp": now_ms() + parameters["timestamp"]})
    assert (answer.body.get("code"), answer.status) == (code, 200 if code is None else 400)


async def test_a_wrong_signature_and_a_missing_one_are_told_apart(counter: Desk) -> None:
    text = urlencode({"timestamp": now_ms()})
    wrong = await counter.client.send("GET", "/api/v3/account", f"{text}&signature={'0' * 64}")
    assert wrong.error == (400, -1022, "Signature for this request is not valid.")
    assert (await counter.client.send("GET", "/api/v3/account", text)).error[1] == -1102
    assert (await counter.client.send("GET", "/api/v3/account", f"signature={'0' * 64}")).error[1] == -1102


@pytest.mark.parametrize(("key", "code"), [("", -2014), ("unknown", -2015), ("PKDEMO0000000000DEMO", -2015)])
async def test_a_key_has_to_be_of_this_venue(counter: Desk, key: str, code: int) -> None:
    client = BinanceClient(counter.client.http, counter.venue.url, key=key)
    answer = await client.signed("GET", "/api/v3/account")
    assert answer.error[:2] == (401, code)


async def test_a_venue_whose_clock_is_wrong_says_so_and_refuses_what_is_signed_by_the_right_one(desk: Desk) -> None:
    await desk.venue.weather(clock_skew_ms=-30_000)
    told = (await desk.client.public("/api/v3/time")).body["serverTime"]
    assert abs(told - (now_ms() - 30_000)) < 5_000
    assert (await desk.client.signed("GET", "/api/v3/account")).error[1] == -1021
    assert (await desk.client.signed("GET", "/api/v3/account", timestamp=told)).status == 200


# --- what is listed


async def test_the_filters_of_a_symbol_are_those_of_its_instrument(counter: Desk) -> None:
    body = (await counter.client.public("/api/v3/exchangeInfo", symbol="BTCUSD")).body
    (pair,) = body["symbols"]
    filters = {one["filterType"]: one for one in pair["filters"]}
    assert (pair["symbol"], pair["baseAsset"], pair["quoteAsset"], pair["status"]) == ("BTCUSD", "BTC", "USD", "TRADING")
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == filters["LOT_SIZE"]["minQty"] == "0.00001000"
    assert filters["NOTIONAL"]["minNotional"] == "5.00000000"
    assert {limit["rateLimitType"] for limit in body["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS"}


async def test_a_halted_symbol_is_shown_as_such_and_shares_are_not_listed(desk: Desk) -> None:
    await desk.venue.control("POST", "halt", {"symbol": "BTC/USD"})
    body = (await desk.client.public("/api/v3/exchangeInfo")).body
    assert {pair["symbol"]: pair["status"] for pair in body["symbols"]} == {
        "BTCUSD": "HALT",
        "BTCUSDT": "TRADING",
        "ETHUSD": "TRADING",
        "ETHUSDT": "TRADING",
    }


# --- orders


async def test_figures_are_written_with_eight_decimals(desk: Desk) -> None:
    placed = (await desk.client.order()).body
    found = (await desk.client.signed("GET", ORDER, symbol="BTCUSD", orderId=placed["orderId"])).body
    figures = ("price", "origQty", "executedQty", "cummulativeQuoteQty", "origQuoteOrderQty")
    assert all(re.fullmatch(r"\d+\.\d{8}", answer[name]) for answer in (placed, found) for name in figures)
    assert (found["price"], found["origQty"], found["status"], found["isWorking"]) == ("49000.00000000", "0.01000000", "NEW", True)


@pytest.mark.parametrize(
    ("detail", "has", "has_not"),
    [("ACK", "transactTime", "status"), ("RESULT", "status", "fills"), ("FULL", "fills", "none")],
)
async def test_an_answer_says_as_much_as_was_asked_for(desk: Desk, detail: str, has: str, has_not: str) -> None:
    body = (await desk.client.order(newOrderRespType=detail)).body
    assert has in body
    assert has_not not in body


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ({"symbol": None}, -1102, "'symbol'"),
        ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ({"symbol": "AAPL"}, -1121, "Invalid symbol."),
        ({"side": None}, -1102, "'side'"),
        ({"side": "buy"}, -1117, "Invalid side."),
        ({"type": "TAKE_PROFIT", "timeInForce": None, "price": None, "stopPrice": "60000"}, -1116, "Invalid orderType."),
        ({"timeInForce": None}, -1102, "'timeInForce'"),
        ({"timeInForce": "DAY"}, -1115, "Invalid timeInForce."),
        ({"quantity": None}, -1102, "'quantity'"),
        ({"quantity": "1e-2"}, -1100, "'quantity'"),
        ({"quantity": "-1"}, -1100, "'quantity'"),
        ({"quantity": "NaN"}, -1100, "'quantity'"),
        ({"quantity": "١"}, -1100, "'quantity'"),
        ({"quantity": "0"}, -1013, "Invalid quantity."),
        ({"quantity": "0.000015"}, -1013, "LOT_SIZE"),
        ({"quantity": "99999999999999999999"}, -1013, "LOT_SIZE"),
        ({"quantity": "0.000000001"}, -1111, "precision"),
        ({"quantity": "0.00001"}, -1013, "NOTIONAL"),
        ({"price": "49000.001"}, -1013, "PRICE_FILTER"),
        ({"price": "0"}, -1013, "Invalid price."),
        ({"stopPrice": "1"}, -1106, "'stopPrice'"),
        ({"type": "MARKET"}, -1106, "sent when not required"),
        ({"type": "MARKET", "price": None, "timeInForce": None, "quoteOrderQty": "100"}, -1128, "Combination"),
        ({"icebergQty": "0.001"}, -2010, "Iceberg"),
        ({"newClientOrderId": "no spaces"}, -1100, "'newClientOrderId'"),
        ({"newClientOrderId": "x" * 37}, -1100, "'newClientOrderId'"),
        ({"newOrderRespType": "ALL"}, -1136, "newOrderRespType"),
        ({"selfTradePreventionMode": "DECREMENT"}, -2010, "self-trade prevention"),
        ({"quantity": "100"}, -2010, "insufficient balance"),
        ({"side": "SELL", "price": "60000"}, -2010, "insufficient balance"),
        ({"type": "LIMIT_MAKER", "timeInForce": None, "price": "60000"}, -2010, "immediately match and take"),
        ({"type": "STOP_LOSS_LIMIT", "stopPrice": "40000"}, -2010, "trigger immediately"),
        ({"type": "STOP_LOSS", "timeInForce": None, "price": None, "trailingDelta": "1"}, -1013, "TRAILING_DELTA"),
        ({"type": "STOP_LOSS_LIMIT", "trailingDelta": "100"}, -1128, "Combination"),
        ({"strategyType": "1"}, -1134, "StrategyType"),
        ({"price": "50000&price=50001"}, -1100, "'price'"),
    ],
)
async def test_an_order_that_cannot_be_is_refused_in_the_venues_words(
    counter: Desk, parameters: dict[str, object], code: int, message: str
) -> None:
    answer = await counter.client.order(**parameters)
    assert answer.error[:2] == (400, code)
    assert message in answer.error[2]
    assert (await counter.client.signed("GET", "/api/v3/allOrders", symbol="BTCUSD")).body == []


async def test_a_client_id_is_used_once(desk: Desk) -> None:
    assert (await desk.client.order(newClientOrderId="mine")).status == 200
    assert (await desk.client.order(newClientOrderId="mine")).error == (400, -2010, "Duplicate order sent.")


async def test_a_test_order_is_read_and_not_placed(counter: Desk) -> None:
    given = {"symbol": "BTCUSD", "side": "BUY", "type": "MARKET"}
    assert (await counter.client.signed("POST", f"{ORDER}/test", **given, quantity="0.01")).body == {}
    assert (await counter.client.signed("POST", f"{ORDER}/test", **given)).error[1] == -1102
    assert (await counter.client.signed("GET", "/api/v3/openOrders")).body == []


async def test_a_fill_has_one_id_everywhere_and_money_adds_up(desk: Desk) -> None:
    order = (await desk.client.order(type="MARKET", price=None, timeInForce=None, quantity="3")).error
    assert order[1] == -2010  # 150,000 USD
    order_id = (await desk.client.order(type="MARKET", price=None, timeInForce=None, quantity="0.5")).body["orderId"]
    await desk.venue.quote("BTC/USD", 50_000.0, 50_000.1, size=0.3)
    await desk.venue.quote("BTC/USD", 50_001.0, 50_002.0, size=0.3)
    found = (await desk.client.signed("GET", ORDER, symbol="BTCUSD", orderId=order_id)).body
    trades = (await desk.client.signed("GET", "/api/v3/myTrades", symbol="BTCUSD")).body
    assert (found["status"], found["executedQty"]) == ("FILLED", "0.50000000")
    assert [(t["id"], t["price"], t["qty"], t["isMaker"]) for t in trades] == [
        (1, "50000.10000000", "0.30000000", False),
        (2, "50002.00000000", "0.20000000", False),
    ]
    assert sum(D(t["quoteQty"]) for t in trades) == D(found["cummulativeQuoteQty"]) == D("25000.43")
    assert all(D(t["commission"]) == D(t["quoteQty"]) / 1000 and t["commissionAsset"] == "USD" for t in trades)
    balances = await _balances(desk)
    assert balances["BTC"] == ("0.50000000", "0.00000000")
    assert D(balances["USD"][0]) == 100_000 - D("25000.43") * D("1.001")


async def _balances(desk: Desk) -> dict[str, tuple[str, str]]:
    body = (await desk.client.signed("GET", "/api/v3/account")).body
    return {balance["asset"]: (balance["free"], balance["locked"]) for balance in body["balances"]}


async def test_an_open_order_locks_what_it_may_take(desk: Desk) -> None:
    await desk.client.order(quantity="0.01", price="49000")
    assert (await _balances(desk))["USD"] == ("99509.51000000", "490.49000000")  # with the fee
    await desk.client.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSD")
    assert (await _balances(desk))["USD"] == ("100000.00000000", "0.00000000")


async def test_what_is_free_is_what_the_venue_lets_go_into_an_order(desk: Desk) -> None:
    await desk.client.order(quantity="1", price="49000")
    free = D((await _balances(desk))["USD"][0])
    lots = int(free / D("1.001") / 49_000 / D("0.00001"))
    assert (await desk.client.order(quantity=str(lots * D("0.00001") + D("0.00001")))).error[1] == -2010
    assert (await desk.client.order(quantity=str(lots * D("0.00001")))).status == 200


async def test_a_market_order_for_an_amount_of_money_spends_at_most_that(desk: Desk) -> None:
    placed = (await desk.client.order(type="MARKET", price=None, timeInForce=None, quantity=None, quoteOrderQty="1000")).body
    assert (placed["origQuoteOrderQty"], placed["origQty"]) == ("1000.00000000", "0.01999000")


async def test_a_stop_waits_off_the_book_and_fills_once_triggered(desk: Desk) -> None:
    stop = (await desk.client.order(type="STOP_LOSS", price=None, timeInForce=None, stopPrice="50500", quantity="0.01")).body
    found = (await desk.client.signed("GET", ORDER, symbol="BTCUSD", orderId=stop["orderId"])).body
    assert (found["type"], found["stopPrice"], found["isWorking"]) == ("STOP_LOSS", "50500.00000000", False)
    await desk.venue.quote("BTC/USD", 50_600.0, 50_600.1)
    await desk.venue.quote("BTC/USD", 50_600.0, 50_600.1)
    assert (await desk.client.signed("GET", ORDER, symbol="BTCUSD", orderId=stop["orderId"])).body["status"] == "FILLED"


# --- cancel, replace


async def test_an_order_is_canceled_by_either_id_and_once(desk: Desk) -> None:
    mine = (await desk.client.order(newClientOrderId="mine")).body
    canceled = (await desk.client.signed("DELETE", ORDER, symbol="BTCUSD", origClientOrderId="mine", newClientOrderId="gone")).body
    assert (canceled["orderId"], canceled["origClientOrderId"], canceled["clientOrderId"]) == (mine["orderId"], "mine", "gone")
    assert canceled["status"] == "CANCELED"
    again = await desk.client.signed("DELETE", ORDER, symbol="BTCUSD", orderId=mine["orderId"])
    assert again.error == (400, -2011, "Unknown order sent.")


@pytest.mark.parametrize("which", [{}, {"orderId": 99}, {"origClientOrderId": "nobody"}, {"orderId": 1, "origClientOrderId": "nobody"}])
async def test_what_is_not_there_cannot_be_canceled_nor_read(desk: Desk, which: dict[str, object]) -> None:
    await desk.client.order()
    code = -1102 if not which else -2011
    assert (await desk.client.signed("DELETE", ORDER, symbol="BTCUSD", **which)).error[:2] == (400, code)
    assert (await desk.client.signed("GET", ORDER, symbol="BTCUSD", **which)).error[:2] == (400, -1102 if not which else -2013)
    assert (await desk.client.signed("GET", ORDER, symbol="ETHUSD", orderId=1)).error[1] == -2013


async def test_reads_that_lag_do_not_keep_an_order_from_being_canceled(desk: Desk) -> None:
    await desk.venue.weather(read_lag_s=60)
    await desk.client.order(newClientOrderId="mine")
    assert (await desk.client.signed("GET", ORDER, symbol="BTCUSD", origClientOrderId="mine")).error[1] == -2013
    assert (await desk.client.signed("DELETE", ORDER, symbol="BTCUSD", origClientOrderId="mine")).body["status"] == "CANCELED"


async def test_cancel_restrictions_are_kept(desk: Desk) -> None:
    await desk.client.order()
    refused = await desk.client.signed("DELETE", ORDER, symbol="BTCUSD", orderId=1, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert refused.error == (400, -2011, "Order was not canceled due to cancel restrictions.")
    assert (await desk.client.signed("DELETE", ORDER, symbol="BTCUSD", orderId=1, cancelRestrictions="ONLY_NEW")).status == 200


async def test_all_open_orders_of_a_symbol_are_canceled(desk: Desk) -> None:
    await desk.venue.quote("ETH/USD", 3_000.0, 3_000.1)
    for _ in range(3):
        await desk.client.order()
    await desk.client.order(symbol="ETHUSD", price="2900", quantity="0.1")
    canceled = (await desk.client.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSD")).body
    assert [order["status"] for order in canceled] == ["CANCELED"] * 3
    assert [order["symbol"] for order in (await desk.client.signed("GET", "/api/v3/openOrders")).body] == ["ETHUSD"]
    assert (await desk.client.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSD")).error[1] == -2011


REPLACE = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.02", "price": "48000"}


async def test_a_replacement_is_a_cancel_and_an_order_of_its_own(desk: Desk) -> None:
    await desk.client.order()
    answer = await desk.client.signed("POST", f"{ORDER}/cancelReplace", **REPLACE, cancelOrderId=1, cancelReplaceMode="STOP_ON_FAILURE")
    assert (answer.body["cancelResult"], answer.body["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert answer.body["newOrderResponse"]["origQty"] == "0.02000000"
    assert [order["orderId"] for order in (await desk.client.signed("GET", "/api/v3/openOrders")).body] == [2]


@pytest.mark.parametrize(
    ("mode", "quantity", "status", "code", "results"),
    [
        ("STOP_ON_FAILURE", "0.02", 400, -2022, ("FAILURE", "NOT_ATTEMPTED")),
        ("ALLOW_FAILURE", "0.02", 409, -2021, ("FAILURE", "SUCCESS")),
        ("ALLOW_FAILURE", "90", 400, -2022, ("FAILURE", "FAILURE")),
    ],
)
async def test_a_replacement_of_what_is_gone_goes_on_only_where_told(
    desk: Desk, mode: str, quantity: str, status: int, code: int, results: tuple[str, str]
) -> None:
    sent = REPLACE | {"quantity": quantity, "cancelOrderId": 7, "cancelReplaceMode": mode}
    answer = await desk.client.signed("POST", f"{ORDER}/cancelReplace", **sent)
    data = answer.body["data"]
    assert answer.error[:2] == (status, code)
    assert (data["cancelResult"], data["newOrderResult"], data["cancelResponse"]["code"]) == (*results, -2011)


async def test_a_replacement_that_is_refused_leaves_the_cancel_done(desk: Desk) -> None:
    await desk.client.order()
    sent = REPLACE | {"quantity": "90", "cancelOrderId": 1, "cancelReplaceMode": "STOP_ON_FAILURE"}
    answer = await desk.client.signed("POST", f"{ORDER}/cancelReplace", **sent)
    assert answer.error[:2] == (409, -2021)
    assert (await desk.client.signed("GET", "/api/v3/openOrders")).body == []


# --- lists

WORKING = {"workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "49000", "workingQuantity": "0.1", "workingTimeInForce": "GTC"}


async def test_of_two_that_cancel_each_other_one_is_left(desk: Desk) -> None:
    await desk.client.order(type="MARKET", price=None, timeInForce=None, quantity="0.1")
    await desk.venue.quote("BTC/USD", 50_000.0, 50_000.1)
    pair = {"aboveType": "LIMIT_MAKER", "abovePrice": "51000", "belowType": "STOP_LOSS", "belowStopPrice": "49000"}
    sent = {"symbol": "BTCUSD", "side": "SELL", "quantity": "0.1", "listClientOrderId": "both", **pair}
    placed = (await desk.client.signed("POST", "/api/v3/orderList/oco", **sent)).body
    assert (placed["contingencyType"], placed["listClientOrderId"], len(placed["orders"])) == ("OCO", "both", 2)
    assert (await _balances(desk))["BTC"] == ("0.00000000", "0.10000000")
    await desk.venue.quote("BTC/USD", 51_500.0, 51_500.1)
    orders = [(await desk.client.signed("GET", ORDER, symbol="BTCUSD", orderId=one["orderId"])).body for one in placed["orders"]]
    assert {order["type"]: order["status"] for order in orders} == {"LIMIT_MAKER": "FILLED", "STOP_LOSS": "CANCELED"}
    shown = (await desk.client.signed("GET", "/api/v3/orderList", origClientOrderId="both")).body
    assert (shown["listStatusType"], shown["orderListId"]) == ("ALL_DONE", placed["orderListId"])


async def test_pending_orders_wait_for_the_working_one(desk: Desk) -> None:
    pending = {"pendingSide": "SELL", "pendingQuantity": "0.1", "pendingAboveType": "LIMIT_MAKER", "pendingAbovePrice": "52000"}
    stop = {"pendingBelowType": "STOP_LOSS", "pendingBelowStopPrice": "48000"}
    placed = (await desk.client.signed("POST", "/api/v3/orderList/otoco", symbol="BTCUSD", **WORKING, **pending, **stop)).body
    assert [report["status"] for report in placed["orderReports"]] == ["NEW", "PENDING_NEW", "PENDING_NEW"]
    await desk.venue.quote("BTC/USD", 48_900.0, 48_900.1)
    open_orders = (await desk.client.signed("GET", "/api/v3/openOrders", symbol="BTCUSD")).body
    assert {order["type"]: order["status"] for order in open_orders} == {"LIMIT_MAKER": "NEW", "STOP_LOSS": "NEW"}
    canceled = (await desk.client.signed("DELETE", "/api/v3/orderList", symbol="BTCUSD", orderListId=placed["orderListId"])).body
    assert canceled["listOrderStatus"] == "ALL_DONE"
    assert (await desk.client.signed("GET", "/api/v3/openOrderList")).body == []
    assert len((await desk.client.signed("GET", "/api/v3/allOrderList")).body) == 1


async def test_one_order_triggers_another(desk: Desk) -> None:
    pending = {
        "pendingType": "LIMIT",
        "pendingSide": "SELL",
        "pendingPrice": "52000",
        "pendingQuantity": "0.1",
        "pendingTimeInForce": "GTC",
    }
    placed = (await desk.client.signed("POST", "/api/v3/orderList/oto", symbol="BTCUSD", **WORKING, **pending)).body
    assert placed["contingencyType"] == "OTO"
    await desk.client.signed("DELETE", ORDER, symbol="BTCUSD", orderId=placed["orders"][0]["orderId"])
    orders = (await desk.client.signed("GET", "/api/v3/allOrders", symbol="BTCUSD")).body
    assert [order["status"] for order in orders] == ["CANCELED", "CANCELED"]


async def test_a_list_of_orders_that_do_not_go_together_is_refused(counter: Desk) -> None:
    pair = {"aboveType": "LIMIT_MAKER", "abovePrice": "51000", "belowType": "LIMIT_MAKER", "belowPrice": "49000"}
    answer = await counter.client.signed("POST", "/api/v3/orderList/oco", symbol="BTCUSD", side="BUY", quantity="0.1", **pair)
    assert answer.error[1] in (-1128, -2010)
    assert (await counter.client.signed("GET", "/api/v3/allOrders", symbol="BTCUSD")).body == []


# --- what can be read back


async def test_orders_and_trades_are_read_from_an_id_or_a_time_on(desk: Desk) -> None:
    for _ in range(4):
        await desk.client.order(type="MARKET", price=None, timeInForce=None, quantity="0.01")
        await desk.venue.quote("BTC/USD", 50_000.0, 50_000.1)
    second = (await desk.client.signed("GET", ORDER, symbol="BTCUSD", orderId=2)).body
    asked = {
        "newest": {"limit": 2},
        "from an id": {"orderId": 2, "limit": 2},
        "from a time": {"startTime": second["time"], "limit": 2},
    }
    got = {
        name: [o["orderId"] for o in (await desk.client.signed("GET", "/api/v3/allOrders", symbol="BTCUSD", **how)).body]
        for name, how in asked.items()
    }
    assert got == {"newest": [3, 4], "from an id": [2, 3], "from a time": [2, 3]}
    trades = {
        name: [t["id"] for t in (await desk.client.signed("GET", "/api/v3/myTrades", symbol="BTCUSD", **how)).body]
        for name, how in {"all": {}, "newest": {"limit": 1}, "from": {"fromId": 2, "limit": 2}, "order": {"orderId": 3}}.items()
    }
    assert trades == {"all": [1, 2, 3, 4], "newest": [4], "from": [2, 3], "order": [3]}
    assert (await desk.client.signed("GET", "/api/v3/myTrades", symbol="BTCUSD", startTime=1, endTime=10**9)).error[1] == -1127


async def test_a_trade_that_was_busted_is_none_and_a_corrected_one_is_as_it_is_now(desk: Desk) -> None:
    for _ in range(2):
        await desk.client.order(type="MARKET", price=None, timeInForce=None, quantity="0.01")
        await desk.venue.quote("BTC/USD", 50_000.0, 50_000.1)
    await desk.venue.control("POST", "bust", {"execution": 1})
    await desk.venue.control("POST", "correct", {"execution": 2, "price": "50001.00"})
    trades = (await desk.client.signed("GET", "/api/v3/myTrades", symbol="BTCUSD")).body
    assert [(t["id"], t["price"]) for t in trades] == [(2, "50001.00000000")]
    assert (await _balances(desk))["BTC"][0] == "0.01000000"


async def test_accounts_do_not_see_each_other(desk: Desk) -> None:
    key, secret = await desk.venue.account("other", "binance", {"USD": 1_000})
    other = BinanceClient(desk.client.http, desk.venue.url, key, secret)
    await desk.client.order()
    assert (await other.signed("GET", "/api/v3/openOrders")).body == []
    assert (await other.signed("DELETE", ORDER, symbol="BTCUSD", orderId=1)).error[1] == -2011
    assert (await other.signed("GET", ORDER, symbol="BTCUSD", orderId=1)).error[1] == -2013


# --- market data


async def test_market_data_of_a_market_that_was_told(desk: Desk) -> None:
    for n in range(3):
        await desk.venue.trade("BTC/USD", 50_000.0 + n, 0.1)
    public = desk.client.public
    book = (await public("/api/v3/depth", symbol="BTCUSD", limit=5)).body
    assert (book["bids"], book["asks"]) == ([["50000.00000000", "2.00000000"]], [["50000.10000000", "2.00000000"]])
    assert [t["id"] for t in (await public("/api/v3/trades", symbol="BTCUSD", limit=2)).body] == [2, 3]
    assert [t["id"] for t in (await public("/api/v3/historicalTrades", symbol="BTCUSD", fromId=1, limit=2)).body] == [1, 2]
    assert [t["a"] for t in (await public("/api/v3/aggTrades", symbol="BTCUSD", fromId=2)).body] == [2, 3]
    assert (await public("/api/v3/ticker/price", symbol="BTCUSD")).body == {"symbol": "BTCUSD", "price": "50002.00000000"}
    day = (await public("/api/v3/ticker/24hr", symbol="BTCUSD")).body
    assert (day["openPrice"], day["lastPrice"], day["volume"], day["count"]) == ("50000.00000000", "50002.00000000", "0.30000000", 3)
    (candle,) = (await public("/api/v3/klines", symbol="BTCUSD", interval="1m")).body
    assert candle[1:6] == ["50000.00000000", "50002.00000000", "50000.00000000", "50002.00000000", "0.30000000"]
    assert candle[6] - candle[0] == 59_999
    assert (await public("/api/v3/klines", symbol="BTCUSD", interval="1M", startTime=2**63 - 1)).body == []
    assert len((await public("/api/v3/ticker/bookTicker")).body) == 4
    rolling = (await public("/api/v3/ticker", symbols='["BTCUSD"]', windowSize="1h", type="MINI")).body
    assert rolling[0]["lastPrice"] == "50002.00000000"
    assert (await public("/api/v3/avgPrice", symbol="BTCUSD")).body["mins"] == 5


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        ("depth", {}, -1102),
        ("depth", {"symbol": "BTC/USD"}, -1121),
        ("depth", {"symbol": "BTCUSD", "limit": "many"}, -1100),
        ("depth", {"symbol": "BTCUSD", "limit": 0}, -1130),
        ("klines", {"symbol": "BTCUSD", "interval": "7m"}, -1120),
        ("klines", {"symbol": "BTCUSD", "interval": "1m", "timeZone": "8"}, -1130),
        ("klines", {"symbol": "BTCUSD", "interval": "1m", "startTime": "9" * 30}, -1100),
        ("ticker", {}, -1102),
        ("ticker", {"symbol": "BTCUSD", "windowSize": "60m"}, -1130),
        ("ticker/price", {"symbol": "BTCUSD", "symbols": '["ETHUSD"]'}, -1128),
        ("ticker/price", {"symbols": "BTCUSD"}, -1100),
        ("ticker/price", {"symbols": '["BTCUSD","BTCUSD"]'}, -1151),
        ("exchangeInfo", {"symbolStatus": "GOOD"}, -1130),
    ],
)
async def test_a_question_that_cannot_be_answered_is_told_why(counter: Desk, path: str, parameters: dict[str, object], code: int) -> None:
    assert (await counter.client.public(f"/api/v3/{path}", **parameters)).error[:2] == (400, code)


async def test_one_who_floods_without_a_key_leaves_the_weight_of_a_key_alone(desk: Desk) -> None:
    weighs_80 = "/api/v3/ticker/24hr"  # of 6000
    answers = [await desk.client.send("GET", weighs_80, **{"X-MBX-APIKEY": ""}) for _ in range(76)]
    assert [answer.status for answer in answers[-2:]] == [200, 429]
    assert (await desk.client.order()).status == 200


# --- a venue where orders queue in a book


def _booked() -> list[Listing]:
    return [replace(listing, liquidity="book") for listing in by_hand() if listing.base]


async def test_in_a_book_a_market_order_is_answered_with_its_fills() -> None:
    async with a_desk(listings=_booked()) as desk:
        body = (await desk.client.order(type="MARKET", price=None, timeInForce=None, quantity="0.5")).body
        assert (body["status"], body["executedQty"], body["cummulativeQuoteQty"]) == ("FILLED", "0.50000000", "25000.05000000")
        (trade,) = (await desk.client.signed("GET", "/api/v3/myTrades", symbol="BTCUSD")).body
        (fill,) = body["fills"]
        assert fill == {name: trade["id" if name == "tradeId" else name] for name in fill}


async def test_in_a_book_an_order_that_asks_for_more_than_there_is_expires_with_the_rest() -> None:
    async with a_desk(listings=_booked()) as desk:
        await desk.venue.quote("BTC/USD", 50_000.0, 50_000.1, size=0.5)
        killed = (await desk.client.order(price="50000.1", timeInForce="FOK", quantity="0.8")).body
        taken = (await desk.client.order(price="50000.1", timeInForce="IOC", quantity="0.8")).body
        assert (killed["status"], killed["executedQty"]) == ("EXPIRED", "0.00000000")
        assert (taken["status"], taken["executedQty"]) == ("EXPIRED", "0.50000000")


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        ("EXPIRE_TAKER", "EXPIRED_IN_MATCH", "NEW"),
        ("EXPIRE_MAKER", "NEW", "EXPIRED_IN_MATCH"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
    ],
)
async def test_in_a_book_an_account_does_not_trade_with_itself(mode: str, taker: str, maker: str) -> None:
    async with a_desk(listings=_booked()) as desk:
        await desk.client.order(type="MARKET", price=None, timeInForce=None, quantity="0.1")
        resting = (await desk.client.order(side="SELL", price="50000.05", quantity="0.1")).body["orderId"]
        came = (await desk.client.order(price="50000.05", quantity="0.1", selfTradePreventionMode=mode)).body
        found = (await desk.client.signed("GET", ORDER, symbol="BTCUSD", orderId=resting)).body
        assert (came["status"], came["selfTradePreventionMode"], found["status"]) == (taker, mode, maker)


async def test_in_a_book_depth_shows_what_clients_have_resting() -> None:
    async with a_desk(listings=_booked()) as desk:
        await desk.client.order(price="49999.50", quantity="0.25")
        book = (await desk.client.public("/api/v3/depth", symbol="BTCUSD")).body
        assert book["bids"] == [["50000.00000000", "2.00000000"], ["49999.50000000", "0.25000000"]]


# --- limits, faults and garbage


async def test_headers_tell_what_of_the_limits_is_used(desk: Desk) -> None:
    first = await desk.client.order()
    second = await desk.client.order()
    assert int(second.headers["X-MBX-USED-WEIGHT-1M"]) == int(first.headers["X-MBX-USED-WEIGHT-1M"]) + 1
    assert (second.headers["X-MBX-ORDER-COUNT-10S"], second.headers["X-MBX-ORDER-COUNT-1D"]) in (("2", "2"), ("1", "2"))
    counts = (await desk.client.signed("GET", "/api/v3/rateLimit/order")).body
    assert [(one["intervalNum"], one["interval"], one["limit"]) for one in counts] == [(10, "SECOND", 100), (1, "DAY", 200_000)]


async def test_too_many_requests_are_answered_with_the_time_to_wait(desk: Desk) -> None:
    await desk.venue.weather(requests_per_minute=1)
    answers = [await desk.client.public("/api/v3/ping") for _ in range(3)]
    late = answers[1]
    assert late.error[:2] == (429, -1003)
    assert 0 < int(late.headers["Retry-After"]) <= 60


@pytest.mark.parametrize(("status", "code"), [(418, -1003), (429, -1003), (500, -1000), (502, -1006), (503, -1001), (504, -1007)])
async def test_a_fault_is_answered_in_the_venues_words(desk: Desk, status: int, code: int) -> None:
    await desk.venue.fault("status_after", what="order_submit", status=status)
    assert (await desk.client.order(newClientOrderId="mine")).error[:2] == (status, code)
    assert (await desk.client.signed("GET", ORDER, symbol="BTCUSD", origClientOrderId="mine")).body["status"] == "NEW"
    assert (await desk.venue.requests("mine"))["order_submit"] == 1


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [("GET", "/api/v3/nothing", 404), ("GET", "/", 404), ("PUT", "/api/v3/order", 405), ("GET", "/api/v3/order/..%2f..%2fx", 404)],
)
async def test_what_is_not_there_is_answered_in_the_venues_words(counter: Desk, verb: str, path: str, status: int) -> None:
    assert (await counter.client.send(verb, path)).error[:2] == (status, -1099)


async def test_a_body_that_is_too_large_is_not_read(counter: Desk) -> None:
    answer = await counter.client.send("POST", ORDER, body=BytesIO(b"a" * 2_000_000))
    assert answer.error == (413, -1101, "Too many parameters sent for this endpoint.")


GARBAGE = [
    b"\xff\xfe\x00",
    b"&".join(b"x%d=1" % n for n in range(500)),
    b'{"symbol":"BTCUSD"}',
    b"symbol=BTCUSD&symbol=ETHUSD",
    b"symbol=%00%ff&limit=-1&orderId=1.5&symbols=[[[[",
    b"symbol=BTCUSD&limit=999999999999999999999999&startTime=99999999999999999999&fromId=-5",
]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.verb} {e.path}")
async def test_garbage_is_answered_in_the_venues_words_at_every_route(counter: Desk, endpoint: Endpoint) -> None:
    verb, path = endpoint.verb, endpoint.path
    for garbage in GARBAGE:
        answer = await counter.client.send(verb, path, body=garbage)
        assert answer.status in (200, 400, 401, 413), (garbage[:40], answer)
        assert answer.status == 200 or set(answer.body) == {"code", "msg"}
        signed = f"{quote(garbage, safe='&=%[]')}&timestamp={now_ms()}"
        answer = await counter.client.send(verb, path, f"{signed}&signature={counter.client.signature(signed)}")
        assert answer.status in (200, 400, 401), (signed, answer)
