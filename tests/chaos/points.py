"""The named moments of the order path, each with every fault that can hit it there."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, get_args

from libs.common.crash_points import CrashPoint
from tests.chaos import migrating
from tests.chaos.ending import go_on, verdict
from tests.chaos.history import Verdict
from tests.chaos.money_path import MoneyPath, Shape, TooSlow
from tests.chaos.progress import Progress
from tests.chaos.wounds import Fault, asked_for

POINTS: Final[tuple[CrashPoint, ...]] = get_args(CrashPoint)
LEASE_S: Final = 1.0
PAUSE_S: Final = 2.0  # of SIGSTOP: longer than a lease and the send deadline after it; 30 s to 4 s in the world
REACHED_WITHIN_S: Final = 20.0

Provoke = Callable[[MoneyPath], Awaitable[None]]


async def _nothing(_: MoneyPath) -> None:
    """The load alone leads there."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Who can be wounded there, and what leads there."""

    victim: str
    count: int = 3  # it is wounded the n-th time
    at_start: bool = False  # it is only there after its start: killed to begin anew
    provoke: Provoke = _nothing


MOMENTS: Final[Mapping[CrashPoint, Moment]] = {
    "CP01": Moment(victim="strategy_engine"),
    "CP02": Moment(victim="strategy_engine"),
    "CP03": Moment(victim="risk_manager"),
    "CP04": Moment(victim="trade_executor"),
    "CP05": Moment(victim="risk_manager"),
    "CP06": Moment(victim="risk_manager"),
    "CP07": Moment(victim="risk_manager"),
    "CP08": Moment(victim="trade_executor"),
    "CP09": Moment(victim="trade_executor"),
    "CP10": Moment(victim="trade_executor"),
    "CP11": Moment(victim="trade_executor"),
    "CP12": Moment(victim="trade_executor"),
    "CP13": Moment(victim="trade_executor"),
    "CP14": Moment(victim="trade_executor"),
    "CP15": Moment(victim="trade_executor"),
    "CP16": Moment(victim="trade_executor"),
    "CP17": Moment(victim="trade_executor", count=2),
    "CP19": Moment(victim="trade_executor", count=1, at_start=True),
    "CP20": Moment(victim="trade_executor", count=1, at_start=True),
    "CP23": Moment(victim=migrating.NAME),
    "CP24": Moment(victim="trade_executor", count=1, at_start=True),
}

LEFT_OUT: Final[Mapping[tuple[CrashPoint, Fault], str]] = {}
"""Pairs that mean nothing, and why."""


class Struck(NamedTuple):
    """One wound and what became of it."""

    point: CrashPoint
    fault: Fault
    recovery_s: float  # from the wound until new orders of every account are taken
    verdict: Verdict | None  # None: it was not reached, or did not heal
    why: str = ""


def shape(folder: Path) -> Shape:
    """A money path with all that can be wounded, whose leases are short."""
    return Shape(
        services=("sim_venue", "strategy_engine", "risk_manager", "trade_executor"),
        environment={"CHAOS_WOUNDS": str(folder), "CHAOS_LEASE_S": f"{LEASE_S:g}"},
    )


async def strike(path: MoneyPath, folder: Path, point: CrashPoint, fault: Fault) -> Struck:
    """Loads, wounds, heals and judges."""
    try:
        await go_on(path)
        await path.orders_flow()
        began = await _wound_a_migration(path, folder, fault) if point == "CP23" else await _wound(path, folder, point, fault)
        await path.orders_flow()
        return Struck(point, fault, time.monotonic() - began, await verdict(path))
    except (TooSlow, Mismatch) as error:
        return Struck(point, fault, 0.0, None, str(error))


async def _wound(path: MoneyPath, folder: Path, point: CrashPoint, fault: Fault) -> float:
    """Wounds the one who can be at this moment; host monotonic seconds at which it was."""
    moment = MOMENTS[point]
    kept = path.services[moment.victim]
    asked = asked_for(folder, moment.victim, point, fault, moment.count)
    try:
        if moment.at_start:
            kept.strike()
        else:
            kept.expect_an_end()
        await moment.provoke(path)
        await path.until(lambda: not asked.exists(), f"{moment.victim} is at {point}", REACHED_WITHIN_S)
        began = time.monotonic()
        if fault == "sigstop":
            await asyncio.sleep(PAUSE_S)
        return began
    finally:
        kept.strike(signal.SIGCONT)
        asked.unlink(missing_ok=True)


class Mismatch(AssertionError):
    """The schema is not what it has to be."""


async def _wound_a_migration(path: MoneyPath, folder: Path, fault: Fault) -> float:
    took_s, wrong = await migrating.wounded(path, folder, fault, PAUSE_S)
    if wrong:
        raise Mismatch("; ".join(wrong))
    return time.monotonic() - took_s


async def strike_all(path: MoneyPath, folder: Path, pairs: Sequence[tuple[CrashPoint, Fault]], progress: Progress) -> list[Struck]:
    """One after another on the same record, so that each also finds what those before it have left."""
    progress.begin(len(pairs))
    found = []
    for point, fault in pairs:
        found.append(struck := await strike(path, folder, point, fault))
        said = f"{struck.recovery_s:.1f} s" if struck.verdict else f"FAILED: {struck.why.splitlines()[0]}"
        progress.step(f"{point} x {fault}: {said}")
    return found
