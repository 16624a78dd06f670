"""What risk has been, for a report: the account's worth and its value at risk over time, refusals, halts."""

from datetime import datetime
from typing import NamedTuple

from libs.common.database import Database

POINTS = 400
"""Of a curve at the most: more than a picture has room for."""


class Worth(NamedTuple):
    """An account at a market time."""

    at: datetime
    equity: float
    drawdown: float  # share of the peak, 0 or below


class ValueAtRisk(NamedTuple):
    """What was measured at a market time; shares of the equity then."""

    at: datetime
    value_at_risk: float


class RefusedOften(NamedTuple):
    """Refusals with one code."""

    code: str
    times: int
    last_at: datetime
    reason: str  # of the last
    limit: str
    seen: str


class HaltWas(NamedTuple):
    """A loss limit that was passed."""

    limit: str
    halted_at: datetime  # market time
    reference: float
    equity: float
    most: float
    seen: float
    rearmed_at: datetime | None
    rearmed_by: str
    reason: str


async def worth(database: Database, account_id: str) -> list[Worth]:
    """Oldest first, evenly thinned out to `POINTS`; the newest is always there."""
    rows = await database.fetch(
        "with n as (select at, equity, drawdown, row_number() over (order by at desc) as back, count(*) over () as all_"
        " from portfolio_equity where account_id = %s and strategy_id = '') select at, equity::float8, drawdown from n"
        " where (back - 1) %% greatest(1, ceil(all_ / %s::float8)::bigint) = 0 order by at",
        (account_id, POINTS),
    )
    return [Worth(*row) for row in rows]


async def value_at_risk(database: Database, account_id: str, confidence: float, method: str) -> list[ValueAtRisk]:
    """The same of what was measured by one method."""
    rows = await database.fetch(
        "with n as (select m.at, (t->>'value_at_risk')::float8 / m.equity as share, row_number() over (order by m.at desc) as back,"
        " count(*) over () as all_ from risk_metrics m, jsonb_array_elements(m.measures->'tails') t where m.account_id = %s"
        " and m.equity > 0 and t->>'method' = %s and (t->>'confidence')::float8 = %s) select at, share from n"
        " where (back - 1) %% greatest(1, ceil(all_ / %s::float8)::bigint) = 0 order by at",
        (account_id, method, confidence, POINTS),
    )
    return [ValueAtRisk(*row) for row in rows]


async def refused(database: Database, account_id: str) -> list[RefusedOften]:
    """The most frequent first."""
    rows = await database.fetch(
        "select code, count(*), max(created_at), (array_agg(reason order by created_at desc))[1],"
        " (array_agg(limit_value order by created_at desc))[1], (array_agg(seen_value order by created_at desc))[1]"
        " from risk_assessments where account_id = %s and verdict = 'REFUSED' group by code order by 2 desc, 1",
        (account_id,),
    )
    return [RefusedOften(*row) for row in rows]


async def halts(database: Database, account_id: str) -> list[HaltWas]:
    """The newest first."""
    rows = await database.fetch(
        "select limit_name, halted_at, reference, equity, limit_value, seen, rearmed_at, rearmed_by, reason from risk_halts"
        " where account_id = %s order by halted_at desc",
        (account_id,),
    )
    return [HaltWas(*row) for row in rows]
