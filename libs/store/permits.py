"""Permits on record: what a person lets pass once, and what it was used for."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

from libs.common.database import Database, Write
from libs.domain.orders import Side


class Order(NamedTuple):
    """The one order that a permit names."""

    account: str  # by its configured name, or by its id
    strategy_id: str
    symbol: str
    side: Side
    quantity: Decimal  # shares, coins or contracts, at most


class OpenPermit(NamedTuple):
    """One that may still be used, as a snapshot has it."""

    id: UUID
    strategy_id: str
    symbol: str
    side: Side
    quantity: Decimal


class PermitStanding(NamedTuple):
    """One, as it stands."""

    id: UUID
    account: str
    strategy_id: str
    symbol: str
    side: Side
    quantity: Decimal
    reason: str
    by: str
    at: datetime
    valid_until: datetime
    left_s: float  # until it ends, by the database's clock
    used_at: datetime | None
    signal_id: UUID | None  # whose order it was used for

    @property
    def open(self) -> bool:
        """Whether it may still be used."""
        return self.used_at is None and self.left_s > 0


OPEN: Final[LiteralString] = (
    "case when %(permits)s then (select coalesce(json_agg(json_build_array(id, strategy_id, symbol, side, quantity::text)"
    " order by quantity, at), '[]') from risk_permits where used_at is null and valid_until > clock_timestamp()"
    " and account in (select unnest(array[account_id, name]) from accounts where account_id = %(account)s)) else '[]' end"
)
"""Those of an account as JSON, the smallest first, within a statement that knows it."""


def give(id_: UUID, order: Order, valid_s: float, reason: str, by: str) -> Write:
    """Valid from now on, by the database's clock."""
    return Write(
        'insert into risk_permits (id, account, strategy_id, symbol, side, quantity, reason, "by", valid_until)'
        " values (%s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))",
        (id_, *order, reason, by, valid_s),
    )


def use(id_: UUID, signal_id: UUID) -> Write:
    """Within the transaction of the approval. Conflict when it was used, or was over, meanwhile."""
    return Write("select risk_permit_use(%s, %s)", (id_, signal_id))


async def newest(database: Database, limit: int) -> Sequence[PermitStanding]:
    """The newest, open or not, the newest last."""
    rows = await database.fetch(
        'select id, account, strategy_id, symbol, side, quantity, reason, "by", at, valid_until,'
        " extract(epoch from valid_until - clock_timestamp())::float8, used_at, signal_id from risk_permits"
        " order by at desc, id desc limit %s",
        (limit,),
    )
    return [PermitStanding(*row) for row in reversed(rows)]
