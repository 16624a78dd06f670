"""Account, assets, hours, positions and activities of the Alpaca dialect, by alpaca-py and by a raw client."""

import base64
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.alpaca_clients import HEADERS, KEY, SECRET, Alpaca, APIError, an_alpaca, ask, enums


@pytest.fixture
async def alpaca() -> AsyncIterator[Alpaca]:
    async with an_alpaca() as found:
        yield found


async def test_an_account_is_worth_its_cash_and_what_it_holds(alpaca: Alpaca) -> None:
    await alpaca.bought(qty=10)
    await alpaca.venue.quote("AAPL", 109.99, 110.01)
    found = await alpaca.call(alpaca.trading.get_account)
    assert (found.status, found.currency, found.multiplier) == ("ACTIVE", "USD", "1")
    assert (found.cash, found.long_market_value, found.short_market_value) == ("98999.8", "1100", "0")
    assert found.equity == found.portfolio_value == "100099.8"
    assert found.last_equity == "0"  # it was opened after the last close


@pytest.mark.parametrize(("kind", "left"), [("cash", "90100"), ("margin", "89999")])
async def test_buying_power_is_what_open_orders_leave(alpaca: Alpaca, kind: str, left: str) -> None:
    """Cash is set aside at the limit; exposure is counted at the market's price."""
    key, secret = await alpaca.venue.account(kind, "alpaca", {"USD": 100_000}, kind=kind)
    headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
    order = {"symbol": "AAPL", "side": "buy", "type": "limit", "qty": 100, "limit_price": 99, "time_in_force": "day"}
    assert (await alpaca.raw("POST", "/v2/orders", headers=headers, json=order)).status == 200
    found = (await alpaca.raw("GET", "/v2/account", headers=headers)).body
    assert (found["cash"], found["buying_power"]) == ("100000", left)


@pytest.mark.parametrize("kind", ["cash", "margin"])
async def test_what_buying_power_allows_is_taken_and_a_share_more_is_refused(alpaca: Alpaca, kind: str) -> None:
    await alpaca.venue.quote("AAPL", 100.0, 100.0)
    key, secret = await alpaca.venue.account(kind, "alpaca", {"USD": 10_000}, kind=kind)
    headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
    order = {"symbol": "AAPL", "side": "buy", "type": "limit", "limit_price": 100, "time_in_force": "gtc"}
    await alpaca.raw("POST", "/v2/orders", headers=headers, json={**order, "qty": 30})
    power = Decimal((await alpaca.raw("GET", "/v2/account", headers=headers)).body["buying_power"])
    more = await alpaca.raw("POST", "/v2/orders", headers=headers, json={**order, "qty": str(power / 100 + 1)})
    exact = await alpaca.raw("POST", "/v2/orders", headers=headers, json={**order, "qty": str(power / 100)})
    assert (power, more.status, exact.status) == (Decimal(7_000), 403, 200)


async def test_a_margin_account_buys_with_leverage_and_sells_short(alpaca: Alpaca) -> None:
    key, secret = await alpaca.venue.account("margin", "alpaca", {"USD": 10_000}, kind="margin", leverage="2", allow_short=True)
    headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
    order = {"symbol": "AAPL", "side": "sell", "type": "market", "qty": 50, "time_in_force": "day"}
    await alpaca.raw("POST", "/v2/orders", headers=headers, json=order)
    await alpaca.venue.quote("AAPL", 100.0, 100.0)
    found = (await alpaca.raw("GET", "/v2/account", headers=headers)).body
    (position,) = (await alpaca.raw("GET", "/v2/positions", headers=headers)).body
    assert (found["cash"], found["short_market_value"], found["equity"]) == ("15000", "-5000", "10000")
    assert (found["multiplier"], found["buying_power"], found["shorting_enabled"]) == ("2", "15000", True)
    assert (position["side"], position["qty"], position["market_value"]) == ("short", "-50", "-5000")


