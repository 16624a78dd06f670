"""What strategies have earned: by market day, and in all. Counted from booked trades, in the account's base currency."""

from datetime import date
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


_TRADES: Final[LiteralString] = (
    "with done as (select t.*, a.base_currency, (t.executed_at at time zone a.day_tz - a.day_starts_at::interval)::date as day,"
    " case when t.fee_currency = a.base_currency then t.commission else 0 end as fee,"
    " t.quantity * t.executed_price * coalesce(i.multiplier, 1) as value"
    " from trades t join accounts a using (account_id) join sessions s using (session_id)"
    " left join instruments i on i.venue = s.venue and i.symbol = t.symbol where t.account_id = any(%(accounts)b::text[]))"
)


async def daily(database: Database, account: str | None = None, *, limit: int = 366, before: date | None = None) -> list[Day]:
    """At most `limit` rows, newest day first; of an account, or of the newest session's accounts.

    Args:
        before: only days earlier than this one.

    Raises:
        LookupError: there is no such account.
    """
    rows = await database.fetch(
        _TRADES + " select account_id, day, strategy_id, base_currency, count(*), trim_scale(sum(pnl)), trim_scale(sum(fee)),"
        " trim_scale(sum(pnl - fee)), trim_scale(round(sum(value), 12)) from done where %(before)s::date is null or day < %(before)s"
        " group by 1, 2, 3, 4 order by 2 desc, 1, 3 limit %(limit)s",
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
        " trim_scale(round(lost / nullif(losses, 0), 12)), (won / nullif(-lost, 0))::float8, trim_scale(round(value, 12))"
        " from summed order by 1, 2",
        {"accounts": await account_ids(database, account)},
    )
    return [Summary(*row) for row in rows]
