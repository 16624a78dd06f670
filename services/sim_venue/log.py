"""The venue's log: everything that came in and everything that it led to, in the order in which it happened.

It is the venue's truth. A line is flushed before anybody is answered, so what the log does not say did not happen; the
venue is rebuilt from it, and tests believe it rather than the systems that they test.
"""

from pathlib import Path
from typing import Final, Literal

import msgspec

from libs.domain.market import Quote, TradeTick
from libs.quant.sim_venue.commands import Command, Refusal
from libs.quant.sim_venue.reports import Report
from libs.venues.line_file import LineFile, read
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


Input = Began | Arrived | Did | Shown | Turned | Granted


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. Every event of the market up to `at` was heard before its inputs; reports of the market come first."""

    n: int  # counts all lines from 1
    at: int  # market time
    wall: int  # UTC of this machine, ns
    inputs: list[Input] = []
    reports: list[Report] = []


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Entry)


class OracleLog:
    """The file. One process at a time."""

    def __init__(self, file: LineFile) -> None:
        self._file = file

    @classmethod
    def open(cls, path: Path) -> tuple["OracleLog", list[Entry]]:
        """The log and all that it holds.

        Raises:
            LineFileLocked: another process has it.
            LineFileDamaged: it is not what was written.
        """
        file, payloads = LineFile.open(path)
        return cls(file), [_decoder.decode(payload) for payload in payloads]

    def append(self, entry: Entry) -> None:
        """Writes and flushes a line; blocks for the time of a flush. LineFileFailed: nothing more can be written."""
        self._file.append(_encoder.encode(entry))

    def after(self, n: int, most: int) -> list[Entry]:
        """The oldest `most` lines after line `n`; reads the file."""
        payloads = read(self._file.path, self._file.path.read_bytes()).payloads
        return [_decoder.decode(payload) for payload in payloads[n : n + most]]

    def close(self) -> None:
        """Gives up file and lock."""
        self._file.close()
