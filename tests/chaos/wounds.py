"""Wounds, from inside the process that is to have them: what the start-up hook in `site/` installs.

CHAOS_WOUNDS   a folder; a file <service>.<point> in it with `sigkill:3` wounds that service at that moment the third time, once
CHAOS_LEASE_S  leases are good for so long instead of 4 s, and everything about them is shorter in proportion
CHAOS_LAG_S    a venue is believed that it never had an order after so long instead of 120 s, and asked each second
CHAOS_CLOCK    a file with the seconds by which the wall clock of this process is off; the monotonic one never is
CHAOS_PLANTED  a bug, by its name in `planted`
"""

import asyncio
import os
import signal
import socket
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args

import psycopg

from libs.common import crash_points
from libs.common.crash_points import CrashPoint

Fault = Literal["sigkill", "sigstop", "exception", "reset", "enospc"]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
FULL_FOR_S: Final = 1.0

WRITTEN: Final[frozenset[CrashPoint]] = frozenset({"CP10", "CP11", "CP17", "CP18"})
"""Moments at which something has been given to the event loop to write: it is on the wire one turn later."""

WITHIN: Final[frozenset[CrashPoint]] = frozenset({"CP06", "CP13", "CP15", "CP23"})
"""Moments at which statements have been sent to the database, and what became of them is not known."""

FULL: Final = "could not extend file: No space left on device"


class Wounded(RuntimeError):
    """What `exception` raises."""


def inflict(environment: Mapping[str, str]) -> None:
    """Installs what the environment asks for."""
    if lease_s := environment.get("CHAOS_LEASE_S"):
        _shorten_leases(float(lease_s))
    if lag_s := environment.get("CHAOS_LAG_S"):
        _believe_after(float(lag_s))
    if clock := environment.get("CHAOS_CLOCK"):
        _let_the_clock_jump(Path(clock))
    if planted := environment.get("CHAOS_PLANTED"):
        from tests.chaos import planted as bugs

        bugs.plant(planted)
    if folder := environment.get("CHAOS_WOUNDS"):
        crash_points.install(Wounds(Path(folder)).at)


def service() -> str:
    """Which one this process is: the last word of `python -m services.<name>`."""
    return os.environ.get("CHAOS_NAME") or sys.orig_argv[-1].rpartition(".")[2]


def asked_for(folder: Path, name: str, point: CrashPoint, fault: Fault, count: int) -> Path:
    """The harness's side: asks for a wound; the file is there until it strikes."""
    path = folder / f"{name}.{point}"
    new = path.with_suffix(".new")
    new.write_text(f"{fault}:{count}")
    new.rename(path)
    return path


class Wounds:
    """What is asked of this process, by moment. A wound that was asked for strikes once, however often the process starts again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._times: Counter[CrashPoint] = Counter()
        self._strike: Callable[[], None] = _raise
        self._deferred = False
        self._half: list[Callable[[], None]] = []
        self._write_by_halves()

    def at(self, point: CrashPoint) -> None:
        """The process is at this moment."""
        path = self._folder / f"{service()}.{point}"
        try:
            fault, _, count = path.read_text().partition(":")
        except FileNotFoundError:
            return
        self._times[point] += 1
        if self._times[point] < int(count):
            return
        self._times[point] = 0
        path.rename(path.with_suffix(".struck"))
        self._deferred = point in WRITTEN and fault in ("sigkill", "sigstop", "reset")
        self._strike = (_WITHIN_STRIKES if point in WITHIN and fault in _WITHIN_STRIKES else STRIKES)[fault]
        if point == "CP10":
            self._half.append(self._go)  # what is written next, is written by half
        else:
            self._go()

    def _go(self) -> None:
        if self._deferred:
            asyncio.get_running_loop().call_soon(self._strike)
        else:
            self._strike()

    def _write_by_halves(self) -> None:
        from aiohttp.http_writer import StreamWriter

        whole = StreamWriter._write

        def write(writer: StreamWriter, chunk: Any) -> None:
            if not self._half:
                return whole(writer, chunk)
            whole(writer, bytes(chunk)[: len(chunk) // 2])
            self._half.pop()()
            if writer.transport is not None:
                asyncio.get_running_loop().call_soon(writer.transport.abort)  # of what goes on: nobody may see the other half

        def writelines(writer: StreamWriter, chunks: Iterable[Any]) -> None:
            write(writer, b"".join(chunks))

        StreamWriter._write = write  # type: ignore[method-assign, assignment]
        StreamWriter._writelines = writelines  # type: ignore[method-assign, assignment]


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)  # the harness lets it go on


def _raise() -> None:
    raise Wounded("a wound of the harness")


def _cut_all() -> None:
    """Every connection of this process is cut, whoever has it."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                duplicate = socket.socket(fileno=os.dup(fd))
                try:
                    if duplicate.family == socket.AF_INET and not duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        duplicate.shutdown(socket.SHUT_RDWR)
                finally:
                    duplicate.close()
        except OSError:
            continue


def _fill_the_disk() -> None:
    """For a while the database says that its disk is full; also to what it is being asked just now."""
    from libs.common.database import Database, Unreachable, Write
    from libs.common.wire import Row

    until, written = time.monotonic() + FULL_FOR_S, Database.write

    async def full(database: Database, statements: Iterable[Write], within: CrashPoint | None = None) -> list[list[Row]]:
        if time.monotonic() < until:
            raise Unreachable(FULL)
        return await written(database, statements, within)

    Database.write = full  # type: ignore[method-assign, assignment]


STRIKES: Final[Mapping[str, Callable[[], None]]] = {
    "sigkill": _kill,
    "sigstop": _stop,
    "exception": _raise,
    "reset": _cut_all,
    "enospc": _fill_the_disk,
}


def _full_within() -> None:
    _fill_the_disk()
    raise psycopg.errors.DiskFull(FULL)


def _cut_within() -> None:
    _cut_all()
    raise psycopg.OperationalError("server closed the connection unexpectedly")


_WITHIN_STRIKES: Final[Mapping[str, Callable[[], None]]] = {"enospc": _full_within, "reset": _cut_within}


def _let_the_clock_jump(file: Path) -> None:
    """Before anybody has taken `time.time` for his own: as Python sees it, libraries too. What the kernel stamps is right."""
    wall, wall_ns, look, last = time.time, time.time_ns, [0.0], [0.0]

    def off() -> float:
        if time.monotonic() - look[0] > 0.05:
            look[0] = time.monotonic()
            try:
                last[0] = float(file.read_text())
            except (FileNotFoundError, ValueError):
                last[0] = 0.0
        return last[0]

    time.time = lambda: wall() + off()
    time.time_ns = lambda: wall_ns() + int(off() * 1e9)


def _shorten_leases(ttl_s: float) -> None:
    from libs.common.leases import Lease

    share = ttl_s / Lease.TTL_S
    for name in ("TTL_S", "RENEW_S", "SEND_DEADLINE_S"):
        setattr(Lease, name, getattr(Lease, name) * share)


def _believe_after(lag_s: float) -> None:
    if service() == "trade_executor":
        from services.trade_executor import absence, reconciler

        absence.LAG_S = lag_s  # type: ignore[misc]
        reconciler.LOOK_UP_AT_MOST_S = reconciler.LOOK_UP_EVERY_S  # type: ignore[misc]
