"""monitor: sees how the fleet is, and tells the person who runs it. Nothing of trading waits for it."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from libs.common.database import Unreachable
from libs.common.envelope import HEALTH_CHANNEL
from libs.common.runner import Context
from libs.common.settings import from_toml
from libs.domain.configuration import NotificationsConfig
from libs.domain.fleet import MEMBERS, PORTS, SERVICES
from libs.domain.notifying import Delivery
from libs.domain.streams import NOTIFICATIONS
from libs.store import alerts, deliveries
from services.monitor import regular
from services.monitor.channels.configured import WANTS, configured
from services.monitor.couriers import Courier
from services.monitor.desk import Desk
from services.monitor.looking import BusEye, RecordEye, ServiceEye
from services.monitor.receiving import Receiver, Taken
from services.monitor.recorder import Recorder
from services.monitor.settings import MonitorSettings
from services.monitor.status import Board, OverStatus
from services.monitor.times import utc
from services.monitor.watch import LOOK_S, Watch

log = logging.getLogger(__name__)

SECRETS: Final = (
    "gotify_token",
    "gotify_url",
    "slack_webhook_url",
    "discord_webhook_url",
    "email_password",
    "email_username",
    "monitor_token",
)
LOOPBACK: Final = "127.0.0.1"
SEND_WITHIN_S: Final = 5.5  # what is being sent when the monitor is asked to leave
FLUSH_WITHIN_S: Final = 1.5
ASK_WITHIN_S: Final = 5.0


class Monitor:
    """The parts, put together."""

    def __init__(self, context: Context, settings: MonitorSettings, config: NotificationsConfig, http: aiohttp.ClientSession) -> None:
        self._context = context
        self._settings = settings
        here = f"http://{LOOPBACK}:{PORTS['monitor'] + settings.port_offset}"
        self._config = config = config if config.link_base else msgspec.structs.replace(config, link_base=here)
        self._http = http
        self._database = context.database("alerts")
        self.recorder = Recorder(context.database("recorder"))
        channels = configured(config.channel, settings, http, context.clock)
        secrets = quotable(settings)
        self.couriers: Mapping[str, Courier] = {
            name: Courier(channel, config, context.clock, self._keep, secrets) for name, channel in channels.on.items()
        }
        self.desk = Desk(context.database("notifications"), self.recorder, config, self.couriers, context.clock)
        self.receiver = Receiver(context.database("received"), context.clock)
        services = {
            name: ServiceEye(name, settings.peer(name, member.port), http, context.clock)
            for name, member in MEMBERS.items()
            if name != context.name
        }
        record, bus = RecordEye(context.database("looking"), context.clock), BusEye(context.bus, services, context.clock)
        wanted = frozenset(SERVICES if not settings.standby else MEMBERS)
        self.watch = Watch(services, wanted, record, bus, self.couriers, Path(settings.state_dir), context.clock)
        self.board = Board(self.watch, self.couriers, channels.off, context.clock)
        for name in WANTS:
            log.info("%s is %s", name, "on" if name in channels.on else f"off: {channels.off[name]}")
        if not channels.on:
            log.warning("no channel is on: nobody is told of anything")

    async def run(self) -> None:
        """Until asked to stop; then what is due is sent and written down."""
        context, watch = self._context, self.watch
        patterns = [HEALTH_CHANNEL, NOTIFICATIONS.pattern]
        async with asyncio.TaskGroup() as group:
            looking = [
                *(group.create_task(eye.run()) for eye in watch.services.values()),
                group.create_task(watch.record.run()),
                group.create_task(watch.bus.run()),
                group.create_task(context.bus.listen(patterns, self._hear, self._joined)),
                group.create_task(self._judge()),
                group.create_task(regular.tell_daily(context.database("daily"), watch, self.desk, self._config, context.clock)),
            ]
            if url := self._settings.heartbeat_url or self._config.heartbeat_url:
                looking.append(group.create_task(regular.give_signs(self._http, url, watch)))
            telling = [group.create_task(self.recorder.run()), group.create_task(self.desk.run())]
            sending = [group.create_task(courier.run(context.stopping)) for courier in self.couriers.values()]
            context.readiness.set("service", True, f"watching {len(watch.watched)} services")
            try:
                await context.stopping.wait()
                await _ended(looking)  # from here on what goes away goes in order
                await self._leave(sending)
            finally:
                await _ended([*looking, *telling, *sending])

    async def _leave(self, sending: Sequence[asyncio.Task[None]]) -> None:
        """A last round for what is due; what is left is in the record, for the next start."""
        for courier in self.couriers.values():
            courier.bell.ring()
        if sending:
            await asyncio.wait(sending, timeout=SEND_WITHIN_S)
        await self.recorder.flush(FLUSH_WITHIN_S)

    def received(self, found: Taken) -> None:
        """Something has come from Prometheus."""
        if found.watchdog:
            self.watch.watchdog_at = self._context.clock.monotonic()
        self.board.prometheus = found.firing
        self.desk.bell.ring()

    def _keep(self, found: Sequence[Delivery], at: datetime) -> None:
        self.recorder.keep(deliveries.kept(found, at))

    def _joined(self) -> None:
        """Listening has begun, perhaps again: what was said before may not have been heard."""
        self.watch.bus.joined = True
        self.desk.bell.ring()

    def _hear(self, channel: str, payload: bytes) -> None:
        if channel == HEALTH_CHANNEL:
            self.watch.bus.hear(channel, payload)
        else:
            self.desk.bell.ring()

    async def _judge(self) -> None:
        """Each second, until cancelled. What was wrong before a restart is recalled as soon as the record can be read."""
        recalled = False
        while True:
            try:
                recalled = recalled or await self._recall()
                await self._look()
            except Exception:
                log.exception("a look at the fleet failed; the next is in %s s", LOOK_S)
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        before = {fault.key: fault for fault in self.watch.faults.firing}
        await self.watch.look(self.desk)
        for key in before.keys() - {fault.key for fault in self.watch.faults.firing}:
            self.board.ended(before[key], utc(self._context.clock))
        self.board.unwritten = self.recorder.waiting

    async def _recall(self) -> bool:
        if self.watch.record.record is None:
            return False
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                firing = await alerts.firing(self._database)
                over = await alerts.over(self._database, self.board.over.maxlen or 0)
        except (Unreachable, TimeoutError):
            return False
        self.watch.faults.restore(firing["direct"])
        self.board.prometheus = firing["prometheus"]
        self.board.over.extend(OverStatus(key=o.key, severity=o.severity, title=o.title, since=o.since, until=o.resolved_at) for o in over)
        return True


def quotable(settings: MonitorSettings) -> list[str]:
    """Secrets that another side may quote in an answer, the longest first: also the path alone of a webhook's address."""
    whole = [value for name in SECRETS if (value := getattr(settings, name))]
    paths = [path for value in whole if "://" in value and len(path := urlsplit(value).path) > 1]
    return sorted([*whole, *paths, *(path.lstrip("/") for path in paths)], key=len, reverse=True)


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels until all have ended: `asyncio.wait_for` of Python 3.11, which psycopg uses, may swallow a cancellation."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.5)


async def work(context: Context, settings: MonitorSettings, begun: list[Monitor]) -> None:
    """Watches until asked to stop; `begun` holds the monitor while it does."""
    config = from_toml(NotificationsConfig, Path(settings.config_dir), "notifications", settings.environment, optional=True)
    async with aiohttp.ClientSession() as http:
        begun[:] = [Monitor(context, settings, config, http)]
        try:
            await begun[0].run()
        finally:
            begun.clear()
