"""One state for the fleet, as JSON and for the page. It is made from memory: it answers while Postgres is away."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from libs.common.clocks import HostClock
from libs.domain.faults import Fault
from libs.domain.fleet import MEMBERS
from libs.domain.health import overall
from libs.domain.observed import DaySeen, ServiceSeen, SessionSeen
from services.monitor.couriers import Courier
from services.monitor.looking import ServiceEye
from services.monitor.times import utc
from services.monitor.watch import Watch

KEPT: Final = 20  # of what is over


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One service."""

    state: str  # ready, starting, waits (for a server), not ready, away, stopped
    detail: str
    since: datetime
    about: str
    stops: str  # what does not happen without it
    up_s: float | None
    heartbeat_age_s: float | None
    version: str


class ServerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Postgres or Redis."""

    state: str  # up, away
    detail: str
    since: datetime


class SessionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is played."""

    session_id: str
    feed: str
    mode: str
    state: str
    paused: bool
    market_time: datetime
    still_s: float
    open_orders: Mapping[str, int]


class OverStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that is over."""

    key: str
    severity: str
    title: str
    since: datetime
    until: datetime


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What `GET /status` answers."""

    overall: str  # ok, degraded, down
    at: datetime
    services: Mapping[str, ServiceStatus]
    servers: Mapping[str, ServerStatus]
    session: SessionStatus | None
    leases: Mapping[str, bool]
    days: Mapping[str, DaySeen]  # by account: when it was last the venue's statement, to the last digit
    faults: list[Fault]
    prometheus: list[Fault]  # what fires there
    over: list[OverStatus]
    channels: Mapping[str, Mapping[str, Any]]
    host: Mapping[str, float]
    unwritten: int  # what waits for Postgres to be written down


class Board:
    """What is asked for over HTTP, kept up to date by the loops."""

    def __init__(self, watch: Watch, couriers: Mapping[str, Courier], off: Mapping[str, str], clock: HostClock) -> None:
        self.watch = watch
        self.prometheus: list[Fault] = []
        self.over: deque[OverStatus] = deque(maxlen=KEPT)
        self.unwritten = 0
        self._couriers = couriers
        self._off = off
        self._clock = clock

    def status(self) -> Status:
        """Now."""
        now, record = utc(self._clock), self.watch.record.record
        servers = {"postgres": self.watch.record.server.seen, "redis": self.watch.bus.server.seen}
        return Status(
            overall=overall([fault.severity for fault in self.watch.faults.firing]),
            at=now,
            services={name: self._service(name, eye, now) for name, eye in self.watch.watched.items()},
            servers={
                name: ServerStatus(state="up" if s.up else "away", detail=s.detail, since=now - timedelta(seconds=s.lasted_s))
                for name, s in servers.items()
            },
            session=self._session(record.session, record.open_orders) if record and record.session else None,
            leases=record.leases if record else {},
            days=record.days if record else {},
            faults=self.watch.faults.firing,
            prometheus=self.prometheus,
            over=list(self.over),
            channels=self._channels(),
            host={"disk_free": round(self.watch.host.disk_free, 4), "memory_available": round(self.watch.host.memory_available, 4)},
            unwritten=self.unwritten,
        )

    def ended(self, fault: Fault, until: datetime) -> None:
        """Remembers a fault that is over, for the page."""
        self.over.appendleft(OverStatus(key=fault.key, severity=fault.severity, title=fault.title, since=fault.since, until=until))

    def _service(self, name: str, eye: ServiceEye, now: datetime) -> ServiceStatus:
        seen = eye.seen
        beat_age = None if eye.beat_at is None else round(self._clock.monotonic() - eye.beat_at, 1)
        return ServiceStatus(
            state=_state(seen),
            detail=seen.detail,
            since=now - timedelta(seconds=seen.lasted_s),
            about=MEMBERS[name].about,
            stops=MEMBERS[name].stops,
            up_s=round(eye.uptime_s, 1) if eye.uptime_s is not None and seen.ready else None,
            heartbeat_age_s=beat_age,
            version=eye.version,
        )

    def _session(self, session: SessionSeen, open_orders: Mapping[str, int]) -> SessionStatus:
        return SessionStatus(
            session_id=session.session_id,
            feed=session.feed,
            mode=session.mode,
            state=session.state,
            paused=session.paused,
            market_time=datetime.fromtimestamp(session.market_time // 1_000_000_000, utc(self._clock).tzinfo),
            still_s=round(self.watch.record.still_s, 1),
            open_orders=open_orders,
        )

    def _channels(self) -> Mapping[str, Mapping[str, Any]]:
        shown: dict[str, Mapping[str, Any]] = {name: {"state": "on", **courier.shown()} for name, courier in self._couriers.items()}
        for name, why in self._off.items():
            shown[name] = {"state": "off", "why": why}
        return shown


def _state(seen: ServiceSeen) -> str:
    if seen.ready:
        return "ready"
    if seen.left:
        return "stopped"
    if not seen.known:
        return "starting"
    if seen.waits_for:
        return "waits"
    return "not ready" if seen.answers else "away"
