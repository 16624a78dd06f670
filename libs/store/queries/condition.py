"""What the record says of the fleet's own condition: for whoever asks at night what is wrong, and for the morning's checklist."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from libs.common.database import Database
from libs.domain.configuration import LimitConfig
from libs.domain.orders import OPEN
from libs.store import limits, reconciliation
from libs.store.unsettled import SINCE

SHOWN: Final = 20  # of a kind; there may be thousands
DURABLE: Final = ("fsync", "full_page_writes", "synchronous_commit")


class ServerSays(msgspec.Struct, frozen=True, kw_only=True):
    """The database server of itself."""

    version: str
    size_bytes: int
    settings: dict[str, str]  # those that a commit's survival depends on
    as_owner: list[str] = []  # who is logged in as the owner of the tables, by the first word of the connection's name
    schema: str | None  # revision; None: no migration has run


class SessionStands(msgspec.Struct, frozen=True, kw_only=True):
    """The newest session."""

    session_id: str
    feed: str
    venue: str
    state: str
    mode: str
    speed: float
    paused: bool
    market_time: int  # ns
    accounts: list[str]
    calendars: list[str]  # of its instruments


class LeaseStands(msgspec.Struct, frozen=True, kw_only=True):
    """A lease, by the database's clock."""

    name: str
    holder: str
    epoch: int
    released: bool
    left_s: float  # negative when it has run out

    @property
    def held(self) -> bool:
        return not self.released and self.left_s > 0


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """A consumer that has not read all there is."""

    consumer: str
    stream: str
    messages: int
    age_s: float  # of the oldest message not read


class OrderStands(msgspec.Struct, frozen=True, kw_only=True):
    """An order whose outcome is open."""

    order_id: UUID
    status: str
    account_id: str
    strategy_id: str
    symbol: str
    age_s: float  # since its status changed


class PutAside(msgspec.Struct, frozen=True, kw_only=True):
    """A message or a fill in quarantine."""

    what: str
    error: str
    at: datetime


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """An account that may only close."""

    account_id: str
    limit_name: str
    limit_value: float
    seen: float
    at: datetime


class JobEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The last run of a job that has ended."""

    job_id: str
    state: str
    detail: str
    at: datetime


class AlertStands(msgspec.Struct, frozen=True, kw_only=True):
    """What monitor holds to be wrong."""

    key: str
    severity: str
    title: str
    since: datetime


class ChannelStands(msgspec.Struct, frozen=True, kw_only=True):
    """A notification channel."""

    channel: str
    waiting: int
    oldest_s: float | None  # of those that wait
    last_sent: datetime | None
    last_error: str


class DayEarned(msgspec.Struct, frozen=True, kw_only=True):
    """An account's gain on a trading day that has ended."""

    account_id: str
    day: date
    pnl: Decimal
    currency: str


class Differs(msgspec.Struct, frozen=True, kw_only=True):
    """Something of which record and venue say different things, and on which nobody has decided."""

    account_id: str
    kind: str
    key: str
    ours: str
    theirs: str
    found_at: datetime


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, as of one moment or nearly."""

    server: ServerSays
    session: SessionStands | None
    leases: list[LeaseStands]  # of the session's accounts, and those that belong to none
    behind: list[Behind]
    orders: dict[str, int]  # that may still fill, by status
    unsettled: list[OrderStands]  # of which only the venue knows
    quarantined: int
    put_aside: list[PutAside]  # the newest
    halts: list[Halt]
    limits: list[LimitConfig] = []  # that hold
    jobs: list[JobEnded]
    alerts: list[AlertStands]
    channels: list[ChannelStands]
    earned: list[DayEarned]  # the last day of each account that has ended
    differences: list[Differs] = []


async def clock(database: Database) -> float:
    """Seconds since the epoch by the server's clock."""
    return float((await database.fetch("select extract(epoch from clock_timestamp())::float8"))[0][0])


