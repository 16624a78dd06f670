from collections.abc import Iterator
from decimal import Decimal as D
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from fleet.venue_books import VenueBooks, in_symbols
from libs.store.activity import AtVenue
from libs.venues.broker import Holdings

STOCKS = AtVenue("stocks", "alpaca", "USD", frozenset({"AAPL", "BTC/USD"}))
CRYPTO = STOCKS._replace(account_id="crypto", venue="binance")


def test_a_coin_is_a_position_in_the_pair_that_the_accounts_money_buys_it_in() -> None:
    held = in_symbols(Holdings({"USD": D(5), "BTC": D("0.1"), "ETH": D(2)}, {"AAPL": D(3)}), CRYPTO)
    assert held == ({"USD": D(5), "ETH": D(2)}, {"AAPL": D(3), "BTC/USD": D("0.1")})


async def test_every_venue_is_asked_where_it_can_be_and_silence_is_no_holding(tmp_path: Path) -> None:
    answers: Iterator[web.Response] = iter(
        [web.json_response({"balances": {"USD": "99.5"}, "positions": {}}), web.json_response({"title": "reading the log"}, status=503)]
    )

    async def answer(_: web.Request) -> web.Response:
        return next(answers)

    app = web.Application()
    app.router.add_get("/sim/v1/accounts/{account}", answer)
    real, paper = STOCKS._replace(account_id="real", venue="kraken"), STOCKS._replace(account_id="paper", venue="paper")
    async with TestServer(app) as server:
        books = VenueBooks(tmp_path, str(server.make_url("/")), frozenset({"alpaca", "binance"}))
        found = await books.read([STOCKS, CRYPTO, real, paper])
    assert found.held == {"stocks": ({"USD": D("99.5")}, {}), "paper": ({}, {})}
    assert len(found.unreadable) == 1
    assert "crypto: sim_venue does not say what it holds" in found.unreadable[0]
    assert found.elsewhere == ["without venue kraken: only trade_executor, which has the keys, compares with it"]
