"""The venue as its log says it was: the same commands at the same places of the same market give the same venue."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from libs.common.logs import about
from libs.common.settings import ConfigError
from libs.quant.sim_venue.reports import Report
from libs.venues.feed import FeedStep
from libs.venues.line_file import LineFileDamaged, LineFileLocked
from services.sim_venue.host import Host
from services.sim_venue.log import Began, Did, Entry, OracleLog, Shown

log = logging.getLogger(__name__)


def recover(host: Host, folder: Path, began: Began, start: int, steps: Iterator[FeedStep]) -> None:
    """Opens the log of the folder and brings the host to where it ends; a new log begins at market time `start`.

    Args:
        steps: of the feed, from its beginning on; as many are taken as the venue had heard.

    Raises:
        ConfigError: the log is in use, damaged, or of another market.
    """
    try:
        host.log, entries = OracleLog.open(folder / "venue.log")
    except (LineFileLocked, LineFileDamaged) as error:
        raise ConfigError(str(error)) from error
    host.exchange.hear((), start)
    if entries:
        _check(folder, entries[0], began)
        Replay(host, steps).run(entries)
    host.open = True


def _check(folder: Path, first: Entry, began: Began) -> None:
    was = first.inputs[0] if first.inputs else None
    if was != began:
        raise ConfigError(f"{folder} holds a venue of another market, {was}; this one would be {began}: use another STATE_DIR, or wipe it")


class Replay:
    """Does again what a log says, and compares what comes out."""

    def __init__(self, host: Host, steps: Iterator[FeedStep]) -> None:
        self._host = host
        self._steps = steps
        self._next: FeedStep | None = next(steps, None)
        self.differences = 0

    def run(self, entries: Sequence[Entry]) -> None:
        """From line to line."""
        for entry in entries:
            self._line(entry)
        self._host.written = entries[-1].n
        told = about("log_replayed", "failure" if self.differences else "success")
        log.info("read %d lines of the log, %d differences", len(entries), self.differences, extra=told)

    def _line(self, entry: Entry) -> None:
        host = self._host
        reports: list[Report] = []
        while self._next is not None and self._next.time <= entry.at and not _is_shown(entry):
            reports += host.hear_again(self._next)
            self._next = next(self._steps, None)
        if entry.inputs and not _is_shown(entry) and entry.at > host.exchange.now:
            reports += host.exchange.hear((), entry.at)
        for asked in entry.inputs:
            done, outcome = host.apply(asked)
            reports += outcome.reports
            if isinstance(asked, Did | Shown) and done != asked:
                self._differs(entry, f"it was {asked}, and is {done}")
        if reports != entry.reports:
            self._differs(entry, f"it reported {entry.reports}, and reports {reports}")
        host.show_again(reports)

    def _differs(self, entry: Entry, how: str) -> None:
        self.differences += 1
        told = about("log_differs", "failure")
        log.critical("line %d of the log, market time %d, does not come out again: %s", entry.n, entry.at, how, extra=told)


def _is_shown(entry: Entry) -> bool:
    return any(isinstance(asked, Shown) for asked in entry.inputs)
