"""Ids that sort by time, and the name of this process."""

import os
import uuid
from pathlib import Path

from libs.common.clocks import HostClock


def uuid7(clock: HostClock) -> uuid.UUID:
    """A UUID version 7 (RFC 9562): 48 bits of milliseconds, the rest random."""
    millis = clock.now_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    value = (millis & (1 << 48) - 1) << 80 | random & ((1 << 80) - 1)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def holder_name(pid: int | None = None) -> str:
    """Who holds a lease: boot id, pid, start time and pid namespace of a process, so that a reused pid is somebody else.

    Every container has a process 1, and two of them can start in the same hundredth of a second.

    Raises:
        ProcessLookupError: no such process.
    """
    pid = os.getpid() if pid is None else pid
    try:
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").stat().st_ino)  # a pid means something only there
    except FileNotFoundError:
        if Path("/proc/self").exists():
            raise ProcessLookupError(pid) from None
        started = boot = namespace = "-"  # no procfs on this system: the pid alone must do
    return f"{boot}:{pid}:{started}:{namespace}"
