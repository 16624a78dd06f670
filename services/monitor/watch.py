"""Each second: everything that was seen becomes a judgement; what has changed is written down and told."""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from libs.common import metrics
from libs.common.clocks import HostClock
from libs.common.database import Write
from libs.domain.faults import Changes, Fault, Faults, ending
from libs.domain.health import judge
from libs.domain.messages import Notification
from libs.domain.observed import HostSeen, RecordSeen, Seen
from libs.store import alerts
from libs.store.notifications import notification
from services.monitor.couriers import Courier
from services.monitor.desk import Desk
from services.monitor.looking import BusEye, RecordEye, ServiceEye, seen_of
from services.monitor.times import utc

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0


class Watch:
    """The judgement of the fleet, and the faults that came of it."""

    def __init__(
        self,
        services: Mapping[str, ServiceEye],
        wanted: Collection[str],
        record: RecordEye,
        bus: BusEye,
        couriers: Mapping[str, Courier],
        state_dir: Path,
        clock: HostClock,
    ) -> None:
        """`wanted`: the services that have to be there; another one counts once it has been seen, until it leaves in order."""
        self.faults = Faults()
        self.services = services
        self._wanted = wanted
        self.record = record
        self.bus = bus
        self.host = HostSeen()
        self.watchdog_at: float | None = None  # when Prometheus was last heard, on the monotonic clock
        self._couriers = couriers
        self._state_dir = state_dir
        self._clock = clock

    @property
    def watched(self) -> Mapping[str, ServiceEye]:
        """The services whose absence would be a fault."""
        return {n: eye for n, eye in self.services.items() if n in self._wanted or eye.seen.known and not eye.seen.left}

    def seen(self) -> Seen:
        """All eyes together."""
        self.host = seen_of(self._state_dir)
        return Seen(
            services={name: eye.seen for name, eye in self.watched.items()},
            servers={"postgres": self.record.server.seen, "redis": self.bus.server.seen},
            record=self.record.record,
            still_s=self.record.still_s,
            host=self.host,
            prometheus_silent_s=None if self.watchdog_at is None else self._clock.monotonic() - self.watchdog_at,
            channels={name: courier.seen for name, courier in self._couriers.items()},
        )

    async def look(self, desk: Desk) -> None:
        """One judgement; what is new is told."""
        seen, now = self.seen(), utc(self._clock)
        changes = self.faults.look(judge(seen), self._clock.monotonic(), now)
        self._measure(seen)
        said, writes = spoken(changes, now, self._clock)
        died = [name for name, eye in self.services.items() if eye.restarted()]
        down = {fault.key for fault in [*self.faults.firing, *changes.cleared]}
        said += [restart(name, self._clock) for name in died if f"service_down:{name}" not in down]
        if said:
            for one in said:
                log.warning("%s: %s", one.state, one.title)
            await desk.say(said, writes)

    def _measure(self, seen: Seen) -> None:
        now = self._clock.monotonic()
        for gauge in (metrics.SERVICE_UP, metrics.HEARTBEAT_AGE):
            gauge.clear()
        for name, service in seen.services.items():
            metrics.SERVICE_UP.labels(service=name).set(service.ready)
            beat_at = self.services[name].beat_at
            if beat_at is not None:
                metrics.HEARTBEAT_AGE.labels(service=name).set(now - beat_at)
        metrics.DISK_FREE.set(seen.host.disk_free)
        metrics.MEMORY_FREE.set(seen.host.memory_available)
        firing = [fault.severity for fault in self.faults.firing]
        for severity in ("info", "warning", "critical"):
            metrics.ALERTS.labels(severity=severity).set(firing.count(severity))
        if seen.record is not None:
            measure(seen.record)


def measure(record: RecordSeen) -> None:
    """The record as metrics. What is no more is taken away, so that no old value stands for a new one."""
    for gauge in (metrics.JOURNAL_LAG, metrics.JOURNAL_LAG_AGE, metrics.LEASE_HELD, metrics.OPEN_ORDERS, metrics.KILL_SWITCH):
        gauge.clear()
    for lag in record.lags:
        metrics.JOURNAL_LAG.labels(consumer=lag.consumer, stream=lag.stream).set(lag.messages)
        metrics.JOURNAL_LAG_AGE.labels(consumer=lag.consumer, stream=lag.stream).set(lag.age_s)
    for name, held in record.leases.items():
        metrics.LEASE_HELD.labels(lease=name).set(held)
    metrics.UNKNOWN_AGE.set(record.unsettled_age_s if record.unsettled else 0)
    for status, count in record.open_orders.items():
        metrics.OPEN_ORDERS.labels(status=status).set(count)
    for kind, rows in record.quarantined.items():
        metrics.QUARANTINE.labels(kind=kind).set(rows)
    metrics.KILL_SWITCH.labels(scope="fleet").set(0)
    for kill in record.kills:
        metrics.KILL_SWITCH.labels(scope=kill.scope).set(1)


def spoken(changes: Changes, now: datetime, clock: HostClock) -> tuple[list[Notification], Sequence[Write]]:
    """What is said of changes, and the rows that go with it."""
    said, writes = [], []
    for fault in changes.raised:
        body = f"{fault.body}\n\nSince {fault.since:%H:%M:%S} UTC."
        said.append(notification(clock, fault.kind, fault.severity, fault.title, body, state="firing", key=fault.key, link=fault.link))
        writes.append(alerts.began(fault, "direct"))
    for fault in changes.cleared:
        said.append(_over(fault, now, clock))
        writes.append(alerts.ended(fault.key, "direct", now))
    return said, writes


def restart(name: str, clock: HostClock) -> Notification:
    """A service has died and come back, perhaps too fast to be called down."""
    body = f"{name} ended without being asked to, and was started again. Its log says why; nothing needs to be done now."
    return notification(clock, "system", "info", f"{name} was restarted", body, link="/runbooks/service-down")


def _over(fault: Fault, now: datetime, clock: HostClock) -> Notification:
    title, body = ending(fault, now)
    return notification(clock, fault.kind, fault.severity, title, body, state="resolved", key=fault.key, link=fault.link)
