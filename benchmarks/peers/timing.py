"""How a runner takes its own time and memory. Standard library only: each engine's runner imports this in an environment of its own."""

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final, TypeVar

T = TypeVar("T")
_STATUS: Final = Path("/proc/self/status")


def asked_runs() -> int:
    """How often this process is to run what it was given; its third argument, 0 where there is none: once, cold."""
    return int(sys.argv[3]) if len(sys.argv) > 3 else 0


def timed(work: Callable[[], T], runs: int) -> tuple[T, float]:
    """What the work makes, and the seconds it takes.

    Args:
        runs: the median of so many, after as many that are not timed: an engine of large arrays gets its memory
            from the kernel anew in the first few, which takes it twice as long; 0: the first one is timed, as it comes.
    """
    seconds: list[float] = []
    for _ in range(2 * runs - 1):
        _once(work, seconds)
    made = _once(work, seconds)
    return made, median(seconds[runs:])


def _once(work: Callable[[], T], seconds: list[float]) -> T:
    gc.collect()  # what the run before made is gone
    began = time.perf_counter()
    made = work()
    seconds.append(time.perf_counter() - began)
    return made


class Memory:
    """What this process holds beyond what it held when this was made: the interpreter and its imports do not count."""

    def __init__(self) -> None:
        gc.collect()
        self._shared = 0
        self._before = _status("VmRSS") - _status("RssShmem")

    def forget_peak(self) -> None:
        """The peak counts from here, of what is still in use."""
        gc.collect()
        self.begin()

    def begin(self) -> None:
        """The peak counts from here; nothing is collected before, which can take longer than what is measured."""
        self._shared = _status("RssShmem")
        Path("/proc/self/clear_refs").write_text("5")

    def peak(self) -> int:
        """Bytes: the most it held, the data with it, without what it shared with other processes when the count began."""
        return _status("VmHWM") - self._before - self._shared


def _status(name: str) -> int:
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
