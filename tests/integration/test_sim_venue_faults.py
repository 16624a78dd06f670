"""What goes wrong between sim_venue and its clients when it is asked to, and what never does."""

import asyncio
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import ClientSession

from tests.plain_dialect import PlainDialect, a_plain_venue
from tests.sim_venues import SimVenue, a_sim_venue
from tests.waiting import until

ORDER = {"symbol": "AAPL", "side": "buy", "type": "limit", "tif": "GTC", "lots": 1_000_000, "limit": 10_000}


@pytest.fixture
async def venue() -> AsyncIterator[SimVenue]:
    async with a_plain_venue() as venue:
        yield venue


@pytest.fixture
async def http(venue: SimVenue) -> AsyncIterator[ClientSession]:
    async with ClientSession(venue.url + "/plain/") as http:
        yield http


async def submit(http: ClientSession, client_order_id: str = "a") -> int:
    async with http.post("orders", json={**ORDER, "client_order_id": client_order_id}) as answer:
        await answer.read()
        return answer.status


async def read(http: ClientSession, client_order_id: str = "a") -> int:
    async with http.get(f"orders/{client_order_id}") as answer:
        return answer.status


async def test_a_request_that_is_dropped_before_the_venue_saw_it_made_no_order(venue: SimVenue, http: ClientSession) -> None:
    await venue.fault("drop_before", what="order_submit")
    with pytest.raises(aiohttp.ClientError):
        await submit(http)
    assert await read(http) == 404
    assert (await venue.requests("a"))["order_submit"] == 1


async def test_an_order_whose_answer_was_dropped_is_there(venue: SimVenue, http: ClientSession) -> None:
    await venue.fault("drop_after", what="order_submit")
    with pytest.raises(aiohttp.ClientError):
        await submit(http)
    assert await read(http) == 200


@pytest.mark.parametrize(("kind", "then"), [("status_before", 404), ("status_after", 200)])
@pytest.mark.parametrize("status", [429, 500, 504])
async def test_a_status_says_nothing_of_what_was_done(venue: SimVenue, http: ClientSession, kind: str, then: int, status: int) -> None:
    await venue.fault(kind, what="order_submit", status=status)
    assert await submit(http) == status
    assert await read(http) == then
    assert await venue.requests("a") == {"order_submit": 1, "order_read": 1}


async def test_half_an_answer_ends_in_the_middle(venue: SimVenue, http: ClientSession) -> None:
    await venue.fault("half", what="order_submit")
    with pytest.raises(aiohttp.ClientPayloadError):
        await submit(http)
    assert await read(http) == 200


async def test_a_late_answer_is_of_an_order_that_others_see_already(venue: SimVenue, http: ClientSession) -> None:
    await venue.fault("late_answer", what="order_submit", seconds=30)
    waiting = asyncio.create_task(submit(http))
    while await read(http) == 404:
        pass
    assert not waiting.done()
    waiting.cancel()


async def test_a_late_request_is_not_looked_at_yet(venue: SimVenue, http: ClientSession) -> None:
    await venue.fault("latency", what="order_submit", seconds=30)
    waiting = asyncio.create_task(submit(http))
    while (await venue.control("GET", "faults"))[0]["hits"] == 0:
        pass
    assert await read(http) == 404
    waiting.cancel()


async def test_a_fault_hits_the_order_it_is_aimed_at(venue: SimVenue, http: ClientSession) -> None:
    await venue.fault("status_before", what="order_submit", client_order_id="b", status=503)
    assert [await submit(http, name) for name in ("a", "b", "c")] == [200, 503, 200]


async def test_an_id_that_can_name_no_order_is_not_kept(venue: SimVenue, http: ClientSession) -> None:
    assert await submit(http, "a" * 129) == 200
    assert "a" * 129 not in venue.host.requests.kept()
    assert await submit(http, "a" * 128) == 200
    assert "a" * 128 in venue.host.requests.kept()


async def test_a_fault_hits_after_so_many_and_so_often(venue: SimVenue, http: ClientSession) -> None:
    await venue.fault("status_before", what="order_submit", skip=1, count=2, status=503)
    assert [await submit(http, name) for name in "abcd"] == [200, 503, 503, 200]


