import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from libs.common.ids import holder_name, uuid7
from tests.factories import HandClock


def test_a_uuid7_carries_version_variant_and_milliseconds() -> None:
    clock = HandClock()
    made = uuid7(clock)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == clock.now_ns() // 1_000_000


def test_uuid7s_of_later_milliseconds_sort_later_as_text_too() -> None:
    clock = HandClock()
    made = []
    for _ in range(50):
        made.append(str(uuid7(clock)))
        clock.move(0.002)
    assert made == sorted(made)


def test_uuid7s_of_one_millisecond_differ() -> None:
    clock = HandClock()
    assert len({uuid7(clock) for _ in range(1000)}) == 1000


def test_a_process_is_named_by_boot_pid_and_start_so_that_a_reused_pid_is_somebody_else(tmp_path: Path) -> None:
    program = tmp_path / "od) d (name"  # as the kernel shows it in the middle of its line
    program.symlink_to(sys.executable)
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    with subprocess.Popen([program, "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        boot, pid, started, _ = holder_name(process.pid).split(":")
        after = time.clock_gettime(time.CLOCK_BOOTTIME)
        process.communicate(b"\n")
    assert (boot, int(pid)) == (holder_name().split(":")[0], process.pid)
    assert before - 0.02 <= int(started) / os.sysconf("SC_CLK_TCK") <= after + 0.02


def test_processes_of_two_containers_with_one_pid_are_two_holders() -> None:
    """As root: a pid namespace of its own is what makes a container's process 1."""
    name = "from libs.common.ids import holder_name; print(holder_name())"
    try:
        inside = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", name], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no unshare on this system")
    if inside.returncode:
        pytest.skip(f"no pid namespaces here: {inside.stderr.strip()}")
    _, pid, _, namespace = inside.stdout.strip().split(":")
    assert (pid, namespace != holder_name().split(":")[3]) == ("1", True)


def test_a_process_that_does_not_live_has_no_name() -> None:
    with pytest.raises(ProcessLookupError):
        holder_name(2**22 + 1)  # beyond the largest pid Linux gives
