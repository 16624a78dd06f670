"""The monitor's eyes: each looks on its own, so that what hangs delays no other. They keep what they saw last."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from libs.common import host
from libs.common.bus import MemoryBus, RedisBus
from libs.common.clocks import HostClock
from libs.common.database import Database, Unreachable
from libs.common.envelope import Heartbeat, opened
from libs.common.http import ReadyAnswer
from libs.domain.fleet import SERVICES
from libs.domain.observed import HostSeen, RecordSeen, ServerSeen, ServiceSeen
from libs.store import monitoring
from services.monitor.reasons import reason

LOOK_S: Final = 1.0
ANSWER_WITHIN_S: Final = 2.0
SERVERS: Final = frozenset({"postgres", "redis"})


_decode_ready: Final = msgspec.json.Decoder(ReadyAnswer).decode
_decode_beat: Final = msgspec.json.Decoder(Heartbeat).decode


class ServiceEye:
    """One service: asked each second, and heard when it says that it lives or leaves."""

    def __init__(self, name: str, url: str, http: aiohttp.ClientSession, clock: HostClock) -> None:
        self.name = name
        self.beat_at: float | None = None
        self.uptime_s: float | None = None
        self.version = ""
        self._instance = ""
        self._said_goodbye = False  # that instance
        self._restarted = False
        self._left_at = float("-inf")  # when it last said that it leaves
        self._url = f"{url}/ready"
        self._http = http
        self._clock = clock
        self._now = ServiceSeen(False, "not looked at yet", known=False, answers=False)
        self._since = clock.monotonic()

    @property
    def seen(self) -> ServiceSeen:
        """As it is, and for how long."""
        return self._now._replace(lasted_s=self._clock.monotonic() - self._since)

    def heard(self, beat: Heartbeat) -> None:
        """It lives; or says its last word. Another instance without one before: it has died, and was started again."""
        if beat.instance != self._instance:
            self._restarted = bool(self._instance) and not self._said_goodbye
            self._instance, self._said_goodbye = beat.instance, False
        self.beat_at, self.uptime_s, self.version = self._clock.monotonic(), beat.uptime_s, beat.version
        if beat.leaving:
            self._said_goodbye, self._left_at = True, self._clock.monotonic()
            self._now = self._now._replace(left=True)

    def restarted(self) -> bool:
        """Whether it has died and come back since this was last asked."""
        found, self._restarted = self._restarted, False
        return found

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began = self._clock.monotonic()
            self.note(await self._ask(), began)
            await asyncio.sleep(max(LOOK_S - (self._clock.monotonic() - began), 0.1))

    def note(self, found: ServiceSeen, began: float) -> None:
        """Takes in an answer, or that there was none, of a look that began then."""
        before = self._now
        known = before.known or found.ready
        back = found.ready and began > self._left_at  # an answer may be older than the word that it leaves
        left = not back and (before.left or found.left)
        if (found.ready, found.answers) != (before.ready, before.answers):
            self._since = began
        self._now = found._replace(known=known, left=left)

    async def _ask(self) -> ServiceSeen:
        try:
            timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
            async with self._http.get(self._url, timeout=timeout) as answer:
                return of_readiness(_decode_ready(await answer.read()))
        except TimeoutError:
            return ServiceSeen(False, f"no answer within {ANSWER_WITHIN_S:g} s", answers=False)
        except aiohttp.ClientConnectorError as error:
            return ServiceSeen(False, reason(error), answers=False)
        except (aiohttp.ClientError, OSError) as error:
            return ServiceSeen(False, type(error).__name__, answers=False)
        except msgspec.MsgspecError:
            return ServiceSeen(False, "something else answers on its port", answers=False)


def of_readiness(answer: ReadyAnswer) -> ServiceSeen:
    """What an answer of /ready means."""
    wrong = {name: check.detail or "failing" for name, check in answer.checks.items() if check.status != "ok"}
    detail = "; ".join(f"{name}: {why}" for name, why in wrong.items())
    own = {name for name in wrong if name not in SERVERS and not wrong[name].startswith("waits for the database")}
    waits_for = frozenset() if own else frozenset(wrong) & SERVERS
    return ServiceSeen(answer.ready, detail, left=wrong.get("service") == "leaving", waits_for=waits_for)


class ServerEye:
    """One server: whether it answers, and for how long that has been so."""

    def __init__(self, clock: HostClock) -> None:
        self._clock = clock
        self._detail = ""
        self._since = clock.monotonic()

    @property
    def seen(self) -> ServerSeen:
        return ServerSeen(not self._detail, self._detail, self._clock.monotonic() - self._since)

    def note(self, detail: str, began: float) -> None:
        """Why it did not answer to a look that began then; "" when it did."""
        if bool(detail) != bool(self._detail):
            self._since = began
        self._detail = detail


class RecordEye:
    """Postgres, and what it says of the fleet."""

    def __init__(self, database: Database, clock: HostClock) -> None:
        self.server = ServerEye(clock)
        self._database = database
        self._clock = clock
        self._record: RecordSeen | None = None
        self._moved = (0, clock.monotonic())  # market time, and when it was first seen so

    @property
    def record(self) -> RecordSeen | None:
        """What was read last; None while it cannot be read."""
        return self._record

    @property
    def still_s(self) -> float:
        """How long market time has stood still."""
        return self._clock.monotonic() - self._moved[1]

    async def run(self) -> None:
        """Until cancelled."""
        leases = [name for name in ("scheduler",) if name in SERVICES]
        while True:
            began = self._clock.monotonic()
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    self.note(await monitoring.look(self._database, leases))
                self.server.note("", began)
            except (Unreachable, TimeoutError) as error:
                self._record = None
                self.server.note(_first_line(error) or f"no answer within {ANSWER_WITHIN_S:g} s", began)
            await asyncio.sleep(max(LOOK_S - (self._clock.monotonic() - began), 0.1))

    def note(self, record: RecordSeen) -> None:
        """Takes in a look."""
        before, self._record = self._record, record
        time = record.session.market_time if record.session else 0
        resumed = before is None or record.session is None or record.session.state != "running" or record.session.paused
        if time != self._moved[0] or resumed:
            self._moved = (time, self._clock.monotonic())


class BusEye:
    """Redis: whether it answers, and the heartbeats that come over it."""

    def __init__(self, bus: RedisBus | MemoryBus, services: Mapping[str, ServiceEye], clock: HostClock) -> None:
        self.server = ServerEye(clock)
        self.joined = False  # heartbeats are heard
        self._bus = bus
        self._services = services
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began = self._clock.monotonic()
            self.server.note(_first_line(await self._bus.ask()), began)
            await asyncio.sleep(LOOK_S)

    def hear(self, channel: str, payload: bytes) -> None:
        """One message of system.health."""
        for envelope in opened(payload):
            beat = _decode_beat(envelope.payload)
            if beat.service in self._services:
                self._services[beat.service].heard(beat)


def seen_of(state_dir: Path) -> HostSeen:
    """This machine; what it does not tell counts as well."""
    disk, memory = host.disk(state_dir), host.memory()
    return HostSeen(1.0 if disk is None else disk.free, 1.0 if memory is None else memory)


def _first_line(error: object) -> str:
    return next(iter(str(error).strip().splitlines()), "")[:200]
