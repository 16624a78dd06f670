"""The Alpaca adapter against answers that are written down: which of them is a refusal, nothing sent, or unknown; how often it asks."""

import asyncio
import socket as sockets
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from libs.common.clocks import SystemClock
from libs.domain.orders import Evidence
from libs.domain.trades import Fill
from libs.venues.alpaca.addresses import check_account
from libs.venues.alpaca.broker import AlpacaBroker
from libs.venues.broker import Holdings, NotSent, OrderReport, OutcomeUnknown, Refused, Report, Undone, WrongKey
from libs.venues.budget import Budget
from libs.venues.endpoint import Endpoint, Mode
from libs.venues.reconnecting import Backoff
from tests.factories import HandClock
from tests.paper import ALFA, COIN, D, an_order
from tests.scripted_alpaca import ScriptedAlpaca, payload, scripted
from tests.waiting import SOON, until

POST = "POST /v2/orders"
ORDER = an_order(1)
ID = payload("order")["id"]
CLOCK = SystemClock()


def soon() -> float:
    return CLOCK.monotonic() + SOON


def a_broker(endpoint: Endpoint, mute_after_s: float = 30, budget: Budget | None = None) -> AlpacaBroker:
    return AlpacaBroker(endpoint, {"ALFA": ALFA}, clock=CLOCK, budget=budget, mute_after_s=mute_after_s, backoff=Backoff(0.01, 0.01))


def the_order(**changed: Any) -> dict[str, Any]:
    order: dict[str, Any] = payload("order", **({"client_order_id": ORDER.client_order_id} | changed))
    return order


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedAlpaca]:
    async with scripted() as venue:
        yield venue


@pytest.fixture
async def broker(venue: ScriptedAlpaca) -> AsyncIterator[AlpacaBroker]:
    broker = a_broker(venue.endpoint())
    yield broker
    await broker.disconnect()


async def reports(broker: AlpacaBroker, count: int) -> list[Report]:
    """The next reports, at least so many."""
    found: list[Report] = []
    async with asyncio.timeout(SOON):
        while len(found) < count:
            found += await broker.next_reports()
    return found


# --- submitting


