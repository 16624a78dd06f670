"""The services' log files of this host, read as one log in order of time."""

import asyncio
import heapq
import os
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from fleet.log_lines import LogLine, Wanted, begins

LOOK_S: Final = 0.3


class LogFiles:
    """The logs of one state folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.raw = 0  # lines of the last reading that are no log records

    async def signals(self, id_: str, limit: int = 5) -> list[str]:
        """Signals of which there are lines with an id that begins so, or of an order with such an id."""
        found = {line.trace for line in read(self._folder) if line.trace and begins(line, id_)}
        return sorted(found)[:limit]

    async def lines(self, wanted: Wanted, newest: int | None = None) -> list[LogLine]:
        """Lines in order of time; of many only so many of the newest."""
        return list(deque((line for line in self._read() if wanted(line)), maxlen=newest))

    async def follow(self, wanted: Wanted, since: datetime) -> AsyncIterator[LogLine]:
        """Lines as they are written, those from `since` on that are there already first; until cancelled."""
        with closing(Follower(self._folder)) as follower:  # before we read: a line written meanwhile comes twice rather than never
            told = set()
            for line in await self.lines(wanted._replace(since=since)):
                told.add(line.json())
                yield line
            while True:
                for line in follower.look():
                    if wanted(line) and line.json() not in told:
                        yield line
                await asyncio.sleep(LOOK_S)

    def _read(self) -> Iterator[LogLine]:
        self.raw = 0
        for line in read(self._folder):
            self.raw += line.raw
            yield line


def paths(folder: Path) -> list[Path]:
    """Every log there is, what was put aside of it before it."""
    return [part for path in sorted(folder.glob("*.log")) for part in (path.with_suffix(".log.1"), path) if part.exists()]


def read(folder: Path) -> Iterator[LogLine]:
    """All lines of all services, the oldest first. A line that is no record comes as it is."""
    by_service: dict[str, list[Path]] = {}
    for path in paths(folder):
        by_service.setdefault(service_of(path), []).append(path)
    return heapq.merge(*(_of_service(name, parts) for name, parts in by_service.items()), key=lambda line: line.at)


def service_of(path: Path) -> str:
    """Whose log it is."""
    return path.name.partition(".")[0]


def _of_service(name: str, parts: list[Path]) -> Iterator[LogLine]:
    at: datetime | None = None
    for path in parts:
        try:
            with path.open("rb") as file:
                at = at or datetime.fromtimestamp(path.stat().st_mtime, UTC)
                for text in file:
                    if line := parsed(text, name, at):
                        yield line
                        at = line.at
        except FileNotFoundError:
            continue  # it was put aside, or wiped, since we looked


def parsed(text: bytes, service: str, at: datetime) -> LogLine | None:
    """One line of a file; None when it is blank. `at`: when the line before it was written, for one that does not say."""
    text = text.strip()
    if not text:
        return None
    try:
        return LogLine.read(text)
    except msgspec.MsgspecError:
        return LogLine.unread(text, service, at)


class Follower:
    """What is written from now on, also to files that are begun later, and over their being put aside."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tails = {path: _Tail(path, from_end=True) for path in folder.glob("*.log")}

    def close(self) -> None:
        """Lets the files go."""
        for tail in self._tails.values():
            tail.close()

    def look(self) -> list[LogLine]:
        """Every line that has been completed since the last look, in order of time."""
        for path in self._folder.glob("*.log"):
            if path not in self._tails:
                self._tails[path] = _Tail(path, from_end=False)
        return sorted((line for tail in self._tails.values() for line in tail.lines()), key=lambda line: line.at)


class _Tail:
    """The end of one file. A line that is not complete waits until it is."""

    def __init__(self, path: Path, *, from_end: bool) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self._at = datetime.fromtimestamp(0, UTC)
        self._open(from_end=from_end)

    def lines(self) -> list[LogLine]:
        found = self._drained()
        if self._file is None or self._moved():
            self._open(from_end=False)
            found += self._drained()
        return found

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _open(self, *, from_end: bool) -> None:
        self.close()
        self._rest = b""
        try:
            self._file = self._path.open("rb")
        except OSError:
            self._file = None  # the next look tries again
            return
        stat = self._path.stat()
        self._at = datetime.fromtimestamp(stat.st_mtime, UTC)
        if from_end:
            self._file.seek(stat.st_size)

    def _moved(self) -> bool:
        """Whether the name stands for another file now, or for less of it."""
        assert self._file is not None
        try:
            there, here = self._path.stat(), self._file
            return there.st_ino != os.fstat(here.fileno()).st_ino or there.st_size < here.tell()
        except OSError:
            return False

    def _drained(self) -> list[LogLine]:
        if self._file is None:
            return []
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        found = []
        for text in whole:
            if line := parsed(text, service_of(self._path), self._at):
                found.append(line)
                self._at = line.at
        return found
