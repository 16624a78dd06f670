"""A holder that was paused has lost nothing it notices: only its lease, its epoch and the clock can stop it from acting twice."""

import os
import signal
from pathlib import Path

from tests.chaos import venues
from tests.chaos.history import judged
from tests.faults.fleet import Fleet, a_fleet, record_of
from tests.faults.reserve import a_reserve


def epoch(fleet: Fleet, lease: str) -> int:
    return int(fleet.rows("select epoch from leases where name = %s", lease)[0][0])


def holder(fleet: Fleet, lease: str) -> int:
    """The process that holds a lease."""
    return int(fleet.rows("select holder from leases where name = %s and not released", lease)[0][0].split(":")[1])


def sound(fleet: Fleet) -> list[str]:
    """What the judge says of a fleet that has ended."""
    with record_of(fleet.state) as record:
        return judged(record, venues.paper(fleet.state / "paper")).sentences


def test_a_pause_shorter_than_the_lease_is_lived_through(folder: Path) -> None:
    with a_fleet(folder) as fleet:
        trades = fleet.until_more_trades(0)
        pids = [fleet.kill(name, signal.SIGSTOP) for name in ("trade_executor", "risk_manager")]
        before = epoch(fleet, "executor:paper")
        signals = fleet.rows("select count(*) from signals")[0][0]
        fleet.until(lambda: fleet.rows("select count(*) from signals")[0][0] > signals + 10, "signals pile up")
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        fleet.until_more_trades(trades)
        assert epoch(fleet, "executor:paper") == before
        ended = fleet.stop()
    assert ended.report["healthy"], ended.said[-4000:]
    assert sound(fleet) == []


def test_holders_paused_beyond_their_leases_stand_down_for_the_reserve(folder: Path) -> None:
    with (
        a_fleet(folder) as fleet,
        a_reserve(fleet, "risk_manager", folder / "risk.log") as risk,
        a_reserve(fleet, "trade_executor", folder / "executor.log") as executor,
    ):
        fleet.until_more_trades(0)
        paused = [fleet.kill(name, signal.SIGSTOP) for name in ("trade_executor", "risk_manager")]
        takers = {"executor:paper": executor.pid, "risk:paper": risk.pid}
        fleet.until(lambda: {lease: holder(fleet, lease) for lease in takers} == takers, "the reserves take over", 12)
        trades = fleet.trades()
        for pid in paused:  # the old executor still has the paper venue's book, which the new one waits for
            os.kill(pid, signal.SIGCONT)
        for name in ("trade_executor", "risk_manager"):
            fleet.until(lambda name=name: "stands down" in fleet.log(name), f"the old {name} stands down")  # type: ignore[misc]
        fleet.until_more_trades(trades)
        assert {lease: holder(fleet, lease) for lease in takers} == takers
        fleet.stop()
    assert sound(fleet) == []
