"""The ccxt adapter on what Binance is documented to send, and on what it should never send and some day will."""

import asyncio
import contextlib
import decimal
import gc
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from ccxt.base.decimal_to_precision import DECIMAL_PLACES, ROUND

from libs.common.clocks import SystemClock
from libs.domain.market import BadRow, Quote, TradeTick
from libs.domain.orders import Evidence
from libs.venues.broker import Holdings, NotSent, OrderReport, OutcomeUnknown, Refused, WrongKey
from libs.venues.ccxt_venue import client
from libs.venues.ccxt_venue.binance import check_rights
from libs.venues.ccxt_venue.broker import CcxtBroker
from libs.venues.ccxt_venue.client import make_exchange
from libs.venues.endpoint import Endpoint
from tests.ccxt_venues import BITCOIN, CLIENT_ID, a_broker, a_feed, a_venue, an_order, soon
from tests.scripted_binance import Said, ScriptedBinance, a_scripted_binance, payload
from tests.waiting import until

POST, GET, DELETE = "POST /api/v3/order", "GET /api/v3/order", "DELETE /api/v3/order"
TRADES = "GET /api/v3/myTrades"


@pytest.fixture
async def binance() -> AsyncIterator[ScriptedBinance]:
    async with a_scripted_binance() as venue:
        yield venue


@pytest.fixture
async def broker(binance: ScriptedBinance) -> AsyncIterator[CcxtBroker]:
    async with a_broker(binance.url) as connected:
        yield connected


def changed(name: str, **fields: Any) -> str:
    """A payload with other values; None takes the field out."""
    body = json.loads(payload(name))
    inner = body.get("event", body)
    for field, value in fields.items():
        inner.pop(field, None)
        if value is not None:
            inner[field] = value
    return json.dumps(body)


def error(code: int, message: str) -> str:
    return json.dumps({"code": code, "msg": message})


# --- orders