async def test_configurations_say_how_the_account_was_opened_and_stay_so(alpaca: Alpaca) -> None:
    found = await alpaca.call(alpaca.trading.get_account_configurations)
    same = await alpaca.call(alpaca.trading.set_account_configurations, found)
    found.suspend_trade = True
    with pytest.raises(APIError) as refused:
        await alpaca.call(alpaca.trading.set_account_configurations, found)
    assert (same.max_margin_multiplier, same.no_shorting, same.suspend_trade) == ("1", True, False)
    assert (refused.value.status_code, refused.value.code) == (422, 42210000)


async def test_the_value_of_each_day_is_told(alpaca: Alpaca) -> None:
    await alpaca.bought(qty=100)
    await alpaca.venue.quote("AAPL", 101.0, 101.0)
    await alpaca.venue.pass_time(27 * 3600)
    history = await alpaca.call(alpaca.trading.get_portfolio_history, ask.GetPortfolioHistoryRequest(period="1W", timeframe="1D"))
    assert history.equity[-2:] == [100_098.0, 100_098.0]
    assert (history.base_value, history.profit_loss[-1], history.timeframe) == (100_000.0, 98.0, "1D")


async def test_assets_are_found_by_symbol_by_id_and_by_filter(alpaca: Alpaca) -> None:
    every = await alpaca.call(alpaca.trading.get_all_assets, ask.GetAssetsRequest(asset_class=enums.AssetClass.US_EQUITY))
    apple = await alpaca.call(alpaca.trading.get_asset, "AAPL")
    same = await alpaca.call(alpaca.trading.get_asset, apple.id)
    coins = await alpaca.call(alpaca.trading.get_all_assets, ask.GetAssetsRequest(asset_class=enums.AssetClass.CRYPTO))
    with pytest.raises(APIError) as missing:
        await alpaca.call(alpaca.trading.get_asset, "ZZZ")
    assert [asset.symbol for asset in every] == ["AAPL", "JPM", "KO", "MSFT", "SPY", "XOM"]
    assert (same.symbol, same.tradable, same.fractionable, coins) == ("AAPL", True, True, [])
    assert (missing.value.status_code, missing.value.message) == (404, "asset not found for ZZZ")


async def test_the_clock_is_market_time_in_new_york(alpaca: Alpaca) -> None:
    body = (await alpaca.raw("GET", "/v2/clock")).body
    assert body["timestamp"].startswith("2025-01-06T09:30:00")
    assert (body["is_open"], body["next_open"], body["next_close"]) == (
        True,
        "2025-01-07T09:30:00-05:00",
        "2025-01-06T16:00:00-05:00",
    )
    await alpaca.venue.pass_time(8 * 3600)
    shut = await alpaca.call(alpaca.trading.get_clock)
    assert (shut.is_open, shut.next_close.isoformat()) == (False, "2025-01-07T16:00:00-05:00")


async def test_the_calendar_knows_holidays_and_early_closes(alpaca: Alpaca) -> None:
    asked = ask.GetCalendarRequest(start=date(2024, 11, 27), end=date(2024, 12, 2))
    days = await alpaca.call(alpaca.trading.get_calendar, asked)
    assert [(day.date.isoformat(), f"{day.open:%H:%M}", f"{day.close:%H:%M}") for day in days] == [
        ("2024-11-27", "09:30", "16:00"),
        ("2024-11-29", "09:30", "13:00"),
        ("2024-12-02", "09:30", "16:00"),
    ]


async def test_a_position_shows_what_it_gained_and_what_orders_keep_of_it(alpaca: Alpaca) -> None:
    await alpaca.bought(qty=10, ask=100.0)
    await alpaca.venue.quote("AAPL", 105.0, 105.0)
    await alpaca.send(type="limit", side="sell", qty=4, limit_price=120)
    found = await alpaca.call(alpaca.trading.get_open_position, "AAPL")
    assert (found.qty, found.qty_available, found.side, found.avg_entry_price) == ("10", "6", "long", "100")
    assert (found.market_value, found.cost_basis, found.unrealized_pl, found.unrealized_plpc) == ("1050", "1000", "50", "0.05")
    with pytest.raises(APIError) as missing:
        await alpaca.call(alpaca.trading.get_open_position, "MSFT")
    assert (missing.value.status_code, missing.value.message) == (404, "position does not exist")


