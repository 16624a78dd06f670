"""The control API of sim_venue: what it opens, tells and refuses."""

import asyncio
import gc
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession

from libs.venues.line_file import LineFileFailed
from libs.venues.sim_control import SimControl
from services.sim_venue.host import Failed
from tests.plain_dialect import a_plain_venue
from tests.sim_venues import SimVenue, a_sim_venue
from tests.waiting import until


@pytest.fixture
async def venue() -> AsyncIterator[SimVenue]:
    async with a_plain_venue() as venue:
        yield venue


@pytest.fixture
async def http(venue: SimVenue) -> AsyncIterator[ClientSession]:
    async with ClientSession(venue.url + "/sim/v1/") as http:
        yield http


async def buy(venue: SimVenue, limit: int = 10_010) -> None:
    order = {"symbol": "AAPL", "side": "buy", "type": "limit", "tif": "GTC", "lots": 2_000_000, "limit": limit, "client_order_id": "a"}
    async with ClientSession() as http, http.post(venue.url + "/plain/orders", json=order) as answer:
        assert answer.status == 200
    await venue.quote("AAPL", 100.0, 100.1)


async def refused(http: ClientSession, method: str, path: str, body: object) -> tuple[int, str]:
    async with http.request(method, path, json=body) as answer:
        assert answer.content_type == "application/problem+json"
        problem: dict[str, Any] = await answer.json()
        assert problem["status"] == answer.status
        return answer.status, problem["detail"]


async def test_an_account_is_opened_once_and_keeps_its_key(venue: SimVenue, http: ClientSession) -> None:
    control = SimControl(http, venue.url)
    first = await control.open_account("me", "alpaca", {"USD": Decimal(5_000)}, kind="margin")
    again = await control.open_account("me", "alpaca", {"USD": Decimal(7_000)})
    assert first == again
    assert first.key.startswith("PK")
    assert (await control.holdings("me")).cash == {"USD": Decimal(5_000)}


async def test_an_account_may_have_a_key_for_each_dialect(venue: SimVenue) -> None:
    keys = [await venue.account("me", dialect, {"USD": 1}) for dialect in ("alpaca", "binance")]
    assert {venue.host.credentials[key].dialect for key, _ in keys} == {"alpaca", "binance"}
    assert [venue.host.credentials[key].secret for key, _ in keys] == [secret for _, secret in keys]


async def test_what_was_bought_is_held(venue: SimVenue, http: ClientSession) -> None:
    await buy(venue)
    held = await SimControl(http, venue.url).holdings("demo-alpaca")
    assert held.positions == {"AAPL": Decimal(2)}
    assert held.cash == {"USD": Decimal("99799.8")}


async def test_a_bust_gives_back_and_a_correction_charges_the_other_price(venue: SimVenue, http: ClientSession) -> None:
    await buy(venue)
    await venue.control("POST", "correct", {"execution": 1, "price": "99.90"})
    assert (await SimControl(http, venue.url).holdings("demo-alpaca")).cash == {"USD": Decimal("99800.2")}
    await venue.control("POST", "bust", {"execution": 1})
    held = await SimControl(http, venue.url).holdings("demo-alpaca")
    assert (held.cash, held.positions) == ({"USD": Decimal(100_000)}, {})


async def test_a_halted_symbol_is_shown_and_goes_on(venue: SimVenue) -> None:
    await venue.control("POST", "halt", {"symbol": "AAPL"})
    assert (await venue.control("GET", "market"))["halted"] == ["AAPL"]
    await venue.control("POST", "halt", {"symbol": "AAPL", "on": False})
    assert (await venue.control("GET", "market"))["halted"] == []


