"""How the fleet stands by its record, in one look: for whoever watches it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from libs.common.database import Database
from libs.domain.kill import named
from libs.domain.observed import DaySeen, DisarmedSeen, HaltSeen, KillSeen, Lag, LooserSeen, RecordSeen, SessionSeen
from libs.domain.orders import OPEN
from libs.domain.summaries import Day, Worth
from libs.store.limits import LOOSER
from libs.store.statements import LAST_CLEAN
from libs.store.unsettled import SINCE


async def look(database: Database, fixed_leases: Sequence[str]) -> RecordSeen:
    """One snapshot, one round trip.

    Args:
        fixed_leases: names that a running session needs besides those of its accounts.

    Raises:
        Unreachable: the database is away.
    """
    rows = await database.fetch(
        "with s as (select session_id, feed, mode, state, paused, market_time from sessions"
        " order by state = 'running' desc, played_at desc limit 1),"
        " a as (select account_id from accounts join s using (session_id)),"
        " playing as (select account_id from a, s where s.state = 'running'),"
        " need as (select 'risk:' || account_id as name from playing union all select 'executor:' || account_id from playing"
        "   union all select unnest(%b::text[]) from s where s.state = 'running'),"
        " lag as (select c.consumer, c.stream, k.last_no - c.no as messages,"
        "   coalesce(extract(epoch from clock_timestamp() - (select j.at from journal j where j.stream = c.stream and j.no > c.no"
        "     order by j.no limit 1)), 0)::float8 as age_s"
        "   from cursors c join journal_counters k using (stream)"
        "   where position(':' in c.consumer) = 0 or split_part(c.consumer, ':', 2) in (select account_id from playing)),"
        " unsettled as (select count(*) as n, coalesce(max(extract(epoch from clock_timestamp() - " + SINCE + ")), 0)::float8 as age_s"
        "   from orders o where status in ('SUBMITTING', 'UNKNOWN') and account_id in (select account_id from a))"
        " select (select jsonb_build_array(session_id, feed, mode, state, paused, market_time) from s),"
        " (select jsonb_object_agg(name, coalesce(not l.released and l.expires_at > clock_timestamp(), false))"
        "   from need left join leases l using (name)),"
        " (select jsonb_agg(jsonb_build_array(consumer, stream, messages, age_s)) from lag),"
        " (select n from unsettled), (select age_s from unsettled),"
        " (select jsonb_object_agg(kind, jsonb_build_array(n, age_s)) from ("
        "   select 'message' as kind, count(*) as n, extract(epoch from clock_timestamp() - max(at))::float8 as age_s from quarantine"
        "   union all select 'fill', count(*), extract(epoch from clock_timestamp() - max(at))::float8 from fill_quarantine) q),"
        " (select jsonb_agg(jsonb_build_array(scope, key, reason, set_by, mode) order by set_at) from kill_switch where active),"
        " (select jsonb_agg(jsonb_build_array(account_id, limit_name, limit_value, seen)) from risk_halts"
        "   where active and account_id in (select account_id from a)),"
        " " + LOOSER + ", " + LAST_CLEAN + ","
        " (select jsonb_agg(jsonb_build_array(account_id, key, code, text) order by since) from disarmed"
        "   where account_id in (select account_id from playing)),"
        " (select jsonb_object_agg(status, n) from (select status, count(*) as n from orders where status = any(%b::text[])"
        "   and account_id in (select account_id from a) group by 1) o),"
        " (select jsonb_object_agg(strategy_id, failed) from strategies where failed <> '')",
        (list(fixed_leases), sorted(OPEN)),
    )
    return _seen(rows[0])


def _seen(row: Sequence[Any]) -> RecordSeen:
    session, leases, lags, unsettled, age_s, aside, kills, halts, looser, days, disarmed, orders, failed = row
    return RecordSeen(
        session=SessionSeen(*session) if session else None,
        leases=leases or {},
        lags=[Lag(*lag) for lag in lags or ()],
        unsettled=unsettled,
        unsettled_age_s=age_s,
        quarantined={kind: n for kind, (n, _) in aside.items()},
        quarantined_age_s={kind: age for kind, (_, age) in aside.items() if age is not None},
        kills=[KillSeen(named(scope, key), *rest) for scope, key, *rest in kills or ()],
        halts=[HaltSeen(*halt) for halt in halts or ()],
        looser=[LooserSeen(*row) for row in looser or ()],
        disarmed=[DisarmedSeen(*reason) for reason in disarmed or ()],
        days={account: DaySeen(*seen) for account, seen in (days or {}).items()},
        open_orders=orders or {},
        failed_strategies=failed or {},
    )


async def day(database: Database, since: datetime) -> Day:
    """What a day's summary tells: counts since then by host time, worth of the newest session's accounts, what began.

    Raises:
        Unreachable: the database is away.
    """
    rows = await database.fetch(
        "with s as (select session_id from sessions order by state = 'running' desc, played_at desc limit 1)"
        " select (select count(*) from trades where booked_at >= %s), (select count(*) from orders where created_at >= %s),"
        " (select count(*) from risk_assessments where verdict = 'REFUSED' and created_at >= %s),"
        " (select jsonb_agg(jsonb_build_array(p.account_id, a.base_currency, p.total_value::text, p.day_pnl::text, p.total_pnl::text)"
        "   order by p.account_id) from (select distinct on (account_id) * from portfolio_snapshots where strategy_id = ''"
        "   order by account_id, snapshot_date desc) p join accounts a using (account_id) join s using (session_id)),"
        " (select jsonb_agg(title order by since) from alerts where since >= %s and source = 'direct')",
        (since, since, since, since),
    )
    trades, orders, refused, worth, alerts = rows[0]
    figures = [Worth(account, currency, *map(Decimal, values)) for account, currency, *values in worth or ()]
    return Day(trades, orders, refused, figures, alerts or [])


async def told(database: Database, notification_id: UUID) -> bool:
    """Whether there is such a notification.

    Raises:
        Unreachable: the database is away.
    """
    return bool(await database.fetch("select from notifications where id = %s", (notification_id,)))
