"""The queue of notifications on their way to a person. Written by monitor alone; it survives its restarts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from libs.common.database import Database, Write
from libs.domain.messages import Notification
from libs.domain.notifying import Delivery, Note
from libs.store.notifications import store

AT_ONCE: Final = 200
_NOTE: Final = "n.id, n.kind, n.severity, n.state, n.key, n.title, n.body, n.link, n.created_at"


class Outcome(NamedTuple):
    """How a delivery stands, for whoever waits for it."""

    channel: str
    state: str  # waiting, sent, dropped
    attempts: int
    detail: str


def note_of(said: Notification, at: datetime) -> Note:
    """A notification that has been made just now, as its row will say."""
    return Note(said.notification_id, said.kind, said.severity, said.state, said.key, said.title, said.body, said.link, at)


def made(said: Notification, at: datetime) -> list[Write]:
    """The row of a notification that monitor itself made, perhaps some time ago while the database was away."""
    return [store([said], "monitor"), Write("update notifications set created_at = %s where id = %s", (at, said.notification_id))]


def planned(note_id: UUID, deliveries: Sequence[Delivery], at: datetime) -> list[Write]:
    """A notification has been decided on; its deliveries as they stand now."""
    return [Write("update notifications set planned_at = %s where id = %s", (at, note_id)), *kept(deliveries, at)]


def kept(deliveries: Sequence[Delivery], at: datetime) -> list[Write]:
    """Deliveries as they stand now; what has been done is never undone."""
    if not deliveries:
        return []
    return [
        Write(
            "insert into notification_deliveries as d (notification_id, channel, state, priority, attempts, next_at, detail, done_at)"
            " select i, c, s, p, a, n, t, case when s <> 'waiting' then %s::timestamptz end from unnest(%b::uuid[], %b::text[], %b::text[],"
            " %b::int8[], %b::int8[], %b::timestamptz[], %b::text[]) u(i, c, s, p, a, n, t)"
            " on conflict (notification_id, channel) do update set state = excluded.state, attempts = excluded.attempts,"
            " next_at = excluded.next_at, detail = excluded.detail, done_at = excluded.done_at where d.state = 'waiting'",
            (
                at,
                [d.note.id for d in deliveries],
                [d.channel for d in deliveries],
                [d.state for d in deliveries],
                [d.note.priority for d in deliveries],
                [d.attempts for d in deliveries],
                [d.next_at for d in deliveries],
                [d.detail for d in deliveries],
            ),
        )
    ]


async def undecided(database: Database) -> list[Note]:
    """Notifications that nobody has decided on yet, oldest first.

    Raises:
        Unreachable: the database is away.
    """
    rows = await database.fetch(
        "select " + _NOTE + " from notifications n where planned_at is null order by created_at, id limit %s", (AT_ONCE,)
    )
    return [Note(*row) for row in rows]


async def waiting(database: Database) -> list[Delivery]:
    """What is still to be delivered.

    Raises:
        Unreachable: the database is away.
    """
    rows = await database.fetch(
        "select " + _NOTE + ", d.channel, d.state, d.next_at, d.attempts, d.detail from notification_deliveries d"
        " join notifications n on n.id = d.notification_id where d.state = 'waiting' order by d.next_at"
    )
    return [_delivery(row) for row in rows]


async def told(database: Database, since: datetime) -> list[Note]:
    """What has been told or will be, of what begins and ends, in the order it was made.

    Raises:
        Unreachable: the database is away.
    """
    rows = await database.fetch(
        "select " + _NOTE + " from notifications n where created_at >= %s and state <> 'note' and planned_at is not null and not exists"
        " (select from notification_deliveries d where d.notification_id = n.id and d.state = 'dropped' and d.attempts = 0)"
        " order by created_at, id",
        (since,),
    )
    return [Note(*row) for row in rows]


async def sent_at(database: Database, since: datetime) -> dict[str, list[datetime]]:
    """When messages went out, by channel; those that went together count once.

    Raises:
        Unreachable: the database is away.
    """
    rows = await database.fetch(
        "select channel, done_at from notification_deliveries where state = 'sent' and done_at >= %s group by 1, 2 order by 1, 2", (since,)
    )
    found: dict[str, list[datetime]] = {}
    for channel, at in rows:
        found.setdefault(channel, []).append(at)
    return found


async def outcomes(database: Database, notification_id: UUID) -> list[Outcome] | None:
    """How its deliveries stand; None when nobody has decided on it yet.

    Raises:
        Unreachable: the database is away.
    """
    rows = await database.fetch(
        "select d.channel, d.state, d.attempts, d.detail from notifications n left join notification_deliveries d"
        " on d.notification_id = n.id where n.id = %s and n.planned_at is not null order by 1",
        (notification_id,),
    )
    return [Outcome(*row) for row in rows if row[0] is not None] if rows else None


def _delivery(row: Sequence[Any]) -> Delivery:
    note, (channel, state, next_at, attempts, detail) = Note(*row[:9]), row[9:]
    return Delivery(note, channel, state, next_at, attempts, detail)
