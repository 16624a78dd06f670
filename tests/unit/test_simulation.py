"""The simulation of the order core: the same seed is the same world, and in a hundred of them nothing is lost or doubled."""

import os
import subprocess
import sys

import pytest

from tests.chaos.simulation import coverage
from tests.chaos.simulation.bugs import planted
from tests.chaos.simulation.loop import Process, VirtualLoop
from tests.chaos.simulation.run import quiet, run
from tests.chaos.simulation.world import run_one

WOUNDED = 11
"""A seed in which processes are frozen and stopped, the record goes away and a kill switch is thrown."""


def digest(seed: int) -> str:
    with quiet():
        return run_one(seed, digest=True).digest


def test_a_seed_is_the_same_world_again() -> None:
    assert digest(WOUNDED) == digest(WOUNDED)
    assert digest(WOUNDED) != digest(WOUNDED + 1)


def test_a_seed_is_the_same_world_in_another_process_that_hashes_otherwise() -> None:
    asked = [sys.executable, "-m", "tests.chaos.simulation", "--runs", "1", "--trace", "--seed", str(WOUNDED)]
    told = subprocess.run(asked, env={**os.environ, "PYTHONHASHSEED": "77"}, capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.rstrip().endswith(f"digest {digest(WOUNDED)}")


def test_nothing_is_lost_or_doubled_in_two_dozen_worlds() -> None:
    found = run(range(25))
    assert found.broken == []
    assert found.runs == 25
    assert len(coverage.never(found.transitions)) < len(coverage.ALL) / 2


def test_a_bug_is_found_and_its_seed_is_named() -> None:
    with planted("resends when unclear"):
        found = run(range(40), stop_at_first=True)
    assert found.broken[0][1].startswith("D: order")
    assert found.invariants["D"] >= 1


@pytest.fixture
def loop() -> VirtualLoop:
    from random import Random

    return VirtualLoop(Random(1))  # type: ignore[abstract]


async def ticks(loop: VirtualLoop, into: list[float]) -> None:
    import asyncio

    try:
        while True:
            into.append(loop.now)
            await asyncio.sleep(1.0)
    finally:
        into.append(-1.0)


def test_a_killed_process_does_nothing_more_not_even_clean_up(loop: VirtualLoop) -> None:
    process, seen = Process(loop, "a"), list[float]()
    process.start(ticks(loop, seen))
    loop.later(2.5, process.kill)
    loop.run()
    assert seen == [1000.0, 1001.0, 1002.0]
    process.bury()


def test_a_frozen_process_goes_on_where_it_was(loop: VirtualLoop) -> None:
    process, seen = Process(loop, "a"), list[float]()
    process.start(ticks(loop, seen))
    loop.later(0.5, process.freeze)
    loop.later(5.25, process.wake)
    loop.later(6.5, loop.stop)
    loop.run()
    assert seen == [1000.0, 1005.25, 1006.25]
    process.bury()
