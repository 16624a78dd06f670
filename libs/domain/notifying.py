"""What is told, when, and on which channel. Pure: the time is passed in, and what was told before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from libs.domain.configuration import ChannelConfig, NotificationKind, QuietHours, clock_time
from libs.domain.health import RANK, Severity

State = Literal["note", "firing", "resolved"]
PRIORITY: Final = {"info": 2, "warning": 5, "critical": 8}
"""Gotify's: from 4 on a phone shows it, from 8 on it makes itself heard."""
AGAIN: Final = timedelta(hours=1)
TOO_OLD: Final = timedelta(hours=24)
TEST: Final = "test"
"""Key of a notification that tries a channel: `test` is for all, `test:gotify` for one; nothing holds it back."""


@dataclass(frozen=True)
class Note:
    """A notification, as its row says."""

    id: UUID
    kind: NotificationKind
    severity: Severity
    state: State
    key: str
    title: str
    body: str  # Markdown
    link: str
    created_at: datetime

    @property
    def test(self) -> bool:
        """Whether it only tries the channels."""
        return self.key.partition(":")[0] == TEST

    @property
    def priority(self) -> int:
        """Gotify's. What is over need not wake anybody."""
        return min(PRIORITY[self.severity], PRIORITY["warning"] if self.state == "resolved" else 10)


@dataclass(frozen=True)
class Delivery:
    """One notification on one channel."""

    note: Note
    channel: str
    state: Literal["waiting", "sent", "dropped"]
    next_at: datetime
    attempts: int = 0
    detail: str = ""  # last error, or why it waits or was dropped


class Told(NamedTuple):
    """The last that a person heard of a key."""

    at: datetime
    severity: Severity
    open: bool  # its end has not been told


class Memory:
    """What was told of each key: the same trouble is not told twice within an hour, and each end once."""

    def __init__(self) -> None:
        self._told: dict[str, Told] = {}

    def recall(self, note: Note) -> None:
        """A notification that was told; one older than what is known of its key changes nothing."""
        known = self._told.get(note.key)
        if note.key and note.state != "note" and not note.test and not (known and known.at > note.created_at):
            self._told[note.key] = Told(note.created_at, note.severity, note.state == "firing")

    def why_not(self, note: Note) -> str:
        """Why it need not be told; "" when it must."""
        if note.state == "note" or not note.key or note.test:
            return ""
        told = self._told.get(note.key)
        if note.state == "resolved":
            return "" if told and told.open else "its beginning was not told"
        if told and told.open and note.created_at - told.at < AGAIN and RANK[note.severity] <= RANK[told.severity]:
            return f"told already at {told.at:%H:%M:%S}"
        return ""


def plan(note: Note, channels: Sequence[ChannelConfig], quiet: QuietHours | None, memory: Memory, now: datetime) -> list[Delivery]:
    """Its deliveries on the channels that are on and want it; `memory` learns what will be told."""
    reason = "more than 24 hours old" if now - note.created_at > TOO_OLD else memory.why_not(note)
    until = quiet_until(note.created_at, quiet) if gathered(note) else None
    found = [
        Delivery(note, c.kind, "dropped", now, detail=reason)
        if reason
        else Delivery(note, c.kind, "waiting", max(until or now, now), detail="quiet hours" if until and until > now else "")
        for c in channels
        if wanted(note, c)
    ]
    if not reason:
        memory.recall(note)
    return found


def wanted(note: Note, channel: ChannelConfig) -> bool:
    """Whether a channel is told of it at all."""
    if note.test:
        return note.key in (TEST, f"{TEST}:{channel.kind}")
    return RANK[note.severity] >= RANK[channel.min_severity] and note.kind in channel.kinds


def gathered(note: Note) -> bool:
    """Whether it may wait and be told together with others."""
    return note.severity != "critical" and not note.test


def quiet_until(at: datetime, quiet: QuietHours | None) -> datetime | None:
    """When the quiet hours that a moment lies in are over; None outside of them."""
    if quiet is None:
        return None
    zone = ZoneInfo(quiet.tz)
    begin, end, local = clock_time(quiet.begin), clock_time(quiet.end), at.astimezone(zone)
    time = local.time()
    inside = begin <= time < end if begin < end else time >= begin or time < end
    if not inside:
        return None
    day = local.date() if time < end else local.date() + timedelta(days=1)
    return datetime.combine(day, end, zone).astimezone(UTC)


def failed(delivery: Delivery, detail: str, next_at: datetime) -> Delivery:
    """After an attempt that may be repeated; given up a day after the notification was made."""
    if next_at - delivery.note.created_at > TOO_OLD:
        return dropped(delivery, f"given up after 24 hours: {detail}")
    return replace(delivery, attempts=delivery.attempts + 1, next_at=next_at, detail=detail)


def dropped(delivery: Delivery, detail: str) -> Delivery:
    """After an attempt that need not be repeated."""
    return replace(delivery, state="dropped", attempts=delivery.attempts + 1, detail=detail)


def sent(delivery: Delivery) -> Delivery:
    return replace(delivery, state="sent", attempts=delivery.attempts + 1, detail="")


def pause_s(failures: int, draw: float, asked_s: float | None = None) -> float:
    """How long to wait after so many failures in a row: 1 s, 2 s, 4 s .. 5 min, of which a `draw` from 0 to 1 takes up to
    half away; at least what the other side asked for, up to an hour."""
    full = min(300.0, 2.0 ** min(failures - 1, 9))
    return max(full * (1 - draw / 2), min(asked_s or 0.0, 3600.0))