async def test_partial_fills_storm_when_the_rules_say_so(venue: SimVenue) -> None:
    await venue.control("PUT", "rules", {"most_lots_per_fill": 500_000})
    await buy(venue)
    for _ in range(5):
        await venue.quote("AAPL", 100.0, 100.1)
    executions = venue.host.view.accounts["demo-alpaca"].executions.values()
    assert [execution.lots for execution in executions] == [500_000] * 4


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "why"),
    [
        ("POST", "accounts", {"account": "me", "dialect": "fix", "deposit": {}}, 400, "dialect"),
        ("POST", "accounts", {"account": "me", "dialect": "alpaca", "deposit": {}, "colour": 1}, 400, "colour"),
        ("POST", "accounts", {"account": "", "dialect": "alpaca", "deposit": {}}, 400, "1 to 64 characters"),
        ("POST", "accounts", {"account": "me", "dialect": "alpaca", "deposit": {"USD": "NaN"}}, 400, "0 or more USD"),
        ("GET", "accounts/nobody", None, 404, "no account 'nobody'"),
        ("POST", "market", {"quotes": [{"symbol": "NOPE", "bid": 1, "ask": 2}]}, 400, "not listed; there are"),
        ("POST", "market", {"quotes": [{"symbol": "AAPL", "bid": 3, "ask": 2}]}, 400, "0 < bid <= ask"),
        ("POST", "market", {"market_time": 1}, 400, "the market is there already"),
        ("POST", "faults", {"kind": "gravity"}, 400, "gravity"),
        ("POST", "faults", {"kind": "status_after", "status": 200}, 400, "a status of 418"),
        ("POST", "faults", {"kind": "late"}, 400, "seconds above 0"),
        ("POST", "faults", {"kind": "lose", "what": "order_submit"}, 400, "what of lose"),
        ("DELETE", "faults/7", None, 404, "no fault 7"),
        ("PUT", "weather", {"read_lag_s": 91}, 400, "read_lag_s from 0 to 90"),
        ("PUT", "weather", {"price_gap_bps": {"NOPE": 1}}, 400, "NOPE"),
        ("PUT", "rules", {"id_scope": "week"}, 400, "id_scope"),
        ("PUT", "rules", {"colour": 1}, 400, "colour"),
        ("PUT", "rules", {"latency_ns": -1}, 422, "latency"),
        ("PUT", "rules", {"most_lots_per_fill": 10**30}, 422, "most_lots_per_fill"),
        ("POST", "market", {"market_time": 10**30}, 400, "a market_time of 0 to"),
        ("PUT", "weather", {"clock_skew_ms": 1e308}, 400, "clock_skew_ms of at most"),
        ("PUT", "weather", {"requests_per_minute": 10**30}, 400, "requests_per_minute of 0 to"),
        ("POST", "transfer", {"account": "demo-alpaca", "currency": "X" * 65, "amount": "1"}, 400, "1 to 64 characters"),
        ("DELETE", "faults/" + "9" * 5_000, None, 404, "no fault 9"),
        ("GET", "log?after=" + "9" * 5_000, None, 400, "number of a line"),
        ("POST", "halt", {"symbol": "NOPE"}, 422, "unknown_symbol"),
        ("POST", "bust", {"execution": 99}, 422, "unknown_execution"),
        ("POST", "correct", {"execution": 99, "price": "1"}, 404, "no execution 99"),
        ("POST", "transfer", {"account": "nobody", "currency": "USD", "amount": "1"}, 422, "unknown_account"),
        ("GET", "log?after=x", None, 400, "number of a line"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_reason(
    http: ClientSession, method: str, path: str, body: object, status: int, why: str
) -> None:
    told = await refused(http, method, path, body)
    assert told[0] == status
    assert why in told[1]


async def test_a_played_market_cannot_be_told() -> None:
    async with a_sim_venue("synthetic", dialects=[]) as venue, ClientSession(venue.url + "/sim/v1/") as http:
        status, why = await refused(http, "POST", "market", {"market_time": 2**62})
    assert (status, "synthetic" in why) == (409, True)


async def test_a_venue_that_cannot_write_stops_and_answers_nobody_as_if_it_had(
    venue: SimVenue, http: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise LineFileFailed("no space left on device")

    monkeypatch.setattr(venue.host.log, "append", full)
    async with http.post("transfer", json={"account": "demo-alpaca", "currency": "USD", "amount": "1"}) as answer:
        assert answer.status == 503
    async with http.get(venue.url + "/plain/orders/a") as answer:
        assert (answer.status, await answer.json()) == (503, {"plain": 503})
    with pytest.raises(Failed, match="no space left"):
        await venue.venue.run()


async def test_a_snapshot_that_cannot_be_written_ends_nothing(
    venue: SimVenue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("services.sim_venue.snapshots.write", full)
    monkeypatch.setattr("services.sim_venue.venue.LOOK_EVERY_S", 0.001)
    monkeypatch.setattr("services.sim_venue.venue.LINES_BETWEEN", 1)
    running = asyncio.ensure_future(venue.venue.run())
    while "no snapshot was written" not in caplog.text:
        await asyncio.sleep(0.001)
        assert not running.done()
    await buy(venue)
    running.cancel()


async def test_what_is_kept_for_good_is_not_searched_for_garbage(venue: SimVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.sim_venue.venue.LOOK_EVERY_S", 0.001)
    monkeypatch.setattr("services.sim_venue.venue.LINES_TO_SETTLE", 1)
    await buy(venue)
    gc.unfreeze()
    running = asyncio.ensure_future(venue.venue.run())
    try:
        await until(lambda: gc.get_freeze_count() > 0)
    finally:
        running.cancel()
        gc.unfreeze()


async def test_before_its_log_is_read_it_says_so(venue: SimVenue, http: ClientSession) -> None:
    venue.host.open = False
    assert (await refused(http, "GET", "market", None))[0] == 503
    async with http.get(venue.url + "/plain/orders/a") as answer:
        assert answer.status == 503
    venue.host.open = True


async def test_a_body_that_is_too_large_is_refused(http: ClientSession) -> None:
    async with http.post("faults", data=aiohttp.StringPayload(" " * 100_000)) as answer:
        assert answer.status == 413
