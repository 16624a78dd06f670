"""An append-only file of lines that survives being killed at any moment.

A line is `<checksum> <payload>`, the checksum (CRC-32, hex) chained over all payloads so far: a changed, missing,
doubled or swapped line shows. A line is written whole or not at all: every append is flushed before the next, so only
the last line can be torn, and it is cut off when the file is opened again. One process at a time.

A file may have room ahead: zeros that later lines are written over. A flush then has no new size of the file to make durable, which
takes the file system a transaction that it shares with everybody who writes.
"""

import fcntl
import logging
import os
import sys
import zlib
from pathlib import Path
from typing import Final, NamedTuple, Self

_log = logging.getLogger(__name__)
_flush: Final = os.fsync if sys.platform == "darwin" else os.fdatasync


class LineFileError(Exception):
    """The file cannot be used; the message names it."""


class LineFileLocked(LineFileError):
    """Another process has the file open."""


class LineFileDamaged(LineFileError):
    """Lines that were once flushed are no longer what was written."""


class LineFileFailed(LineFileError):
    """A write failed: what of it is on disk is known only after opening the file again. Nothing else is possible."""


class _Sound(NamedTuple):
    """The part of a file that is whole."""

    payloads: list[bytes]
    checksum: int
    size: int  # bytes


class LineFile:
    """The open file, held by this process alone."""

    def __init__(self, path: Path, fd: int, sound: _Sound, size: int, room: int) -> None:
        self.path = path
        self._fd = fd
        self._checksum = sound.checksum
        self._end = sound.size  # of the lines
        self._size = size  # of the file
        self._room = room
        self._failure: str | None = None

    @classmethod
    def open(cls, path: Path, room: int = 0) -> tuple[Self, list[bytes]]:
        """Open or make the file, take its lock, cut off a torn last line (logged as a warning); with all it holds.

        Args:
            room: how many bytes are made ahead whenever those before are used up; 0: the file grows with each line.

        Raises:
            LineFileLocked: another process holds it.
            LineFileDamaged: a line before the last does not match its checksum.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(path, fd)
            data = path.read_bytes()
            sound, size = read(path, data), len(data)
            torn = len(data.rstrip(b"\0")) - sound.size
            if torn:
                _log.warning("%s: cut off a torn last line, %d bytes at byte %d", path, torn, sound.size)
                os.ftruncate(fd, sound.size)
                os.fsync(fd)
                size = sound.size
            if not sound.size:
                flush_directory(path.parent)
        except BaseException:
            os.close(fd)
            raise
        return cls(path, fd, sound, size, room), sound.payloads

    def append(self, payload: bytes) -> None:
        """Write one line and flush it to disk; blocks for the time of a flush. `payload` holds no newline.

        Raises:
            LineFileFailed: this or an earlier append failed.
        """
        self.check()
        checksum = zlib.crc32(payload, self._checksum)
        line = b"%08x %s\n" % (checksum, payload)
        try:
            if self._end + len(line) > self._size and self._room:
                self._make_room(len(line))
            end = self._end
            while line:
                done = os.pwrite(self._fd, line, end)
                line, end = line[done:], end + done
            _flush(self._fd)
        except OSError as error:
            self._failure = str(error)
            raise LineFileFailed(f"{self.path}: {error}") from error
        self._checksum, self._end, self._size = checksum, end, max(end, self._size)

    def _make_room(self, least: int) -> None:
        """Zeros that are on disk, so that what is written over them changes nothing but them."""
        size = -(-(self._end + least) // self._room) * self._room
        while self._size < size:
            self._size += os.pwrite(self._fd, bytes(size - self._size), self._size)
        os.fsync(self._fd)

    def check(self) -> None:
        """Raises LineFileFailed once a write has failed or the file is closed, so that nobody reads what may not be on disk."""
        if self._failure is not None:
            raise LineFileFailed(f"{self.path}: nothing can be written any more: {self._failure}")

    def close(self) -> None:
        """Give up file and lock, and the room that was not used; a second time does nothing."""
        failed = self._failure is not None
        self._failure = self._failure or "the file is closed"
        fd, self._fd = self._fd, -1
        if fd >= 0:
            if self._size > self._end and not failed:
                os.ftruncate(fd, self._end)
            os.close(fd)


def _lock(path: Path, fd: int) -> None:
    holder = path.with_name(path.name + ".holder")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        name = holder.read_text().strip() if holder.exists() else "another process"
        raise LineFileLocked(f"{path} is held by {name}") from None
    holder.write_text(f"process {os.getpid()}\n")  # for the message only; the lock is flock's


def read(path: Path, data: bytes, checksum: int = 0) -> _Sound:
    """The lines of a file; room ahead of its end is none.

    Args:
        checksum: of the lines before these, where `data` is not the file from its beginning.

    Raises:
        LineFileDamaged: a line does not match its checksum, and others follow it.
    """
    data = data.rstrip(b"\0")
    payloads: list[bytes] = []
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        line = data[at : end if end >= 0 else len(data)]
        payload = line[9:]
        expected = zlib.crc32(payload, checksum)
        if end < 0 or line[:9] != b"%08x " % expected:
            if 0 <= end < len(data) - 1:
                raise LineFileDamaged(f"{path}: line {len(payloads) + 1}, at byte {at}, does not match its checksum, and more follows it")
            break
        payloads.append(payload)
        checksum, at = expected, end + 1
    return _Sound(payloads, checksum, at)


def flush_directory(path: Path) -> None:
    """Makes the names of files in it durable: a file that was made or renamed is only then found after a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
