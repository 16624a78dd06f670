"""One courier for each channel: takes what is due, sends it, tries again later what failed. None waits for another."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from libs.common import metrics
from libs.common.clocks import HostClock
from libs.common.consumer import Bell
from libs.domain import notifying
from libs.domain.configuration import NotificationsConfig
from libs.domain.gathering import WINDOW, Message, round_of
from libs.domain.notifying import Delivery, gathered
from libs.domain.observed import ChannelSeen
from services.monitor.channels.channel import Channel, Failed, Letter, Refused
from services.monitor.times import utc

log = logging.getLogger(__name__)

IDLE_S: Final = 60.0
Keep = Callable[[Sequence[Delivery], datetime], None]


class Courier:
    """Deliveries of one channel, in memory; `keep` is told of each as it changes."""

    def __init__(self, channel: Channel, config: NotificationsConfig, clock: HostClock, keep: Keep, secrets: Sequence[str]) -> None:
        self.name = channel.name
        self.bell = Bell()
        self._channel = channel
        self._config = config
        self._clock = clock
        self._keep = keep
        self._secrets = secrets
        self._waiting: dict[UUID, Delivery] = {}
        self._sent_at: deque[datetime] = deque()
        self._failures = 0
        self._failing_since: float | None = None
        self._resting_until = float("-inf")  # after a failure; on the monotonic clock
        self._held_until: datetime | None = None
        self._last_error = ""
        self._last_sent: datetime | None = None

    @property
    def seen(self) -> ChannelSeen:
        """How the channel does."""
        since = self._failing_since
        return ChannelSeen(0.0 if since is None else self._clock.monotonic() - since, self._last_error)

    def shown(self) -> dict[str, object]:
        """For /status."""
        return {"waiting": len(self._waiting), "last_sent": self._last_sent, "last_error": self._last_error}

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Takes over what waits; what it has already stays as it is."""
        for delivery in deliveries:
            self._waiting.setdefault(delivery.note.id, delivery)
        self._count()
        self.bell.ring()

    def remember(self, sent_at: Sequence[datetime]) -> None:
        """When the channel was used before a restart."""
        self._sent_at.extendleft(reversed(sent_at))

    async def run(self, stopping: asyncio.Event) -> None:
        """Until asked to stop, and a last round then."""
        while not stopping.is_set():
            await self.bell.wait(self._patience())
            await self.round()

    async def round(self) -> None:
        """Sends what is due; stops at a failure, since what comes after would fail too."""
        now = utc(self._clock)
        due = self._due(now)
        while self._sent_at and now - self._sent_at[0] >= WINDOW:
            self._sent_at.popleft()
        found = round_of(due, self._sent_at, self._config.most_per_10_minutes, self._config.quiet_hours, now)
        self._held_until = found.held_until
        for message in found.messages:
            if not await self._sent(message):
                return

    def _due(self, now: datetime) -> list[Delivery]:
        """A critical one that has not been tried does not wait for a channel that rests after a failure."""
        rests = self._clock.monotonic() < self._resting_until
        due = [delivery for delivery in self._waiting.values() if delivery.next_at <= now]
        return [d for d in due if not d.attempts and not gathered(d.note)] if rests else due

    def _patience(self) -> float:
        """Seconds until something may be due."""
        if not self._waiting:
            return IDLE_S
        now, rest = utc(self._clock), self._resting_until - self._clock.monotonic()
        soonest = min(delivery.next_at for delivery in self._waiting.values())
        if self._held_until is not None:
            soonest = max(soonest, self._held_until)
        return min(max((soonest - now).total_seconds(), rest, 0.05), IDLE_S)

    async def _sent(self, message: Message) -> bool:
        """One attempt; False when the channel does not work."""
        letter = Letter(message.severity, message.title, message.body, link_of(message.link, self._config.link_base), message.priority)
        try:
            await self._channel.send(letter)
        except Failed as error:
            self._failed(message, self._clean(str(error)), error.retry_after_s)
            return False
        except Refused as error:
            self._refused(message, self._clean(str(error)))
            return True
        except Exception as error:  # a defect of ours in one message must not end the courier
            log.exception("%s failed on a message", self.name)
            self._refused(message, f"a defect: {type(error).__name__}")
            return True
        self._delivered(message)
        return True

    def _delivered(self, message: Message) -> None:
        now = utc(self._clock)
        self._failures, self._failing_since, self._last_error, self._last_sent = 0, None, "", now
        self._resting_until = float("-inf")
        self._sent_at.append(now)
        for delivery in message.covers:
            metrics.NOTIFICATION_DELAY.labels(channel=self.name).observe((now - delivery.note.created_at).total_seconds())
        self._settle([notifying.sent(delivery) for delivery in message.covers], "sent", now)

    def _failed(self, message: Message, reason: str, asked_s: float | None) -> None:
        self._failures += 1
        pause = notifying.pause_s(self._failures, random.random(), asked_s)
        now = utc(self._clock)
        self._trouble(reason)
        self._resting_until = self._clock.monotonic() + pause
        log.warning("%s: %s; %d wait, again in %.0f s", self.name, reason, len(self._waiting), pause)
        later = [notifying.failed(delivery, reason, now + timedelta(seconds=pause)) for delivery in message.covers]
        self._settle(later, "failed", now)

    def _refused(self, message: Message, reason: str) -> None:
        self._trouble(reason)
        log.error("%s does not take %r: %s", self.name, message.title, reason)
        self._settle([notifying.dropped(delivery, reason) for delivery in message.covers], "dropped", utc(self._clock))

    def _trouble(self, reason: str) -> None:
        self._last_error = reason
        if self._failing_since is None:
            self._failing_since = self._clock.monotonic()

    def _settle(self, deliveries: Sequence[Delivery], outcome: str, now: datetime) -> None:
        for delivery in deliveries:
            if delivery.state == "waiting":
                self._waiting[delivery.note.id] = delivery
            else:
                self._waiting.pop(delivery.note.id, None)
        metrics.NOTIFICATIONS.labels(channel=self.name, outcome=outcome).inc()
        self._count()
        self._keep(deliveries, now)

    def _count(self) -> None:
        metrics.NOTIFICATIONS_WAITING.labels(channel=self.name).set(len(self._waiting))

    def _clean(self, reason: str) -> str:
        """Without secrets, should the other side have quoted one."""
        for secret in self._secrets:
            reason = reason.replace(secret, "***")
        return reason


def link_of(link: str, base: str) -> str:
    """A whole address: runbooks may be named as in the repository (docs/runbooks/x.md) or as the monitor serves them."""
    if link.startswith(("http://", "https://")):
        return link
    path = link.lstrip("/").removeprefix("docs/").removesuffix(".md")
    return f"{base.rstrip('/')}/{path}"
