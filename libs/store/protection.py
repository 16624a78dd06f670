"""What the protection of an account's books hangs on, as the record has it."""

from typing import Final, LiteralString, NamedTuple

import msgspec

from libs.common.database import Database
from libs.domain.orders import OPEN
from libs.store.execution import ORDER_JSON, OrderRow


class GuardRow(NamedTuple):
    """A book's newest entry that has filled and says what is to protect it, and the highest leg of its protective children."""

    entry: OrderRow
    highest: int | None


_READ: LiteralString = (
    "with entries as (select distinct on (strategy_id, symbol) * from orders e"
    " where e.account_id = %(account)s and e.protect is not null and e.filled_quantity > 0 and (exists (select from positions p"
    " where p.account_id = e.account_id and p.strategy_id = e.strategy_id and p.symbol = e.symbol and p.quantity <> 0)"
    " or exists (select from orders t where t.account_id = e.account_id and t.strategy_id = e.strategy_id and t.symbol = e.symbol"
    " and t.purpose in ('stop', 'target') and t.status = any(%(open)s)))"
    " order by strategy_id, symbol, decided_at desc, leg desc)"
    " select coalesce(json_agg(json_build_array(" + ORDER_JSON + ", (select max(c.leg) from orders c where c.parent_id = o.id"
    " and c.purpose in ('stop', 'target')))), '[]')::text from entries o"
)
_decode: Final = msgspec.json.Decoder(list[GuardRow]).decode


async def guards(database: Database, account_id: str) -> list[GuardRow]:
    """Of every book that holds something, or has protection that may live."""
    rows = await database.fetch(_READ, {"account": account_id, "open": sorted(OPEN)})
    return _decode(rows[0][0])
