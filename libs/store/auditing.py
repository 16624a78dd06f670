"""The record's side of an audit: what was approved, what a person has accepted, and the tickets of what was found."""

from collections.abc import Collection, Sequence
from typing import Final, LiteralString
from uuid import UUID

from libs.common.database import Database, Write
from libs.domain.reconciling import Item
from libs.store.reconciliation import store_items

_SAME: Final[LiteralString] = "(select s.account_id from accounts a join accounts s using (name, venue) where a.account_id = %(account)s)"
"""An account and those that earlier sessions opened at the same place: what was approved for them may still be there."""

_APPROVALS: Final[LiteralString] = (
    "with named as (select id, parent_id from orders where account_id in " + _SAME + " and client_order_id = any(%(ids)s::text[]))"
    " select o.id::text, o.client_order_id, coalesce(o.parent_id::text, ''), o.symbol, o.side, o.order_type, o.quantity, o.price,"
    " o.purpose, o.filled_quantity, a.verdict = 'APPROVED' and o.purpose <> 'external' from orders o join risk_assessments a"
    " on a.signal_id = o.risk_assessment_id where o.id in (select id from named union select parent_id from named)"
    " or o.parent_id in (select parent_id from named union select id from named)"
)


class AuditStore:
    """One account."""

    def __init__(self, database: Database, account_id: str) -> None:
        self._database = database
        self._account_id = account_id

    async def approvals(self, client_order_ids: Collection[str]) -> Sequence[Sequence[object]]:
        """Rows of orders that the broker knows by these names, with the orders they are parts of and all other parts of those: the
        fields of an `Approval` (libs/quant/risk/audit.py), in its order."""
        return await self._database.fetch(_APPROVALS, {"account": self._account_id, "ids": list(client_order_ids)})

    async def accepted(self, keys: Collection[str]) -> set[str]:
        """Which of these orders (client order ids) and fills (execution keys) a person has decided on, other than to stop."""
        rows = await self._database.fetch(
            "select key from reconcile_items where account_id in " + _SAME + " and key = any(%(keys)s::text[])"
            " and kind in ('order', 'foreign', 'fill') and decision in ('adopt', 'close', 'ignore')",
            {"account": self._account_id, "keys": list(keys)},
        )
        return {row[0] for row in rows}

    async def fresh(self, items: Sequence[Item]) -> list[Item]:
        """Those that were never on record: what was told once is not told again, whatever was decided on it."""
        rows = await self._database.fetch("select id from reconcile_items where id = any(%b::uuid[])", ([item.id for item in items],))
        known: set[UUID] = {row[0] for row in rows}
        return [item for item in items if item.id not in known]

    async def close_decided(self) -> None:
        """Tickets that a person has decided on are over; so are those of orders that were decided on where the reconciler found them."""
        await self._database.write(
            [
                Write(
                    "update reconcile_items set resolved_at = clock_timestamp() where account_id = %s and kind in ('unapproved', 'break')"
                    " and resolved_at is null and decision = 'ignore'",
                    (self._account_id,),
                ),
                Write(
                    "update reconcile_items t set resolved_at = clock_timestamp() where account_id = %s and kind = 'unapproved' and"
                    " resolved_at is null and exists (select from reconcile_items i where i.account_id = t.account_id and i.key = t.key"
                    " and i.kind in ('order', 'foreign') and i.decision in ('adopt', 'close', 'ignore'))",
                    (self._account_id,),
                ),
            ]
        )


def opened(items: Sequence[Item]) -> list[Write]:
    """Tickets as they are found."""
    return store_items(items)


AT_THE_VENUE: Final[LiteralString] = "('ACKED', 'PARTIAL')"
"""Statuses of orders that a venue certainly has open."""
