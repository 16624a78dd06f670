"""deadman as the process that it is: a pause is forgiven, an absence is not, and neither Postgres nor Redis is needed to act."""

import asyncio
import signal
import time
from typing import Any

from tests.chaos.ending import verdict
from tests.chaos.money_path import MoneyPath, Shape, a_money_path

EVERY_S = 1
AFTER_S = 10
"""A minute in the world; the pause that is forgiven is half of it, as half a minute is there."""


async def standing(path: MoneyPath) -> dict[str, Any]:
    """How the dead man sees the account."""
    async with path.http.get(f"{path.services['deadman'].url}/info") as answer:
        return dict((await answer.json())["deadman"].get("alpaca", {}))


async def open_there(path: MoneyPath) -> int:
    return int((await path.venue("GET", "accounts/alpaca"))["open_orders"])


async def test_a_pause_is_forgiven_and_an_absence_ends_all_orders_without_postgres_and_redis() -> None:
    services = ("sim_venue", "risk_manager", "trade_executor")
    async with a_money_path(Shape(venues=("alpaca",), services=services), seed=1) as path:
        await path.until(lambda: _some(path), "orders rest at the venue", 60)
        path.load.flows = False
        with (path.folder / "config" / "system.toml").open("a") as config:
            config.write(f"\n[deadman]\nafter = {AFTER_S}\nevery = {EVERY_S}\n")
        path.start("deadman")
        await path.until(path.ready, "the dead man is there", 60)
        await path.until(lambda: _guarded(path), "and guards the account", 10)

        executor = path.services["trade_executor"]
        assert executor.strike(signal.SIGSTOP)
        await asyncio.sleep(AFTER_S / 2)
        executor.strike(signal.SIGCONT)
        await path.until(lambda: _attended(path), "the executor is back", 20)
        assert not (await standing(path))["tripped"]

        began = time.monotonic()
        async with path.postgres.away(), path.valkey.away():  # and from then on he cannot see that the executor is there
            executor.strike(signal.SIGSTOP)
            while await open_there(path) or (await standing(path))["swept"] != "nothing is open":
                assert time.monotonic() - began < 60, await standing(path)
                await asyncio.sleep(0.2)
            took_s = time.monotonic() - began
        executor.strike(signal.SIGCONT)
        await path.until(lambda: _attended(path), "somebody attends to it again", 60)
        assert not (await standing(path))["tripped"]
        judged = await verdict(path)
    print(f"tripped and swept {took_s:.1f} s after the executor was gone, of which {AFTER_S} s are patience; {judged.orders} orders")
    assert took_s >= AFTER_S - 2 * EVERY_S  # from the last look that found it there, and a look takes time as well
    assert judged.sentences == []


async def _some(path: MoneyPath) -> bool:
    return await open_there(path) >= 3


async def _guarded(path: MoneyPath) -> bool:
    return bool(await standing(path))


async def _attended(path: MoneyPath) -> bool:
    return bool((await standing(path))["absent_s"] == 0)
