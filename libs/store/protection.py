"""What the protection of an account's books hangs on, as the record has it."""

from typing import Final, LiteralString, NamedTuple

import msgspec

from libs.common.database import Database
from libs.store.execution import ORDER_JSON, OrderRow


class GuardRow(NamedTuple):
    """A book's newest entry that has filled and says what is to protect it, and the highest leg of its protective children."""

    entry: OrderRow
    highest: int | None


_READ: LiteralString = (
    "with entries as (select distinct on (strategy_id, symbol) * from orders e"
    " where e.account_id = %(account)s and e.protect is not null and e.filled_quantity > 0"
    " order by strategy_id, symbol, decided_at desc, leg desc)"
    " select coalesce(json_agg(json_build_array(" + ORDER_JSON + ", (select max(c.leg) from orders c where c.parent_id = o.id"
    " and c.purpose in ('stop', 'target')))), '[]')::text from entries o"
)
_decode: Final = msgspec.json.Decoder(list[GuardRow]).decode


async def guards(database: Database, account_id: str) -> list[GuardRow]:
    """Of every book, those that hold nothing too: an entry that fills once more goes on counting its children where it was."""
    rows = await database.fetch(_READ, {"account": account_id})
    return _decode(rows[0][0])
