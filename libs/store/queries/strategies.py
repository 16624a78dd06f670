"""How strategies are configured and what they have done in the newest session."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString

import msgspec

from libs.common.database import Database


class LastTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy last wanted of a symbol, and what it holds of it."""

    symbol: str
    target: float
    decided_at: datetime  # market time
    verdict: str | None  # None: not assessed yet
    code: str
    held: Decimal
    realized_pnl: Decimal


class StrategyStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy as configured and switched; counts are those of the newest session."""

    strategy_id: str
    class_name: str
    symbols: list[str]
    timeframe: str
    account: str
    allocation: float
    params: dict[str, Any]
    enabled: bool
    failed: str  # why strategy_engine has stopped it; "" while it runs
    signals: int
    refused: int
    orders: int
    trades: int
    realized_pnl: Decimal  # before fees
    fees: Decimal
    last_targets: list[LastTarget]  # by symbol


_STANDING: Final[LiteralString] = (
    "with newest as (select session_id from sessions order by played_at desc limit 1),"
    " mine as (select account_id from accounts join newest using (session_id))"
    " select json_build_object('strategy_id', s.strategy_id, 'class_name', s.class_name, 'symbols', s.symbols, 'timeframe', s.timeframe,"
    " 'account', s.account, 'allocation', s.allocation, 'params', s.params, 'enabled', s.enabled, 'failed', s.failed,"
    " 'signals', (select count(*) from signals g join newest using (session_id) where g.strategy_id = s.strategy_id),"
    " 'refused', (select count(*) from risk_assessments r join newest using (session_id) where r.strategy_id = s.strategy_id"
    " and r.verdict = 'REFUSED'),"
    " 'orders', (select count(*) from orders o join mine using (account_id) where o.strategy_id = s.strategy_id),"
    " 'trades', t.n, 'realized_pnl', t.pnl, 'fees', t.fees,"
    " 'last_targets', (select coalesce(json_agg(json_build_object('symbol', l.symbol, 'target', l.target, 'decided_at', l.decided_at,"
    " 'verdict', r.verdict, 'code', coalesce(r.code, ''), 'held', trim_scale(coalesce(p.quantity, 0)),"
    " 'realized_pnl', trim_scale(coalesce(p.realized_pnl, 0))) order by l.symbol), '[]')"
    " from (select distinct on (g.symbol) g.* from signals g join newest using (session_id) where g.strategy_id = s.strategy_id"
    " order by g.symbol, g.bar_time desc) l left join risk_assessments r using (signal_id)"
    " left join positions p on p.account_id = l.account_id and p.strategy_id = l.strategy_id and p.symbol = l.symbol))::text"
    " from strategies s, lateral (select count(*) as n, coalesce(trim_scale(sum(pnl)), 0) as pnl,"
    " coalesce(trim_scale(sum(commission)), 0) as fees from trades join mine using (account_id)"
    " where trades.strategy_id = s.strategy_id) t"
    " where %(strategy)s::text is null or s.strategy_id = %(strategy)s order by s.strategy_id"
)
_decode: Final = msgspec.json.Decoder(StrategyStanding).decode


async def strategies(database: Database, strategy_id: str | None = None) -> list[StrategyStanding]:
    """One strategy, or every strategy of the configuration.

    Raises:
        LookupError: there is no such strategy; the text names those there are.
    """
    rows = await database.fetch(_STANDING, {"strategy": strategy_id})
    if not rows and strategy_id is not None:
        known = await database.fetch("select strategy_id from strategies order by 1")
        raise LookupError(f"no strategy is called {strategy_id!r}; there are: {', '.join(row[0] for row in known) or 'none'}")
    return [_decode(row[0]) for row in rows]