async def test_an_order_goes_out_once_with_exact_numbers_and_our_id(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    await broker.submit(an_order(quantity=Decimal("0.1") + Decimal("0.2"), price=Decimal("42000.10")), soon())
    sent = binance.asked[-1]
    assert (sent.what, binance.count(POST)) == (POST, 1)
    assert (sent.parameters["quantity"], sent.parameters["price"]) == ("0.3", "42000.1")
    assert (sent.parameters["newClientOrderId"], sent.parameters["timeInForce"]) == (CLIENT_ID, "GTC")


async def test_a_price_of_a_hundred_millionth_is_not_written_with_an_exponent(binance: ScriptedBinance) -> None:
    pepe = msgspec.structs.replace(BITCOIN, symbol="PEPE/USDT", tick=Decimal("1E-8"), lot=Decimal(1))
    async with a_broker(binance.url, pepe) as broker:
        await broker.submit(an_order(symbol="PEPE/USDT", quantity=Decimal("1E+6"), price=Decimal("7E-8")), soon())
    assert (binance.asked[-1].parameters["quantity"], binance.asked[-1].parameters["price"]) == ("1000000", "0.00000007")


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        pytest.param(Said(error(-2010, "Account has insufficient balance for requested action."), 400), Refused, id="no money"),
        pytest.param(Said(error(-1013, "Filter failure: NOTIONAL"), 400), Refused, id="too small"),
        pytest.param(Said(error(-1003, "Too much request weight used."), 429, {"Retry-After": "0"}), Refused, id="429 in its own words"),
        pytest.param(Said(payload("gateway.html"), 429), OutcomeUnknown, id="429 of something in between"),
        pytest.param(Said(payload("gateway.html"), 403), OutcomeUnknown, id="403 of a firewall"),
        pytest.param(Said(payload("gateway.html"), 401), OutcomeUnknown, id="401 of something in between"),
        pytest.param(Said(error(-2010, "Duplicate order sent."), 400), OutcomeUnknown, id="the id is there already"),
        pytest.param(Said(error(-1007, "Timeout waiting for response from backend server."), 408), OutcomeUnknown, id="backend timed out"),
        pytest.param(Said(error(-1000, "An unknown error occurred while processing the request."), 400), OutcomeUnknown, id="-1000"),
        pytest.param(
            Said(error(-2010, "Account has insufficient balance for requested action."), 503), OutcomeUnknown, id="a refusal as 503"
        ),
        pytest.param(Said("", 504), OutcomeUnknown, id="504 without a body"),
        pytest.param(Said(payload("gateway.html"), 502), OutcomeUnknown, id="502 as a page of HTML"),
        pytest.param(Said("", 200), OutcomeUnknown, id="an empty 200"),
        pytest.param(Said(payload("gateway.html"), 200), OutcomeUnknown, id="HTML as 200"),
        pytest.param(Said('{"symbol": "BTCUSDT", "orderId": 2', 200), OutcomeUnknown, id="half a body"),
        pytest.param(Said("[]", 200), OutcomeUnknown, id="a list"),
        pytest.param(Said("null", 200), OutcomeUnknown, id="null"),
        pytest.param(Said(payload("order_list.json"), 200), OutcomeUnknown, id="an order list"),
        pytest.param(Said(changed("order_new.json", clientOrderId="somebody-elses"), 200), OutcomeUnknown, id="another order"),
        pytest.param(Said(changed("order_new.json", orderId=None, clientOrderId=None), 200), OutcomeUnknown, id="without ids"),
        pytest.param(Said(payload("order_new.json"), 307, {"Location": "/binance/api/v3/order"}), OutcomeUnknown, id="a redirect"),
        pytest.param(Said("", cut=True), OutcomeUnknown, id="the connection ends"),
    ],
)
async def test_each_answer_to_an_order_has_its_outcome_after_one_post(
    binance: ScriptedBinance, broker: CcxtBroker, said: Said, outcome: type[Exception]
) -> None:
    binance.answers(POST, said)
    with pytest.raises(outcome):
        await broker.submit(an_order(), soon())
    assert binance.count(POST) == 1


