"""What the other accounts hold, for limits that are for all of them; and how no two accounts take the same room.

Whoever approves orders under such a limit moves one number on, in the transaction of the approval, and only from where it stood when
the others were read: of two that read the same room the second decides again, on what the first has taken.
"""

from decimal import Decimal
from typing import LiteralString

import msgspec

from libs.common.database import Write
from libs.store.open_orders import IS_OPEN


class FleetRow(msgspec.Struct, frozen=True, kw_only=True):
    """The accounts of the session but the one that asks, as of a snapshot."""

    version: int
    equity: float | None  # as each was counted last; None where one has not been looked at yet
    currencies: list[str]  # base currencies of theirs
    books: list[tuple[str, str, Decimal, Decimal, Decimal]]  # (account, symbol, held, remaining of open buys, of open sells)
    open_orders: int
    per_second: int  # orders decided, of market time
    per_minute: int


_THEIRS: LiteralString = "account_id in (select account_id from accounts where session_id = %(session)s and account_id <> %(account)s)"
_AT_RISK: LiteralString = (
    IS_OPEN + " and purpose not in ('stop', 'target') and not"
    " (purpose = 'slice' and exists (select from orders p where p.id = o.parent_id and p.status = 'WORKING'))"
)
SYMBOLS: LiteralString = (
    " union select symbol from positions where %(fleet)s and quantity <> 0 and " + _THEIRS + " union select symbol from orders o"
    " where %(fleet)s and " + _AT_RISK + " and " + _THEIRS
)
"""Symbols whose marks it takes to value them, as a part of a statement that names symbols."""

SUMS: LiteralString = (
    "case when %(fleet)s then json_build_object("
    "'version', coalesce((select version from risk_fleet), 0),"
    "'equity', (select case when bool_and(r.equity is not null) then coalesce(sum(r.equity), 0) end from accounts a left join risk_states r"
    " using (account_id) where a." + _THEIRS + "),"
    "'currencies', (select coalesce(json_agg(distinct base_currency), '[]') from accounts where " + _THEIRS + "),"
    "'books', (select coalesce(json_agg(json_build_array(account_id, symbol, held::text, buys::text, sells::text)), '[]') from ("
    "select account_id, symbol, sum(held) as held, sum(buys) as buys, sum(sells) as sells from ("
    "select account_id, symbol, quantity as held, 0 as buys, 0 as sells from positions where quantity <> 0 and " + _THEIRS + " union all"
    " select account_id, symbol, 0, case when side = 'buy' then quantity - filled_quantity else 0 end,"
    " case when side = 'sell' then quantity - filled_quantity else 0 end from orders o where " + _AT_RISK + " and " + _THEIRS + ") b"
    " group by account_id, symbol) s),"
    "'open_orders', (select count(*) from orders o where " + _AT_RISK + " and " + _THEIRS + "),"
    "'per_second', (select count(*) from orders where " + _THEIRS + " and parent_id is null and purpose <> 'external'"
    " and decided_at > at_ns((select now from clock) - 1000000000)),"
    "'per_minute', (select count(*) from orders where " + _THEIRS + " and parent_id is null and purpose <> 'external'"
    " and decided_at > at_ns((select now from clock) - 60000000000))) end"
)
"""A FleetRow as JSON, or null, within a statement that knows account, session and clock."""


def take(version: int) -> Write:
    """Orders are approved on what the others held at that version; TW004 when another account has been approved some since."""
    return Write("select risk_fleet_take(%s)", (version,))
