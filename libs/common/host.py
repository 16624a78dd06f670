"""What this machine tells of itself: room on a disk, memory, and whether its time service keeps its clock. Reads only, in microseconds."""

import ctypes
import os
from pathlib import Path
from typing import Final, NamedTuple

_MEMINFO: Final = Path("/proc/meminfo")
_CGROUP: Final = Path("/sys/fs/cgroup")
_UNSYNCHRONISED: Final = 0x0040  # STA_UNSYNC, of adjtimex(2)
_NANOSECONDS: Final = 0x2000  # STA_NANO: its offset counts in these, else in microseconds
_TIME_ERROR: Final = 5


class Disk(NamedTuple):
    """What an ordinary user may still write."""

    free: float  # share
    free_bytes: int


class ClockState(NamedTuple):
    """What the kernel says of its own clock."""

    synchronised: bool
    offset_s: float  # from true time, as the time service last found; of a clock that is synchronised


def disk(folder: Path) -> Disk | None:
    """The disk that a folder is on; None: it cannot be asked."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return Disk(found.f_bavail / found.f_blocks, found.f_bavail * found.f_frsize) if found.f_blocks else None


def memory() -> float | None:
    """Share of the memory that could be had without swapping: of the machine, or of what a container was given where that is less.
    None: this system does not say."""
    shares = [share for share in (memory_available(_text(_MEMINFO)), container_available(_CGROUP)) if share is not None]
    return min(shares, default=None)


def memory_available(meminfo: str) -> float | None:
    """Of the text of /proc/meminfo."""
    lines = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    try:
        return int(lines["MemAvailable"].split()[0]) / int(lines["MemTotal"].split()[0])
    except (KeyError, ValueError, IndexError, ZeroDivisionError):
        return None


def container_available(folder: Path) -> float | None:
    """Of a control group, version 2; page cache that would be given up counts as available. None: it has no limit."""
    try:
        limit = int(_text(folder / "memory.max"))
        used = int(_text(folder / "memory.current"))
        stat = dict(line.split(" ", 1) for line in _text(folder / "memory.stat").splitlines())
        return max(0.0, 1 - (used - int(stat.get("inactive_file", "0"))) / limit)
    except (ValueError, ZeroDivisionError):
        return None


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def clock() -> ClockState | None:
    """What the kernel says; None where it says nothing, as outside of Linux and in some sandboxes."""
    try:
        said = _Timex()
        state: int = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(said))
    except (AttributeError, OSError):
        return None
    if state < 0:
        return None
    synchronised = state != _TIME_ERROR and not said.status & _UNSYNCHRONISED
    return ClockState(synchronised, said.offset / (1e9 if said.status & _NANOSECONDS else 1e6))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
