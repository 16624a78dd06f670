"""Trials in processes of their own: the same to the last digit as in this one, and a process that dies names its trial."""

import os
import signal
import struct
import subprocess
from multiprocessing import Pipe
from pathlib import Path

import pytest

from services.backtester.pool import Pool, _Worker
from services.backtester.trying import Bench, Lost, Task, tried
from tests.factories import MINUTE, NOON
from tests.searches import a_bench, a_spec

TASKS = [Task(key=n, n=n + 1, params={"fast": 1 + n % 3, "slow": 2 + n // 3}, curve=n % 2 == 0) for n in range(9)]
TASKS += [Task(key=9, n=1, params={"fast": 1, "slow": 3}, begins=NOON + 40 * MINUTE, ends=NOON + 90 * MINUTE, curve=True)]


def bench() -> Bench:
    return a_bench(a_spec(), length=200)


def players() -> list[int]:
    """Processes of pools of this one."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in found if b"services.backtester.searcher" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_processes_find_what_this_one_finds_and_are_gone_afterwards() -> None:
    with Pool(bench(), 2, print) as pool:
        found = sorted(pool.play(TASKS), key=lambda each: each.key)
        assert len(players()) == 2
    assert found == [tried(bench(), task) for task in TASKS]
    assert any("fast < slow" in each.error for each in found)
    assert players() == []


def test_a_process_that_is_killed_names_the_trial_that_it_played() -> None:
    with Pool(bench(), 1, print) as pool:
        playing = pool.play([TASKS[3], TASKS[8]])
        next(playing)
        os.kill(players()[0], signal.SIGKILL)
        with pytest.raises(Lost, match=r"the process of trial 9 \(fast=3, slow=4\) is gone: killed by SIGKILL; .* fewer --workers"):
            list(playing)


def test_a_process_that_is_killed_in_the_midst_of_its_answer_names_its_trial_too() -> None:
    ours, theirs = Pipe()
    os.write(theirs.fileno(), struct.pack("!i", 100_000) + b"x")  # the length of the answer is there, the rest is not
    theirs.close()
    killed = subprocess.Popen(["sleep", "60"])
    killed.kill()
    with Pool(bench(), 1, print) as pool:
        pool._workers.append(_Worker(killed, ours, TASKS[8]))
        with pytest.raises(Lost, match=r"the process of trial 9 \(fast=3, slow=4\) is gone: killed by SIGKILL"):
            list(pool.play([]))
