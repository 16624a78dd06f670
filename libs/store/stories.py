"""What an account of a session did, as the record has it, in the words in which a backtest tells it too."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from libs.common.database import Database
from libs.domain.stories import MadeTrade, OrderKey, Outcome, PlacedOrder, SaidSignal, SignalKey, Story, TradeKey

_FOREVER: Final = 2**62


async def story(database: Database, account_id: str, since: int, until: int) -> Story:
    """Signals, orders and trades of bars with since <= start < until (market ns); the ledger without what came after them.

    The ledger holds deposits, corporate actions that the account has met, and the trades of bars that start before `until`.
    """
    signals, verdicts = await _signals(database, account_id, since, until, _FOREVER)
    orders, ends = await _orders(database, account_id, since, until, _FOREVER)
    trades = await _trades(database, account_id, since, until)
    return Story(signals, orders, trades, await _ledger(database, account_id, until), verdicts, ends)


async def story_before(database: Database, account_id: str, since: int, until: int, step: int, late_ns: Mapping[str, int]) -> Story:
    """As `story`, of a lockstep session that is at the step of that market time: what its steps before have done, and no
    ledger, which does not say when a line was booked.

    Args:
        late_ns: by symbol, from the time of a fill to that of the step in which it is booked.
    """
    signals, verdicts = await _signals(database, account_id, since, until, step)
    orders, ends = await _orders(database, account_id, since, until, step)
    trades = await _trades(database, account_id, since, until)
    booked = {key: t for key, t in trades.items() if t.executed_at + late_ns.get(key.order.signal.symbol, 0) < step}
    return Story(signals, orders, booked, {}, verdicts, ends)


async def _signals(
    database: Database, account_id: str, since: int, until: int, before: int
) -> tuple[dict[SignalKey, SaidSignal], dict[SignalKey, Outcome]]:
    rows = await database.fetch(
        "select ns_of(s.bar_time), s.strategy_id, s.symbol, s.timeframe, s.target, s.scale, s.reference_price, r.verdict, r.code, r.reason"
        " from signals s left join risk_assessments r using (signal_id)"
        " where s.account_id = %s and s.bar_time >= at_ns(%s) and s.bar_time < at_ns(%s) and s.decided_at < at_ns(%s)"
        " order by s.bar_time, s.strategy_id, s.symbol",
        (account_id, since, until, before),
    )
    said = {SignalKey(*row[:4]): SaidSignal(*row[4:7]) for row in rows}
    return said, {SignalKey(*row[:4]): Outcome(*row[7:]) for row in rows if row[7] is not None}


async def _orders(
    database: Database, account_id: str, since: int, until: int, before: int
) -> tuple[dict[OrderKey, PlacedOrder], dict[OrderKey, str]]:
    rows = await database.fetch(
        "select ns_of(s.bar_time), o.strategy_id, o.symbol, s.timeframe, o.leg, o.side, o.order_type, o.quantity, o.price,"
        " ns_of(o.expires_at), o.status from orders o join signals s using (signal_id)"
        " where o.account_id = %s and s.bar_time >= at_ns(%s) and s.bar_time < at_ns(%s) and o.decided_at < at_ns(%s)"
        " order by 1, 2, 3, 5",
        (account_id, since, until, before),
    )
    keyed = [(OrderKey(SignalKey(*row[:4]), row[4]), row) for row in rows]
    return {key: PlacedOrder(*row[5:10]) for key, row in keyed}, {key: row[10] for key, row in keyed}


async def _trades(database: Database, account_id: str, since: int, until: int) -> dict[TradeKey, MadeTrade]:
    rows = await database.fetch(
        "select ns_of(s.bar_time), t.strategy_id, t.symbol, s.timeframe, o.leg, t.side, t.quantity, t.executed_price, t.commission,"
        " ns_of(t.executed_at), t.pnl from trades t join orders o on o.id = t.order_id join signals s using (signal_id)"
        " where t.account_id = %s and s.bar_time >= at_ns(%s) and s.bar_time < at_ns(%s) order by t.executed_at, t.booked_at, t.exec_key",
        (account_id, since, until),
    )
    fills: Counter[OrderKey] = Counter()
    made: dict[TradeKey, MadeTrade] = {}
    for row in rows:
        key = OrderKey(SignalKey(*row[:4]), row[4])
        fills[key] += 1
        made[TradeKey(key, fills[key])] = MadeTrade(*row[5:])
    return made


async def _ledger(database: Database, account_id: str, until: int) -> dict[tuple[str, str, str], Decimal]:
    rows = await database.fetch(
        "select l.strategy_id, l.ledger_account, l.commodity, sum(l.amount) from cash_ledger l left join trades t on t.id = l.trade_id"
        " left join orders o on o.id = t.order_id left join signals s using (signal_id)"
        " where l.account_id = %s and (l.trade_id is null or s.bar_time < at_ns(%s)) group by 1, 2, 3",
        (account_id, until),
    )
    return {(strategy_id, ledger_account, commodity): amount for strategy_id, ledger_account, commodity, amount in rows}
