"""The venue's log: everything that came in and everything that it led to, in the order in which it happened.

It is the venue's truth. A line is flushed before anybody is answered, so what the log does not say did not happen; the
venue is rebuilt from it, and tests believe it rather than the systems that they test.
"""

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, Self

import msgspec

from libs.domain.market import Quote, TradeTick
from libs.quant.sim_venue.commands import Command, Refusal
from libs.quant.sim_venue.reports import Report
from libs.venues.line_file import LineFile, LineFileDamaged, read
from services.sim_venue.credentials import Credential
from services.sim_venue.faults import Weather
from services.sim_venue.kinds import Origin, What

Fate = Literal["", "dropped", "answered"]
"""What became of a request that reached the venue: done, or not done and its connection ended, or not done and told so."""


class Arrived(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """A request that would change something, as it reached the venue."""

    request: int
    dialect: str
    what: What
    client_order_id: str = ""
    fate: Fate = ""
    status: int = 0  # that it was answered with, where the venue did not do it


class Did(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """A command that the venue took or refused. Its reports are the next so many of the line."""

    origin: Origin
    command: Command
    reports: int = 0
    refusal: Refusal | None = None


class Shown(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """What a manual market was told; it led to the next so many reports of the line."""

    events: tuple[Quote | TradeTick, ...] = ()
    market_time: int = 0
    reports: int = 0


class Turned(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Other weather from here on."""

    weather: Weather


class Granted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An API key was handed out."""

    credential: Credential


class Began(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The first input of a log: which market the venue plays."""

    feed: str
    seed: int
    symbols: list[str]
    terms: str  # digest of all that is listed: other terms make another venue


class Left(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The venue was stopped in order: nothing of the market was shown after this."""


Input = Began | Left | Arrived | Did | Shown | Turned | Granted


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. Every event of the market up to `at` was heard before its inputs; reports of the market come first."""

    n: int  # counts all lines from 1
    at: int  # market time
    wall: int  # UTC of this machine, ns
    inputs: list[Input] = []
    reports: list[Report] = []


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Entry)
ROOM: Final = 1024 * 1024
"""Bytes that the last file is made larger by, ahead of what is written."""

_NAME: Final = "lines-{:012}.log"


class OracleLog:
    """The files: each holds the lines from the number in its name on. Only the last one grows; one process at a time."""

    def __init__(self, folder: Path, firsts: list[int], file: LineFile, last: int) -> None:
        self.last = last  # number of the newest line
        self._folder = folder
        self._firsts = firsts  # of each file, ascending
        self._file = file

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The log of a folder, an empty one where there is none.

        Raises:
            LineFileLocked: another process has it.
            LineFileDamaged: its last file is not what was written.
        """
        firsts = sorted(int(path.stem.partition("-")[2]) for path in folder.glob("lines-*.log")) or [1]
        file, payloads = LineFile.open(folder / _NAME.format(firsts[-1]), ROOM)
        return cls(folder, firsts, file, firsts[-1] + len(payloads) - 1)

    def entries(self, after: int) -> Iterator[Entry]:
        """All lines after line `after`, the oldest first.

        Raises:
            LineFileDamaged: a line is missing, or not what was written.
        """
        expected = after + 1
        for first in self._holding(after):
            path = self._folder / _NAME.format(first)
            if first > expected:
                raise LineFileDamaged(f"{path}: line {expected} of the log is missing before it: a file was moved, or cut")
            payloads = self._payloads(first)
            for n, payload in enumerate(payloads, first):
                if n <= after:
                    continue
                entry = _decoder.decode(payload)
                if entry.n != n:
                    raise LineFileDamaged(f"{path}: expected line {n} of the log, got line {entry.n}: a file is missing or was moved")
                yield entry
            expected = max(expected, first + len(payloads))

    def raw(self, after: int, most: int, most_bytes: int) -> list[bytes]:
        """The oldest lines after line `after` as they are written: at most so many, and no more than so many bytes of them but for
        the first. Blocks while it reads whole files.
        """
        found: list[bytes] = []
        for first in self._holding(after):
            for payload in self._payloads(first)[max(0, after + 1 - first) :]:
                most_bytes -= len(payload)
                if found and (len(found) == most or most_bytes < 0):
                    return found
                found.append(payload)
        return found

    def _holding(self, after: int) -> list[int]:
        """First lines of the files that hold lines after `after`."""
        return self._firsts[max(0, bisect_right(self._firsts, after + 1) - 1) :]

    def _payloads(self, first: int) -> list[bytes]:
        path = self._folder / _NAME.format(first)
        return read(path, path.read_bytes()).payloads

    def append(self, entry: Entry) -> None:
        """Writes and flushes a line; blocks for the time of a flush. LineFileFailed: nothing more can be written."""
        self._file.append(_encoder.encode(entry))
        self.last = entry.n

    def turn_over(self, first: int) -> None:
        """The lines from number `first` on go into a new file."""
        if first == self._firsts[-1]:
            return
        file, _ = LineFile.open(self._folder / _NAME.format(first), ROOM)
        self._file.close()
        self._file = file
        self._firsts.append(first)

    def close(self) -> None:
        """Gives up file and lock."""
        self._file.close()
