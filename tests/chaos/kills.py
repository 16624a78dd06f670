"""Random kills: who is killed and when comes from a seed; between them orders must flow again."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Final, NamedTuple

from tests.chaos.ending import REST_WITHIN_S, verdict
from tests.chaos.history import Verdict
from tests.chaos.money_path import MoneyPath, Shape, TooSlow, a_money_path
from tests.chaos.progress import Progress

Strike = Callable[[MoneyPath, Random], Awaitable[None]]

LONGEST_REST_S: Final = 0.6
FLOW_WITHIN_S: Final = 60.0
PLANTED_WITHIN_S: Final = 20.0  # with a bug the fleet may stop itself and never come to rest; that need not be waited for as long
AT_ONCE: Final = 0.15  # share of kills that do not wait for the one before to heal


def _service(name: str) -> Strike:
    async def strike(path: MoneyPath, _: Random) -> None:
        path.services[name].strike()

    return strike


async def _postgres(path: MoneyPath, _: Random) -> None:
    await path.postgres.kill()


async def _backend(path: MoneyPath, draw: Random) -> None:
    path.postgres.kill_a_backend(draw)


async def _valkey(path: MoneyPath, _: Random) -> None:
    await path.valkey.kill()


async def _all(path: MoneyPath, _: Random) -> None:
    for kept in path.services.values():
        kept.strike()
    await asyncio.gather(path.postgres.kill(), path.valkey.kill())


VICTIMS: Final[Mapping[str, tuple[Strike, int]]] = {
    "trade_executor": (_service("trade_executor"), 6),
    "risk_manager": (_service("risk_manager"), 3),
    "sim_venue": (_service("sim_venue"), 3),
    "postgres": (_postgres, 2),
    "a backend of postgres": (_backend, 2),
    "valkey": (_valkey, 2),
    "all at once": (_all, 1),
}
"""Who can be killed, and how often beside the others: most often the one that speaks to venues."""


class Kills(NamedTuple):
    """What a run of kills has shown."""

    kills: int
    of: Mapping[str, int]  # by victim
    recovery_s: Mapping[str, list[float]]  # from a kill until new orders of every account are taken, by victim
    crashes: Mapping[str, int]  # of services: ends that were not kills
    orders: int
    trades: int
    signals: int
    seconds: float
    verdict: Verdict


async def kill(kills: int, seed: int, shape: Shape, progress: Progress) -> Kills:
    """Kills so often, or until orders do not flow again, then judges."""
    draw, began = Random(f"kills {seed}"), time.monotonic()
    planted = "CHAOS_PLANTED" in shape.environment
    flow_s, rest_s = (PLANTED_WITHIN_S, PLANTED_WITHIN_S) if planted else (FLOW_WITHIN_S, REST_WITHIN_S)
    stuck: list[str] = []
    recovery: dict[str, list[float]] = {name: [] for name in VICTIMS}
    done: Counter[str] = Counter()
    async with a_money_path(shape, seed) as path:
        here = [name for name in VICTIMS if name in path.services or name not in ("sim_venue", "risk_manager", "trade_executor")]
        try:
            await path.orders_flow(flow_s)
            progress.begin(kills)
            for n in range(kills):
                await asyncio.sleep(draw.uniform(0.0, LONGEST_REST_S))
                name = draw.choices(here, [VICTIMS[victim][1] for victim in here])[0]
                waits = draw.random() >= AT_ONCE or n == kills - 1
                await VICTIMS[name][0](path, draw)
                done[name] += 1
                if waits:
                    recovery[name].append(await path.orders_flow(flow_s))
                progress.step(f"{name}: {recovery[name][-1]:.1f} s" if waits else f"{name}, and on")
        except TooSlow as error:
            stuck.append(f"after {done.total()} of {kills} kills {error}")
        found = await verdict(path, rest_s, stuck)
        path.is_evidence = bool(found.sentences) and not planted
        return Kills(
            done.total(),
            dict(done),
            recovery,
            {name: kept.crashes for name, kept in path.services.items()},
            await path.one("select count(*) from orders"),
            await path.one("select count(*) from trades"),
            await path.one("select count(*) from signals"),
            time.monotonic() - began,
            found,
        )
