"""Deleting what is old: a batch at a time, each its own short transaction. What somebody may still have to read is kept."""

from collections.abc import Sequence
from datetime import date
from typing import Final, LiteralString, NamedTuple

from libs.common.database import Database, Rejected, Write

BATCH: Final = 5_000
_LOCKED: Final = "55P03"

_JOURNAL: Final[LiteralString] = (
    "with safe as (select k.stream, least(k.last_no - 1, min(c.no)) as up_to from journal_counters k left join cursors c"
    " on c.stream = k.stream and not exists (select from accounts a join sessions s using (session_id)"
    " where s.state = 'finished' and a.account_id = split_part(c.consumer, ':', 2)) group by k.stream, k.last_no),"
    " old as (select j.stream, j.no from safe, lateral (select * from journal j where j.stream = safe.stream and j.no <= safe.up_to"
    " order by j.no limit %(batch)s) j where j.at < clock_timestamp() - make_interval(days => %(days)s))"
    " delete from journal j using old where j.stream = old.stream and j.no = old.no returning 1"
)
_NOTIFICATIONS: Final[LiteralString] = (
    "delete from notifications where id in (select n.id from notifications n"
    " where n.created_at < clock_timestamp() - make_interval(days => %(days)s) and not (n.state = 'firing' and not exists"
    " (select from notifications l where l.key = n.key and l.created_at > n.created_at)) order by n.created_at limit %(batch)s) returning 1"
)
_JOB_RUNS: Final[LiteralString] = (
    "delete from job_runs where id in (select r.id from job_runs r"
    " where r.created_at < clock_timestamp() - make_interval(days => %(days)s) and r.state in ('done', 'failed', 'skipped')"
    " and (r.asked_by <> 'schedule' or exists (select from job_runs l where l.job_id = r.job_id and l.session_id = r.session_id"
    " and l.asked_by = 'schedule' and l.scheduled_for > r.scheduled_for)) limit %(batch)s) returning 1"
)
_EQUITY: Final[LiteralString] = (
    "delete from portfolio_equity where (account_id, strategy_id, at) in (select e.account_id, e.strategy_id, e.at"
    " from portfolio_equity e join accounts a using (account_id) join sessions s using (session_id)"
    " where e.at < at_ns(s.market_time) - make_interval(days => %(days)s)"
    " or (s.state <> 'running' and s.played_at < clock_timestamp() - make_interval(days => %(days)s)) limit %(batch)s) returning 1"
)
_MEASURES: Final[LiteralString] = (
    "delete from risk_metrics where (account_id, at) in (select m.account_id, m.at"
    " from risk_metrics m join accounts a using (account_id) join sessions s using (session_id)"
    " where m.at < at_ns(s.market_time) - make_interval(days => %(days)s)"
    " or (s.state <> 'running' and s.played_at < clock_timestamp() - make_interval(days => %(days)s)) limit %(batch)s) returning 1"
)
_MARKET_ROWS: Final[LiteralString] = (
    "delete from data_quarantine where id in (select id from data_quarantine"
    " where at < clock_timestamp() - make_interval(days => %(days)s) order by id limit %(batch)s) returning 1"
)
TABLES: Final[dict[str, LiteralString]] = {
    "journal": _JOURNAL,
    "notifications": _NOTIFICATIONS,
    "job_runs": _JOB_RUNS,
    "portfolio_equity": _EQUITY,
    "risk_metrics": _MEASURES,
    "data_quarantine": _MARKET_ROWS,
}
"""What deletes a batch of each table.

Of the journal goes what every cursor has passed, but never the newest message of a stream; cursors of sessions that are
finished count for nothing. A notification stays while it is the last word on something wrong, a job's run while it says
up to where the job has come. portfolio_equity and risk_metrics count back from where their session has come, in market time.
"""


class Played(NamedTuple):
    """A session, for what of its market is kept. Market times are ns."""

    market_time: int
    horizon: int
    running: bool
    days_ago: float  # since it was last begun or resumed, host time


async def delete_batch(database: Database, table: str, days: int) -> int:
    """Deletes some of what is older than so many days; how many rows. 0: there is nothing left to delete."""
    return len(await database.fetch(TABLES[table], {"days": days, "batch": BATCH}))


async def held_back_by(database: Database, days: int) -> list[str]:
    """Consumers whose cursors keep messages that are older than so many days."""
    rows = await database.fetch(
        "select distinct c.consumer from cursors c join journal_counters k using (stream) where c.no < k.last_no and exists (select"
        " from journal j where j.stream = c.stream and j.no = c.no + 1 and j.at < clock_timestamp() - make_interval(days => %s))"
        " and not exists (select from accounts a join sessions s using (session_id)"
        " where s.state = 'finished' and a.account_id = split_part(c.consumer, ':', 2)) order by 1",
        (days,),
    )
    return [row[0] for row in rows]


async def played(database: Database) -> list[Played]:
    """Every session."""
    rows = await database.fetch(
        "select market_time, horizon, state = 'running', extract(epoch from clock_timestamp() - played_at)::float8 / 86400 from sessions"
    )
    return [Played(*row) for row in rows]


async def quote_months(database: Database) -> list[date]:
    """The months that market_quotes has partitions of, ascending."""
    rows = await database.fetch(
        "select to_date(right(c.relname, 6), 'YYYYMM') from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = 'market_quotes'::regclass and c.relname ~ '^market_quotes_[0-9]{6}$' order by 1"
    )
    return [row[0] for row in rows]


async def drop_quotes(database: Database, months: Sequence[date]) -> list[date]:
    """Drops these months; those that were dropped. One that somebody is reading stays until another time."""
    dropped = []
    for month in months:
        try:
            await database.write([Write("select market_partition_drop('market_quotes', %s)", (month,))])
            dropped.append(month)
        except Rejected as error:
            if error.sqlstate != _LOCKED:
                raise
    return dropped
