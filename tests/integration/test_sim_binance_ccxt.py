"""The real ccxt against the real server: what its unified calls make of the venue's answers and refusals."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import ccxt.async_support as ccxt
import pytest

from tests.binance_client import KEY, SECRET
from tests.sim_venue_process import ran
from tests.sim_venues import SimVenue, a_sim_venue

BTC = "BTC/USD"


class Client(NamedTuple):
    venue: SimVenue
    ccxt: Any


def at(urls: Any, base: str) -> Any:
    """ccxt's URLs, each with its own path, at the venue."""
    if isinstance(urls, dict):
        return {name: at(url, base) for name, url in urls.items()}
    return f"{base}/binance{urlsplit(urls).path}"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Of a venue of its own."""
    async with _client() as client:
        yield client


@pytest.fixture(scope="module")
async def counter() -> AsyncIterator[Client]:
    """One for many tests of what is refused."""
    async with _client() as client:
        yield client


@contextlib.asynccontextmanager
async def _client() -> AsyncIterator[Client]:
    async with a_sim_venue() as venue:
        await venue.quote(BTC, 50_000.0, 50_000.1, size=2.0)
        exchange = ccxt.binance({"apiKey": KEY, "secret": SECRET, "enableRateLimit": False})
        exchange.urls["api"] = at(exchange.urls["api"], venue.url)
        try:
            await exchange.load_markets()
            yield Client(venue, exchange)
        finally:
            await exchange.close()


async def test_markets_have_the_precision_and_limits_of_their_instruments(client: Client) -> None:
    market = client.ccxt.market(BTC)
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
    assert (market["limits"]["cost"]["min"], market["active"], market["type"]) == (5.0, True, "spot")
    assert (await client.ccxt.fetch_trading_fee(BTC))["taker"] == 0.001
    assert (await client.ccxt.fetch_status())["status"] == "ok"


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        ((BTC, "limit", "buy", 100, 49_000), ccxt.InsufficientFunds),
        ((BTC, "limit", "buy", 0.00001, 49_000), ccxt.BadRequest),  # NOTIONAL
        ((BTC, "limit", "buy", 0.01, 60_000, {"postOnly": True}), ccxt.OrderImmediatelyFillable),
        ((BTC, "limit", "buy", 0.01, 49_000, {"takeProfitPrice": 60_000}), ccxt.InvalidOrder),
        ((BTC, "market", "sell", 1), ccxt.InsufficientFunds),
        ((BTC, "market", "buy", 0.01, None, {"triggerPrice": 40_000}), ccxt.OrderImmediatelyFillable),
    ],
)
async def test_refusals_are_the_errors_that_ccxt_knows(counter: Client, order: tuple[Any, ...], refusal: type[Exception]) -> None:
    before = await counter.ccxt.fetch_orders(BTC)
    with pytest.raises(refusal):
        await counter.ccxt.create_order(*order)
    assert await counter.ccxt.fetch_orders(BTC) == before


async def test_who_is_not_known_and_what_is_not_there(client: Client) -> None:
    with pytest.raises(ccxt.OrderNotFound):
        await client.ccxt.fetch_order("7", BTC)
    with pytest.raises(ccxt.OrderNotFound):
        await client.ccxt.cancel_order("7", BTC)
    client.ccxt.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        await client.ccxt.fetch_balance()
    client.ccxt.options["hasAlreadyAuthenticatedSuccessfully"] = False
    client.ccxt.apiKey = "nobody"
    with pytest.raises(ccxt.AuthenticationError):
        await client.ccxt.fetch_balance()


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, ccxt.DDoSProtection), (418, ccxt.DDoSProtection), (503, ccxt.OperationFailed), (504, ccxt.RequestTimeout)],
)
async def test_faults_are_the_errors_that_ccxt_knows(counter: Client, status: int, error: type[Exception]) -> None:
    await counter.venue.fault("status_after", what="order_submit", status=status)
    name = {"clientOrderId": f"at-{status}"}
    with pytest.raises(error):
        await counter.ccxt.create_order(BTC, "limit", "buy", 0.01, 49_000, name)
    found = await counter.ccxt.fetch_order(None, BTC, name)
    assert (found["status"], found["price"], found["amount"]) == ("open", 49_000.0, 0.01)


async def test_an_order_is_followed_to_its_fill(client: Client) -> None:
    order = await client.ccxt.create_order(BTC, "limit", "buy", 0.5, 49_000)
    await client.venue.quote(BTC, 50_000.0, 50_000.1)  # the order rests: what it fills later, it makes
    await client.venue.quote(BTC, 48_999.0, 48_999.5, size=0.2)
    part = await client.ccxt.fetch_order(order["id"], BTC)
    assert (part["status"], part["filled"], part["remaining"]) == ("open", 0.2, 0.3)
    await client.venue.quote(BTC, 48_999.0, 48_999.5, size=2.0)
    whole = await client.ccxt.fetch_order(order["id"], BTC)
    trades = await client.ccxt.fetch_my_trades(BTC, params={"orderId": order["id"]})
    assert (whole["status"], whole["filled"]) == ("closed", 0.5)
    assert [(t["id"], t["amount"], t["takerOrMaker"]) for t in trades] == [("1", 0.2, "maker"), ("2", 0.3, "maker")]
    assert sum(t["cost"] for t in trades) == pytest.approx(whole["cost"])
    assert (await client.ccxt.fetch_balance())["BTC"]["total"] == 0.5


async def test_a_trailing_stop_and_a_pair_by_the_implicit_calls(client: Client) -> None:
    trailing = await client.ccxt.create_order(BTC, "market", "buy", 0.01, None, {"trailingPercent": 2, "stopLossOrTakeProfit": "stopLoss"})
    assert (await client.ccxt.fetch_order(trailing["id"], BTC))["info"]["trailingDelta"] == 200
    pair = {"aboveType": "STOP_LOSS", "aboveStopPrice": "51000", "belowType": "LIMIT_MAKER", "belowPrice": "49000"}
    placed = await client.ccxt.private_post_orderlist_oco({"symbol": "BTCUSD", "side": "BUY", "quantity": "0.1", **pair})
    assert placed["contingencyType"] == "OCO"
    assert len(await client.ccxt.cancel_all_orders(BTC)) == 2


async def test_examples_run_as_they_are_against_a_venue_in_another_process() -> None:
    await asyncio.gather(*(_run(script) for script in ("ccxt_sync.py", "ccxt_async.py", "ccxt_pro.py")))


async def _run(script: str) -> None:
    async with a_sim_venue("synthetic", speed=60.0) as venue:
        market = asyncio.create_task(venue.venue.run())
        code, said = await ran(f"examples/{script}", venue.url)
        market.cancel()
    assert (code, said.strip().splitlines()[-1:]) == (0, ["done"]), said
