"""Follows the record and the services while the fleet runs: event lines, the status line, and the counts of the run."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

import aiohttp
import msgspec

from fleet import events, venue_links
from fleet.events import Voice
from fleet.supervisor import Supervised, Supervisor
from fleet.venue_links import VenueLink
from libs.common.clocks import HostClock
from libs.common.database import Database, Unreachable
from libs.store import activity, strategies
from libs.store.activity import Start

LOOK_S: Final = 0.5
LINES: Final = 5  # at each look, so about ten a second
SAMPLE_S: Final = 1.0
STATUS_S: Final = 10.0
TICKS: Final = "tradewinds_ticks_total"
BARS: Final = "tradewinds_bars_total"
AT_ONCE: Final = 500  # messages of each stream at one look


class Latency(msgspec.Struct, frozen=True):
    """risk_manager's own measure of tick to order, milliseconds."""

    n: int
    p50: float | None
    p99: float | None


class _Info(msgspec.Struct):
    tick_to_order_ms: Latency | None = None


class Samples:
    """Counters that live in the services, kept over their deaths: each process counts from zero."""

    def __init__(self, supervisor: Supervisor, http: aiohttp.ClientSession) -> None:
        self._supervisor = supervisor
        self._http = http
        self._reached: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self.latency: Latency | None = None
        self.venues: Mapping[str, VenueLink] = {}  # by account

    def total(self, metric: str) -> int:
        """Of all processes of this run; what one counted within a second of its death is missed."""
        return sum(self._reached[metric].values())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(SAMPLE_S)

    async def look(self) -> None:
        """Asks once; a service that does not answer leaves what it said last."""
        services = self._supervisor.services
        if text := await self._get(services.get("data_collector"), "metrics"):
            pid, body = text
            for metric, value in summed(body.decode(), (TICKS, BARS)).items():
                self._reached[metric][pid] = value
        if text := await self._get(services.get("risk_manager"), "info"):
            found = msgspec.json.decode(text[1], type=_Info).tick_to_order_ms
            self.latency = found if found is not None and found.n else self.latency
        told = {name: await self._get(services.get(name), "info") for name in venue_links.EXECUTORS}
        if found_links := venue_links.merged({name: venue_links.of_info(text[1]) for name, text in told.items() if text}).venues:
            self.venues = found_links

    async def _get(self, service: Supervised | None, page: str) -> tuple[int, bytes] | None:
        if service is None or service.process is None:
            return None
        pid = service.process.pid
        try:
            timeout = aiohttp.ClientTimeout(total=1)
            async with self._http.get(f"http://127.0.0.1:{service.service.port}/{page}", timeout=timeout) as answer:
                return (pid, await answer.read()) if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError):
            return None


def summed(page: str, names: tuple[str, ...]) -> Mapping[str, int]:
    """Counters of a Prometheus page, summed over their labels; those it does not have are left out."""
    totals: defaultdict[str, int] = defaultdict(int)
    for line in page.splitlines():
        name = line.partition("{")[0].partition(" ")[0]
        if name in names:
            totals[name] += int(float(line.rpartition(" ")[2]))
    return totals


class Watcher:
    """Tells what the record says since the run began."""

    def __init__(self, database: Database, start: Start, samples: Samples, voice: Voice, clock: HostClock) -> None:
        self.seen = Counter[str]()  # messages told or left out of each stream, of this run
        self.refused = Counter[str]()  # refusals by code
        self._database = database
        self._after = {stream: start.numbers[stream] for stream in events.STREAMS}
        self._failed: set[str] = set()  # strategies that have been told of
        self._ended = ""  # the session whose end has been told
        self._samples = samples
        self._voice = voice
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled; through outages of the database."""
        told = self._clock.monotonic()
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
                if self._clock.monotonic() - told >= STATUS_S:
                    told = self._clock.monotonic()
                    await self.tell_status(again=False)
            except Unreachable:
                continue  # the supervisor says that Postgres is down; the next look tells what was missed

    async def look(self) -> None:
        """Tells what is new.

        Raises:
            Unreachable: the database is away.
        """
        found = await activity.messages(self._database, self._after, AT_ONCE)
        lines = []
        for noted in found:
            self._after[noted.stream] = noted.no
            if line := events.line(noted):
                self.seen[noted.stream] += 1
                lines.append(line)
                if line.refused:
                    self.refused[line.refused] += 1
        for text in events.chosen(lines, LINES):
            self._voice.say(text)
        for strategy_id, why in (await strategies.failed(self._database)).items():
            if strategy_id not in self._failed:
                self._failed.add(strategy_id)
                self._voice.event(f"ALERT: {why}; it says nothing more until strategy_engine is started again")

    async def tell_status(self, *, again: bool = True) -> None:
        """Says how the session stands; of one that has ended once, unless `again`.

        Raises:
            Unreachable: the database is away.
        """
        standing = await activity.standing(self._database)
        if standing is not None and (again or standing.session_id != self._ended):
            self._ended = standing.session_id if standing.state == "finished" else ""
            ticks, bars = self._samples.total(TICKS), self._samples.total(BARS)
            self._voice.say(events.status(standing, ticks, bars, self.seen["orders.approved"], self.seen["trades.executed"]))