async def test_a_status_that_nobody_knows_is_still_an_accepted_order(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    binance.answers(POST, Said(changed("order_new.json", status="PENDING_SOMETHING_NEW")))
    await broker.submit(an_order(), soon())
    binance.answers(GET, Said(changed("order.json", status="PENDING_SOMETHING_NEW")))
    found = await broker.find(CLIENT_ID)
    assert found is not None
    assert found.status == "open"


async def test_nothing_is_sent_after_the_deadline(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    with pytest.raises(NotSent):
        await broker.submit(an_order(), soon(-0.001))
    assert binance.count(POST) == 0


@pytest.mark.parametrize(
    "terms",
    [
        pytest.param({"price": Decimal("42000.101")}, id="between two ticks"),
        pytest.param({"quantity": Decimal("0.000001")}, id="less than a lot"),
        pytest.param({"symbol": "ETH/USDT"}, id="not listed"),
        pytest.param({"order_type": "trailing_stop", "price": None, "trail": Decimal(5)}, id="a kind that ccxt cannot place"),
        pytest.param({"oco": "bracket"}, id="linked to others"),
        pytest.param({"time_in_force": "DAY"}, id="for a day that never ends"),
    ],
)
async def test_what_ccxt_would_round_or_drop_is_not_sent(binance: ScriptedBinance, broker: CcxtBroker, terms: dict[str, Any]) -> None:
    with pytest.raises(NotSent):
        await broker.submit(an_order(**terms), soon())
    assert binance.count(POST) == 0


async def test_a_venue_that_is_not_there_was_sent_nothing(binance: ScriptedBinance) -> None:
    async with a_broker(binance.url) as broker:
        moved = {"private": "http://127.0.0.1:9/api/v3"}
        broker._exchange.urls["api"].update(moved)
        with pytest.raises(NotSent):
            await broker.submit(an_order(), soon())


async def test_a_connection_that_takes_longer_than_the_deadline_was_sent_nothing(broker: CcxtBroker) -> None:
    received = asyncio.get_running_loop().create_future()

    async def never_shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.set_result(await reader.read(1))  # of a TLS greeting
        await reader.read()
        writer.close()

    async with await asyncio.start_server(never_shake_hands, "127.0.0.1", 0) as mute:
        port = mute.sockets[0].getsockname()[1]
        broker._exchange.urls["api"]["private"] = f"https://127.0.0.1:{port}/api/v3"
        with pytest.raises(NotSent, match="no connection"):
            await broker.submit(an_order(), soon(0.2))
    assert await received == b"\x16"


async def test_a_signature_from_the_wrong_time_is_refused_and_the_clocks_are_compared_again(
    binance: ScriptedBinance, broker: CcxtBroker
) -> None:
    binance.clock_ms += 60_000
    binance.answers(POST, Said(error(-1021, "Timestamp for this request was 1000ms ahead of the server's time."), 400))
    with pytest.raises(Refused):
        await broker.submit(an_order(), soon())
    await broker.submit(an_order(), soon())
    asked = [one for one in binance.asked if one.what == POST]
    assert abs(int(asked[-1].parameters["timestamp"]) - binance.clock_ms) < 5_000


# --- cancels and questions


async def test_a_cancel_names_our_id(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    await broker.submit(an_order(), soon())
    await broker.cancel(CLIENT_ID)
    assert (binance.asked[-1].what, binance.asked[-1].parameters["origClientOrderId"]) == (DELETE, CLIENT_ID)


async def test_a_cancel_that_was_answered_with_an_order_list_was_taken(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    await broker.submit(an_order(), soon())
    binance.answers(DELETE, Said(payload("order_list.json")))
    await broker.cancel(CLIENT_ID)


async def test_a_cancel_of_an_order_that_has_ended_is_refused(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    await broker.submit(an_order(), soon())
    binance.answers(DELETE, Said(error(-2011, "Unknown order sent."), 400))
    with pytest.raises(Refused):
        await broker.cancel(CLIENT_ID)


async def test_a_failed_question_is_no_absence(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    for said in (Said("", 503), Said("[]"), Said(""), Said(payload("gateway.html"), 403), Said(error(-2015, "Invalid API-key."), 401)):
        binance.answers(GET, said)
        with pytest.raises(OutcomeUnknown):
            await broker.find(CLIENT_ID)
    binance.answers(GET, Said(error(-2013, "Order does not exist."), 400))
    assert await broker.find(CLIENT_ID) is None


async def test_the_answer_about_another_order_is_not_taken_for_ours(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    binance.answers(GET, Said(changed("order.json", clientOrderId="somebody-elses")))
    with pytest.raises(OutcomeUnknown, match="somebody-elses"):
        await broker.find(CLIENT_ID)


async def test_every_market_with_open_orders_is_emptied_with_one_request(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    binance.always("GET /api/v3/openOrders", f"[{payload('order.json')}]")
    binance.answers("DELETE /api/v3/openOrders", Said(error(-2011, "Unknown order sent."), 400))  # it ended meanwhile
    await broker.cancel_all()
    assert binance.count("DELETE /api/v3/openOrders") == 1


async def test_balances_are_exact_and_coins_of_ours_are_positions(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    assert await broker.holdings() == Holdings({"USDT": Decimal("100050.12345678")}, {"BTC/USDT": Decimal("0.40000001")})


async def test_numbers_in_exponent_form_and_bare_numbers_stay_exact(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    bare = '{"canTrade": true, "balances": [{"asset": "BTC", "free": 1.5E-7, "locked": 0.10000000000000001}], "permissions": ["SPOT"]}'
    binance.answers("GET /api/v3/account", Said(bare))
    assert (await broker.holdings()).positions == {"BTC/USDT": Decimal("0.10000015000000001")}


async def test_dead_man_is_declared_only_where_ccxt_has_it(broker: CcxtBroker) -> None:
    assert not broker.abilities.dead_man
    with pytest.raises(Refused):
        await broker.dead_man(60)
    assert make_exchange(a_venue(exchange="kraken"), Endpoint("http://localhost", "", "", "paper")).has["cancelAllOrdersAfter"]


# --- fills


async def test_a_fill_is_the_same_from_the_stream_and_from_the_history(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    first, second = await broker.fills_since(0)
    assert (first.exec_key, first.cumulative, second.cumulative) == ("BTC/USDT:71", Decimal("0.002"), Decimal("0.005"))
    assert (second.fee, second.fee_currency, second.liquidity) == (Decimal("0.000003"), "BTC", "maker")
    binance.always(TRADES, "[]")
    await binance.subscribed.wait()
    binance.subscribed.clear()
    async with a_broker(binance.url) as other:
        await binance.push(payload("execution_trade.json"))
        assert list(await other.next_reports()) == [first]


async def test_fills_before_the_window_count_in_the_sum(binance: ScriptedBinance) -> None:
    both = json.loads(payload("my_trades.json"))
    binance.always(TRADES, "[]")
    async with a_broker(binance.url) as broker:  # which has heard of neither
        binance.answers(TRADES, Said(json.dumps(both[1:])), Said(json.dumps(both)))
        binance.answers(GET, Said(changed("order.json", executedQty="0.00500000")))
        (fill,) = await broker.fills_since(1764280003000 * 1_000_000)
    assert (fill.exec_key, fill.cumulative) == ("BTC/USDT:72", Decimal("0.005"))


async def test_a_page_that_is_full_is_followed_by_another(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    trade = json.loads(payload("my_trades.json"))[0]
    rows = [{**trade, "id": n, "qty": "0.00000001", "time": 1764280002000 + n} for n in range(501)]
    binance.answers(TRADES, Said(json.dumps(rows[:500])), Said(json.dumps(rows[500:])), Said(json.dumps(rows)))
    binance.answers(GET, Said(changed("order.json", executedQty="0.00000501")))
    fills = await broker.fills_since(0)
    assert (len(fills), fills[-1].cumulative) == (501, Decimal("0.00000501"))


@pytest.mark.parametrize("field", ["orderId", "qty", "price"])
async def test_a_trade_that_lacks_something_is_no_empty_history(binance: ScriptedBinance, broker: CcxtBroker, field: str) -> None:
    trade = json.loads(payload("my_trades.json"))[0]
    binance.answers(TRADES, Said(json.dumps([{k: v for k, v in trade.items() if k != field}])))
    with pytest.raises(OutcomeUnknown):
        await broker.fills_since(0)


# --- keys


async def test_a_key_that_is_not_taken_is_the_wrong_key(binance: ScriptedBinance) -> None:
    binance.always("GET /api/v3/account", error(-2015, "Invalid API-key, IP, or permissions for action."), 401)
    with pytest.raises(WrongKey, match="testnet"):
        async with a_broker(binance.url):
            pass


async def test_a_venue_that_is_away_is_no_wrong_key(binance: ScriptedBinance) -> None:
    binance.always("GET /api/v3/account", payload("gateway.html"), 503)
    with pytest.raises(OutcomeUnknown):
        async with a_broker(binance.url):
            pass


@pytest.mark.parametrize("asked", ["GET /api/v3/account", "GET /api/v3/exchangeInfo"])
@pytest.mark.parametrize(("code", "status"), [(-1003, 429), (-1003, 418), (-1021, 400), (-1100, 400)])
async def test_a_venue_that_turns_us_away_at_the_door_is_asked_again_and_is_no_fault_of_the_key(
    binance: ScriptedBinance, asked: str, code: int, status: int
) -> None:
    binance.always(asked, error(code, "Too many requests"), status)
    with pytest.raises(OutcomeUnknown):
        async with a_broker(binance.url):
            pass


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        pytest.param(Said(changed("api_restrictions.json", enableWithdrawals=True)), WrongKey, id="may withdraw"),
        pytest.param(Said(error(-1003, "Too many requests"), 429), OutcomeUnknown, id="turned away"),
    ],
)
async def test_what_a_live_key_may_do_is_known_before_it_is_used(
    binance: ScriptedBinance, monkeypatch: pytest.MonkeyPatch, said: Said, outcome: type[Exception]
) -> None:
    monkeypatch.setattr(client, "_check_place", lambda exchange, endpoint: None)  # it would not let a live key go to this machine
    binance.answers("GET /sapi/v1/account/apiRestrictions", said)
    live = CcxtBroker(a_venue(), Endpoint(binance.url, "key", "secret", "live"), {BITCOIN.symbol: BITCOIN}, clock=SystemClock())
    try:
        with pytest.raises(outcome):
            await live.connect()
    finally:
        await live.disconnect()


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        pytest.param("https://api.binance.com", "paper", id="paper at the live address"),
        pytest.param("http://127.0.0.1:9108/binance", "live", id="live at a simulation"),
    ],
)
def test_mode_and_address_have_to_agree(url: str, mode: Any) -> None:
    with pytest.raises(WrongKey):
        make_exchange(a_venue(), Endpoint(url, "key", "secret", mode))


def test_paper_without_an_address_is_the_testnet_or_the_demo() -> None:
    own = Endpoint("", "key", "secret", "paper")
    assert "testnet" in make_exchange(a_venue(), own).urls["api"]["private"]
    assert "demo" in make_exchange(a_venue(options={"demo": True}), own).urls["api"]["private"]
    with pytest.raises(WrongKey, match="no testnet"):
        make_exchange(a_venue(exchange="kraken"), own)
    assert make_exchange(a_venue(), Endpoint("", "key", "secret", "live")).urls["api"]["private"] == "https://api.binance.com/api/v3"


def test_a_key_that_may_withdraw_is_refused_and_one_for_any_address_is_told() -> None:
    assert "any address" in check_rights(json.loads(payload("api_restrictions.json")))[0]
    with pytest.raises(WrongKey, match="withdraw"):
        check_rights(json.loads(changed("api_restrictions.json", enableWithdrawals=True)))


# --- streams


async def test_a_cancel_on_the_stream_is_of_the_order_and_not_of_the_cancels_own_id(binance: ScriptedBinance, broker: CcxtBroker) -> None:
    await broker.next_reports()  # what was there before
    await binance.push(payload("execution_canceled.json"))
    canceled = OrderReport(CLIENT_ID, Evidence.CANCELED, Decimal("0.002"), 1764280004000 * 1_000_000, "canceled")
    assert list(await broker.next_reports()) == [canceled]


# --- market data


async def test_instruments_have_the_exact_steps_of_their_filters(binance: ScriptedBinance) -> None:
    async with a_feed(binance.url, "BTC/USDT", "PEPE/USDT") as feed:
        bitcoin, pepe = feed.instruments
    assert (bitcoin.tick, bitcoin.lot, bitcoin.min_notional, bitcoin.currency) == (Decimal("0.01"), Decimal("0.00001"), Decimal(5), "USDT")
    assert (pepe.tick, pepe.lot) == (Decimal("1E-8"), Decimal(1))


async def test_a_symbol_that_is_not_listed_is_told(binance: ScriptedBinance) -> None:
    with pytest.raises(ValueError, match="DOGE/USDT"):
        async with a_feed(binance.url, "BTC/USDT", "DOGE/USDT"):
            pass


async def test_through_ccxts_unified_streams_the_newest_quote_of_each_symbol_in_a_burst_is_taken(binance: ScriptedBinance) -> None:
    binance.always("GET /api/v3/aggTrades", "[]")
    terms: dict[str, Any] = {"options": {"unified": True}, "start": 1764280000123 * 1_000_000}
    async with a_feed(binance.url, "BTC/USDT", "PEPE/USDT", **terms) as feed:
        async with asyncio.timeout(2), contextlib.aclosing(feed.steps(0)) as steps:  # type: ignore[type-var]
            first = asyncio.ensure_future(anext(steps))
            await until(lambda: len(binance.sockets) == 2)
            for symbol in ("BTCUSDT", "PEPEUSDT"):
                for n in range(20):
                    await binance.push(changed("book_ticker.json", s=symbol, b=f"{42000 + n}.00"))
            newest = {event.symbol: event.bid for event in (await first).events if isinstance(event, Quote)}
            while newest != {"BTC/USDT": 42019.0, "PEPE/USDT": 42019.0}:
                newest |= {event.symbol: event.bid for event in (await anext(steps)).events if isinstance(event, Quote)}


async def see_it_go_away() -> None:
    """A feed is connected to a venue that then is no more, looks for it in vain, and is closed."""
    async with contextlib.AsyncExitStack() as stack:
        async with a_scripted_binance() as venue:
            venue.always("GET /api/v3/aggTrades", "[]")
            feed = await stack.enter_async_context(a_feed(venue.url))
            first = asyncio.ensure_future(anext(feed.steps(0)))
            await until(lambda: feed.link().up)
        await until(lambda: "Cannot connect" in feed.link().detail)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_streams_that_end_with_their_venue_leave_no_error_that_nobody_has_looked_at() -> None:
    unseen: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, told: unseen.append(f"{told['message']}: {told.get('exception')}"))
    await see_it_go_away()
    gc.collect()
    assert unseen == []


async def test_a_trade_without_a_price_is_set_aside_and_the_next_one_taken(binance: ScriptedBinance) -> None:
    binance.always("GET /api/v3/aggTrades", "[]")
    trade = {
        "e": "aggTrade",
        "E": 1764280003000,
        "s": "BTCUSDT",
        "a": 1,
        "q": "1",
        "f": 1,
        "l": 1,
        "T": 1764280003000,
        "m": True,
        "M": True,
    }
    async with a_feed(binance.url, start=1764280000123 * 1_000_000) as feed:
        async with asyncio.timeout(2), contextlib.aclosing(feed.steps(0)) as steps:  # type: ignore[type-var]
            first = asyncio.ensure_future(anext(steps))
            await until(lambda: feed.link().up)
            await binance.sockets[0].send_str(json.dumps(trade))
            await binance.sockets[0].send_str(json.dumps({**trade, "p": "42000.5"}))
            assert isinstance((await first).events[0], BadRow)
            (taken,) = (await anext(steps)).events
    assert isinstance(taken, TradeTick)
    assert taken.price == 42000.5


@pytest.mark.parametrize("garbage", ["{", "[1, 2", '{"e": 5}', '"text"', "[]", "null", '{"e": "aggTrade", "s": ["BTCUSDT"]}', "\u0000"])
async def test_garbage_on_a_stream_does_not_make_it_deaf(binance: ScriptedBinance, garbage: str) -> None:
    async with a_broker(binance.url) as broker:
        await broker.next_reports()
        await binance.push(garbage)
        told = asyncio.ensure_future(broker.next_reports())
        while not told.done():  # it may have been lost, and be back in a moment
            await binance.push(payload("execution_canceled.json"))
            await asyncio.wait({told}, timeout=0.02)
    assert {report.client_order_id for report in await told if isinstance(report, OrderReport)} == {CLIENT_ID}


def test_how_ccxt_rounds_stays_its_own() -> None:
    exchange = make_exchange(a_venue(), Endpoint("http://localhost", "", "", "paper"))
    with decimal.localcontext() as ours:
        rounding, traps = ours.rounding, dict(ours.traps)
        assert exchange.decimal_to_precision("0.125", ROUND, 2, DECIMAL_PLACES) == "0.13"
        assert (decimal.getcontext().rounding, dict(decimal.getcontext().traps)) == (rounding, traps)
