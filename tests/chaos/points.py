"""The named moments of the order path, each with every fault that can hit it there."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, get_args

from libs.common.crash_points import CrashPoint
from libs.store.open_orders import IS_OPEN
from tests.chaos import migrating
from tests.chaos.ending import control, go_on, histories, verdict
from tests.chaos.history import Verdict
from tests.chaos.money_path import MoneyPath, Shape, TooSlow
from tests.chaos.progress import Progress
from tests.chaos.wounds import Fault, asked_for

POINTS: Final[tuple[CrashPoint, ...]] = get_args(CrashPoint)
LEASE_S: Final = 1.0
PROTECTED: Final = 3  # strategies of each account: their stops are placed, replaced and cut back as targets change
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
    mend: Provoke = _nothing  # what was provoked


KILLED: Final = "alpaca"


async def _kill_an_account(path: MoneyPath) -> None:
    """While at least three of its orders rest."""
    resting = "select count(*) >= 3 from orders where account_id = %s and status in ('ACKED', 'PARTIAL')"
    path.market.moves = False

    async def enough() -> bool:
        return bool(await path.one(resting, KILLED))

    await path.until(enough, f"three orders of {KILLED} rest", 30.0)
    await control(path).kill("account", KILLED, "halt", "chaos", "chaos")


async def _rearm(path: MoneyPath) -> None:
    """Once nothing of it is left, neither here nor at the venue."""

    async def gone() -> bool:
        left = await path.one("select count(*) from orders where account_id = %s and " + IS_OPEN, KILLED)
        return not left and not any(taken.status == "open" for taken in histories(path)[KILLED].taken)

    await path.until(gone, f"no order of {KILLED} is open here or at the venue", 30.0)
    await control(path).rearm("account", KILLED, "chaos is over", "chaos")
    path.market.moves = True


OPEN: Final = [
    "APPROVED",
    "SUBMITTING",
    "UNKNOWN",
    "ACKED",
    "PARTIAL",
    "PENDING_CANCEL",
    "CANCEL_UNKNOWN",
    "PENDING_REPLACE",
    "REPLACE_UNKNOWN",
]

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
    "CP18": Moment(victim="trade_executor", count=2),
    "CP19": Moment(victim="trade_executor", count=1, at_start=True),
    "CP20": Moment(victim="trade_executor", count=1, at_start=True),
    "CP21": Moment(victim="trade_executor", count=1, provoke=_kill_an_account, mend=_rearm),
    "CP22": Moment(victim="trade_executor", count=2, provoke=_kill_an_account, mend=_rearm),
    "CP23": Moment(victim=migrating.NAME),
    "CP24": Moment(victim="trade_executor", count=1, at_start=True),
}


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
        protected=PROTECTED,
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
    finally:
        kept.strike(signal.SIGCONT)
        asked.unlink(missing_ok=True)
    await moment.mend(path)
    return began


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
