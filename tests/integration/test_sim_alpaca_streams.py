"""Both streams of the Alpaca dialect: by alpaca-py's own clients, and by a raw one where the frames matter."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from libs.domain.market import Quote, TradeTick
from services.sim_venue.alpaca import data_stream as stream_module
from services.sim_venue.alpaca import trading_stream as trading_module
from tests.alpaca_clients import HEADERS, KEY, SECRET, Alpaca, an_alpaca, data_stream, running, trading_stream
from tests.waiting import until

CONNECTED = [{"T": "success", "msg": "connected"}]
AUTHENTICATED = [{"T": "success", "msg": "authenticated"}]
AUTH = {"action": "auth", "key": KEY, "secret": SECRET}
MINUTE = 60_000_000_000


@pytest.fixture
async def alpaca() -> AsyncIterator[Alpaca]:
    async with an_alpaca() as found:
        yield found


async def test_alpaca_py_hears_an_order_from_its_beginning_to_its_fill(alpaca: Alpaca) -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()
    stream = trading_stream(alpaca)
    stream.subscribe_trade_updates(_into(heard))
    before = _frames("orders")
    async with running(stream):
        await until(lambda: _frames("orders") == before + 2)  # authorized, listening
        sent = await alpaca.send(type="market", qty=10)
        await alpaca.venue.quote("AAPL", 100.0, 100.02, size=4)
        await alpaca.venue.quote("AAPL", 100.0, 100.02)
        updates = [await _next(heard) for _ in range(4)]
    assert [(u.event, u.order.status, u.qty, u.price, u.position_qty) for u in updates] == [
        ("pending_new", "pending_new", None, None, None),
        ("new", "new", None, None, None),
        ("partial_fill", "partially_filled", 4.0, 100.02, 4.0),
        ("fill", "filled", 6.0, 100.02, 10.0),
    ]
    assert {str(u.order.id) for u in updates} == {sent["id"]}


async def test_alpaca_py_hears_the_market_in_message_pack(alpaca: Alpaca) -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()
    stream = data_stream(alpaca)
    into = _into(heard)
    stream.subscribe_quotes(into, "AAPL")
    stream.subscribe_trades(into, "*")
    stream.subscribe_bars(into, "AAPL")
    stream.subscribe_trading_statuses(into, "AAPL")
    at = alpaca.venue.host.now() + MINUTE
    before = _frames("market")
    async with running(stream):
        await until(lambda: _frames("market") == before + 3)  # connected, authenticated, subscribed
        await alpaca.venue.show(_quote("AAPL"), _trade("AAPL"), at=at + 1_234)
        await alpaca.venue.show(_quote("MSFT"), at=at + MINUTE)
        await alpaca.venue.control("POST", "halt", {"symbol": "AAPL"})
        quote, trade, bar, status = [await _next(heard) for _ in range(4)]
    assert (quote.symbol, quote.bid_price, quote.ask_size) == ("AAPL", 99.0, 200.0)
    assert quote.timestamp.microsecond == 1_001  # alpaca-py keeps microseconds
    assert (trade.symbol, trade.price, trade.size, trade.id) == ("AAPL", 99.5, 30.0, 1)
    assert (bar.open, bar.volume, bar.timestamp.minute) == (99.5, 30.0, 31)
    assert (status.status_code, status.status_message) == ("H", "Trading Halt")


async def test_frames_of_the_trading_stream_are_binary_and_hold_json(alpaca: Alpaca) -> None:
    async with alpaca.updates() as socket:
        await alpaca.send(type="limit", qty=1, limit_price=90)
        pending, new = await socket.events(2)
    assert all(socket.binary)
    assert (pending["event"], pending["execution_id"], new["event"]) == ("pending_new", None, "new")
    assert new["order"]["limit_price"] == "90"


@pytest.mark.parametrize(
    "message",
    [AUTH, {"action": "authenticate", "data": {"key_id": KEY, "secret_key": SECRET}}, {**AUTH, "action": "authenticate"}],
)
async def test_every_form_of_authentication_that_clients_send_opens_the_stream(alpaca: Alpaca, message: dict[str, object]) -> None:
    async with alpaca.socket("/stream") as socket:
        await socket.say(message)
        assert await socket.next() == {"stream": "authorization", "data": {"action": message["action"], "status": "authorized"}}


async def test_nobody_listens_without_a_key(alpaca: Alpaca) -> None:
    async with alpaca.socket("/stream") as socket:
        await socket.say({"action": "listen", "data": {"streams": ["trade_updates"]}})
        early = await socket.next()
        await socket.say({**AUTH, "secret": "wrong"})
        wrong = await socket.next()
    assert early == {"stream": "authorization", "data": {"action": "listen", "status": "unauthorized"}}
    assert wrong == {"stream": "authorization", "data": {"action": "auth", "status": "unauthorized"}}


async def test_who_never_says_who_it_is_is_hung_up_on(alpaca: Alpaca, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trading_module, "AUTHENTICATES_WITHIN_S", 0.02)
    async with alpaca.socket("/stream") as socket:
        assert await socket.next() is None


async def test_streams_that_are_not_there_are_left_out_and_listening_can_end(alpaca: Alpaca) -> None:
    async with alpaca.updates() as socket:
        await socket.say({"action": "listen", "data": {"streams": ["account_updates", "trade_updates"]}})
        both = await socket.next()
        await socket.say({"action": "listen", "data": {"streams": []}})
        none = await socket.next()
        await alpaca.send(type="limit", qty=1, limit_price=90)
        await socket.say("{no json")
        after = await socket.next()
    assert both == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
    assert none == {"stream": "listening", "data": {"streams": []}}
    assert after == {"stream": "error", "data": {"error": "invalid syntax"}}


async def test_a_replacement_is_told_by_the_old_order_and_then_by_the_new_one(alpaca: Alpaca) -> None:
    sent = await alpaca.send(type="limit", qty=1, limit_price=90)
    async with alpaca.updates() as socket:
        await alpaca.raw("PATCH", f"/v2/orders/{sent['id']}", json={"limit_price": "91"})
        replaced, new = await socket.events(2)
        await alpaca.raw("DELETE", "/v2/orders")
        (canceled,) = await socket.events(1)
    assert (replaced["event"], replaced["order"]["id"], replaced["order"]["status"]) == ("replaced", sent["id"], "replaced")
    assert (new["event"], new["order"]["replaces"], new["order"]["limit_price"]) == ("new", sent["id"], "91")
    assert (canceled["event"], canceled["order"]["id"]) == ("canceled", new["order"]["id"])


async def test_legs_are_held_then_new_and_an_order_at_night_is_accepted(alpaca: Alpaca) -> None:
    async with alpaca.updates() as socket:
        exits = {"take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 90}}
        await alpaca.send(type="market", qty=1, order_class="bracket", **exits)
        await alpaca.venue.quote("AAPL", 100.0, 100.02)
        told = [event["event"] for event in await socket.events(7)]
        await alpaca.venue.pass_time(8 * 3600)
        ended = [event["event"] for event in await socket.events(2)]
        await alpaca.send(type="limit", qty=1, limit_price=90)
        (accepted,) = await socket.events(1)
    assert told == ["pending_new", "new", "held", "held", "fill", "new", "new"]
    assert ended == ["expired", "expired"]
    assert (accepted["event"], accepted["order"]["status"]) == ("accepted", "accepted")


async def test_an_execution_has_one_id_on_the_stream_and_in_the_activities(alpaca: Alpaca) -> None:
    async with alpaca.updates() as socket:
        await alpaca.bought(qty=3)
        *_, fill = await socket.events(3)
        await alpaca.venue.control("POST", "correct", {"execution": 1, "price": "99.5"})
        (corrected,) = await socket.events(1)
        (activity,) = (await alpaca.raw("GET", "/v2/account/activities/FILL")).body
        await alpaca.venue.control("POST", "bust", {"execution": 1})
        (busted,) = await socket.events(1)
    assert activity["id"].endswith(f"::{fill['execution_id']}")
    assert (corrected["event"], corrected["price"], corrected["position_qty"]) == ("trade_correct", "99.5", "3")
    assert (busted["event"], busted["qty"], busted["position_qty"]) == ("trade_bust", "3", "0")
    assert corrected["previous_execution_id"] == busted["previous_execution_id"] == fill["execution_id"]


async def test_the_data_stream_speaks_json_unless_asked_otherwise(alpaca: Alpaca) -> None:
    async with alpaca.socket("/v2/sip") as socket:
        greeting = await socket.next()
        await socket.say(AUTH)
        welcome = await socket.next()
        await socket.say({"action": "subscribe", "trades": ["AAPL"], "bars": ["*"]})
        subscribed = await socket.next()
        await alpaca.venue.show(_trade("AAPL"), at=alpaca.venue.host.now() + 1_000_000_123)
        trades = await socket.next()
        await socket.say({"action": "unsubscribe", "trades": ["AAPL"]})
        left = await socket.next()
    assert (greeting, welcome) == (CONNECTED, AUTHENTICATED)
    assert subscribed[0] | {"T": "subscription", "trades": ["AAPL"], "quotes": [], "bars": ["*"]} == subscribed[0]
    assert trades == [
        {"T": "t", "S": "AAPL", "t": "2025-01-06T14:30:01.001000123Z", "x": "V", "p": 99.5, "s": 30, "c": ["@"], "i": 1, "z": "C"}
    ]
    assert (left[0]["trades"], left[0]["bars"]) == ([], ["*"])
    assert not any(socket.binary)


async def test_headers_of_the_handshake_are_as_good_as_a_message(alpaca: Alpaca) -> None:
    async with alpaca.socket("/v2/iex", headers=HEADERS) as socket:
        greeting, welcome = await socket.next(), await socket.next()
        await socket.say(AUTH)
        again = await socket.next()
    assert (greeting, welcome) == (CONNECTED, AUTHENTICATED)
    assert again == [{"T": "error", "code": 403, "msg": "already authenticated"}]


@pytest.mark.parametrize(
    ("messages", "code", "text"),
    [
        (["{no json"], 400, "invalid syntax"),
        (["[1]"], 400, "invalid syntax"),
        ([{"action": "dance"}], 400, "invalid syntax"),
        ([{"action": "subscribe", "trades": ["AAPL"]}], 401, "not authenticated"),
        ([{**AUTH, "secret": "wrong"}], 402, "auth failed"),
        ([{**AUTH, "secret": 7}], 402, "auth failed"),
        ([AUTH, {"action": "subscribe", "trades": "AAPL"}], 400, "invalid syntax"),
        ([AUTH, {"action": "subscribe", "orderbooks": ["AAPL"]}], 410, "invalid subscribe action for this feed"),
    ],
)
async def test_the_data_stream_says_what_is_wrong(alpaca: Alpaca, messages: list[Any], code: int, text: str) -> None:
    async with alpaca.socket("/v2/iex") as socket:
        await socket.next()
        for message in messages:
            await socket.say(message)
            answer = await socket.next()
    assert answer == [{"T": "error", "code": code, "msg": text}]


async def test_who_does_not_say_who_he_is_is_hung_up_on(alpaca: Alpaca, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "AUTHENTICATES_WITHIN_S", 0.02)
    monkeypatch.setattr(stream_module, "LAST_WORD_S", 0.02)
    async with alpaca.socket("/v2/iex") as socket:
        assert await socket.next() == CONNECTED
        assert await socket.next() == [{"T": "error", "code": 404, "msg": "auth timeout"}]
        assert await socket.next() is None


async def test_a_second_connection_is_refused_where_the_weather_allows_one(alpaca: Alpaca, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "LAST_WORD_S", 0.02)
    await alpaca.venue.weather(one_market_stream=True)
    for _ in range(2):  # the place is free again when its holder has gone
        async with alpaca.socket("/v2/iex", headers=HEADERS) as first, alpaca.socket("/v2/sip", headers=HEADERS) as second:
            assert [await first.next(), await first.next()] == [CONNECTED, AUTHENTICATED]
            assert await second.next() == CONNECTED
            assert await second.next() == [{"T": "error", "code": 406, "msg": "connection limit exceeded"}]
            assert await second.next() is None


async def test_a_defect_in_what_feeds_a_stream_ends_it_instead_of_muting_it(alpaca: Alpaca, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(trading_module, "events", broken)
    async with alpaca.updates() as socket:
        await alpaca.send(type="limit", qty=1, limit_price=90)
        assert await socket.next() is None
    assert (await alpaca.raw("GET", "/v2/clock")).status == 200


async def test_faults_reach_the_frames_of_both_streams(alpaca: Alpaca) -> None:
    async with alpaca.updates() as orders, alpaca.socket("/v2/iex", headers=HEADERS) as market:
        await market.next(), await market.next()
        await market.say({"action": "subscribe", "quotes": ["*"]})
        await market.next()
        await alpaca.venue.fault("duplicate", what="orders", symbol="AAPL", skip=1)
        await alpaca.venue.fault("lose", what="market", symbol="AAPL")
        await alpaca.send(type="limit", qty=1, limit_price=90)
        events = [event["event"] for event in await orders.events(3)]
        await alpaca.venue.quote("AAPL", 101.0, 101.1)
        await alpaca.venue.quote("AAPL", 102.0, 102.1)
        (quote,) = await market.next()
    assert events == ["pending_new", "new", "new"]
    assert quote["bp"] == 102.0


def _into(heard: "asyncio.Queue[Any]") -> Any:
    async def handler(message: Any) -> None:
        heard.put_nowait(message)

    return handler


async def _next(heard: "asyncio.Queue[Any]") -> Any:
    async with asyncio.timeout(5):
        return await heard.get()


def _frames(kind: str) -> float:
    """What the venues of this process have sent to clients of a kind of stream."""
    return REGISTRY.get_sample_value("tradewinds_sim_stream_frames_total", {"dialect": "alpaca", "kind": kind}) or 0.0


def _trade(symbol: str) -> TradeTick:
    return TradeTick(venue="", symbol=symbol, seq=0, ts=0, price=99.5, size=30.0)


def _quote(symbol: str) -> Quote:
    return Quote(venue="", symbol=symbol, seq=0, ts=0, bid=99.0, ask=99.1, bid_size=100.0, ask_size=200.0)
