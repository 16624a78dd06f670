"""sim_venue is killed under load, at a moment that nobody chose: of what it answered nothing is lost."""

import asyncio
import signal
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from tests.sim_venue_process import BinanceClient, SimVenueProcess, a_process

CLIENTS = 4

Answers = dict[str, dict[str, Any]]


async def trade_until_cut_off(client: BinanceClient, name: str, answers: Answers) -> None:
    """Orders that rest, orders that fill, cancels; ends when the venue does."""
    number = 0
    while True:
        number += 1
        order_id = f"{name}x{number}"
        far = {"price": "50000.00"} if number % 2 else {"price": "150000.00"}
        try:
            status, answer = await client.signed(
                "POST", "order", symbol="BTCUSD", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.00010",
                newClientOrderId=order_id, **far,
            )  # fmt: skip
            assert status == 200, answer
            answers[order_id] = answer
            if number % 5 == 0 and answer["status"] == "NEW":
                status, answer = await client.signed("DELETE", "order", symbol="BTCUSD", origClientOrderId=order_id)
                if status == 200:
                    answers[order_id] = answer
        except aiohttp.ClientError:
            return


async def load_and_kill(venue: SimVenueProcess, client: BinanceClient, after_s: float, name: str) -> Answers:
    answers: Answers = {}
    async with asyncio.TaskGroup() as group:
        for n in range(CLIENTS):
            group.create_task(trade_until_cut_off(client, f"{name}c{n}", answers))
        asyncio.get_running_loop().call_later(after_s, venue.kill)
    return answers


async def logged_orders(client: BinanceClient) -> Counter[str]:
    """How often each client id was accepted, as the log says."""
    found: Counter[str] = Counter()
    after = 0
    while lines := await client.control("GET", f"log?after={after}"):
        after = lines[-1]["n"]
        reports = [report for line in lines for report in line.get("reports", ())]
        found.update(report["order"]["asked"]["client_order_id"] for report in reports if report["kind"] == "accepted")
    return found


def worse(answered: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether the venue forgot something that it had said of an order."""
    ended = answered["status"] in ("FILLED", "CANCELED")
    same = answered["orderId"] == found["orderId"] and float(found["executedQty"]) >= float(answered["executedQty"])
    return not same or (ended and answered["status"] != found["status"])


async def check_kills(folder: Path, kills: int, seed: int) -> int:
    """Kills the venue so often; the number of orders that were answered."""
    draw = Random(seed)
    answered: Answers = {}
    with a_process(folder, SIM_MARKET="synthetic", SPEED="60") as venue:
        async with BinanceClient.connected(venue.url) as client:
            await client.until_open()
            await client.control("PUT", "weather", {"requests_per_minute": 1_000_000})
            for kill in range(kills):
                answered |= await load_and_kill(venue, client, draw.uniform(0.05, 0.6), f"k{kill}")
                venue.start()
                await client.until_open()
            found = {id_: await client.signed("GET", "order", symbol="BTCUSD", origClientOrderId=id_) for id_ in answered}
            assert {id_: (answered[id_], got) for id_, got in found.items() if got[0] != 200 or worse(answered[id_], got[1])} == {}
            accepted = await logged_orders(client)
            assert set(answered) <= set(accepted)
            assert set(accepted.values()) == {1}
    assert [line["message"] for line in venue.lines() if line["log.level"] == "critical"] == []
    return len(answered)


async def test_nothing_that_was_answered_is_lost(tmp_path: Path) -> None:
    assert await check_kills(tmp_path, kills=1, seed=5) > 20


async def test_a_venue_without_any_server_opens_and_leaves_when_asked(tmp_path: Path) -> None:
    """It needs no Postgres and no Redis: what its log says is believed because nothing else had a hand in it."""
    with a_process(tmp_path) as venue:
        async with BinanceClient.connected(venue.url) as client:
            await client.until_open()
        assert venue.end(signal.SIGTERM) == 0
