"""Whatever is sent to the Alpaca dialect gets Alpaca's own error, and never stops it."""

import io
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from services.sim_venue.alpaca.dialect import DATA, STREAMS, TRADING, Route
from tests.alpaca_clients import HEADERS, Alpaca, an_alpaca

ROUTES = [*TRADING, *DATA]
WORDS = [
    "", "0", "-1", "1e400", "NaN", "null", "true", "AAPL", "aapl,ZZZ,,", "asc", "2025-01-06", "2025-13-41T99:99:99Z",
    "2025-01-06T14:30:00.123456789123Z", "9" * 40, "../../etc/passwd", "\u2603\ud83d", "%00", "'; --", "<x>", "FILL", "1Min", "x" * 300,
    "07d07fec-3948-8000-8000-000000000001", "20250106093000000::04e97fec-3948-8000-8000-000000000000", "QUFQTHwxfDE=",
]  # fmt: skip
NAMES = [
    "symbols", "limit", "start", "end", "page_token", "timeframe", "sort", "status", "after", "until", "direction", "nested", "side",
    "qty", "percentage", "cancel_orders", "page_size", "activity_types", "category", "date", "period", "client_order_id", "feed",
]  # fmt: skip
VALUES: list[Any] = [None, True, 0, -1, 1.5, 1e300, "", "x", "1e9999", [], {}, [{}], {"a": {"b": []}}, "limit", "buy", "day", "AAPL", 10]
FIELDS = [
    "symbol", "qty", "notional", "side", "type", "time_in_force", "limit_price", "stop_price", "trail", "trail_price", "trail_percent",
    "extended_hours", "client_order_id", "order_class", "take_profit", "stop_loss", "position_intent",
]  # fmt: skip
GOOD = {"symbol": "AAPL", "qty": 1, "side": "buy", "type": "limit", "time_in_force": "day", "limit_price": 99}


@pytest.fixture(scope="module")
async def alpaca() -> AsyncIterator[Alpaca]:
    async with an_alpaca() as found:
        await found.venue.weather(requests_per_minute=1_000_000)
        await found.bought()
        yield found


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_garbage_gets_the_venues_own_error(alpaca: Alpaca, route: Route) -> None:
    random = Random(f"{route.method} {route.path}")
    for _ in range(12):
        path = route.path
        for name in ("asset", "order_id", "activity_type", "symbol"):
            path = path.replace(f"{{{name}}}", random.choice([word for word in WORDS if word and "/" not in word and "\ud83d" not in word]))
        query = {random.choice(NAMES): random.choice(WORDS[:15]) for _ in range(random.randrange(4))}
        answer = await alpaca.raw(route.method, path, params=query, **_body(random))
        assert answer.status in (200, 204, 207, 400, 403, 404, 405, 422), answer
        if answer.status >= 400:
            assert isinstance(answer.body["code"], int)
            assert isinstance(answer.body["message"], str)
    assert (await alpaca.raw("GET", "/v2/clock")).status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/stocks/AAPL/bars?timeframe=12Month&start=0001-01-01&end=9999-12-31", 200),
        ("/v2/stocks/AAPL/bars?timeframe=1Week&start=0001-01-01T00:00:00Z", 200),
        ("/v2/account/activities?date=9999-12-31", 422),
        ("/v2/account/activities?after=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59Z", 200),
        ("/v2/orders?status=all&until=9999-12-31T23:59:59Z", 200),
    ],
)
async def test_times_that_no_market_has_are_read_or_refused(alpaca: Alpaca, path: str, status: int) -> None:
    assert (await alpaca.raw("GET", path)).status == status


@pytest.mark.parametrize("path", list(STREAMS))
async def test_garbage_on_a_stream_is_answered_or_ends_that_stream_alone(alpaca: Alpaca, path: str) -> None:
    random = Random(path)
    for _ in range(6):
        async with alpaca.socket(path, headers=HEADERS) as socket:
            for _ in range(4):
                await socket.say(random.choice(["", "{", "[]", "7", '{"action":[]}', '{"action":"listen","data":7}', "[" * 5_000]))
                answer = await socket.next()
                assert isinstance(answer, list | dict)
    assert (await alpaca.raw("GET", "/v2/clock")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/watchlists", 404, 40410000),
        ("GET", "/", 404, 40410000),
        ("PUT", "/v2/orders", 405, 40510000),
        ("POST", "/v2/clock", 405, 40510000),
    ],
)
async def test_paths_and_methods_that_are_not_there_say_so(alpaca: Alpaca, method: str, path: str, status: int, code: int) -> None:
    answer = await alpaca.raw(method, path)
    assert (answer.status, answer.body["code"]) == (status, code)


@pytest.mark.parametrize("path", list(STREAMS))
async def test_a_stream_asked_for_without_a_handshake_says_so(alpaca: Alpaca, path: str) -> None:
    answer = await alpaca.raw("GET", path)
    assert (answer.status, answer.body) == (400, {"code": 40010000, "message": "request is malformed"})


async def test_a_body_beyond_all_measure_is_refused(alpaca: Alpaca) -> None:
    answer = await alpaca.raw("POST", "/v2/orders", data=io.BytesIO(b"{" + b" " * (2 * 1024 * 1024) + b"}"))
    assert (answer.status, answer.body["code"]) == (413, 41310000)


async def test_a_frame_beyond_all_measure_ends_the_stream(alpaca: Alpaca) -> None:
    async with alpaca.socket("/stream") as socket:
        await socket.say("x" * (128 * 1024))
        assert await socket.next() is None
    assert (await alpaca.raw("GET", "/v2/clock")).status == 200


@pytest.mark.parametrize("status", [418, 429, 500, 502, 503, 504])
async def test_a_status_that_a_fault_asks_for_has_alpacas_body(status: int) -> None:
    async with an_alpaca() as alpaca:
        await alpaca.venue.fault("status_after", what="order_submit", status=status, client_order_id="lost")
        answer = await alpaca.raw("POST", "/v2/orders", json={**GOOD, "client_order_id": "lost"})
        found = await alpaca.raw("GET", "/v2/orders:by_client_order_id?client_order_id=lost")
        counted = await alpaca.venue.requests("lost")
    assert (answer.status, answer.body["code"] // 100_000) == (status, status)
    assert (found.status, found.body["status"]) == (200, "new")
    assert counted["order_submit"] == 1


async def test_a_cancel_is_counted_under_the_order_that_it_names() -> None:
    async with an_alpaca() as alpaca:
        sent = await alpaca.send(type="limit", qty=1, limit_price=90, client_order_id="counted")
        await alpaca.raw("PATCH", f"/v2/orders/{sent['id']}", json={"limit_price": "0"})
        await alpaca.raw("DELETE", f"/v2/orders/{sent['id']}")
        assert await alpaca.venue.requests("counted") == {"order_submit": 1, "order_replace": 1, "order_cancel": 1}


def _body(random: Random) -> dict[str, Any]:
    """Nothing, bytes, or an order that is nearly one."""
    match random.randrange(4):
        case 0:
            return {}
        case 1:
            return {"data": random.choice([b"", b"\xff\xfe", b"[1,2", b"null", b'"x"', b"[" * 10_000, b'{"symbol":"AAPL"', b"0"])}
        case _:
            body = {**GOOD, **{random.choice(FIELDS): random.choice(VALUES) for _ in range(random.randrange(4))}}
            return {"json": body}
