"""The story of a signal: the bar it was decided on, the strategy, the verdict, and its orders with all that became of them.

Times of the market are market time. `noticed_at`, `created_at`, `updated_at`, `at` and `booked_at` are host time.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

import msgspec

from libs.common.database import Database, Rejected
from libs.domain.names import TIMEFRAMES


class SignalTold(msgspec.Struct, frozen=True, kw_only=True):
    """What was wanted."""

    signal_id: UUID
    session_id: str
    account_id: str
    strategy_id: str
    symbol: str
    timeframe: str
    bar_time: datetime
    decided_at: datetime
    previous_target: float | None  # of the signal before it in the session; None: it is the first
    target: float
    confidence: float
    scale: float
    reference_price: float
    valid_until: datetime
    reason: str
    noticed_at: datetime | None  # that the bar was complete; None: not measured
    created_at: datetime


class BarTold(msgspec.Struct, frozen=True, kw_only=True):
    """The bar that was decided on, as traded."""

    timestamp: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    before: int  # bars of its symbol and timeframe before it in the session


class StrategyTold(msgspec.Struct, frozen=True, kw_only=True):
    """The strategy as it is configured now, which need not be as it was then."""

    class_name: str
    symbols: list[str]
    timeframe: str
    account: str
    allocation: float
    params: dict[str, float | int]


class CheckTold(msgspec.Struct, frozen=True, kw_only=True):
    """What a control compared."""

    code: str
    what: str
    limit: float | str | None
    seen: float | str | None


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision could count on, made again from the ledger: a fill booked that very moment may be in it or not."""

    held: Decimal  # by the book
    equity: Decimal | None  # cash and positions at the newest closes known; None: a price or a rate is missing