async def test_an_order_is_one_post_with_every_digit_of_its_numbers(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer(POST, the_order())
    await broker.submit(ORDER, soon())
    assert [seen.body for seen in venue.seen] == [
        {
            "symbol": "ALFA",
            "qty": "10",
            "side": "buy",
            "type": "limit",
            "time_in_force": "day",
            "client_order_id": ORDER.client_order_id,
            "limit_price": "101.00",
        }
    ]


REFUSALS = [
    (403, {"code": 40310000, "message": "insufficient buying power", "buying_power": "0"}),
    (422, {"code": 42210000, "message": "invalid limit_price 101.005. sub-penny increment does not fulfill minimum pricing criteria"}),
    (400, {"code": 40010000, "message": "request body format is invalid"}),
    (404, {"code": 40410000, "message": "asset not found"}),
    (401, {"message": "unauthorized."}),
    (403, {"message": "forbidden."}),
]


@pytest.mark.parametrize(("status", "body"), REFUSALS)
async def test_no_in_the_venues_own_words_is_a_refusal(
    venue: ScriptedAlpaca, broker: AlpacaBroker, status: int, body: dict[str, Any]
) -> None:
    venue.answer(POST, body, status)
    with pytest.raises(Refused, match=body["message"][:20]):
        await broker.submit(ORDER, soon())
    assert venue.count(POST) == 1


async def test_an_order_that_is_answered_as_rejected_is_refused(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer(POST, the_order(status="rejected"))
    with pytest.raises(Refused):
        await broker.submit(ORDER, soon())


UNKNOWN = [
    (500, {"code": 50010000, "message": "internal server error occurred"}),
    (502, "<html><h1>502 Bad Gateway</h1></html>"),
    (503, ""),
    (504, {"code": 50410000, "message": "gateway timeout"}),
    (408, {"code": 40810000, "message": "request timeout"}),
    (429, {"code": 42910000, "message": "rate limit exceeded"}),
    (422, {"code": 40010001, "message": "client_order_id must be unique"}),
    (403, "<html>Access denied by the company's proxy</html>"),
    (422, {"error": "in a form that is not the venue's"}),
    (404, {"message": "no route matched"}),
    (301, ""),
    (200, ""),
    (200, "<html>welcome to the hotel's wifi</html>"),
    (200, {"id": "61e69015", "status": "accepted"}),
    (200, payload("order", client_order_id="somebody-elses")),
    (200, [1, 2]),
]


@pytest.mark.parametrize(("status", "body"), UNKNOWN)
async def test_everything_else_is_unknown_and_is_not_sent_again(
    venue: ScriptedAlpaca, broker: AlpacaBroker, status: int, body: Any
) -> None:
    venue.answer(POST, body, status, {"Location": "/elsewhere"} if status == 301 else None)
    with pytest.raises(OutcomeUnknown):
        await broker.submit(ORDER, soon())
    assert [f"{seen.method} {seen.path}" for seen in venue.seen] == [POST]


async def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def half(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "900"})
    await response.prepare(request)
    await response.write(b'{"id": "61e69015-8549-')
    return await cut(request)


@pytest.mark.parametrize("handler", [cut, half])
async def test_a_connection_that_is_cut_after_the_request_leaves_it_unknown(
    venue: ScriptedAlpaca, broker: AlpacaBroker, handler: Any
) -> None:
    venue.handle(POST, handler)
    with pytest.raises(OutcomeUnknown):
        await broker.submit(ORDER, soon())
    assert venue.count(POST) == 1
    assert not broker.link().up


@pytest.mark.parametrize("method", ["DELETE", "GET"])
async def test_what_aiohttp_would_repeat_on_a_reused_connection_is_written_once(
    venue: ScriptedAlpaca, broker: AlpacaBroker, method: str
) -> None:
    venue.answer(POST, the_order())
    await broker.submit(ORDER, soon())  # its connection is kept
    where = f"{method} /v2/orders/{ID}" if method == "DELETE" else "GET /v2/orders:by_client_order_id"
    venue.handle(where, cut)
    with pytest.raises(OutcomeUnknown):
        await (broker.cancel if method == "DELETE" else broker.find)(ORDER.client_order_id)
    assert venue.count(where) == 1


# --- nothing was sent


async def test_nobody_at_the_address_means_nothing_was_sent() -> None:
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    broker = a_broker(Endpoint(f"http://127.0.0.1:{port}", "PKTEST", "secret", "paper"))
    with pytest.raises(NotSent, match="Connect"):
        await broker.submit(ORDER, soon())
    await broker.disconnect()


async def test_a_server_without_tls_gets_nothing_of_an_order_meant_for_tls(venue: ScriptedAlpaca) -> None:
    broker = a_broker(Endpoint(venue.url.replace("http:", "https:"), "PKTEST", "secret", "paper"))
    with pytest.raises(NotSent):
        await broker.submit(ORDER, soon())
    assert venue.seen == []
    await broker.disconnect()


async def test_an_order_past_its_deadline_is_not_written(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    with pytest.raises(NotSent, match="deadline"):
        await broker.submit(ORDER, CLOCK.monotonic() - 0.001)
    assert venue.seen == []


async def test_an_order_for_which_the_budget_has_nothing_in_time_is_not_sent(venue: ScriptedAlpaca) -> None:
    venue.answer(POST, the_order())
    broker = a_broker(venue.endpoint(), budget=Budget(2, 0.5, clock=CLOCK))
    await broker.submit(ORDER, soon())
    with pytest.raises(NotSent, match="request budget"):
        await broker.submit(an_order(2), soon())
    assert venue.count(POST) == 1
    await broker.disconnect()


async def test_an_order_that_waits_for_the_budget_is_not_sent_once_the_connections_are_given_up(venue: ScriptedAlpaca) -> None:
    clock, given_up = HandClock(), asyncio.Event()
    clock.seconds = CLOCK.monotonic()  # deadlines are of that clock

    async def rest(seconds: float) -> None:
        await given_up.wait()
        clock.move(seconds)

    venue.answer(POST, the_order())
    broker = a_broker(venue.endpoint(), budget=Budget(2, 0.5, clock=clock, rest=rest))
    await broker.submit(ORDER, soon())
    waiting = asyncio.create_task(broker.submit(an_order(2), CLOCK.monotonic() + 100))
    await asyncio.sleep(0)
    await broker.disconnect()
    given_up.set()
    with pytest.raises(NotSent, match="given up"):
        await waiting
    assert venue.count(POST) == 1


async def test_after_a_429_nothing_is_sent_until_the_venue_wants_it(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer(POST, {"code": 42910000, "message": "rate limit exceeded"}, 429, {"Retry-After": "30"})
    with pytest.raises(OutcomeUnknown):
        await broker.submit(ORDER, soon())
    with pytest.raises(NotSent):
        await broker.submit(an_order(2), soon())
    assert broker.link().budget == 0
    assert venue.count(POST) == 1


@pytest.mark.parametrize("order", [an_order(1, symbol="ZULU"), an_order(1)])
async def test_what_alpaca_cannot_be_asked_for_is_not_sent(venue: ScriptedAlpaca, broker: AlpacaBroker, order: Any) -> None:
    with pytest.raises(NotSent):
        await broker.submit(msgspec.structs.replace(order, oco="pair" if order.symbol == "ALFA" else ""), soon())
    assert venue.seen == []


# --- canceling


async def test_a_cancel_names_the_venues_own_id(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer(POST, the_order())
    venue.answer(f"DELETE /v2/orders/{ID}", "", 204)
    await broker.submit(ORDER, soon())
    await broker.cancel(ORDER.client_order_id)
    assert venue.count(f"DELETE /v2/orders/{ID}") == 1


async def test_an_order_of_an_earlier_life_is_looked_up_before_it_is_canceled(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer("GET /v2/orders:by_client_order_id", the_order(status="replaced", replaced_by="next"))
    venue.answer("GET /v2/orders/next", the_order(id="next", client_order_id="x", replaces=ID))
    venue.answer("DELETE /v2/orders/next", "", 204)
    await broker.cancel(ORDER.client_order_id)
    assert venue.count("DELETE /v2/orders/next") == 1


@pytest.mark.parametrize("status", [404, 422])
async def test_a_cancel_that_comes_too_late_is_refused(venue: ScriptedAlpaca, broker: AlpacaBroker, status: int) -> None:
    venue.answer("GET /v2/orders:by_client_order_id", the_order(status="filled", filled_qty="10"))
    venue.answer(f"DELETE /v2/orders/{ID}", {"code": 42210000, "message": 'order is already in "filled" state'}, status)
    with pytest.raises(Refused, match="filled"):
        await broker.cancel(ORDER.client_order_id)


async def test_a_cancel_of_what_the_venue_does_not_show_is_unknown(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    with pytest.raises(OutcomeUnknown, match="does not show"):
        await broker.cancel(ORDER.client_order_id)


async def test_a_cancel_that_never_left_is_unknown_too_so_that_it_is_asked_again() -> None:
    broker = a_broker(Endpoint("http://127.0.0.1:9", "PKTEST", "secret", "paper"))
    with pytest.raises(OutcomeUnknown, match="not sent"):
        await broker.cancel_all()
    await broker.disconnect()


async def test_cancel_all_is_one_request_and_tells_what_would_not_end(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer("DELETE /v2/orders", [{"id": "a", "status": 200, "body": None}, {"id": "b", "status": 200}], 207)
    await broker.cancel_all()
    venue.answer("DELETE /v2/orders", [{"id": "a", "status": 200}, {"id": "b", "status": 422, "body": {"message": "filled"}}], 207)
    with pytest.raises(Refused, match="1 of 2 orders were not canceled: b: 422 filled"):
        await broker.cancel_all()
    venue.answer("DELETE /v2/orders", [{"id": "a", "status": 500}], 207)
    with pytest.raises(OutcomeUnknown):
        await broker.cancel_all()
    assert venue.count("DELETE /v2/orders") == 3


# --- reading


async def test_an_order_stands_as_what_it_was_replaced_by(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer("GET /v2/orders:by_client_order_id", the_order(status="replaced", replaced_by="b"))
    venue.answer(
        "GET /v2/orders/b", the_order(id="b", client_order_id="x", status="replaced", replaces=ID, replaced_by="c", filled_qty="2")
    )
    venue.answer(
        "GET /v2/orders/c", the_order(id="c", client_order_id="y", replaces="b", status="partially_filled", qty="20", filled_qty="3")
    )
    found = await broker.find(ORDER.client_order_id)
    assert found is not None
    assert found[:5] == (ORDER.client_order_id, "ALFA", "open", D(20), D(3))
    venue.answer("DELETE /v2/orders/c", "", 204)
    await broker.cancel(ORDER.client_order_id)
    assert venue.count("DELETE /v2/orders/c") == 1


async def test_what_a_replacement_comes_to_is_told_of_the_order_that_was_sent(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer("GET /v2/orders/a", the_order(id="a", status="replaced", replaced_by="b"))
    replacement = the_order(id="b", client_order_id="a-persons-own", replaces="a", qty="20", filled_qty="3")
    await broker.connect()
    venue.push("partial_fill", replacement, qty="3", price="100")
    venue.push("canceled", replacement | {"status": "canceled"})
    fill, end = await reports(broker, 2)
    assert isinstance(fill, Fill)
    assert isinstance(end, OrderReport)
    assert {fill.client_order_id, end.client_order_id} == {ORDER.client_order_id}


async def test_what_the_venue_does_not_have_is_none_and_anything_else_raises(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    where = "GET /v2/orders:by_client_order_id"
    venue.answer(where, {"code": 40410000, "message": "order not found"}, 404)
    assert await broker.find(ORDER.client_order_id) is None
    for status, body in [(404, "<html>no such page</html>"), (500, ""), (200, ""), (403, {"message": "forbidden."})]:
        venue.answer(where, body, status)
        with pytest.raises(OutcomeUnknown):
            await broker.find(ORDER.client_order_id)


async def test_open_orders_are_read_page_by_page_also_when_a_moment_is_shared(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    orders = [the_order(id=f"v{n}", client_order_id=f"c{n}", submitted_at=f"2025-01-06T15:05:{n // 100:02}Z") for n in range(1_234)]

    async def page(request: web.Request) -> web.StreamResponse:
        after = request.query.get("after", "")
        later = [order for order in orders if order["submitted_at"][:-1] > after.rstrip("Z")]
        return web.json_response(later[: int(request.query["limit"])])

    venue.handle("GET /v2/orders", page)
    assert [order.client_order_id for order in await broker.open_orders()] == [f"c{n}" for n in range(1_234)]


async def test_a_page_that_fails_fails_the_listing(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer("GET /v2/orders", [the_order(id=f"v{n}", client_order_id=f"c{n}") for n in range(500)])
    venue.answer("GET /v2/orders", "", 500, then=True)
    with pytest.raises(OutcomeUnknown):
        await broker.open_orders()


async def test_fills_are_read_page_by_page_and_find_their_orders(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    first = [payload("activity", id=f"a{n}", cum_qty=str(n + 1), qty="1") for n in range(100)]
    venue.answer("GET /v2/account/activities/FILL", first)
    venue.answer("GET /v2/account/activities/FILL", [payload("activity", id="last", cum_qty="101.50", qty="1.5")], then=True)
    venue.answer(f"GET /v2/orders/{ID}", the_order())
    fills = await broker.fills_since(0)
    assert [fill.exec_key for fill in fills[-2:]] == [f"{ID}:100", f"{ID}:101.5"]
    assert {fill.client_order_id for fill in fills} == {ORDER.client_order_id}
    assert venue.count(f"GET /v2/orders/{ID}") == 1
    assert venue.seen[1].query["page_token"] == "a99"


async def test_orders_of_many_fills_are_learned_by_listing_them(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    many = range(60)
    venue.answer("GET /v2/account/activities/FILL", [payload("activity", id=f"a{n}", order_id=f"v{n}") for n in many])
    venue.answer("GET /v2/orders", [the_order(id=f"v{n}", client_order_id=f"c{n}", status="filled") for n in many if n])
    venue.answer("GET /v2/orders/v0", the_order(id="v0", client_order_id="c0"))  # it was sent long before
    fills = await broker.fills_since(1_736_175_902_000_000_000)
    assert sorted(fill.client_order_id for fill in fills) == sorted(f"c{n}" for n in many)
    assert len(venue.seen) == 3
    assert venue.seen[1].query["after"] == "2025-01-05T15:05:01Z"


async def test_a_proxy_on_the_way_that_forbids_says_nothing_of_the_key(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer("GET /v2/account", "<html>Access denied</html>", 403)
    with pytest.raises(OutcomeUnknown):
        await broker.connect()


async def test_an_order_that_came_too_late_does_not_make_the_venue_look_down(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    await broker.connect()
    await until(lambda: broker.link().up)
    with pytest.raises(NotSent):
        await broker.submit(ORDER, CLOCK.monotonic() - 0.001)
    assert broker.link().up


async def test_fills_before_the_moment_are_left_out(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    at = 1_736_175_902_500_000_000
    venue.answer("GET /v2/account/activities/FILL", [payload("activity")])
    venue.answer(f"GET /v2/orders/{ID}", the_order())
    assert len(await broker.fills_since(at)) == 1
    assert await broker.fills_since(at + 1) == []
    assert venue.seen[0].query["after"] == "2025-01-06T15:05:01Z"


async def test_holdings_are_cash_and_signed_positions(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    held = [payload("position"), payload("position", symbol="BRVO", qty="-3", side="short"), payload("position", symbol="CHAR", qty=0)]
    venue.answer("GET /v2/positions", held)
    assert await broker.holdings() == Holdings({"USD": D("100000.07")}, {"ALFA": D(10), "BRVO": D(-3)})


# --- connecting


@pytest.mark.parametrize(
    ("url", "key", "mode", "says"),
    [
        ("http://127.0.0.1:9", "AKLIVE", "paper", "begins with AK"),
        ("", "PKPAPER", "live", "begins with PK"),
        ("", "", "paper", "the key is none"),
        ("https://api.alpaca.markets", "PKPAPER", "paper", "where live accounts are"),
        ("https://paper-api.alpaca.markets/v2", "AKLIVE", "live", "where paper accounts are"),
        ("http://api.example.com", "AKLIVE", "live", "not encrypted"),
    ],
)
async def test_a_key_of_the_other_mode_is_refused_before_anything_is_sent(url: str, key: str, mode: Mode, says: str) -> None:
    broker = a_broker(Endpoint(url, key, "secret", mode))
    with pytest.raises(WrongKey, match=says):
        await broker.connect()
    await broker.disconnect()


async def test_an_account_that_the_venue_does_not_call_a_paper_account_is_not_traded_as_one(
    venue: ScriptedAlpaca, broker: AlpacaBroker
) -> None:
    venue.answer("GET /v2/account", payload("account", account_number="923456789"))
    with pytest.raises(WrongKey, match="923456789 is no paper account"):
        await broker.connect()
    assert [f"{seen.method} {seen.path}" for seen in venue.seen] == ["GET /v2/account"]


def test_a_live_account_is_for_live_and_a_paper_account_for_paper() -> None:
    check_account("paper", "PA3T1RADEW1N")
    check_account("live", "923456789")
    with pytest.raises(WrongKey, match="PA3T1RADEW1N is a paper account"):
        check_account("live", "PA3T1RADEW1N")


async def test_a_key_that_the_venue_does_not_know_is_the_wrong_key(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer("GET /v2/account", {"message": "forbidden."}, 403)
    with pytest.raises(WrongKey, match="does not take the key PKTEST"):
        await broker.connect()


async def test_a_venue_that_does_not_answer_can_be_tried_again(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer("GET /v2/account", "", 503)
    with pytest.raises(OutcomeUnknown):
        await broker.connect()
    venue.answer("GET /v2/account", payload("account"))
    await broker.connect()
    await until(lambda: broker.link().up)
    link = broker.link()
    assert (link.detail, link.heard_s is not None, link.latency_ms is not None) == ("", True, True)


async def test_a_blocked_account_is_connected_and_said_to_be_blocked(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer("GET /v2/account", payload("account", trading_blocked=True))
    await broker.connect()
    assert broker.link().detail == "the account is blocked from trading"
    assert not broker.link().up
    venue.answer("GET /v2/account", payload("account"))
    await broker.holdings()
    await until(lambda: broker.link().up)
    venue.answer("GET /v2/account", payload("account", account_blocked=True))
    await broker.holdings()
    assert broker.link().detail == "the account is blocked"


# --- the stream


async def test_a_fill_of_a_coin_has_our_symbol_however_the_venue_writes_it(venue: ScriptedAlpaca) -> None:
    broker = AlpacaBroker(venue.endpoint(), {"BTC/USD": COIN}, clock=CLOCK, mute_after_s=30)
    venue.answer(f"GET /v2/orders/{ID}", the_order(symbol="BTC/USD"))
    await broker.connect()
    frame = payload("update_fill")
    frame["data"]["order"]["symbol"] = "BTCUSD"
    venue.frames.put_nowait(frame)
    [streamed] = await reports(broker, 1)
    venue.answer(
        "GET /v2/account/activities/FILL", [payload("activity", symbol="BTCUSD"), payload("activity", symbol="BTC/USD", cum_qty="5")]
    )
    assert {fill.symbol for fill in [streamed, *await broker.fills_since(0)] if isinstance(fill, Fill)} == {"BTC/USD"}
    await broker.disconnect()


async def test_a_fill_has_the_same_key_from_the_stream_and_from_the_history(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    await broker.connect()
    venue.frames.put_nowait(payload("update_fill"))
    [streamed] = await reports(broker, 1)
    venue.answer("GET /v2/account/activities/FILL", [payload("activity", qty=4, cum_qty="4.000", price=100.01)])
    [read] = await broker.fills_since(0)
    assert isinstance(streamed, Fill)
    assert (streamed.exec_key, streamed.quantity, streamed.price, streamed.cumulative) == (f"{ID}:4", D(4), D("100.01"), D(4))
    assert streamed.executed_at % 1_000_000_000 == 500_000_001
    assert (read.exec_key, read.quantity, read.price, read.cumulative) == (streamed.exec_key, D(4), D("100.01"), D(4))


async def test_ends_are_reported_as_the_venue_tells_them(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    await broker.connect()
    for number, (event, status) in enumerate([("canceled", "canceled"), ("expired", "expired"), ("rejected", "rejected"), ("new", "new")]):
        venue.push(event, the_order(id=str(number), status=status, filled_qty="4"))
    told = await reports(broker, 4)
    assert [r.evidence for r in told if isinstance(r, OrderReport)] == [
        Evidence.CANCELED,
        Evidence.EXPIRED,
        Evidence.REJECTED,
        Evidence.ACCEPTED,
    ]
    assert {r.filled for r in told if isinstance(r, OrderReport)} == {D(4)}


async def test_an_order_that_has_ended_is_not_told_to_be_alive_by_an_older_frame(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    await broker.connect()
    venue.push("canceled", the_order(status="canceled"))
    venue.push("new", the_order(status="new"))
    venue.push("canceled", the_order(id="other", status="canceled"))
    told = await reports(broker, 2)
    assert [r.evidence for r in told if isinstance(r, OrderReport)] == [Evidence.CANCELED, Evidence.CANCELED]


@pytest.mark.parametrize("event", ["trade_bust", "trade_correct"])
async def test_an_execution_that_is_taken_back_is_told_with_its_numbers(venue: ScriptedAlpaca, broker: AlpacaBroker, event: str) -> None:
    await broker.connect()
    venue.push(event, the_order(status="filled", filled_qty="10"), qty="4", price="100.01", execution_id="e7")
    [told] = await reports(broker, 1)
    assert isinstance(told, Undone)
    assert (told.exec_key, told.quantity, told.price, told.corrected) == (f"bust:{ID}:e7", D(4), D("100.01"), event == "trade_correct")


async def test_what_a_closed_stream_missed_comes_after_it_is_connected_again(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.answer(POST, the_order())
    await broker.connect()
    await until(lambda: broker.link().up)
    await broker.submit(ORDER, soon())
    venue.answer("GET /v2/account/activities/FILL", [payload("activity")])
    venue.answer(f"GET /v2/orders/{ID}", the_order(status="canceled", filled_qty="4"))
    venue.frames.put_nowait(None)
    fill, end = await reports(broker, 2)
    assert isinstance(fill, Fill)
    assert isinstance(end, OrderReport)
    assert (fill.exec_key, end.evidence, end.filled) == (f"{ID}:4", Evidence.CANCELED, D(4))
    assert venue.seen[-3].query["after"] == "2025-01-06T14:59:59Z"  # five minutes before the newest that was heard, and a second


async def test_a_mute_stream_is_connected_again_although_it_answers_pings(venue: ScriptedAlpaca) -> None:
    broker = a_broker(venue.endpoint(), mute_after_s=0.1)
    await broker.connect()
    await until(lambda: broker.link().up)
    venue.mute = True
    await until(lambda: venue.connections == 2 and broker.link().up)
    await broker.disconnect()


async def test_a_quiet_stream_is_asked_and_stays(venue: ScriptedAlpaca) -> None:
    broker = a_broker(venue.endpoint(), mute_after_s=0.2)
    await broker.connect()
    await until(lambda: sum(said["action"] == "listen" for said in venue.said) >= 4)
    assert venue.connections == 1
    await broker.disconnect()


@pytest.mark.parametrize(
    "frame",
    [
        b"not JSON",
        b'{"stream": "trade_updates", "data": {"event": "fill"}}',
        b"[]",
        b"\xff\xfe",
    ],
)
async def test_a_frame_that_cannot_be_read_leads_to_a_refill(venue: ScriptedAlpaca, broker: AlpacaBroker, frame: bytes) -> None:
    await broker.connect()
    await until(lambda: broker.link().up)
    venue.answer(f"GET /v2/orders/{ID}", the_order())
    venue.answer("GET /v2/account/activities/FILL", [payload("activity")])
    venue.frames.put_nowait(frame)
    assert isinstance((await reports(broker, 1))[0], Fill)
    assert venue.connections == 1


async def test_a_stream_that_does_not_take_the_key_says_so(venue: ScriptedAlpaca) -> None:
    broker = a_broker(Endpoint(venue.url, "PKTEST", "wrong", "paper"))
    await broker.connect()
    await until(lambda: "does not take the key PKTEST" in broker.link().detail)
    assert "wrong" not in broker.link().detail
    await broker.disconnect()


async def test_text_frames_are_heard_as_well(venue: ScriptedAlpaca, broker: AlpacaBroker) -> None:
    venue.binary = False
    await broker.connect()
    venue.frames.put_nowait(payload("update_fill"))
    assert len(await reports(broker, 1)) == 1
