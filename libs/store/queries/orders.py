"""Orders and trades, a page at a time."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import msgspec

from libs.common.database import Database
from libs.store.queries.accounts import account_ids


class OrderLine(msgspec.Struct, frozen=True):
    """An order as it stands. Times but `created_at` are market time."""

    order_id: UUID
    client_order_id: str
    account_id: str
    strategy_id: str
    symbol: str
    side: str
    order_type: str
    quantity: Decimal
    price: Decimal | None
    filled_quantity: Decimal
    avg_fill_price: Decimal | None
    status: str
    signal_id: UUID
    leg: int
    decided_at: datetime
    expires_at: datetime
    created_at: datetime
    purpose: str
    parent_id: UUID | None
    stop_price: Decimal | None


class TradeLine(msgspec.Struct, frozen=True):
    """One booked fill; `pnl` is what it realised, before its commission."""

    trade_id: UUID
    order_id: UUID
    account_id: str
    strategy_id: str
    symbol: str
    side: str
    quantity: Decimal
    executed_price: Decimal
    commission: Decimal
    fee_currency: str
    liquidity: str
    executed_at: datetime
    pnl: Decimal
    venue: str
    exec_key: str


class Place(NamedTuple):
    """Where a page of trades begins: after this one."""

    executed_at: datetime
    trade_id: UUID


async def orders(
    database: Database,
    *,
    account: str | None = None,
    strategy: str | None = None,
    symbol: str | None = None,
    statuses: Collection[str] | None = None,
    limit: int = 50,
    before: UUID | None = None,
) -> list[OrderLine]:
    """At most `limit` orders of an account, or of the newest session's accounts, the last decided first.

    Args:
        statuses: any of these; None: whatever it is.
        before: the order that ended the page before this one.

    Raises:
        LookupError: there is no such account.
    """
    rows = await database.fetch(
        "select o.* from unnest(%(accounts)b::text[]) u(account_id), lateral ("
        "select id, client_order_id, account_id, strategy_id, symbol, side, order_type, trim_scale(quantity), trim_scale(price),"
        " trim_scale(filled_quantity), trim_scale(avg_fill_price), status, signal_id, leg, decided_at, expires_at, created_at, purpose,"
        " parent_id, trim_scale(stop_price) from orders where account_id = u.account_id"
        " and (%(strategy)s::text is null or strategy_id = %(strategy)s) and (%(symbol)s::text is null or symbol = %(symbol)s)"
        " and (%(any)s::bool or status = any(%(statuses)b::text[]))"
        " and (%(before)s::uuid is null or (decided_at, id) < (select decided_at, id from orders where id = %(before)s::uuid))"
        " order by decided_at desc, id desc limit %(limit)s) o order by o.decided_at desc, o.id desc limit %(limit)s",
        {
            "accounts": await account_ids(database, account),
            "strategy": strategy,
            "symbol": symbol,
            "any": statuses is None,
            "statuses": sorted(statuses or ()),
            "before": before,
            "limit": limit,
        },
    )
    return [OrderLine(*row) for row in rows]


async def trades(database: Database, *, account: str | None = None, limit: int = 1000, after: Place | None = None) -> list[TradeLine]:
    """At most `limit` trades of an account, or of the newest session's accounts, the first executed first.

    Args:
        after: the last trade of the page before this one.

    Raises:
        LookupError: there is no such account.
    """
    rows = await database.fetch(
        "select t.* from unnest(%(accounts)b::text[]) u(account_id), lateral ("
        "select id, order_id, account_id, strategy_id, symbol, side, trim_scale(quantity), trim_scale(executed_price),"
        " trim_scale(commission), fee_currency, liquidity, executed_at, trim_scale(pnl), venue, exec_key from trades"
        " where account_id = u.account_id and (%(at)s::timestamptz is null or (executed_at, id) > (%(at)s, %(id)s::uuid))"
        " order by executed_at, id limit %(limit)s) t order by t.executed_at, t.id limit %(limit)s",
        {
            "accounts": await account_ids(database, account),
            "at": after.executed_at if after else None,
            "id": after.trade_id if after else None,
            "limit": limit,
        },
    )
    return [TradeLine(*row) for row in rows]