async def test_the_same_seed_hits_the_same_requests() -> None:
    async def statuses() -> list[int]:
        async with a_sim_venue(dialects=[PlainDialect], seed=7) as venue, ClientSession(venue.url + "/plain/") as http:
            await venue.fault("status_before", what="order_read", status=500, probability=0.5, count=None)
            return [await read(http) for _ in range(20)]

    first = await statuses()
    assert first == await statuses()
    assert set(first) == {404, 500}


async def test_maintenance_answers_nobody_but_the_control(venue: SimVenue, http: ClientSession) -> None:
    await venue.weather(maintenance=True)
    assert await submit(http) == 503
    await venue.weather()
    assert await submit(http) == 200


async def test_above_the_limit_of_requests_there_is_429(venue: SimVenue, http: ClientSession) -> None:
    await venue.weather(requests_per_minute=3)
    assert [await read(http) for _ in range(5)] == [404, 404, 404, 429, 429]


async def test_the_limit_of_requests_is_of_each_key_and_of_all_who_have_none() -> None:
    async with a_sim_venue() as venue, ClientSession() as http:
        key, secret = await venue.account("another", "alpaca", {"USD": 1})
        await venue.weather(requests_per_minute=2)
        clock = venue.url + "/alpaca/v2/clock"

        async def asked(**headers: str) -> int:
            async with http.get(clock, headers=headers) as answer:
                return answer.status

        floods = {"APCA-API-KEY-ID": "PKDEMO0000000000DEMO", "APCA-API-SECRET-KEY": "demo-secret"}
        assert [await asked(**floods) for _ in range(3)] == [200, 200, 429]
        assert [await asked(**{"APCA-API-KEY-ID": f"guess{n}"}) for n in range(3)] == [401, 401, 429]
        assert await asked(**{"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}) == 200


async def test_who_goes_on_at_binance_after_429_is_banned() -> None:
    async with a_sim_venue() as venue, ClientSession(venue.url) as http:
        await venue.weather(requests_per_minute=1)
        statuses = []
        for _ in range(3):
            async with http.get("/binance/api/v3/ping") as answer:
                statuses.append(answer.status)
    assert statuses == [200, 429, 418]


async def test_reads_lag_behind_what_was_answered(venue: SimVenue, http: ClientSession) -> None:
    await venue.weather(read_lag_s=60)
    assert await submit(http) == 200
    assert await read(http) == 404
    await venue.weather()
    assert await read(http) == 200


async def test_what_an_account_holds_is_told_in_truth_while_reads_lag(venue: SimVenue) -> None:
    await venue.account("slow", "binance", {"USD": 100})
    before = await venue.control("GET", "accounts/slow")
    await venue.weather(read_lag_s=60)
    await venue.control("POST", "transfer", {"account": "slow", "currency": "USD", "amount": "5"})
    assert (before["balances"], (await venue.control("GET", "accounts/slow"))["balances"]) == ({"USD": "100"}, {"USD": "105"})


async def test_the_wire_clock_is_off_and_market_time_is_not(venue: SimVenue) -> None:
    before, market = venue.host.wire_time_ns(), venue.host.now()
    await venue.weather(clock_skew_ms=3_600_000)
    assert venue.host.wire_time_ns() - before > 3_600_000_000_000
    assert venue.host.now() == market


async def test_a_price_gap_moves_the_market(venue: SimVenue) -> None:
    await venue.weather(price_gap_bps={"AAPL": -1000})
    await venue.quote("AAPL", 100.0, 101.0)
    quote = venue.host.tape.quote("AAPL")
    assert quote is not None
    assert (quote.bid, quote.ask) == (90.0, 90.9)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "orders", b"{", 400),
        ("POST", "orders", b"\xff\x00" * 100, 400),
        ("POST", "orders", b" " * (1024 * 1024 + 1), 413),
        ("PUT", "orders", b"", 405),
        ("GET", "nowhere", b"", 404),
        ("GET", "broken", b"", 500),
    ],
)
async def test_what_nobody_understands_gets_the_venues_own_error(
    http: ClientSession, method: str, path: str, body: bytes, status: int
) -> None:
    async with http.request(method, path, data=io.BytesIO(body)) as answer:
        assert (answer.status, (await answer.json())["plain"]) == (status, status)
    assert await submit(http) == 200


