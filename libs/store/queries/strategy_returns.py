"""What each strategy of an account earned day by day, as portfolio wrote it down."""

from collections import defaultdict
from datetime import date
from typing import NamedTuple

from libs.common.database import Database


class StrategyReturns(NamedTuple):
    """Of one account."""

    account_id: str
    name: str  # as configured
    days: dict[str, dict[date, float]]  # by strategy, then by trading day: its gain over the account's equity at the end of the day before


async def strategy_returns(database: Database, account_id: str, since: date | None, until: date | None) -> StrategyReturns:
    """Returns of every strategy of an account that has any, from `since` to `until`, both included; None: without bound."""
    [[name]] = await database.fetch("select name from accounts where account_id = %s", (account_id,))
    rows = await database.fetch(
        "select strategy_id, snapshot_date, (performance_metrics->>'return')::float8 from portfolio_snapshots where account_id = %s"
        " and strategy_id <> '' and performance_metrics->>'return' is not null and snapshot_date >= coalesce(%s::date, '-infinity')"
        " and snapshot_date <= coalesce(%s::date, 'infinity') order by 1, 2",
        (account_id, since, until),
    )
    days: defaultdict[str, dict[date, float]] = defaultdict(dict)
    for strategy_id, day, earned in rows:
        days[strategy_id][day] = earned
    return StrategyReturns(account_id, name, dict(days))