class AssessmentTold(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict."""

    verdict: str
    code: str
    reason: str
    limit: str
    seen: str
    checks: list[CheckTold]  # in the order in which they were made
    created_at: datetime
    updated_at: datetime
    worth: Worth


class EventTold(msgspec.Struct, frozen=True, kw_only=True):
    """One step in the life of an order."""

    n: int
    event: str
    status: str
    filled_quantity: Decimal
    anomaly: bool
    detail: str
    market_time: datetime
    at: datetime


class AttemptTold(msgspec.Struct, frozen=True, kw_only=True):
    """One request that may have left this host."""

    n: int
    client_order_id: str
    at: datetime


class FillTold(msgspec.Struct, frozen=True, kw_only=True):
    """One booked fill."""

    trade_id: UUID
    exec_key: str
    quantity: Decimal
    executed_price: Decimal
    slippage_bps: float | None  # against the signal's reference price, None without a signal; positive is worse for us
    commission: Decimal
    fee_currency: str
    liquidity: str
    pnl: Decimal  # realised by it, before its commission
    executed_at: datetime
    booked_at: datetime


class BookAfter(msgspec.Struct, frozen=True, kw_only=True):
    """The book once the last fill of an order was booked."""

    quantity: Decimal
    realized_pnl: Decimal  # of the book so far, before fees


class CostTold(msgspec.Struct, frozen=True, kw_only=True):
    """What executing an order cost; positive is worse for us, None is not known."""

    decision_price: Decimal | None
    arrival_price: Decimal | None
    spread: Decimal | None
    end_price: Decimal | None
    fill_rate: float
    slippage_bps: float | None  # against the arrival price
    shortfall: Decimal | None  # against the decision price, fees and what was not filled included
    fees: Decimal
    hops_ms: dict[str, float]  # host ms, by the step that was reached


class Ordered(msgspec.Struct, frozen=True, kw_only=True):
    """An order, whoever wanted it, and all that became of it."""

    order_id: UUID
    client_order_id: str
    side: str
    order_type: str
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    status: str
    filled_quantity: Decimal
    avg_fill_price: Decimal | None
    expires_at: datetime
    created_at: datetime
    events: list[EventTold]
    fills: list[FillTold]
    purpose: str = "signal"
    cost: CostTold | None = None  # None: it has not ended


class OrderTold(Ordered, frozen=True, kw_only=True):
    """One leg of a signal, or a child of one."""

    leg: int
    parent_id: UUID | None = None
    replaces: UUID | None = None
    time_in_force: str
    valid_until: datetime
    worth: Worth
    attempts: list[AttemptTold]
    after: BookAfter | None  # None: no fill
    execution: str = ""  # of a parent: its fills are those of its slices


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """A signal from the bar to the books."""

    currency: str  # the account's
    multiplier: Decimal
    lot: Decimal
    signal: SignalTold
    bar: BarTold | None  # None: it is not stored any more
    strategy: StrategyTold | None  # None: it is not configured any more
    state: bytes | None  # of the strategy just after the bar, MessagePack
    assessment: AssessmentTold | None  # None: not assessed yet
    orders: list[OrderTold]  # by leg


class Named(NamedTuple):
    """What an id stands for."""

    signal_id: UUID
    order_id: UUID | None  # None: it is the signal's own


_WORTH_UNTIL: LiteralString = (
    "(select json_build_object('held', trim_scale(coalesce(sum(h.total) filter (where h.own), 0)), 'equity',"
    " case when bool_and(h.value is not null) then trim_scale(round(sum(h.value), 12)) end) from ("
    "select b.total, b.ledger_account = 'position' and b.strategy_id = s.strategy_id and b.commodity = s.symbol as own,"
    " case when b.total = 0 then 0 when b.ledger_account = 'cash' then case when b.commodity = a.base_currency then b.total end"
    " else b.total * i.multiplier * m.close_price::numeric end as value"
    " from (select ledger_account, strategy_id, commodity, sum(amount) as total from cash_ledger where account_id = s.account_id"
    " and ledger_account in ('cash', 'position') and booked_at < "
)
_WORTH: LiteralString = (
    " group by 1, 2, 3) b left join instruments i on b.ledger_account = 'position' and i.venue = e.venue and i.symbol = b.commodity"
    " left join lateral (select close_price from market_ohlcv q where q.venue = e.venue and q.symbol = i.symbol"
    " and q.timeframe = e.timeframes[1] and q.close_price is not null"
    " and q.timestamp <= at_ns(ns_of(s.decided_at) - e.grace_ns - t.length) order by q.timestamp desc limit 1) m on true) h)"
)
_FILLS: LiteralString = (
    "(select coalesce(json_agg(json_build_object('trade_id', t.id, 'exec_key', t.exec_key, 'quantity', trim_scale(t.quantity),"
    " 'executed_price', trim_scale(t.executed_price), 'slippage_bps', (case t.side when 'buy' then 1 else -1 end)"
    " * (t.executed_price::float8 / s.reference_price - 1) * 10000, 'commission', trim_scale(t.commission),"
    " 'fee_currency', t.fee_currency, 'liquidity', t.liquidity, 'pnl', trim_scale(t.pnl), 'executed_at', t.executed_at,"
    " 'booked_at', t.booked_at) order by t.executed_at, t.booked_at, t.exec_key), '[]') from trades t where t.order_id = o.id"
    " or t.order_id in (select id from orders c where c.parent_id = o.id and c.purpose = 'slice'))"
)
_EVENTS: LiteralString = (
    "(select coalesce(json_agg(json_build_object('n', n, 'event', event,"
    " 'status', status, 'filled_quantity', trim_scale(filled_quantity), 'anomaly', anomaly, 'detail', detail, 'market_time', market_time,"
    " 'at', at) order by n), '[]') from order_events where order_id = o.id)"
)
_AFTER: LiteralString = (
    "(select json_build_object('quantity', trim_scale((select sum(l.amount) from cash_ledger l where l.account_id = o.account_id"
    " and l.ledger_account = 'position' and l.strategy_id = o.strategy_id and l.commodity = o.symbol and l.booked_at <= last.at)),"
    " 'realized_pnl', trim_scale((select sum(t.pnl) from trades t where t.account_id = o.account_id and t.strategy_id = o.strategy_id"
    " and t.symbol = o.symbol and t.booked_at <= last.at)))"
    " from (select max(l.booked_at) as at from trades t join cash_ledger l on l.txn_id = t.id where t.order_id = o.id"
    " or t.order_id in (select id from orders c where c.parent_id = o.id and c.purpose = 'slice')) last"
    " where last.at is not null)"
)
_COST: LiteralString = (
    "(select json_build_object('decision_price', trim_scale(c.decision_price), 'arrival_price', trim_scale(c.arrival_price),"
    " 'spread', trim_scale(c.spread), 'end_price', trim_scale(c.end_price), 'fill_rate', c.fill_rate, 'slippage_bps', c.slippage_bps,"
    " 'shortfall', trim_scale(c.shortfall), 'fees', trim_scale(c.fees), 'hops_ms', c.hops_ms) from order_costs c where c.order_id = o.id)"
)
ORDERED: LiteralString = (
    "'order_id', o.id, 'client_order_id', o.client_order_id, 'side', o.side, 'order_type', o.order_type,"
    " 'quantity', trim_scale(o.quantity), 'price', trim_scale(o.price), 'stop_price', trim_scale(o.stop_price),"
    " 'trail', trim_scale(o.trail), 'status', o.status, 'filled_quantity', trim_scale(o.filled_quantity),"
    " 'avg_fill_price', trim_scale(o.avg_fill_price), 'expires_at', o.expires_at, 'created_at', o.created_at, 'purpose', o.purpose,"
    " 'events', " + _EVENTS + ", 'fills', " + _FILLS + ", 'cost', " + _COST
)
"""The fields of an order `o` as `Ordered`; `s.reference_price` is what its fills are compared with."""
_ORDERS: LiteralString = (
    "(select coalesce(json_agg(json_build_object("
    + ORDERED
    + ", 'leg', o.leg, 'time_in_force', o.time_in_force, 'parent_id', o.parent_id, 'replaces', o.replaces,"
    " 'valid_until', o.valid_until, 'worth', "
    + _WORTH_UNTIL
    + "o.created_at"
    + _WORTH
    + ", 'attempts', (select coalesce(json_agg(json_build_object('n', n, 'client_order_id', client_order_id, 'at', at) order by n), '[]')"
    " from order_attempts where order_id = o.id), 'after', "
    + _AFTER
    + ", 'execution', o.execution) order by o.leg), '[]') from orders o where o.signal_id = s.signal_id)"
)
_ASSESSMENT: LiteralString = (
    "(select json_build_object('verdict', r.verdict, 'code', r.code, 'reason', r.reason, 'limit', r.limit_value, 'seen', r.seen_value,"
    " 'checks', (select coalesce(json_agg(json_build_object('code', c->0, 'what', c->1, 'limit', c->2, 'seen', c->3) order by n), '[]')"
    " from jsonb_array_elements(r.checks) with ordinality x(c, n)), 'created_at', r.created_at, 'updated_at', r.updated_at, 'worth', "
    + _WORTH_UNTIL
    + "r.updated_at"
    + _WORTH
    + ") from risk_assessments r where r.signal_id = s.signal_id)"
)
_BAR: LiteralString = (
    "(select json_build_object('timestamp', b.timestamp, 'open', b.open_price, 'high', b.high_price, 'low', b.low_price,"
    " 'close', b.close_price, 'volume', b.volume, 'before', (select count(*) from market_ohlcv p where p.venue = b.venue"
    " and p.symbol = b.symbol and p.timeframe = b.timeframe and p.timestamp >= at_ns(e.start_time) and p.timestamp < b.timestamp"
    " and p.close_price is not null)) from market_ohlcv b where b.venue = e.venue and b.symbol = s.symbol"
    " and b.timeframe = s.timeframe and b.timestamp = s.bar_time and b.close_price is not null)"
)
_STORY: LiteralString = (
    "select json_build_object('currency', a.base_currency, 'multiplier', trim_scale(j.multiplier), 'lot', trim_scale(j.lot),"
    " 'signal', json_build_object('signal_id', s.signal_id, 'session_id', s.session_id, 'account_id', s.account_id,"
    " 'strategy_id', s.strategy_id, 'symbol', s.symbol, 'timeframe', s.timeframe, 'bar_time', s.bar_time, 'decided_at', s.decided_at,"
    " 'previous_target', (select p.target from signals p where p.session_id = s.session_id and p.strategy_id = s.strategy_id"
    " and p.symbol = s.symbol and p.bar_time < s.bar_time order by p.bar_time desc limit 1),"
    " 'target', s.target, 'confidence', s.confidence, 'scale', s.scale, 'reference_price', s.reference_price,"
    " 'valid_until', s.valid_until, 'reason', s.reason, 'noticed_at', at_ns(nullif(s.triggered_ns, 0)), 'created_at', s.created_at),"
    " 'bar', " + _BAR + ", 'strategy', (select json_build_object('class_name', c.class_name, 'symbols', c.symbols,"
    " 'timeframe', c.timeframe, 'account', c.account, 'allocation', c.allocation, 'params', c.params) from strategies c"
    " where c.strategy_id = s.strategy_id), 'state', translate(encode(s.state, 'base64'), E'\\n', ''),"
    " 'assessment', " + _ASSESSMENT + ", 'orders', " + _ORDERS + ")::text"
    " from signals s join sessions e using (session_id) join accounts a on a.account_id = s.account_id"
    " join unnest(%(timeframes)b::text[], %(lengths)b::int8[]) t(timeframe, length) on t.timeframe = e.timeframes[1]"
    " left join instruments i on i.venue = e.venue and i.symbol = s.symbol,"
    " lateral (select coalesce(i.multiplier, 1) as multiplier, coalesce(i.lot, 1) as lot) j where s.signal_id = %(signal)s::uuid"
)
_decode: Final = msgspec.json.Decoder(Story).decode


async def signal_story(database: Database, signal_id: UUID) -> Story | None:
    """The story of a signal; None when there is none of that id.

    Raises:
        Rejected: its rows hold something that cannot be told.
    """
    rows = await database.fetch(_STORY, {"signal": signal_id, "timeframes": list(TIMEFRAMES), "lengths": list(TIMEFRAMES.values())})
    try:
        return _decode(rows[0][0]) if rows else None
    except msgspec.ValidationError as error:
        raise Rejected(f"the record of signal {signal_id} cannot be read: {error}", None) from error


async def named(database: Database, text: str, limit: int = 5) -> Sequence[Named]:
    """Orders and signals whose id begins with `text`, and orders whose client order id does; at most `limit`, orders first.

    An id may be written with or without dashes, in either case; attempts of an order differ beyond the 30th character only. What somebody
    else has called an order is looked for as it is written.
    """
    digits = text.replace("-", "").lower()
    lowest = highest = None
    if 0 < len(digits) <= 32 and set(digits) <= set("0123456789abcdef"):
        lowest, highest = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    rows = await database.fetch(
        "(select signal_id, id from orders where id between %(low)s::uuid and %(high)s::uuid"
        " or starts_with(client_order_id, left(%(client)s, 30)) or starts_with(client_order_id, %(text)s) order by id limit %(limit)s)"
        " union all (select signal_id, null from signals where signal_id between %(low)s::uuid and %(high)s::uuid"
        " order by signal_id limit %(limit)s) limit %(limit)s",
        {"low": lowest, "high": highest, "client": text.upper(), "text": text, "limit": limit},
    )
    return [Named(*row) for row in rows]
