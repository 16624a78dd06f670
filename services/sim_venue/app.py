"""sim_venue: an exchange in a box. Dialects and control API over one host, its market, and its log."""

import asyncio
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import web

from libs.common.clocks import HostClock
from libs.domain.instruments import Instrument
from libs.quant.sim_venue.commands import OpenAccount
from libs.quant.sim_venue.exchange import Exchange
from libs.quant.sim_venue.listings import Listing
from services.sim_venue.control import Control
from services.sim_venue.credentials import DEMO
from services.sim_venue.doors import mounted
from services.sim_venue.host import Dialect, Host
from services.sim_venue.kinds import Origin
from services.sim_venue.listings import BY_HAND, listings
from services.sim_venue.log import Began, Did, Granted
from services.sim_venue.market import START_BY_HAND, Pump, Recorded
from services.sim_venue.recovery import recover
from services.sim_venue.tape import Tape


class Terms(NamedTuple):
    """What a venue is made of."""

    feed: Recorded | None  # None: a market that is told by hand
    listed: Sequence[Listing]
    seed: int
    speed: float
    folder: Path


class Venue:
    """One venue: made first, so that it can answer that it is not open yet, then opened, then run."""

    def __init__(self, terms: Terms, clock: HostClock, dialects: Sequence[Callable[[Host], Dialect]]) -> None:
        self.terms = terms
        self._clock = clock
        feed = terms.feed
        self._symbols = {listing.symbol: listing for listing in terms.listed}
        tape = Tape(feed.bars_of if feed else {}, feed.timeline if feed else None)
        self.host = Host(self._symbols, Exchange(self._symbols, seed=terms.seed), tape, terms.seed, clock)
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
        began = Began(feed=feed.name if feed else "manual", seed=self.terms.seed, symbols=sorted(self._symbols))
        start = feed.start if feed else START_BY_HAND
        recover(self.host, self.terms.folder, began, start, feed.timeline(0) if feed else iter(()))
        if self.host.written == 0:
            await self.host.take(began)
        for demo in DEMO:
            if demo.credential.key not in self.host.credentials:
                opened = OpenAccount(account=demo.credential.account, deposit=demo.deposit, kind=demo.kind)
                await self.host.take(Did(origin=Origin("control", 0), command=opened))
                await self.host.take(Granted(credential=demo.credential))

    async def run(self) -> None:
        """Plays the market until cancelled. Failed: the venue cannot go on."""
        task = asyncio.ensure_future(self._play())
        try:
            await asyncio.wait({task, self.host.failed}, return_when=asyncio.FIRST_COMPLETED)
            if self.host.failed.done():
                self.host.failed.result()
            task.result()
        finally:
            task.cancel()

    async def _play(self) -> None:
        if self.terms.feed is None:
            await asyncio.Event().wait()
        else:
            await Pump(self.host, self.terms.feed, self.terms.speed, self._clock).run()

    def close(self) -> None:
        """Leaves the log as it is."""
        self.host.close()


_DIALECTS: Final = {"alpaca": "AlpacaDialect", "binance": "BinanceDialect"}


def dialects() -> list[Callable[[Host], Dialect]]:
    """Those that there are."""
    there = [(f"services.sim_venue.{name}", kind) for name, kind in _DIALECTS.items()]
    return [getattr(importlib.import_module(f"{name}.dialect"), kind) for name, kind in there if importlib.util.find_spec(name)]


def by_hand() -> list[Listing]:
    """The listings of a manual market."""
    return list(listings(BY_HAND, {}).values())


def of_feed(feed: Recorded) -> list[Listing]:
    """The listings of a feed's market."""
    instruments: Sequence[Instrument] = feed.instruments
    return list(listings(instruments, feed.fill_on).values())
