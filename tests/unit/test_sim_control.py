"""The client of sim_venue's control API, against a real HTTP server that answers what a test wants."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from libs.venues.sim_control import SimControl, SimMarket, SimVenueAway, SimVenueRefused


@asynccontextmanager
async def answering(status: int, body: object, asked: list[object] | None = None) -> AsyncIterator[SimControl]:
    async def answer(request: web.Request) -> web.Response:
        if asked is not None:
            asked.append((request.method, request.path, await request.json() if request.can_read_body else None))
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        yield SimControl(http, str(server.make_url("/")))


async def test_an_account_is_opened_with_exact_amounts_and_gives_its_key() -> None:
    asked: list[object] = []
    async with answering(200, {"key": "PK1", "secret": "s", "more": 1}, asked) as control:
        opened = await control.open_account("market_data", "alpaca", {"USD": Decimal("100000.10")})
    assert (opened.key, opened.secret) == ("PK1", "s")
    body = {"account": "market_data", "dialect": "alpaca", "deposit": {"USD": "100000.10"}, "kind": "cash", "allow_short": False}
    assert asked == [("POST", "/sim/v1/accounts", {**body, "leverage": "1"})]


async def test_holdings_are_exact_and_without_zeros() -> None:
    held = {"balances": {"USD": "0.1", "BTC": "0"}, "positions": {"ALFA": "-3"}}
    async with answering(200, held) as control:
        assert await control.holdings("paper") == ({"USD": Decimal("0.1")}, {"ALFA": Decimal(-3)})


async def test_the_market_says_what_is_played_and_how_fast() -> None:
    async with answering(200, {"market_time": 5, "speed": 10, "feed": "synthetic", "seed": 3, "symbols": ["ALFA"]}) as control:
        assert await control.market() == SimMarket(market_time=5, speed=10.0, feed="synthetic", seed=3, symbols=("ALFA",))


async def test_a_refusal_is_told_in_the_venues_words() -> None:
    async with answering(422, {"title": "Unprocessable", "detail": "deposit: expected above 0, got -1"}) as control:
        with pytest.raises(SimVenueRefused, match=r"accounts: 422 deposit: expected above 0, got -1"):
            await control.open_account("a", "binance", {"USD": Decimal(-1)})


@pytest.mark.parametrize(("status", "body"), [(503, {"title": "Maintenance"}), (429, {}), (200, {"market_time": "soon"}), (302, {})])
async def test_what_is_no_answer_of_a_sim_venue_may_be_asked_again(status: int, body: object) -> None:
    async with answering(status, body) as control:
        with pytest.raises(SimVenueAway, match="GET http"):
            await control.market()


async def test_a_venue_that_is_not_there_is_named(unused_tcp_port: int) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(SimVenueAway, match=f"{unused_tcp_port}.*is sim_venue running"):
            await SimControl(http, f"http://127.0.0.1:{unused_tcp_port}").market()
