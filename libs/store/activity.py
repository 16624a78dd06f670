"""What has happened since a moment, for whoever watches the fleet: messages, counts, and whether all has come to rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from libs.common.database import Database


@dataclass(frozen=True)
class Start:
    """A moment in the record: its time by the database's clock, and the last number of each stream."""

    at: datetime
    numbers: Mapping[str, int]


class Noted(NamedTuple):
    """One message of the journal."""

    stream: str
    no: int
    body: bytes


@dataclass(frozen=True)
class Counts:
    """Rows made since a moment, and orders whose outcome is open now."""

    signals: int
    assessments: int
    rejected: int
    orders: int
    trades: int
    quarantined: int
    unsettled: int  # orders SUBMITTING or UNKNOWN, whenever made


@dataclass(frozen=True)
class Standing:
    """The newest session and what its accounts are worth, by base currency."""

    session_id: str
    feed: str
    seed: int
    speed: float
    state: str
    paused: bool
    market_time: int  # ns
    cash: Mapping[str, Decimal]
    equity: Mapping[str, Decimal]  # positions at the newest close of any bar; without one at cost


async def start(database: Database) -> Start:
    """Now."""
    rows = await database.fetch("select clock_timestamp(), stream, last_no from journal_counters")
    return Start(rows[0][0], {stream: no for _, stream, no in rows})


async def messages(database: Database, after: Mapping[str, int], limit: int) -> list[Noted]:
    """Up to `limit` messages of each stream beyond its number, oldest first."""
    rows = await database.fetch(
        "select j.stream, j.no, j.body from unnest(%b::text[], %b::int8[]) s(stream, no), lateral"
        " (select * from journal j where j.stream = s.stream and j.no > s.no order by j.no limit %s) j order by j.at, j.stream, j.no",
        (list(after), list(after.values()), limit),
    )
    return [Noted(stream, no, body.encode()) for stream, no, body in rows]


async def counts(database: Database, since: datetime) -> Counts:
    """What was made since then."""
    rows = await database.fetch(
        "select (select count(*) from signals where created_at >= t.at),"
        " (select count(*) from risk_assessments where created_at >= t.at),"
        " (select count(*) from risk_assessments where created_at >= t.at and verdict = 'REFUSED'),"
        " (select count(*) from orders where created_at >= t.at),"
        " (select count(*) from trades where booked_at >= t.at),"
        " (select count(*) from quarantine where at >= t.at) + (select count(*) from fill_quarantine where at >= t.at),"
        " (select count(*) from orders where status in ('SUBMITTING', 'UNKNOWN'))"
        " from (select %s::timestamptz as at) t",
        (since,),
    )
    return Counts(*rows[0])


async def standing(database: Database) -> Standing | None:
    """How the newest session stands; None before there is one."""
    sessions = await database.fetch(
        "select session_id, feed, seed, speed, state, paused, market_time from sessions order by played_at desc limit 1"
    )
    if not sessions:
        return None
    worth = await database.fetch(
        "with book as (select p.*, s.venue as market, s.timeframes[1] as timeframe, at_ns(s.market_time) as now from positions p"
        " join accounts a using (account_id) join sessions s using (session_id) where s.session_id = %s and p.quantity <> 0),"
        " value as (select book.account_id, sum(book.quantity * i.multiplier * coalesce(bar.close_price::numeric, book.avg_cost)) as total"
        " from book join instruments i on i.venue = book.market and i.symbol = book.symbol left join lateral"
        " (select close_price from market_ohlcv m where m.venue = book.market and m.symbol = book.symbol"
        " and m.timeframe = book.timeframe and m.timestamp <= book.now and m.close_price is not null"
        " order by m.timestamp desc limit 1) bar on true group by 1)"
        " select a.base_currency, sum(c.balance), sum(c.balance + coalesce(v.total, 0)) from accounts a"
        " join cash_balances c on c.account_id = a.account_id and c.commodity = a.base_currency"
        " left join value v on v.account_id = a.account_id where a.session_id = %s group by 1 order by 1",
        (sessions[0][0], sessions[0][0]),
    )
    cash = {currency: balance for currency, balance, _ in worth}
    values: list[Any] = [*sessions[0], cash, {currency: equity for currency, _, equity in worth}]
    return Standing(*values)


async def unknown_orders(database: Database) -> int:
    """Orders of which nobody knows what became of them, or of their cancel."""
    rows = await database.fetch("select count(*) from orders where status in ('UNKNOWN', 'CANCEL_UNKNOWN', 'REPLACE_UNKNOWN')")
    return int(rows[0][0])


async def at_rest(database: Database) -> bool:
    """Whether nothing is on its way: no order between intent and answer, and every account's consumer has read all there is."""
    rows = await database.fetch(
        "select not exists (select from orders where status = 'SUBMITTING') and not exists ("
        "select from cursors c join journal_counters j using (stream) join accounts a on split_part(c.consumer, ':', 2) = a.account_id"
        " join sessions s using (session_id) where c.no < j.last_no and s.state = 'running'"
        " and s.session_id = (select session_id from sessions order by played_at desc limit 1))"
    )
    return bool(rows[0][0])


class AtVenue(NamedTuple):
    """An account, and where it holds what it holds."""

    account_id: str
    venue: str
    base_currency: str
    symbols: frozenset[str]  # of its session


async def accounts(database: Database) -> list[AtVenue]:
    """Accounts of the newest session."""
    rows = await database.fetch(
        "select a.account_id, a.venue, a.base_currency, array(select symbol from instruments i where i.venue = s.venue)"
        " from accounts a join (select session_id, venue from sessions order by played_at desc limit 1) s using (session_id) order by 1"
    )
    return [AtVenue(account_id, venue, currency, frozenset(symbols)) for account_id, venue, currency, symbols in rows]


async def release(database: Database, holder: str) -> list[str]:
    """Gives back the leases of a holder that is known to be dead; their names."""
    rows = await database.fetch("update leases set released = true where holder = %s and not released returning name", (holder,))
    return [row[0] for row in rows]


async def holders(database: Database) -> list[str]:
    """Whoever holds a lease."""
    return [row[0] for row in await database.fetch("select distinct holder from leases where not released")]
