"""One venue as a whole: its host, its dialects and its market over one folder."""

import asyncio
import gc
import logging
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from aiohttp import web

from libs.common.clocks import HostClock
from libs.common.logs import about
from libs.quant.sim_venue.commands import OpenAccount
from libs.quant.sim_venue.exchange import Exchange
from libs.quant.sim_venue.listings import Agents, Listing
from libs.venues.markets import Timeline
from services.sim_venue import snapshots
from services.sim_venue.control import Control
from services.sim_venue.credentials import DEMO
from services.sim_venue.doors import mounted
from services.sim_venue.host import Dialect, Host
from services.sim_venue.kinds import Origin
from services.sim_venue.log import Began, Did, Granted
from services.sim_venue.market import START_BY_HAND, Pump
from services.sim_venue.recovery import Recovered, recover, snapshot
from services.sim_venue.tape import Tape

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
# Between snapshots: a start does no more again than this many lines, and this long a market.
LINES_BETWEEN: Final = 20_000
SECONDS_BETWEEN: Final = 300.0
LINES_TO_SETTLE: Final = 2_000


class Terms(NamedTuple):
    """What a venue is made of."""

    feed: Timeline | None  # None: a market that is told by hand
    listed: Sequence[Listing]
    seed: int
    speed: float
    folder: Path
    agents: Agents | None = None  # in every `book`


class Venue:
    """One venue: made first, so that it can answer that it is not open yet, then opened, then run."""

    def __init__(self, terms: Terms, clock: HostClock, dialects: Sequence[Callable[[Host], Dialect]]) -> None:
        self.terms = terms
        self._clock = clock
        feed = terms.feed
        self._symbols = {listing.symbol: listing for listing in terms.listed}
        self._began = Began(
            feed=feed.name if feed else "manual",
            seed=terms.seed,
            symbols=sorted(self._symbols),
            terms=f"{zlib.crc32(msgspec.json.encode([terms.listed, terms.agents])):08x}",
        )
        self._kept, self._kept_at = 0, clock.monotonic()  # lines at the newest snapshot, and when it was taken
        self._settled = 0  # lines whose orders and reports the garbage collector looks at no more
        self.recovered = Recovered(0, 0, True)
        tape = Tape(feed.bars_of if feed else {}, feed.timeline if feed else None)
        self.host = Host(self._symbols, Exchange(self._symbols, seed=terms.seed, agents=terms.agents), tape, terms.seed, clock)
        self.control = Control(self.host, feed=feed.name if feed else "manual", speed=terms.speed, manual=feed is None)
        self.dialects = [dialect(self.host) for dialect in dialects]

    def mount(self, app: web.Application) -> None:
        """Adds what it answers."""
        app.add_routes(self.control.routes())
        for dialect in self.dialects:
            app.add_subapp(dialect.prefix, mounted(self.host, dialect))

    async def open(self) -> None:
        """Reads the log, and opens the demo accounts of a new one.

        Raises:
            ConfigError: the log cannot be used.
        """
        feed = self.terms.feed
        start = feed.start if feed else START_BY_HAND
        self.recovered = await recover(self.host, self.terms.folder, self._began, start, feed.timeline if feed else lambda _: iter(()))
        self.host.open = True
        if self.host.written == 0:
            await self.host.take(self._began)
        for demo in DEMO:
            if demo.credential.key not in self.host.credentials:
                opened = OpenAccount(account=demo.credential.account, deposit=demo.deposit, kind=demo.kind)
                await self.host.take(Did(origin=Origin("control", 0), command=opened))
                await self.host.take(Granted(credential=demo.credential))

    async def run(self) -> None:
        """Plays the market, and keeps snapshots, until cancelled. Failed: the venue cannot go on."""
        tasks = [asyncio.ensure_future(self._play()), asyncio.ensure_future(self._keep())]
        try:
            await asyncio.wait({*tasks, self.host.failed}, return_when=asyncio.FIRST_COMPLETED)
            for task in (self.host.failed, *tasks):
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _play(self) -> None:
        if self.terms.feed is None:
            await asyncio.Event().wait()
        else:
            await Pump(self.host, self.terms.feed, self.terms.speed, self._clock, in_order=self.recovered.in_order).run()

    async def _keep(self) -> None:
        """A snapshot each so many lines or minutes, at a moment when nobody waits for anything."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._settle()
            lines, seconds = self.host.written - self._kept, self._clock.monotonic() - self._kept_at
            if (lines >= LINES_BETWEEN or (lines and seconds >= SECONDS_BETWEEN)) and self.host.quiet:
                self._keep_if_it_can()

    def _settle(self) -> None:
        """What the venue has done it keeps for good: to look for garbage among 100,000 orders takes 0.3 s, again and again."""
        if self.host.written - self._settled >= LINES_TO_SETTLE:
            gc.collect(1)
            gc.freeze()
            self._settled = self.host.written

    def _keep_if_it_can(self) -> None:
        """A snapshot saves the next start time and nothing else: the venue goes on without one, and the log has everything."""
        try:
            self.keep()
        except Exception:
            self._kept, self._kept_at = self.host.written, self._clock.monotonic()  # not again at once
            log.exception("no snapshot was written", extra=about("snapshot_written", "failure"))

    def keep(self) -> None:
        """Writes a snapshot and begins a new file of the log; blocks."""
        assert self.host.log is not None
        snapshots.write(self.terms.folder, snapshot(self.host, self._began))
        self._kept, self._kept_at = self.host.written, self._clock.monotonic()
        self.host.log.turn_over(self.host.written + 1)

    def close(self) -> None:
        """Leaves in order, with a snapshot. A venue that has failed, or was not open yet, leaves its files as they are."""
        if self.host.open:
            self.host.leave()
            self._keep_if_it_can()
        self.host.close()
