"""A second executor takes over, and what the first may still do when it wakes up. The venue's own log is believed, nobody else."""

import contextlib
import signal
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import msgspec
import pytest

from libs.common.bus import MemoryBus
from libs.common.clocks import SECOND, SystemClock
from libs.common.crash_points import CrashPoint
from libs.common.journal import PostgresJournal
from tests.chaos.ending import histories, verdict
from tests.chaos.kept import KeptService
from tests.chaos.money_path import MoneyPath, Shape, a_money_path
from tests.chaos.wounds import asked_for
from tests.desks import Approvals, an_approval

EXECUTORS: Final = ("trade_executor", "trade_executor_standby")
SERVICES: Final = ("sim_venue", "risk_manager", *EXECUTORS)
TAKEN_WITHIN_S: Final = 60.0  # on a machine that has other things to do; what it took is printed


def stopped(path: MoneyPath) -> KeptService | None:
    """The executor that has been stopped."""
    for name in EXECUTORS:
        process = path.services[name].process
        if process is not None and Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            return path.services[name]
    return None


async def epochs(path: MoneyPath) -> dict[str, tuple[int, str]]:
    """Of each account's lease: epoch and holder."""
    rows = await path.rows("select name, epoch, holder from leases where name like 'executor:%%'")
    return {name.removeprefix("executor:"): (epoch, holder) for name, epoch, holder in rows}


async def late_orders(path: MoneyPath, before: Mapping[str, int], woken_ns: int) -> list[str]:
    """Orders that reached their venue after the zombie woke up, and that it had committed under a lease that was no more."""
    attempts = await path.rows("select o.account_id, a.client_order_id, a.epoch from order_attempts a join orders o on o.id = a.order_id")
    came = {id_: max(times) for history in histories(path).values() for id_, times in history.submits.items()}
    return [id_ for account, id_, epoch in attempts if epoch == before.get(account) and came.get(id_, 0) > woken_ns]


@pytest.mark.parametrize("point", ["CP09", "CP11"])
async def test_a_zombie_finishes_at_most_the_one_request_it_was_about_and_nobody_sends_it_again(point: CrashPoint, tmp_path: Path) -> None:
    """Stopped between the commit of an intent and the answer to its request, while the other takes over; then woken up."""
    shape = Shape(
        services=SERVICES,
        environment={"CHAOS_WOUNDS": str(tmp_path), "CHAOS_LEASE_S": "1", "CHAOS_NAME": ""},
        of_service={name: {"CHAOS_NAME": "trade_executor"} for name in EXECUTORS},
    )
    async with a_money_path(shape, seed=1) as path:
        await path.orders_flow()
        asked_for(tmp_path, "trade_executor", point, "sigstop", 3)
        await path.until(lambda: stopped(path) is not None, f"an executor stands still at {point}", 30)
        zombie = stopped(path)
        assert zombie is not None
        assert zombie.process is not None
        held = {account: epoch for account, (epoch, holder) in (await epochs(path)).items() if holder == zombie.process.holder}
        took = await path.until(lambda: _taken_over(path, held), "the other has taken over", TAKEN_WITHIN_S)
        await path.orders_flow()
        woken_ns = time.time_ns()
        assert zombie.strike(signal.SIGCONT)
        await path.until(path.ready, "both are well, one behind the other", 60)
        judged = await verdict(path)
        late = await late_orders(path, held, woken_ns)
    print(f"{point}: held {sorted(held)}, taken over after {took:.1f} s, {len(late)} late of {judged.orders} orders")
    assert held
    assert judged.sentences == []
    assert len(late) <= 1


async def _taken_over(path: MoneyPath, held: Mapping[str, int]) -> bool:
    now = await epochs(path)
    return all(now[account][0] > epoch for account, epoch in held.items())


async def _armed(path: MoneyPath, names: Sequence[str], epoch: int) -> bool:
    """Whether one of these executors says that it trades under this epoch."""
    for name in names:
        with contextlib.suppress(aiohttp.ClientError):
            async with path.http.get(f"{path.services[name].url}/ready") as answer:
                if f"trading alpaca, epoch {epoch}" in await answer.text():
                    return True
    return False


async def test_with_five_hundred_open_orders_the_standby_is_armed_within_twelve_seconds(tmp_path: Path) -> None:
    """Once because the active one was stopped, and once because it was killed; nothing is sent again."""
    async with a_money_path(Shape(venues=("alpaca",), services=SERVICES, per_s=0.0), seed=1) as path:
        await _opened(path, 500)
        active = await _who(path)
        took: dict[str, float] = {}
        for number in (signal.SIGSTOP, signal.SIGKILL):
            before = await epochs(path)
            other = next(name for name in EXECUTORS if name != active)
            assert path.services[active].strike(number)
            able = [other] if number is signal.SIGSTOP else EXECUTORS  # one that was killed is back as soon as the other looks again
            armed = partial(_armed, path, able, before["alpaca"][0] + 1)
            took[number.name] = await path.until(armed, f"one of {', '.join(able)} is armed", TAKEN_WITHIN_S)
            path.services[active].strike(signal.SIGCONT)
            await path.until(path.ready, "both are well again", 60)
            active = await _who(path)
        submits = [len(times) for times in histories(path)["alpaca"].submits.values()]
        judged = await verdict(path)
    print(f"armed with 500 open orders after: {took}")
    assert (len(submits), set(submits)) == (500, {1})
    assert judged.sentences == []
    assert took["SIGSTOP"] < 12 + 5
    assert took["SIGKILL"] < 12


async def _who(path: MoneyPath) -> str:
    """Which of the two holds the lease."""
    holder = (await epochs(path))["alpaca"][1]
    return next(name for name in EXECUTORS if (process := path.services[name].process) and process.holder == holder)


async def _opened(path: MoneyPath, count: int) -> None:
    """Orders that rest at half the price of the market, each of a book of its own."""
    now = path.market.now()
    orders = [
        msgspec.structs.replace(
            an_approval(n, f"s{n}", symbol="AAPL", price=50, quantity=1, starts=now, rests_s=3600),
            account_id="alpaca",
            venue="alpaca",
            session_id="chaos",
            valid_until=now + 300 * SECOND,
        )
        for n in range(count)
    ]
    approvals = Approvals(PostgresJournal(path.looking, MemoryBus(), SystemClock()))
    for first in range(0, count, 100):
        await approvals.approve(*orders[first : first + 100])

    async def open_() -> bool:
        return bool(await path.one("select count(*) from orders where status = 'ACKED'") == count)

    await path.until(open_, f"{count} orders are open", 120)
