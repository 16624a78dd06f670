"""What the accounts of a session hold and are worth."""

from datetime import datetime
from decimal import Decimal
from typing import Final, LiteralString

import msgspec

from libs.common.database import Database


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One book that is not flat."""

    strategy_id: str
    symbol: str
    quantity: Decimal
    avg_cost: Decimal
    mark: Decimal | None  # newest close; None: no bar yet, and it counts at cost
    marked_at: datetime | None  # start of that bar, market time
    market_value: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal


class AccountStanding(msgspec.Struct, frozen=True, kw_only=True):
    """An account at the session's market time. Money is in the base currency; other cash is listed and not counted."""

    account_id: str
    name: str
    session_id: str
    venue: str
    base_currency: str
    market_time: datetime
    deposit: Decimal
    cash: dict[str, Decimal]
    holdings: list[Holding]
    realized_pnl: Decimal  # of all its books, flat ones too, before fees
    fees: Decimal
    equity: Decimal = Decimal(0)
    gross_exposure: Decimal = Decimal(0)  # longs and shorts alike
    net_exposure: Decimal = Decimal(0)
    unrealized_pnl: Decimal = Decimal(0)

    def valued(self) -> "AccountStanding":
        """With the sums over its holdings."""
        values = [holding.market_value for holding in self.holdings]
        net = sum(values, Decimal(0))
        return msgspec.structs.replace(
            self,
            equity=self.cash.get(self.base_currency, Decimal(0)) + net,
            gross_exposure=sum(map(abs, values), Decimal(0)),
            net_exposure=net,
            unrealized_pnl=sum((holding.unrealized_pnl for holding in self.holdings), Decimal(0)),
        )


_STANDING: Final[LiteralString] = (
    "select json_build_object('account_id', a.account_id, 'name', a.name, 'session_id', a.session_id, 'venue', a.venue,"
    " 'base_currency', a.base_currency, 'market_time', at_ns(s.market_time), 'deposit', trim_scale(a.deposit),"
    " 'cash', (select coalesce(json_object_agg(commodity, trim_scale(balance)), '{}') from cash_balances c"
    " where c.account_id = a.account_id),"
    " 'realized_pnl', (select coalesce(trim_scale(sum(realized_pnl)), 0) from positions p where p.account_id = a.account_id),"
    " 'fees', (select coalesce(trim_scale(sum(commission)), 0) from trades t where t.account_id = a.account_id"
    " and t.fee_currency = a.base_currency),"
    " 'holdings', (select coalesce(json_agg(json_build_object('strategy_id', p.strategy_id, 'symbol', p.symbol,"
    " 'quantity', trim_scale(p.quantity), 'avg_cost', trim_scale(p.avg_cost), 'mark', bar.close_price, 'marked_at', bar.timestamp,"
    " 'market_value', trim_scale(round(p.quantity * m.multiplier * m.mark, 12)),"
    " 'unrealized_pnl', trim_scale(round(p.quantity * m.multiplier * (m.mark - p.avg_cost), 12)),"
    " 'realized_pnl', trim_scale(p.realized_pnl)) order by p.strategy_id, p.symbol), '[]')"
    " from positions p left join instruments i on i.venue = s.venue and i.symbol = p.symbol"
    " left join lateral (select close_price, timestamp from market_ohlcv b where b.venue = s.venue and b.symbol = p.symbol"
    " and b.timeframe = s.timeframes[1] and b.timestamp <= at_ns(s.market_time) and b.close_price is not null"
    " order by b.timestamp desc limit 1) bar on true,"
    " lateral (select coalesce(i.multiplier, 1) as multiplier, coalesce(bar.close_price::numeric, p.avg_cost) as mark) m"
    " where p.account_id = a.account_id and p.quantity <> 0))::text"
    " from accounts a join sessions s using (session_id) where a.account_id = any(%b::text[]) order by a.account_id"
)
_decode: Final = msgspec.json.Decoder(AccountStanding).decode


async def account_ids(database: Database, account: str | None = None) -> list[str]:
    """The account of that id; without one, the accounts of the newest session (none before there is one).

    Raises:
        LookupError: there is no such account; the text names those there are.
    """
    rows = await database.fetch(
        "select account_id, session_id = (select session_id from sessions order by played_at desc limit 1) from accounts order by 1"
    )
    if account is None:
        return [account_id for account_id, newest in rows if newest]
    known = [account_id for account_id, _ in rows]
    if account not in known:
        raise LookupError(f"no account is called {account!r}; there are: {', '.join(known) or 'none'}")
    return [account]


async def standing(database: Database, account: str | None = None) -> list[AccountStanding]:
    """How an account stands, or each of the newest session's; positions at the newest close of its finest bars.

    Raises:
        LookupError: there is no such account.
    """
    rows = await database.fetch(_STANDING, (await account_ids(database, account),))
    return [_decode(row[0]).valued() for row in rows]
