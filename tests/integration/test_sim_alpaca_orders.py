"""Orders of the Alpaca dialect: by alpaca-py against the real server, and by a raw client where the wire itself matters."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from tests.alpaca_clients import Alpaca, APIError, an_alpaca, ask
from tests.alpaca_clients import enums as of

BUY: dict[str, Any] = {"symbol": "AAPL", "side": of.OrderSide.BUY}
SELL: dict[str, Any] = {"symbol": "AAPL", "side": of.OrderSide.SELL}
DAY: dict[str, Any] = {"time_in_force": of.TimeInForce.DAY}
GTC: dict[str, Any] = {"time_in_force": of.TimeInForce.GTC}


@pytest.fixture
async def alpaca() -> AsyncIterator[Alpaca]:
    async with an_alpaca() as found:
        yield found


async def test_a_market_order_is_answered_as_pending_and_fills_at_the_next_quote(alpaca: Alpaca) -> None:
    sent = await alpaca.call(alpaca.trading.submit_order, ask.MarketOrderRequest(**BUY, **DAY, qty=10))
    await alpaca.venue.quote("AAPL", 100.1, 100.12)
    filled = await alpaca.call(alpaca.trading.get_order_by_id, sent.id)
    assert (sent.status, sent.filled_qty) == ("pending_new", "0")
    assert (filled.status, filled.filled_qty, filled.filled_avg_price) == ("filled", "10", "100.12")
    assert filled.filled_at == filled.updated_at


async def test_a_limit_order_rests_is_found_by_both_ids_and_is_canceled_once(alpaca: Alpaca) -> None:
    sent = await alpaca.call(
        alpaca.trading.submit_order, ask.LimitOrderRequest(**BUY, **GTC, qty=2, limit_price=99.5, client_order_id="mine")
    )
    found = await alpaca.call(alpaca.trading.get_order_by_client_id, "mine")
    await alpaca.call(alpaca.trading.cancel_order_by_id, sent.id)
    with pytest.raises(APIError) as refused:
        await alpaca.call(alpaca.trading.cancel_order_by_id, sent.id)
    assert (found.id, found.status, found.limit_price) == (sent.id, "new", "99.5")
    assert (refused.value.status_code, refused.value.code) == (422, 42210000)
    assert refused.value.message == 'order is already in "canceled" state'


async def test_a_bracket_shows_its_legs_and_they_go_live_when_the_entry_fills(alpaca: Alpaca) -> None:
    bracket = ask.MarketOrderRequest(
        **BUY,
        **DAY,
        qty=5,
        order_class=of.OrderClass.BRACKET,
        take_profit=ask.TakeProfitRequest(limit_price=110),
        stop_loss=ask.StopLossRequest(stop_price=95, limit_price=94.5),
    )
    sent = await alpaca.call(alpaca.trading.submit_order, bracket)
    await alpaca.venue.quote("AAPL", 100.0, 100.02)
    entered = await alpaca.call(alpaca.trading.get_order_by_id, sent.id, ask.GetOrderByIdRequest(nested=True))
    await alpaca.venue.quote("AAPL", 110.5, 110.6)
    ended = await alpaca.call(alpaca.trading.get_order_by_id, sent.id, ask.GetOrderByIdRequest(nested=True))
    assert [(leg.type, leg.side, leg.status) for leg in sent.legs] == [("limit", "sell", "held"), ("stop_limit", "sell", "held")]
    assert [leg.status for leg in entered.legs] == ["new", "new"]
    assert [leg.status for leg in ended.legs] == ["filled", "canceled"]
    assert {leg.order_class for leg in ended.legs} == {of.OrderClass.BRACKET}


async def test_a_pair_is_one_order_with_one_leg_and_only_one_of_them_fills(alpaca: Alpaca) -> None:
    await alpaca.bought(qty=4)
    pair = ask.LimitOrderRequest(
        **SELL,
        **GTC,
        qty=4,
        order_class=of.OrderClass.OCO,
        take_profit=ask.TakeProfitRequest(limit_price=105),
        stop_loss=ask.StopLossRequest(stop_price=98),
    )
    sent = await alpaca.call(alpaca.trading.submit_order, pair)
    await alpaca.venue.quote("AAPL", 97.0, 97.02)
    await alpaca.venue.quote("AAPL", 97.0, 97.02)
    ended = await alpaca.call(alpaca.trading.get_order_by_id, sent.id, ask.GetOrderByIdRequest(nested=True))
    assert (sent.limit_price, [leg.stop_price for leg in sent.legs]) == ("105", ["98"])
    assert (ended.status, [leg.status for leg in ended.legs]) == ("canceled", ["filled"])


async def test_one_order_triggers_another(alpaca: Alpaca) -> None:
    sent = await alpaca.send(type="limit", qty=1, limit_price="101", order_class="oto", stop_loss={"stop_price": 90})
    await alpaca.venue.quote("AAPL", 100.0, 100.02)
    (leg,) = (await alpaca.order(sent["id"], "?nested=true"))["legs"]
    assert (leg["type"], leg["status"], leg["stop_price"], leg["order_class"]) == ("stop", "new", "90", "oto")


async def test_a_trailing_stop_keeps_its_distance_from_the_best_price(alpaca: Alpaca) -> None:
    await alpaca.bought(qty=1)
    sent = await alpaca.call(alpaca.trading.submit_order, ask.TrailingStopOrderRequest(**SELL, **GTC, qty=1, trail_price=2))
    await alpaca.venue.quote("AAPL", 104.0, 104.02)
    found = await alpaca.call(alpaca.trading.get_order_by_id, sent.id)
    assert (found.trail_price, found.hwm, found.stop_price, found.status) == ("2", "104", "102", "new")


async def test_replacing_makes_a_chain_that_names_both_ends(alpaca: Alpaca) -> None:
    first = await alpaca.send(type="limit", qty=3, limit_price=99, client_order_id="first")
    change = ask.ReplaceOrderRequest(qty=5, limit_price=98.5, client_order_id="second")
    second = await alpaca.call(alpaca.trading.replace_order_by_id, first["id"], change)
    again = await alpaca.raw("PATCH", f"/v2/orders/{first['id']}", json={"qty": "6"})
    same = await alpaca.raw("PATCH", f"/v2/orders/{second.id}", json={})
    old = await alpaca.order(first["id"])
    new = await alpaca.order(str(second.id))
    assert (old["status"], old["replaced_by"], old["limit_price"]) == ("replaced", str(second.id), "99")
    assert old["replaced_at"] == old["updated_at"]
    assert (new["status"], new["replaces"], new["limit_price"], new["qty"]) == ("new", first["id"], "98.5", "5")
    assert new["client_order_id"] == "second"
    assert [(answer.status, answer.body["message"]) for answer in (again, same)] == [
        (422, "order already replaced"),
        (422, "order parameters are not changed"),
    ]


async def test_a_replacement_carries_what_the_chain_has_filled_and_must_leave_something_to_fill(alpaca: Alpaca) -> None:
    first = await alpaca.send(type="limit", qty=10, limit_price=101)
    await alpaca.venue.quote("AAPL", 100.0, 100.02, size=4)
    few = await alpaca.raw("PATCH", f"/v2/orders/{first['id']}", json={"qty": "4"})
    second = (await alpaca.raw("PATCH", f"/v2/orders/{first['id']}", json={"qty": "6"})).body
    shown = await alpaca.order(second["id"])
    await alpaca.venue.quote("AAPL", 100.0, 100.02)
    ended = await alpaca.order(second["id"])
    assert (few.status, few.body["message"]) == (422, "qty must be > filled_qty")
    assert (shown["status"], shown["qty"], shown["filled_qty"]) == ("partially_filled", "6", "4")
    assert (ended["status"], ended["filled_qty"]) == ("filled", "6")
    assert [position["qty"] for position in (await alpaca.raw("GET", "/v2/positions")).body] == ["6"]


async def test_an_order_that_has_ended_or_waits_for_the_open_is_not_replaced(alpaca: Alpaca) -> None:
    filled = await alpaca.bought()
    answer = await alpaca.raw("PATCH", f"/v2/orders/{filled['id']}", json={"qty": "1"})
    await alpaca.venue.pass_time(8 * 3600)
    waiting = await alpaca.send(type="limit", qty=1, limit_price=99)
    other = await alpaca.raw("PATCH", f"/v2/orders/{waiting['id']}", json={"limit_price": "98"})
    assert (answer.status, answer.body) == (422, {"code": 42210000, "message": "cannot replace order in filled status"})
    assert waiting["status"] == "accepted"
    assert (other.status, other.body["message"]) == (422, "cannot replace order in accepted status")


async def test_an_order_sent_at_night_is_accepted_then_new_then_expires_at_the_close(alpaca: Alpaca) -> None:
    await alpaca.venue.pass_time(8 * 3600)
    sent = await alpaca.send(type="limit", qty=1, limit_price=90)
    waiting = await alpaca.order(sent["id"])
    await alpaca.venue.pass_time(16 * 3600)
    resting = await alpaca.order(sent["id"])
    await alpaca.venue.pass_time(7 * 3600)
    ended = await alpaca.order(sent["id"])
    assert [waiting["status"], resting["status"], ended["status"]] == ["accepted", "new", "expired"]
    assert waiting["expires_at"] == resting["expires_at"] == "2025-01-07T21:00:00Z"


async def test_a_client_order_id_is_used_once(alpaca: Alpaca) -> None:
    await alpaca.send(type="limit", qty=1, limit_price=99, client_order_id="once")
    again = await alpaca.raw(
        "POST",
        "/v2/orders",
        json={"symbol": "AAPL", "side": "buy", "type": "market", "qty": 1, "time_in_force": "day", "client_order_id": "once"},
    )
    assert (again.status, again.body) == (422, {"code": 40010001, "message": "client_order_id must be unique"})


async def test_what_cannot_be_paid_is_refused_with_what_it_costs_and_what_there_is(alpaca: Alpaca) -> None:
    with pytest.raises(APIError) as refused:
        await alpaca.call(alpaca.trading.submit_order, ask.LimitOrderRequest(**BUY, **DAY, qty=10_000, limit_price=100))
    assert refused.value.status_code == 403
    assert refused.value.response.json() == {
        "code": 40310000,
        "message": "insufficient buying power",
        "buying_power": "100000",
        "cost_basis": "1000000",
    }


async def test_what_is_not_held_is_not_sold_by_an_account_that_may_not_be_short(alpaca: Alpaca) -> None:
    order = {"symbol": "AAPL", "side": "sell", "type": "market", "qty": 1, "time_in_force": "day"}
    answer = await alpaca.raw("POST", "/v2/orders", json=order)
    assert (answer.status, answer.body) == (403, {"code": 40310000, "message": "account is not allowed to short"})


async def test_shares_that_an_order_keeps_are_not_there_for_another(alpaca: Alpaca) -> None:
    await alpaca.bought(qty=10)
    await alpaca.send(type="limit", side="sell", qty=8, limit_price=120)
    answer = await alpaca.raw(
        "POST", "/v2/orders", json={"symbol": "AAPL", "side": "sell", "type": "market", "qty": "3", "time_in_force": "day"}
    )
    assert answer.status == 403
    assert answer.body == {
        "code": 40310000,
        "message": "insufficient qty available for order (requested: 3, available: 2)",
        "symbol": "AAPL",
        "existing_qty": "10",
        "held_for_orders": "8",
        "available": "2",
    }


@pytest.mark.parametrize(
    ("order", "status", "code", "message"),
    [
        ({"symbol": "ZZZ"}, 422, 42210000, 'asset "ZZZ" not found'),
        ({"symbol": None}, 400, 40010000, "request body format is invalid"),
        ({"side": "hold"}, 422, 40010001, "invalid side: hold"),
        ({"type": "iceberg"}, 422, 40010001, "invalid order type: iceberg"),
        ({"time_in_force": "opg"}, 422, 42210000, "time_in_force opg is not available: this venue holds no auctions"),
        ({"qty": "-1"}, 422, 42210000, "qty must be > 0"),
        ({"qty": "1e999999999"}, 422, 42210000, "invalid qty"),
        ({"qty": "NaN"}, 422, 42210000, "invalid qty"),
        ({"qty": "0.0000001"}, 422, 42210000, "qty must be a multiple of 0.000001"),
        ({"notional": 5}, 422, 42210000, "only one of qty or notional is accepted"),
        ({"qty": None}, 422, 40010001, "qty or notional is required"),
        ({"qty": "0.5", "time_in_force": "gtc"}, 422, 42210000, "fractional orders must be DAY orders"),
        (
            {"qty": "0.5", "type": "trailing_stop", "trail_price": 1},
            422,
            42210000,
            "fractional orders must be market, limit, stop, or stop_limit orders",
        ),
        ({"limit_price": 99}, 422, 42210000, "market orders must not have limit_price"),
        ({"type": "limit"}, 422, 42210000, "limit orders require limit price"),
        (
            {"type": "limit", "limit_price": "99.001"},
            422,
            42210000,
            "invalid limit_price 99.001. sub-penny increment does not fulfill minimum pricing criteria",
        ),
        ({"type": "stop", "stop_price": 100}, 422, 42210000, "stop price must be greater than current price"),
        ({"extended_hours": True}, 422, 42210000, "extended hours order must be DAY limit orders"),
        ({"order_class": "mleg"}, 422, 40010001, "invalid order_class: mleg; this venue has simple, oco, oto and bracket"),
        ({"order_class": "bracket"}, 422, 42210000, "bracket orders require take_profit.limit_price"),
        (
            {"order_class": "bracket", "take_profit": {"limit_price": 90}, "stop_loss": {"stop_price": 95}},
            422,
            42210000,
            "take_profit.limit_price must be > stop_loss.stop_price",
        ),
        (
            {"position_intent": "buy_to_close"},
            422,
            42210000,
            "position intent mismatch, inferred: buy_to_open, specified: buy_to_close",
        ),
        ({"client_order_id": "x" * 129}, 422, 40010001, "client_order_id must be no more than 128 characters"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused_in_alpacas_words(
    alpaca: Alpaca, order: dict[str, object], status: int, code: int, message: str
) -> None:
    body = {"symbol": "AAPL", "side": "buy", "type": "market", "qty": 1, "time_in_force": "day", **order}
    answer = await alpaca.raw("POST", "/v2/orders", json=body)
    assert (answer.status, answer.body["code"], answer.body["message"]) == (status, code, message)
    assert (await alpaca.raw("GET", "/v2/orders?status=all")).body == []


async def test_money_is_taken_digit_by_digit_whether_it_comes_as_number_or_text(alpaca: Alpaca) -> None:
    numbers = await alpaca.send(type="limit", qty=0.1, limit_price=99.1)
    strings = await alpaca.send(type="limit", qty="0.1", limit_price="99.10")
    assert (numbers["qty"], numbers["limit_price"]) == (strings["qty"], strings["limit_price"]) == ("0.1", "99.1")


async def test_a_notional_buys_what_it_pays_at_the_ask(alpaca: Alpaca) -> None:
    await alpaca.venue.quote("AAPL", 100.0, 100.0)
    sent = await alpaca.call(alpaca.trading.submit_order, ask.MarketOrderRequest(**BUY, **DAY, notional=250))
    await alpaca.venue.quote("AAPL", 100.0, 100.0)
    filled = await alpaca.call(alpaca.trading.get_order_by_id, sent.id)
    assert (sent.notional, sent.qty) == ("250", None)
    assert (filled.status, Decimal(filled.filled_qty)) == ("filled", Decimal("2.5"))


async def test_orders_are_listed_by_status_side_symbol_and_time(alpaca: Alpaca) -> None:
    await alpaca.venue.quote("MSFT", 400.0, 400.1)
    filled = await alpaca.bought()
    low = await alpaca.send(type="limit", qty=1, limit_price=90)
    await alpaca.venue.pass_time(60)
    other = await alpaca.send(symbol="MSFT", type="limit", qty=1, limit_price=300)
    sold = await alpaca.send(type="limit", side="sell", qty=1, limit_price=130)

    async def listed(**wanted: Any) -> list[str]:
        return [str(order.id) for order in await alpaca.call(alpaca.trading.get_orders, ask.GetOrdersRequest(**wanted))]

    later = (await alpaca.order(low["id"]))["submitted_at"]
    assert await listed() == [sold["id"], other["id"], low["id"]]
    assert await listed(status=of.QueryOrderStatus.CLOSED) == [filled["id"]]
    assert await listed(status=of.QueryOrderStatus.ALL, direction="asc", limit=2) == [filled["id"], low["id"]]
    assert await listed(side=of.OrderSide.SELL) == [sold["id"]]
    assert await listed(symbols=["MSFT"]) == [other["id"]]
    assert await listed(after=later) == [sold["id"], other["id"]]
    assert await listed(until=later) == [low["id"]]


async def test_a_nested_list_has_legs_only_under_their_order(alpaca: Alpaca) -> None:
    sent = await alpaca.send(
        type="limit", qty=1, limit_price=99, order_class="bracket", take_profit={"limit_price": 110}, stop_loss={"stop_price": 90}
    )
    changed = (await alpaca.raw("PATCH", f"/v2/orders/{sent['legs'][0]['id']}", json={"limit_price": "111"})).body
    flat = (await alpaca.raw("GET", "/v2/orders")).body
    (nested,) = (await alpaca.raw("GET", "/v2/orders?nested=true")).body
    assert len(flat) == 3
    assert all(order["legs"] is None for order in flat)
    assert [leg["id"] for leg in nested["legs"]] == [changed["id"], sent["legs"][1]["id"]]


async def test_all_orders_are_canceled_with_an_answer_for_each(alpaca: Alpaca) -> None:
    sent = {(await alpaca.send(type="limit", qty=1, limit_price=90 + n))["id"] for n in range(3)}
    canceled = await alpaca.raw("DELETE", "/v2/orders")
    assert (canceled.status, {row["id"] for row in canceled.body}, {row["status"] for row in canceled.body}) == (207, sent, {200})
    assert (await alpaca.raw("GET", "/v2/orders")).body == []
    assert (await alpaca.raw("DELETE", "/v2/orders")).body == []


async def test_nobody_sees_or_cancels_the_orders_of_another_account(alpaca: Alpaca) -> None:
    sent = await alpaca.send(type="limit", qty=1, limit_price=90)
    key, secret = await alpaca.venue.account("other", "alpaca", {"USD": 1000})
    theirs = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
    for method in ("GET", "DELETE", "PATCH"):
        answer = await alpaca.raw(method, f"/v2/orders/{sent['id']}", headers=theirs, json={"qty": "2"})
        assert (answer.status, answer.body["code"]) == (404, 40410000)
    assert (await alpaca.order(sent["id"]))["status"] == "new"


async def test_ids_are_the_same_after_a_restart(alpaca: Alpaca) -> None:
    filled = await alpaca.bought()
    before = (await alpaca.raw("GET", "/v2/account/activities/FILL")).body
    await alpaca.venue.restart()
    assert await alpaca.order(filled["id"]) == filled
    assert (await alpaca.raw("GET", "/v2/account/activities/FILL")).body == before


async def test_an_order_that_would_meet_one_of_the_same_account_is_a_wash_trade() -> None:
    async with an_alpaca() as alpaca:
        key, secret = await alpaca.venue.account("careful", "alpaca", {"USD": 100_000}, self_trade="refuse")
        headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
        order = {"symbol": "AAPL", "type": "market", "time_in_force": "day", "qty": 1}
        await alpaca.raw("POST", "/v2/orders", headers=headers, json={**order, "side": "buy"})
        await alpaca.venue.quote("AAPL", 100.0, 100.02)
        await alpaca.raw("POST", "/v2/orders", headers=headers, json={**order, "side": "buy", "type": "limit", "limit_price": 100.01})
        answer = await alpaca.raw("POST", "/v2/orders", headers=headers, json={**order, "side": "sell"})
    assert (answer.status, answer.body["code"]) == (403, 40310000)
    assert answer.body["message"] == "potential wash trade detected. use complex orders"