async def test_bytes_that_are_no_http_end_their_connection_and_nothing_else(venue: SimVenue, http: ClientSession) -> None:
    port = int(venue.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x16\x03\x01\x02\x00garbage\r\n\r\n" * 1000)
    assert b"400" in await reader.readline()
    writer.close()
    assert await submit(http) == 200


async def frames(venue: SimVenue, http: ClientSession, kind: str, **knob: object) -> list[str]:
    """What comes of the frames hello, 1, 2, 3 until the one that ends them."""
    await venue.fault(kind, what="orders", **knob)
    async with http.ws_connect("stream") as socket:
        got = [(await socket.receive()).data] if kind != "mute" else []
        for word in ("1", "2", "3", *(["en"] if kind == "garble" else []), "end"):
            await socket.send_str(word)
        while got[-1:] != ["end"]:
            message = await socket.receive(timeout=2)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return [*got, message.type.name]
            got.append(message.data)
        return got


@pytest.mark.parametrize(
    ("kind", "knob", "expected"),
    [
        ("lose", {"symbol": "AAPL"}, ["hello", "2", "3", "end"]),
        ("lose", {"symbol": "MSFT"}, ["hello", "1", "2", "3", "end"]),
        ("duplicate", {"symbol": "AAPL"}, ["hello", "1", "1", "2", "3", "end"]),
        ("reorder", {"symbol": "AAPL"}, ["hello", "2", "1", "3", "end"]),
        ("late", {"symbol": "AAPL", "seconds": 600}, ["hello", "2", "3", "end"]),
        ("garble", {"skip": 4}, ["hello", "1", "2", "3", "e", "end"]),
        ("disconnect", {"symbol": "AAPL", "skip": 1}, ["hello", "1", "CLOSE"]),
    ],
)
async def test_frames_go_astray_as_asked(
    venue: SimVenue, http: ClientSession, kind: str, knob: dict[str, object], expected: list[str]
) -> None:
    got = await frames(venue, http, kind, **knob)
    assert got == expected or (kind == "disconnect" and got[-1] in ("CLOSE", "CLOSED"))


async def test_who_does_not_read_is_gone_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.sim_venue.lines.MOST_WAITING", 10)
    monkeypatch.setattr("services.sim_venue.lines.GOODBYE_S", 0.05)
    async with a_sim_venue() as venue:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(venue.url.rpartition(":")[2]), limit=1)
        writer.write(
            b"GET /binance/ws/btcusd@trade HTTP/1.1\r\nHost: venue\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.read(1)
        await until(lambda: venue.host.listeners() == {"market": 1})
        (line,) = venue.host.lines
        for _ in range(30):
            line.send("x" * 4_000_000)
            await asyncio.sleep(0)
        await until(lambda: venue.host.listeners() == {})
        writer.close()


async def test_a_venue_that_leaves_waits_for_no_answer_that_was_to_be_late(venue: SimVenue, http: ClientSession) -> None:
    await venue.fault("late_answer", what="order_submit", seconds=600)
    await venue.fault("latency", what="order_read", seconds=600)
    sent, asked = asyncio.ensure_future(submit(http)), asyncio.ensure_future(read(http))
    await until(lambda: bool(venue.host.view.accounts["demo-alpaca"].orders))
    venue.host.leave()
    async with asyncio.timeout(5):
        assert (await sent, await asked) == (200, 200)  # what is on disk by now


async def test_a_refusal_is_answered_when_the_request_is_on_disk(venue: SimVenue, http: ClientSession) -> None:
    async with http.post("orders", json={"client_order_id": "odd"}) as answer:
        assert answer.status == 400
        assert venue.host.requests.of("odd") == {"order_submit": 1}
        assert b'"odd"' in venue.host.log.raw(0, 1_000, 10**9)[-1]  # type: ignore[union-attr]


async def test_a_mute_socket_says_nothing_and_answers_pings(venue: SimVenue, http: ClientSession) -> None:
    await venue.fault("mute")
    async with http.ws_connect("stream", autoping=False) as socket:
        await socket.send_str("1")
        await socket.ping(b"there?")
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"there?")