@pytest.mark.parametrize(("part", "left"), [({"qty": "4"}, "6"), ({"percentage": "25"}, "7.5"), (None, None)])
async def test_a_position_is_closed_in_part_or_whole(alpaca: Alpaca, part: dict[str, str] | None, left: str | None) -> None:
    await alpaca.bought(qty=10)
    options = ask.ClosePositionRequest(**part) if part else None
    order = await alpaca.call(alpaca.trading.close_position, "AAPL", options)
    await alpaca.venue.quote("AAPL", 100.0, 100.02)
    positions = await alpaca.call(alpaca.trading.get_all_positions)
    assert (order.side, order.type, order.position_intent) == ("sell", "market", "sell_to_close")
    assert [position.qty for position in positions] == ([left] if left else [])


async def test_closing_everything_cancels_orders_first_when_asked_to(alpaca: Alpaca) -> None:
    await alpaca.bought(qty=10)
    await alpaca.send(type="limit", side="sell", qty=10, limit_price=120)
    (kept,) = await alpaca.call(alpaca.trading.close_all_positions)
    (closed,) = await alpaca.call(alpaca.trading.close_all_positions, cancel_orders=True)
    await alpaca.venue.quote("AAPL", 100.0, 100.02)
    assert (kept.status, kept.body.code, kept.body.held_for_orders) == (403, 40310000, 10)
    assert (closed.status, closed.symbol, closed.body.side) == (200, "AAPL", "sell")
    assert await alpaca.call(alpaca.trading.get_all_positions) == []
    assert (await alpaca.raw("GET", "/v2/orders")).body == []


async def test_fills_are_activities_with_ids_of_time_and_execution(alpaca: Alpaca) -> None:
    filled = await alpaca.bought(qty=10)
    (activity,) = (await alpaca.raw("GET", "/v2/account/activities/FILL")).body
    stamp, _, execution = activity["id"].partition("::")
    assert stamp == "20250106093000003"
    assert len(execution) == 36
    assert activity["transaction_time"] == "2025-01-06T14:30:00.003Z"
    assert {name: activity[name] for name in ("type", "price", "qty", "cum_qty", "leaves_qty", "side", "symbol", "order_id")} == {
        "type": "fill",
        "price": "100.02",
        "qty": "10",
        "cum_qty": "10",
        "leaves_qty": "0",
        "side": "buy",
        "symbol": "AAPL",
        "order_id": filled["id"],
    }


async def test_partial_fills_say_how_much_is_left(alpaca: Alpaca) -> None:
    sent = await alpaca.send(type="limit", qty=10, limit_price=101)
    await alpaca.venue.quote("AAPL", 100.0, 100.02, size=4)
    await alpaca.venue.quote("AAPL", 100.0, 100.02, size=100)
    rows = (await alpaca.raw("GET", "/v2/account/activities/FILL?direction=asc")).body
    assert [(row["type"], row["qty"], row["cum_qty"], row["leaves_qty"]) for row in rows] == [
        ("partial_fill", "4", "4", "6"),
        ("fill", "6", "10", "0"),
    ]
    assert {row["order_id"] for row in rows} == {sent["id"]}


@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_pages_give_every_activity_once_and_in_order(alpaca: Alpaca, direction: str) -> None:
    for _ in range(5):
        await alpaca.bought(qty=1)
    whole = (await alpaca.raw("GET", f"/v2/account/activities?direction={direction}")).body
    paged: list[Any] = []
    while page := (await alpaca.raw("GET", f"/v2/account/activities?direction={direction}&page_size=2{_after(paged)}")).body:
        paged += page
    assert paged == whole
    assert len(whole) == 6
    assert [row["id"] for row in whole] == sorted((row["id"] for row in whole), reverse=direction == "desc")


