"""What strategies have earned: by market day, and in all, in the account's base currency. What was traded is counted from booked
trades; what it is worth comes from the marks of portfolio, and is None where portfolio has not seen it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final, LiteralString

import msgspec

from libs.common.database import Database
from libs.store.queries.accounts import account_ids


class Day(msgspec.Struct, frozen=True):
    """One strategy on one trading day of its account."""

    account_id: str
    day: date  # on which the trading day began, in the account's time zone
    strategy_id: str
    currency: str
    trades: int
    realized_pnl: Decimal  # before fees
    fees: Decimal  # in the base currency; others are not counted
    net_pnl: Decimal
    turnover: Decimal  # bought and sold
    day_pnl: Decimal | None = None  # with what is held at its marks, and fees


class Summary(msgspec.Struct, frozen=True):
    """One strategy in one account. What is not defined (no loss yet, say) is None."""

    account_id: str
    strategy_id: str
    currency: str
    trades: int
    wins: int  # trades that realised a profit, before fees
    losses: int
    hit_rate: float | None  # wins / (wins + losses)
    gross_pnl: Decimal  # realised, before fees
    fees: Decimal  # in the base currency; others are not counted
    net_pnl: Decimal
    average_win: Decimal | None
    average_loss: Decimal | None  # negative
    profit_factor: float | None  # profits / losses
    turnover: Decimal  # bought and sold
    total_pnl: Decimal | None = None  # with what is held at its marks, and fees


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """An account as portfolio saw it last. Shares are of its equity; what is not defined yet is None (docs/portfolio.md)."""

    account_id: str
    currency: str
    day: date  # trading day
    market_time: datetime
    total_value: Decimal
    cash_balance: Decimal
    invested_value: Decimal
    day_pnl: Decimal
    total_pnl: Decimal
    drawdown: float
    gross: float
    net: float
    turnover: float  # of the day
    observations: int  # completed days that the following are made of
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    volatility: float | None
    cagr: float | None
    max_drawdown: float | None


_TRADES: Final[LiteralString] = (
    "with done as (select t.*, a.base_currency, (t.executed_at at time zone a.day_tz - a.day_starts_at::interval)::date as day,"
    " case when t.fee_currency = a.base_currency then t.commission else 0 end as fee,"
    " t.quantity * t.executed_price * coalesce(i.multiplier, 1) as value"
    " from trades t join accounts a using (account_id) join sessions s using (session_id)"
    " left join instruments i on i.venue = s.venue and i.symbol = t.symbol where t.account_id = any(%(accounts)b::text[]))"
)


_decode: Final = msgspec.json.Decoder(Worth).decode


async def daily(database: Database, account: str | None = None, *, limit: int = 366, before: date | None = None) -> list[Day]:
    """At most `limit` rows, newest day first; of an account, or of the newest session's accounts.

    Args:
        before: only days earlier than this one.

    Raises:
        LookupError: there is no such account.
    """
    rows = await database.fetch(
        _TRADES + ", traded as (select account_id, day, strategy_id, count(*) as n, sum(pnl) as pnl, sum(fee) as fees, sum(value) as value"
        " from done group by 1, 2, 3), seen as (select account_id, snapshot_date as day, strategy_id, day_pnl from portfolio_snapshots"
        " where account_id = any(%(accounts)b::text[]) and strategy_id <> '')"
        " select account_id, day, strategy_id, a.base_currency, coalesce(n, 0), trim_scale(coalesce(pnl, 0)),"
        " trim_scale(coalesce(fees, 0)), trim_scale(coalesce(pnl - fees, 0)), trim_scale(round(coalesce(value, 0), 12)),"
        " trim_scale(day_pnl)"
        " from traded full join seen using (account_id, day, strategy_id) join accounts a using (account_id)"
        " where (n is not null or day_pnl <> 0) and (%(before)s::date is null or day < %(before)s)"
        " order by day desc, account_id, strategy_id limit %(limit)s",
        {"accounts": await account_ids(database, account), "before": before, "limit": limit},
    )
    return [Day(*row) for row in rows]


async def summary(database: Database, account: str | None = None) -> list[Summary]:
    """Every strategy that has traded in an account, or in the newest session's accounts.

    Raises:
        LookupError: there is no such account.
    """
    rows = await database.fetch(
        _TRADES + ", summed as (select account_id, strategy_id, base_currency, count(*) as trades, count(*) filter (where pnl > 0) as wins,"
        " count(*) filter (where pnl < 0) as losses, sum(pnl) as pnl, sum(fee) as fees, sum(value) as value,"
        " coalesce(sum(pnl) filter (where pnl > 0), 0) as won, coalesce(sum(pnl) filter (where pnl < 0), 0) as lost"
        " from done group by 1, 2, 3)"
        " select account_id, strategy_id, base_currency, trades, wins, losses, wins::float8 / nullif(wins + losses, 0), trim_scale(pnl),"
        " trim_scale(fees), trim_scale(pnl - fees), trim_scale(round(won / nullif(wins, 0), 12)),"
        " trim_scale(round(lost / nullif(losses, 0), 12)), (won / nullif(-lost, 0))::float8, trim_scale(round(value, 12)),"
        " (select trim_scale(p.total_pnl) from portfolio_snapshots p where p.account_id = summed.account_id"
        " and p.strategy_id = summed.strategy_id order by p.snapshot_date desc limit 1) from summed order by 1, 2",
        {"accounts": await account_ids(database, account)},
    )
    return [Summary(*row) for row in rows]


async def worth(database: Database, account: str | None = None) -> list[Worth]:
    """An account, or the newest session's accounts, as portfolio saw them last; those it has not seen are missing.

    Raises:
        LookupError: there is no such account.
    """
    rows = await database.fetch(
        "select (p.performance_metrics || jsonb_build_object('account_id', p.account_id, 'currency', a.base_currency,"
        " 'day', p.snapshot_date, 'market_time', p.market_time, 'total_value', trim_scale(p.total_value),"
        " 'cash_balance', trim_scale(p.cash_balance), 'invested_value', trim_scale(p.invested_value), 'day_pnl', trim_scale(p.day_pnl),"
        " 'total_pnl', trim_scale(p.total_pnl)))::text from accounts a cross join lateral (select * from portfolio_snapshots p"
        " where p.account_id = a.account_id and p.strategy_id = '' order by p.snapshot_date desc limit 1) p"
        " where a.account_id = any(%b::text[]) order by 1",
        (await account_ids(database, account),),
    )
    return [_decode(row[0]) for row in rows]
