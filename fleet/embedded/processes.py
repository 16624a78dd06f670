"""What the operating system knows of a process that is not necessarily our child."""

import os
import subprocess
from pathlib import Path

PROC = Path("/proc")
HAS_PROC = (PROC / "self" / "stat").exists()  # Linux; macOS has ps instead, which slim Linux images lack


def _ps(*arguments: str) -> str:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, check=False).stdout


def _stat(pid: str) -> list[str]:
    """Fields of /proc/PID/stat from the state on: the command name before it may hold spaces and brackets."""
    try:
        return (PROC / pid / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_running(pid: int) -> bool:
    """False also for a zombie: it holds nothing any more."""
    state = (_stat(str(pid)) if HAS_PROC else _ps("-p", str(pid), "-o", "state=").split()) or ["Z"]
    return not state[0].startswith("Z")


def command_line(pid: int) -> str:
    """The arguments joined by spaces; empty when there is no such process."""
    if not HAS_PROC:
        return _ps("-p", str(pid), "-o", "command=").strip()
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children(pid: int) -> list[int]:
    """The direct children that exist now."""
    if HAS_PROC:
        parents = ((name, _stat(name)) for name in os.listdir(PROC) if name.isdigit())
        return [int(name) for name, stat in parents if len(stat) > 1 and int(stat[1]) == pid]
    rows = (line.split() for line in _ps("-A", "-o", "pid=,ppid=").splitlines())
    return [int(child) for child, parent in rows if int(parent) == pid]