async def test_activities_are_chosen_by_type_category_and_time(alpaca: Alpaca) -> None:
    await alpaca.bought(qty=1)
    await alpaca.venue.control("POST", "transfer", {"account": "demo-alpaca", "currency": "USD", "amount": "-250"})

    async def types(query: str) -> list[str]:
        return [row["activity_type"] for row in (await alpaca.raw("GET", f"/v2/account/activities?{query}")).body]

    assert await types("") == ["CSW", "FILL", "CSD"]
    assert await types("activity_types=FILL,CSD") == ["FILL", "CSD"]
    assert await types("category=non_trade_activity") == ["CSW", "CSD"]
    assert await types("date=2025-01-06") == ["CSW", "FILL", "CSD"]
    assert await types("date=2025-01-07") == []
    assert await types("after=2025-01-06T14:30:00.002Z") == ["CSW", "FILL"]
    assert await types("until=2025-01-06T14:30:00.003Z") == ["CSD"]


async def test_a_busted_fill_is_no_activity_and_a_corrected_one_has_its_new_price(alpaca: Alpaca) -> None:
    await alpaca.bought(qty=1)
    await alpaca.bought(qty=2)
    await alpaca.venue.control("POST", "bust", {"execution": 1})
    await alpaca.venue.control("POST", "correct", {"execution": 2, "price": "99.5"})
    (activity,) = (await alpaca.raw("GET", "/v2/account/activities/FILL")).body
    account = (await alpaca.raw("GET", "/v2/account")).body
    assert (activity["qty"], activity["price"]) == ("2", "99.5")
    assert Decimal(account["cash"]) == 100_000 - 2 * Decimal("99.5")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"APCA-API-KEY-ID": KEY},
        {**HEADERS, "APCA-API-SECRET-KEY": "wrong"},
        {**HEADERS, "APCA-API-KEY-ID": "demo-binance-key", "APCA-API-SECRET-KEY": "demo-binance-secret"},
        {"Authorization": "Basic ????"},
        {"Authorization": "Bearer token"},
    ],
)
async def test_without_a_key_and_its_secret_nobody_comes_in(alpaca: Alpaca, headers: dict[str, str]) -> None:
    answer = await alpaca.raw("GET", "/v2/account", headers=headers)
    assert (answer.status, answer.body) == (401, {"code": 40110000, "message": "request is not authorized"})


async def test_basic_authentication_is_as_good_as_the_two_headers(alpaca: Alpaca) -> None:
    token = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    assert (await alpaca.raw("GET", "/v2/account", headers={"Authorization": f"Basic {token}"})).status == 200


async def test_the_two_hundred_and_first_request_of_a_minute_is_one_too_many() -> None:
    class Noon:
        def now_ns(self) -> int:
            return 1_736_164_800_000_000_000

        def monotonic(self) -> float:
            return 0.0

    async with an_alpaca(clock=Noon()) as alpaca:
        first = await alpaca.raw("GET", "/v2/clock")
        for _ in range(199):
            last = await alpaca.raw("GET", "/v2/clock")
        refused = await alpaca.raw("GET", "/v2/clock")
        data = await alpaca.raw("GET", "/v2/stocks/quotes/latest?symbols=AAPL")
    assert [(answer.status, answer.headers["X-RateLimit-Remaining"]) for answer in (first, last, refused)] == [
        (200, "199"),
        (200, "0"),
        (429, "0"),
    ]
    assert refused.body == {"code": 42910000, "message": "rate limit exceeded"}
    assert (refused.headers["X-RateLimit-Limit"], refused.headers["X-RateLimit-Reset"]) == ("200", "1736164860")
    assert data.status == 200  # market data has a budget of its own


def _after(rows: list[Any]) -> str:
    return f"&page_token={rows[-1]['id']}" if rows else ""
