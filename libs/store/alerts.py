"""What is wrong, as rows: written by monitor, by the way it was noticed; read by the operator."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from libs.common.database import Database, Write
from libs.domain.faults import Fault

Source = Literal["direct", "prometheus"]
_COLUMNS = "key, severity, title, body, link, since"


class Ended(NamedTuple):
    """An alert that is over."""

    key: str
    source: str
    severity: str
    title: str
    since: datetime
    resolved_at: datetime


def began(fault: Fault, source: Source) -> Write:
    """It fires; one of the same key that had ended begins anew."""
    return Write(
        "insert into alerts (key, source, severity, title, body, link, since) values (%s, %s, %s, %s, %s, %s, %s)"
        " on conflict (key, source) do update set severity = excluded.severity, title = excluded.title, body = excluded.body,"
        " link = excluded.link, since = excluded.since, resolved_at = null",
        (fault.key, source, fault.severity, fault.title, fault.body, fault.link, fault.since),
    )


def ended(key: str, source: Source, at: datetime) -> Write:
    """It is over."""
    return Write("update alerts set resolved_at = %s where key = %s and source = %s and resolved_at is null", (at, key, source))


async def firing(database: Database) -> dict[Source, list[Fault]]:
    """What is wrong now, by source, the oldest first.

    Raises:
        Unreachable: the database is away.
    """
    rows = await database.fetch("select source, " + _COLUMNS + " from alerts where resolved_at is null order by since")
    found: dict[Source, list[Fault]] = {"direct": [], "prometheus": []}
    for source, *values in rows:
        found[source].append(_fault(values))
    return found


async def over(database: Database, limit: int) -> list[Ended]:
    """The last that ended, newest first.

    Raises:
        Unreachable: the database is away.
    """
    rows = await database.fetch(
        "select key, source, severity, title, since, resolved_at from alerts where resolved_at is not null"
        " order by resolved_at desc limit %s",
        (limit,),
    )
    return [Ended(*row) for row in rows]


def _fault(values: Sequence[Any]) -> Fault:
    return Fault(*values)
