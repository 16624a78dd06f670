"""The story of an order that no signal has asked for: whose it is, and what made it.

Two kinds there are. One was found at the venue and adopted; one closes a book for a kill switch, or because a person wants it closed.
Times are host time, but for `expires_at` and `market_time`.
"""

from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

import msgspec

from libs.common.database import Database, Rejected
from libs.store.queries.stories import ORDERED, Ordered


class ItemTold(msgspec.Struct, frozen=True, kw_only=True):
    """What `fleet doctor` had to say of it."""

    id: UUID
    kind: str
    ours: str
    theirs: str
    detail: str
    found_at: datetime
    decision: str
    decided_by: str
    reason: str
    decided_at: datetime | None
    resolved_at: datetime | None


class KillTold(msgspec.Struct, frozen=True, kw_only=True):
    """A kill switch over its book that had been set and not been lifted when it was made."""

    scope: str
    by: str
    reason: str
    at: datetime


class Unasked(msgspec.Struct, frozen=True, kw_only=True):
    """The order, and what it rests on."""

    order: Ordered
    account_id: str
    strategy_id: str
    symbol: str
    currency: str
    reason: str  # of its verdict
    items: list[ItemTold]  # oldest first
    kills: list[KillTold]


_UNASKED: LiteralString = (
    "select json_build_object('order', json_build_object(" + ORDERED + "), 'account_id', o.account_id, 'strategy_id', o.strategy_id,"
    " 'symbol', o.symbol, 'currency', a.base_currency, 'reason', r.reason,"
    " 'items', (select coalesce(json_agg(json_build_object('id', id, 'kind', kind, 'ours', ours, 'theirs', theirs, 'detail', detail,"
    " 'found_at', found_at, 'decision', decision, 'decided_by', decided_by, 'reason', i.reason, 'decided_at', decided_at,"
    " 'resolved_at', resolved_at) order by found_at), '[]') from reconcile_items i where i.account_id = o.account_id"
    " and (kind in ('order', 'foreign') and key = o.client_order_id or kind = 'fill' and 'fill ' || key = o.client_order_id)),"
    " 'kills', (select coalesce(json_agg(json_build_object('scope', scope, 'by', \"by\", 'reason', k.reason, 'at', at) order by at), '[]')"
    " from (select distinct on (scope) * from commands where o.purpose = 'liquidation' and command in ('kill', 'rearm')"
    " and at <= o.created_at and scope in ('fleet', 'account:' || a.account_id, 'account:' || a.name, 'strategy:' || o.strategy_id,"
    " 'symbol:' || o.symbol) order by scope, at desc) k where command = 'kill'))::text"
    " from orders o join accounts a on a.account_id = o.account_id join risk_assessments r on r.signal_id = o.risk_assessment_id"
    " cross join (select null::float8 as reference_price) s where o.id = %s and o.purpose in ('external', 'liquidation')"
)
_decode: Final = msgspec.json.Decoder(Unasked).decode


async def story(database: Database, order_id: UUID) -> Unasked | None:
    """The story of such an order; None when there is none of that id.

    Raises:
        Rejected: its rows hold something that cannot be told.
    """
    rows = await database.fetch(_UNASKED, (order_id,))
    try:
        return _decode(rows[0][0]) if rows else None
    except msgspec.ValidationError as error:
        raise Rejected(f"the record of order {order_id} cannot be read: {error}", None) from error
