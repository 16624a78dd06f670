"""Accounts that are disarmed: what their executor asks of the record, what it writes there, and what others read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, LiteralString, NamedTuple

from libs.common.database import Database, Write
from libs.domain.guards import Build, Reason


class Asked(NamedTuple):
    """What the record says of the fleet at one moment."""

    now_ns: int  # the database's clock
    journal_lag_s: float  # age of the oldest approval that the account's executor has not read
    schema: str  # that the database is at
    builds: Sequence[Build]


class DisarmedSeen(NamedTuple):
    """One reason for which an account sends nothing that adds to a book."""

    account_id: str
    key: str
    code: str
    text: str
    since: datetime


_ASK: Final[LiteralString] = (
    "select (extract(epoch from clock_timestamp()) * 1000000000)::int8,"
    " coalesce((select extract(epoch from clock_timestamp() - (select j.at from journal j where j.stream = c.stream and j.no > c.no"
    "   order by j.no limit 1)) from cursors c where c.consumer = 'executor:' || %s and c.stream = 'orders.approved'), 0)::float8,"
    " (select version_num from alembic_version),"
    " (select coalesce(jsonb_agg(jsonb_build_array(service, instance, release, schema_version, config,"
    "   extract(epoch from clock_timestamp() - at)::float8)), '[]') from builds)"
)
REASONS: Final[LiteralString] = (
    "(select coalesce(json_agg(json_build_array(key, code, text, limit_value, seen) order by since, key), '[]') from disarmed"
    " where account_id = %(account)s)"
)
"""For a snapshot that knows its account: a list of Reason."""


async def ask(database: Database, account_id: str) -> Asked:
    """One round trip.

    Raises:
        Unreachable: the database is away.
    """
    now_ns, lag_s, schema, rows = (await database.fetch(_ASK, (account_id,)))[0]
    return Asked(now_ns, lag_s, schema, [Build(*row) for row in rows])


def store(account_id: str, reasons: Sequence[Reason]) -> list[Write]:
    """All that holds for an account now; what held before and is not among it is over."""
    columns = [[reason[n] for reason in reasons] for n in range(len(Reason._fields))]
    return [
        Write("delete from disarmed where account_id = %s and key <> all(%b::text[])", (account_id, columns[0])),
        Write(
            "insert into disarmed (account_id, key, code, text, limit_value, seen)"
            " select %s, k, c, t, l, s from unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[]) w(k, c, t, l, s)"
            " on conflict (account_id, key) do update set text = excluded.text, limit_value = excluded.limit_value, seen = excluded.seen",
            (account_id, *columns),
        ),
    ]


async def disarmed(database: Database) -> list[DisarmedSeen]:
    """Why accounts of the newest session are disarmed, the oldest reason first.

    Raises:
        Unreachable: the database is away.
    """
    rows = await database.fetch(
        "select account_id, key, code, text, since from disarmed join accounts a using (account_id) where a.session_id ="
        " (select session_id from sessions order by state = 'running' desc, played_at desc limit 1) order by since, account_id, key"
    )
    return [DisarmedSeen(*row) for row in rows]