async def server(database: Database) -> ServerSays:
    """Asks the server itself; the only part that needs no schema."""
    rows = await database.fetch(
        "select current_setting('server_version'), pg_database_size(current_database()),"
        " (select json_object_agg(s, current_setting(s)) from unnest(%b::text[]) s), to_regclass('alembic_version') is not null,"
        " (select coalesce(json_agg(distinct split_part(application_name, ':', 1)), '[]') from pg_stat_activity"
        "   where datname = current_database() and usename = (select pg_get_userbyid(relowner) from pg_class"
        "   where oid = to_regclass('orders')))",
        (list(DURABLE),),
    )
    version, size, settings, migrated, as_owner = rows[0]
    schema = (await database.fetch("select version_num from alembic_version"))[0][0] if migrated else None
    return ServerSays(version=version, size_bytes=size, settings=settings, schema=schema, as_owner=as_owner)


async def condition(database: Database) -> Condition:
    """Everything, in some short questions."""
    session = await _session(database)
    accounts = session.accounts if session else []
    quarantined, put_aside = await _put_aside(database)
    return Condition(
        server=await server(database),
        session=session,
        leases=await _leases(database, accounts),
        behind=await behind(database, accounts),
        orders=await _orders(database),
        unsettled=await _unsettled(database),
        quarantined=quarantined,
        put_aside=put_aside,
        halts=await _halts(database, accounts),
        limits=[row.limit for row in (await limits.now(database)).holding],
        jobs=await _jobs(database),
        alerts=await _alerts(database),
        channels=await _channels(database),
        earned=await _earned(database, accounts),
        differences=await _differences(database),
    )


async def market_time(database: Database) -> int:
    """Of the newest session, as last stored; ns. 0 before there is one."""
    rows = await database.fetch("select market_time from sessions order by played_at desc limit 1")
    return int(rows[0][0]) if rows else 0


async def behind(database: Database, accounts: Sequence[str]) -> list[Behind]:
    """Consumers of these accounts, and those of none, that have something to read."""
    rows = await database.fetch(
        "select c.consumer, c.stream, j.last_no - c.no, coalesce((select extract(epoch from clock_timestamp() - m.at)::float8"
        " from journal m where m.stream = c.stream and m.no > c.no order by m.no limit 1), 0)"
        " from cursors c join journal_counters j using (stream) where c.no < j.last_no"
        " and (split_part(c.consumer, ':', 2) = '' or split_part(c.consumer, ':', 2) = any(%b::text[])) order by 1, 2",
        (list(accounts),),
    )
    return [Behind(consumer=c, stream=s, messages=n, age_s=age) for c, s, n, age in rows]


async def _session(database: Database) -> SessionStands | None:
    rows = await database.fetch(
        "select session_id, feed, venue, state, mode, speed, paused, market_time,"
        " array(select account_id from accounts a where a.session_id = s.session_id order by 1),"
        " array(select distinct calendar from instruments i where i.venue = s.venue order by 1)"
        " from sessions s order by played_at desc limit 1"
    )
    if not rows:
        return None
    names = ("session_id", "feed", "venue", "state", "mode", "speed", "paused", "market_time", "accounts", "calendars")
    return SessionStands(**dict(zip(names, rows[0], strict=True)))


async def _leases(database: Database, accounts: Sequence[str]) -> list[LeaseStands]:
    rows = await database.fetch(
        "select name, holder, epoch, released, extract(epoch from expires_at - clock_timestamp())::float8 from leases"
        " where split_part(name, ':', 2) = '' or split_part(name, ':', 2) = any(%b::text[]) order by 1",
        (list(accounts),),
    )
    return [LeaseStands(name=name, holder=holder, epoch=epoch, released=gone, left_s=left) for name, holder, epoch, gone, left in rows]


async def _orders(database: Database) -> dict[str, int]:
    rows = await database.fetch(
        "select status, count(*) from orders where status = any(%b::text[]) group by 1 order by 1", ([str(status) for status in OPEN],)
    )
    return {status: count for status, count in rows}


