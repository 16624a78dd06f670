"""What orders cost, on record: the facts a cost is worked out from, and the figures."""

from collections.abc import Sequence
from decimal import Decimal
from typing import LiteralString, NamedTuple
from uuid import UUID

import msgspec

from libs.common.database import Database, Write


class Facts(NamedTuple):
    """What the record says of an order that ends. Times are host ns; None: not yet."""

    order_id: UUID
    decision_price: Decimal | None  # None where no signal asked for it, as for a liquidation
    noticed: int | None  # 0: not measured
    signal: int | None
    approved: int
    sent: int | None
    answered: int | None
    first_fill: int | None
    arrival_price: Decimal | None
    spread: Decimal | None
    fees: dict[str, Decimal]  # by currency


class Cost(NamedTuple):
    """A row of order_costs."""

    order_id: UUID
    account_id: str
    decision_price: Decimal | None
    arrival_price: Decimal | None
    spread: Decimal | None
    end_price: Decimal | None
    filled: Decimal
    fill_rate: float
    avg_fill_price: Decimal | None
    slippage_bps: float | None
    shortfall: Decimal | None
    fees: Decimal
    hops_ms: str  # JSON


# Of the orders `costed`, as JSON. What a slice did its parent did: the first request is that of its first slice, fees are those of all.
FACTS: LiteralString = (
    "select coalesce(json_agg(json_build_array(o.id, s.reference_price::text, s.triggered_ns, ns_of(s.created_at), ns_of(o.created_at),"
    " ns_of(a.at), (select ns_of(min(at)) from order_events where order_id in (o.id, a.order_id) and event in ('accepted', 'rejected',"
    " 'not_sent', 'unclear', 'canceled', 'expired', 'fill')),"
    " (select ns_of(min(at)) from order_events where order_id = o.id and event in ('fill', 'child_fill')),"
    " a.arrival_price::text, a.arrival_spread::text, (select coalesce(json_object_agg(fee_currency, sum::text), '{}') from"
    " (select fee_currency, sum(commission) from trades where order_id in (select o.id union all select id from orders c"
    " where c.parent_id = o.id and c.purpose = 'slice') group by 1) paid))), '[]')"
    " from unnest(%(costed)s::uuid[]) u(id) join orders o on o.id = u.id"
    " left join lateral (select * from signals where signal_id = o.signal_id offset 0) s on true"
    " left join lateral (select a.* from order_attempts a where a.order_id in (select o.id union all select id from orders c"
    " where c.parent_id = o.id and c.purpose = 'slice') order by a.at limit 1) a on true"
)
_decode = msgspec.json.Decoder(list[Facts]).decode


async def facts(database: Database, ids: Sequence[UUID]) -> dict[UUID, Facts]:
    """Of the orders of `ids` that are on record."""
    rows = await database.fetch("select (" + FACTS + ")::text", {"costed": list(ids)})
    return {found.order_id: found for found in _decode(rows[0][0])}


def store_costs(costs: Sequence[Cost]) -> Write:
    """One row for each order that has ended; written over when what it did turns out to have been more."""
    return Write(
        "insert into order_costs as c (order_id, account_id, decision_price, arrival_price, spread, end_price, filled, fill_rate,"
        " avg_fill_price, slippage_bps, shortfall, fees, hops_ms) select i, a, d, r, p, e, f, q, v, b, s, t, h::jsonb from"
        " unnest(%b::uuid[], %b::text[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %b::numeric[], %b::float8[],"
        " %s::numeric[], %s::float8[], %s::numeric[], %b::numeric[], %b::text[]) u(i, a, d, r, p, e, f, q, v, b, s, t, h)"
        " on conflict (order_id) do update set filled = excluded.filled, fill_rate = excluded.fill_rate, end_price = excluded.end_price,"
        " avg_fill_price = excluded.avg_fill_price, slippage_bps = excluded.slippage_bps, shortfall = excluded.shortfall,"
        " fees = excluded.fees, hops_ms = excluded.hops_ms, at = clock_timestamp()",
        tuple([cost[n] for cost in costs] for n in range(len(Cost._fields))),
    )
