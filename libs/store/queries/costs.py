"""What executing orders cost, by strategy, venue and symbol. Slices are in their parents."""

from decimal import Decimal
from typing import LiteralString

import msgspec

from libs.common.database import Database
from libs.store.queries.accounts import account_ids


class CostLine(msgspec.Struct, frozen=True, kw_only=True):
    """Orders of one strategy in one symbol at one venue that have ended. Positive is worse for us; money in the instrument's currency."""

    account_id: str
    strategy_id: str
    venue: str
    symbol: str
    currency: str
    orders: int
    fill_rate: float  # mean share of an order that was filled
    slippage_bps_mean: float | None  # against the arrival price, of orders with fills
    slippage_bps_median: float | None
    poor: float | None  # share of the orders with fills that were worse than arrival by more than `worse`
    shortfall: Decimal | None  # sum of those that are known, against the decision price
    fees: Decimal
    sent_ms_median: float | None  # from approval to the first request
    filled_ms_median: float | None  # from the first request to the first fill


_COSTS: LiteralString = (
    "select o.account_id, o.strategy_id, o.venue, o.symbol, i.currency, count(*), avg(c.fill_rate), avg(c.slippage_bps),"
    " percentile_cont(0.5) within group (order by c.slippage_bps),"
    " avg((c.slippage_bps > %(poor)s)::int::float8) filter (where c.slippage_bps is not null),"
    " trim_scale(sum(c.shortfall)), trim_scale(sum(c.fees)),"
    " percentile_cont(0.5) within group (order by (c.hops_ms->>'sent')::float8),"
    " percentile_cont(0.5) within group (order by coalesce((c.hops_ms->>'answered')::float8, 0) + (c.hops_ms->>'first_fill')::float8)"
    " from order_costs c join orders o on o.id = c.order_id join sessions s on s.session_id = o.session_id"
    " join instruments i on i.venue = s.venue and i.symbol = o.symbol where o.parent_id is null"
    " and c.account_id = any(%(accounts)b::text[]) and (%(strategy)s::text is null or o.strategy_id = %(strategy)s)"
    " group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4"
)


async def costs(database: Database, worse: float, *, account: str | None = None, strategy: str | None = None) -> list[CostLine]:
    """Of an account, or of the newest session's accounts; of one strategy or all.

    Args:
        worse: than arrival, as a share of it: an order beyond it is called badly executed (`[best_execution]`).

    Raises:
        LookupError: there is no such account.
    """
    asked = {"accounts": await account_ids(database, account), "strategy": strategy, "poor": worse * 10_000}
    rows = await database.fetch(_COSTS, asked)
    return [CostLine(**dict(zip(CostLine.__struct_fields__, row, strict=True))) for row in rows]
