"""The venue as its files say it was: the same commands at the same places of the same market give the same venue."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from libs.common.logs import about
from libs.common.settings import ConfigError
from libs.quant.sim_venue.reports import Report
from libs.venues.feed import FeedStep
from libs.venues.line_file import LineFileDamaged, LineFileLocked
from services.sim_venue import snapshots
from services.sim_venue.host import Host
from services.sim_venue.log import Began, Did, Entry, Left, OracleLog, Shown
from services.sim_venue.snapshots import VERSION, Snapshot

log = logging.getLogger(__name__)

REST_EVERY_S: Final = 0.05


class Recovered(NamedTuple):
    """How the files were found."""

    lines: int  # that were done again
    differences: int  # of what came out, from what the log says
    in_order: bool  # the venue was stopped, not killed


async def recover(host: Host, folder: Path, began: Began, start: int, timeline: Callable[[int], Iterator[FeedStep]]) -> Recovered:
    """Opens the log of the folder and brings the host to where it ends; a new one stands at market time `start`.

    Args:
        timeline: the steps of the feed later than a time.

    Raises:
        ConfigError: the log is in use, damaged, or of another market.
    """
    try:
        host.log = OracleLog.open(folder)
        _check(folder, host.log, began)
        restored = snapshots.newest(folder, began, host.listings)
        if restored is None:
            host.exchange.hear((), start)
        else:
            host.restore(restored)
        if host.written > host.log.last:
            raise LineFileDamaged(f"{folder}: a snapshot is of line {host.written}, and the log ends with line {host.log.last}")
        replay = Replay(host, timeline(host.exchange.now))
        for entry in host.log.entries(host.written):
            await replay.line(entry)
    except (LineFileLocked, LineFileDamaged) as error:
        raise ConfigError(f"the log of the simulated venue cannot be used: {error}") from error
    return replay.done()


def snapshot(host: Host, began: Began) -> Snapshot:
    """The venue as it stands."""
    view = host.view_of_all()
    return Snapshot(
        version=VERSION,
        n=host.written,
        began=began,
        exchange=host.exchange.snapshot(),
        reported=view.n,
        halted=sorted(view.halted),
        accounts=snapshots.accounts_of(view),
        tape=host.tape.kept(),
        credentials=list(host.credentials.values()),
        weather=host.faults.weather,
        requests=host.requests.n,
        of_ids=host.requests.kept(),
    )


def _check(folder: Path, lines: OracleLog, began: Began) -> None:
    first = next(lines.entries(0), None)
    was = first.inputs[0] if first and first.inputs else began
    if was != began:
        other = [name for name in was.__struct_fields__ if getattr(was, name) != getattr(began, name)]
        raise ConfigError(
            f"{folder} holds a venue that began otherwise ({', '.join(other)}): move it away to begin a new one, its log stays"
            " readable there, or put config/sim_venue.toml, the market and the seed back as they were"
        )


class Replay:
    """Does again what a log says, and compares what comes out."""

    def __init__(self, host: Host, steps: Iterator[FeedStep]) -> None:
        self._host = host
        self._steps = steps
        self._next: FeedStep | None = next(steps, None)
        self._lines = self._differences = 0
        self._in_order = True
        self._rested_at = host.clock.monotonic()

    async def line(self, entry: Entry) -> None:
        """Brings the host past a line."""
        host = self._host
        told_by_hand = any(isinstance(asked, Shown) for asked in entry.inputs)
        reports: list[Report] = []
        while not told_by_hand and self._next is not None and self._next.time <= entry.at:
            reports += host.hear_again(self._next)
            await self._rest()
            self._next = next(self._steps, None)
        if not told_by_hand and entry.at > host.exchange.now:
            reports += host.exchange.hear((), entry.at)
        for asked in entry.inputs:
            done, outcome = host.apply(asked)
            reports += outcome.reports
            if isinstance(asked, Did | Shown) and done != asked:
                self._differs(entry, f"it was {asked}, and is {done}")
        if reports != entry.reports:
            self._differs(entry, f"it reported {entry.reports}, and reports {reports}")
        host.show_again(entry.reports, (host.clock.now_ns() - entry.wall) / 1e9)  # readers were told what the log says
        host.written = entry.n
        self._lines += 1
        await self._rest()
        self._in_order = any(isinstance(asked, Left) for asked in entry.inputs)

    async def _rest(self) -> None:
        """Lets the service answer that it is alive."""
        if self._host.clock.monotonic() - self._rested_at >= REST_EVERY_S:
            await asyncio.sleep(0)
            self._rested_at = self._host.clock.monotonic()

    def _differs(self, entry: Entry, how: str) -> None:
        self._differences += 1
        told = about("log_differs", "failure")
        log.critical("line %d of the log, market time %d, does not come out again: %s", entry.n, entry.at, how, extra=told)

    def done(self) -> Recovered:
        """How it went."""
        told = about("log_replayed", "failure" if self._differences else "success")
        log.info("did %d lines of the log again, %d came out differently", self._lines, self._differences, extra=told)
        return Recovered(self._lines, self._differences, self._in_order)
