"""Everything that can be killed is killed while it trades. The order of the kills and their moments come from a seed."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos import venues
from tests.chaos.history import judged
from tests.faults.fleet import SERVICES, Fleet, a_fleet, record_of

SEED = int(os.environ.get("FAULTS_SEED", "20"))


def killed(name: str) -> Callable[[Fleet], object]:
    return lambda fleet: fleet.kill(name)


def postgres_stopped_at_once(fleet: Fleet) -> None:
    fleet.kill("postgres", signal.SIGQUIT)  # immediate shutdown: nothing is flushed, the next start recovers


def all_killed(fleet: Fleet) -> None:
    for name in ("postgres", "valkey", *SERVICES):  # the services come back before their servers answer
        fleet.kill(name)


def flushed(fleet: Fleet) -> None:
    with fleet.bus() as bus:
        bus.flushall()


def bells_cut_off(fleet: Fleet) -> None:
    with fleet.bus() as bus:
        bus.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


FAULTS: dict[str, Callable[[Fleet], object]] = {
    **{f"kill -9 {name}": killed(name) for name in SERVICES},
    "kill -9 trade_executor again": killed("trade_executor"),
    "kill -9 of all at once": all_killed,
    "kill -9 Valkey": killed("valkey"),
    "kill -9 Postgres": killed("postgres"),
    "immediate stop of Postgres": postgres_stopped_at_once,
    "FLUSHALL": flushed,
    "CLIENT KILL TYPE pubsub": bells_cut_off,
}


@pytest.mark.timeout(240)
def test_a_fleet_heals_from_every_kill_and_loses_and_doubles_nothing(folder: Path) -> None:
    chance = random.Random(SEED)
    faults = chance.sample(sorted(FAULTS), len(FAULTS))
    print(f"FAULTS_SEED={SEED}: {', '.join(faults)}")
    with a_fleet(folder) as fleet:
        trades = fleet.until_more_trades(0)
        for fault in faults:
            time.sleep(chance.uniform(0.0, 0.5))  # the moment of the kill is the test's input
            began = time.monotonic()
            FAULTS[fault](fleet)
            trades = fleet.until_more_trades(fleet.trades())
            print(f"{fault}: {trades} trades, {time.monotonic() - began:.1f} s")
        ended = fleet.stop()
    assert ended.report["healthy"], ended.said[-4000:]
    with record_of(fleet.state) as record:
        assert judged(record, venues.paper(fleet.state / "paper")).sentences == []
