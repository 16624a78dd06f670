"""From deliveries that are due to messages: one by one while there are few, together when there are many."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from libs.domain.configuration import QuietHours
from libs.domain.health import RANK, Severity
from libs.domain.notifying import Delivery, gathered, quiet_until

WINDOW: Final = timedelta(minutes=10)
LINES: Final = 20  # of a message that stands for many


class Message(NamedTuple):
    """What goes over a channel."""

    severity: Severity
    title: str
    body: str  # Markdown
    link: str
    priority: int  # Gotify's
    covers: tuple[Delivery, ...]


class Round(NamedTuple):
    """What a channel sends now, the most urgent first, and when it may look at the rest."""

    messages: list[Message]
    held_until: datetime | None


def round_of(due: Sequence[Delivery], sent_at: Sequence[datetime], most: int, quiet: QuietHours | None, now: datetime) -> Round:
    """Splits what is due into messages.

    Args:
        sent_at: when the channel sent its last messages, oldest first.
        most: messages within ten minutes; critical ones count, and are never held back.
    """
    urgent = _by_key([delivery for delivery in due if not gathered(delivery.note)])
    rest = sorted((delivery for delivery in due if gathered(delivery.note)), key=lambda d: (d.attempts, d.note.created_at))
    morning = [delivery for delivery in rest if quiet_until(delivery.note.created_at, quiet)]
    single = [delivery for delivery in rest if delivery not in morning]
    if not rest:
        return Round(urgent, None)
    recent = [at for at in sent_at if now - at < WINDOW]
    free = most - len(recent) - len(urgent) - bool(morning)
    if free < (0 if morning and not single else 1):
        return Round(urgent, (recent[0] if recent else now) + WINDOW)
    together = [_many(morning, "notifications from the quiet hours")] if morning else []
    if len(single) > free:
        single, late = single[: free - 1], single[free - 1 :]
        together.append(_many(late, "more notifications"))
    return Round([*urgent, *map(_one, single), *together], None)


def _by_key(urgent: Sequence[Delivery]) -> list[Message]:
    """The newest of each key stands for those before it; what has failed least comes first."""
    groups: dict[str, list[Delivery]] = {}
    for delivery in sorted(urgent, key=lambda d: d.note.created_at):
        key = delivery.note.key if delivery.note.state != "note" else ""
        groups.setdefault(key or str(delivery.note.id), []).append(delivery)
    return [_one(*group) for group in sorted(groups.values(), key=lambda group: group[-1].attempts)]


def _one(*group: Delivery) -> Message:
    note = group[-1].note
    return Message(note.severity, note.title, note.body, note.link, note.priority, group)


def _many(group: Sequence[Delivery], words: str) -> Message:
    if len(group) == 1:
        return _one(*group)
    notes = [delivery.note for delivery in group]
    lines = [f"- {note.created_at:%H:%M} {note.title}" for note in notes[:LINES]]
    if len(notes) > LINES:
        lines.append(f"- and {len(notes) - LINES} others")
    worst = max((note.severity for note in notes), key=lambda severity: RANK[severity])
    loudest = max(note.priority for note in notes)
    return Message(worst, f"{len(notes)} {words}", "\n".join([*lines, "", "Times are UTC."]), "", loudest, tuple(group))