async def _unsettled(database: Database) -> list[OrderStands]:
    rows = await database.fetch(
        "select id, status, account_id, strategy_id, symbol, extract(epoch from clock_timestamp() - " + SINCE + ")::float8 as age_s"
        " from orders o where status in ('SUBMITTING', 'UNKNOWN', 'CANCEL_UNKNOWN', 'REPLACE_UNKNOWN') order by age_s desc limit %s",
        (SHOWN,),
    )
    return [
        OrderStands(order_id=id_, status=status, account_id=account, strategy_id=strategy, symbol=symbol, age_s=age)
        for id_, status, account, strategy, symbol, age in rows
    ]


async def _put_aside(database: Database) -> tuple[int, list[PutAside]]:
    rows = await database.fetch(
        "select what, error, at, count(*) over () from ("
        "select 'message ' || no || ' of ' || stream || ', by ' || consumer as what, error, at from quarantine"
        " union all select 'fill ' || exec_key || ' of ' || account_id, reason, at from fill_quarantine f where not exists (select from"
        " trades t where (t.venue, t.account_id, t.exec_key) = (f.venue, f.account_id, f.exec_key))) q order by at desc limit %s",
        (SHOWN,),
    )
    return (rows[0][3] if rows else 0), [PutAside(what=what, error=error, at=at) for what, error, at, _ in rows]


async def _halts(database: Database, accounts: Sequence[str]) -> list[Halt]:
    rows = await database.fetch(
        "select account_id, limit_name, limit_value, seen, at from risk_halts where active and account_id = any(%b::text[]) order by 1, 2",
        (list(accounts),),
    )
    return [Halt(account_id=account, limit_name=name, limit_value=limit, seen=seen, at=at) for account, name, limit, seen, at in rows]


async def _jobs(database: Database) -> list[JobEnded]:
    rows = await database.fetch(
        "select distinct on (job_id) job_id, state, detail, coalesce(finished_at, created_at) from job_runs"
        " where state in ('done', 'failed') order by job_id, created_at desc"
    )
    return [JobEnded(job_id=job, state=state, detail=detail, at=at) for job, state, detail, at in rows]


async def _alerts(database: Database) -> list[AlertStands]:
    rows = await database.fetch(
        "select key, min(severity), min(title), min(since) from alerts where resolved_at is null group by key order by 4 limit %s", (SHOWN,)
    )
    return [AlertStands(key=key, severity=severity, title=title, since=since) for key, severity, title, since in rows]


async def _channels(database: Database) -> list[ChannelStands]:
    rows = await database.fetch(
        "select d.channel, count(*) filter (where d.state = 'waiting'),"
        " extract(epoch from clock_timestamp() - min(n.created_at) filter (where d.state = 'waiting'))::float8,"
        " max(d.done_at) filter (where d.state = 'sent'),"
        " coalesce((array_agg(d.detail order by d.next_at desc) filter (where d.state <> 'sent' and d.detail <> ''))[1], '')"
        " from notification_deliveries d join notifications n on n.id = d.notification_id"
        " where d.state = 'waiting' or n.created_at > clock_timestamp() - interval '7 days' group by 1 order by 1"
    )
    return [ChannelStands(channel=c, waiting=n, oldest_s=age, last_sent=sent, last_error=error) for c, n, age, sent, error in rows]


async def _earned(database: Database, accounts: Sequence[str]) -> list[DayEarned]:
    rows = await database.fetch(
        "select distinct on (p.account_id) p.account_id, p.snapshot_date, p.day_pnl, a.base_currency"
        " from portfolio_snapshots p join accounts a using (account_id) where p.strategy_id = '' and p.account_id = any(%b::text[])"
        " and p.snapshot_date < (select max(q.snapshot_date) from portfolio_snapshots q where q.account_id = p.account_id)"
        " order by p.account_id, p.snapshot_date desc",
        (list(accounts),),
    )
    return [DayEarned(account_id=account, day=day, pnl=pnl, currency=currency) for account, day, pnl, currency in rows]


async def _differences(database: Database) -> list[Differs]:
    found = reconciliation.holding(await reconciliation.standing(database))
    names = ("account_id", "kind", "key", "ours", "theirs")
    return [Differs(**{name: getattr(one.item, name) for name in names}, found_at=one.found_at) for one in found]
