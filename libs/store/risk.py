"""What risk_manager reads in one snapshot and writes in one transaction."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

import msgspec

from libs.common.database import Database, Rejected, Write
from libs.domain.guards import Reason
from libs.domain.kill import Mode
from libs.domain.messages import Signal, VerdictKind
from libs.domain.orders import Order, Side, Status
from libs.store import fleet, halts, permits
from libs.store.disarmed import REASONS
from libs.store.fleet import FleetRow
from libs.store.halts import LossRow
from libs.store.limits import NEWEST
from libs.store.open_orders import IS_OPEN
from libs.store.permits import OpenPermit


class StoredSignal(NamedTuple):
    """A signal as its row has it."""

    signal_id: UUID
    session_id: str
    account_id: str
    strategy_id: str
    symbol: str
    timeframe: str
    bar_time: int
    decided_at: int
    target: float
    confidence: float
    scale: float
    reference_price: float
    valid_until: int
    reason: str
    triggered_ns: int

    def signal(self) -> Signal:
        return Signal(**self._asdict())


class Queued(NamedTuple):
    """One message of the signals stream; `signal` is None when its row does not exist."""

    no: int
    signal: StoredSignal | None
    assessed: bool  # it has a verdict already: the cursor was moved back


class WaitingRow(NamedTuple):
    """A signal that waits, and the number of the next leg it may place."""

    signal: StoredSignal
    legs: int


class OpenRow(NamedTuple):
    order_id: UUID
    strategy_id: str
    symbol: str
    side: Side
    remaining: Decimal
    price: Decimal
    status: Status


class ClosingRow(NamedTuple):
    """A person wants the external book of a symbol closed (`fleet doctor close`)."""

    item: UUID
    symbol: str
    since: int  # host ns
    by: str
    reason: str


class MarkRow(NamedTuple):
    """The newest close known of a symbol, the one before it, and how its newest quote bar closed; where a limit asks for them."""

    symbol: str
    close: float
    start: int  # of its bar
    close_before: float | None = None
    start_before: int | None = None
    bid: float | None = None
    ask: float | None = None


class OutcomeRow(NamedTuple):
    """Orders of a strategy, of the last hour, that have ended."""

    strategy_id: str
    ended: int
    traded: int
    canceled: int


class DecidedRow(NamedTuple):
    """An order that was decided."""

    decided_at: int
    strategy_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal | None
    signal_id: UUID
    entry: bool  # it may add to its book


class SizeRow(NamedTuple):
    """An entry of a strategy, long ago."""

    strategy_id: str
    symbol: str
    decided_at: int
    quantity: Decimal
    price: Decimal


class CloseRow(NamedTuple):
    """A fill of a strategy that realised a profit or a loss."""

    strategy_id: str
    executed_us: int
    order_id: UUID  # of a slice its parent
    trade_id: UUID
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    pnl: Decimal
    commission: Decimal
    fee_currency: str


class Asked(NamedTuple):
    """What limits and sizing want to know beside what every decision needs."""

    jumps: bool = False  # the close before the newest
    quotes: Sequence[str] = ()  # how quote bars closed, of these symbols
    ratios: bool = False  # what became of the last hour's orders
    fleet: bool = False  # what the other accounts hold
    permits: bool = False  # which orders may be larger than usual
    closes: Sequence[str] = ()  # what these strategies closed lately, of those that are decided on
    most_closes: int = 0  # of each


class Snapshot(msgspec.Struct, kw_only=True):
    """Everything a risk decision needs, as of one moment."""

    queued: list[Queued]
    waiting: list[WaitingRow]
    updates: int  # last number of orders.updates
    positions: list[tuple[str, str, Decimal]]  # (strategy, symbol, quantity)
    orders: list[OpenRow]
    cash: list[tuple[str, Decimal]]
    now: int  # market ns: as asked for, or as recorded where that is later
    marks: list[MarkRow]
    outcomes: list[OutcomeRow]
    closes: list[CloseRow]
    fleet: FleetRow | None  # None where no limit is for all accounts together
    killed: list[tuple[str, str, Mode, int]]  # (scope, key, mode, host ns at which it was set)
    permits: list[OpenPermit]
    closing: list[ClosingRow]  # oldest first
    disarmed: list[Reason]  # why the account sends nothing that adds to a book
    losses: LossRow
    step: int  # of a lockstep session: the one under way
    decided: int  # the last step of which strategies have spoken
    limits: int  # the newest version of limits on record
    evaluated: int  # the last step in which this account's loss limits were looked at


_SIGNAL_JSON: LiteralString = (
    "json_build_array(s.signal_id, s.session_id, s.account_id, s.strategy_id, s.symbol, s.timeframe, ns_of(s.bar_time),"
    " ns_of(s.decided_at), s.target, s.confidence, s.scale, s.reference_price, ns_of(s.valid_until), s.reason, s.triggered_ns)"
)

_BARS: LiteralString = (
    "from market_ohlcv b where b.venue = %(venue)s and b.symbol = w.symbol and b.timeframe = %(timeframe)s"
    " and b.timestamp <= at_ns((select now from clock) - %(late)s)"
)
_SINCE: LiteralString = " and b.timestamp >= at_ns((select start_time from clock)) order by b.timestamp desc limit 1"
# `now` is asked for as a value, not joined: with a join Postgres reads every partition of bars. `offset 0` keeps it from reading all
# signals there are to find a few.
_READ: LiteralString = (
    "with clock as (select greatest(%(now)s, market_time) as now, start_time from sessions where session_id = %(session)s),"
    " queue as (select j.no, j.key from journal j where j.stream = 'signals' and j.no > %(cursor)s order by j.no limit %(limit)s),"
    " fresh as (select q.no, s.* from queue q left join lateral (select * from signals where signal_id = q.key offset 0) s on true),"
    " held as (select strategy_id, symbol, quantity from positions where account_id = %(account)s and quantity <> 0),"
    " waiting as (select s.*, (select count(*) from orders o where o.signal_id = s.signal_id and o.parent_id is null) as legs"
    " from risk_assessments r join signals s using (signal_id) where r.account_id = %(account)s and r.verdict = 'WAITING'),"
    " wanted as (select symbol from held union select symbol from fresh where symbol is not null union select symbol from waiting"
    " union select symbol from orders where account_id = %(account)s and " + IS_OPEN + fleet.SYMBOLS + "),"
    " marks as (select w.symbol, m.close_price, m.timestamp, p.close_price as before, p.timestamp as before_at, q.bid_close, q.ask_close"
    " from wanted w cross join lateral (select close_price, timestamp "
    + _BARS
    + " and b.close_price is not null order by b.timestamp desc limit 1) m left join lateral (select close_price, timestamp "
    + _BARS
    + " and %(jumps)s and b.close_price is not null and b.timestamp < m.timestamp"
    + _SINCE
    + ") p on true left join lateral (select bid_close, ask_close "
    + _BARS
    + " and b.symbol = any(%(quotes)s::text[]) and b.bid_close is not null"
    + _SINCE
    + ") q on true)"
    " select json_build_object("
    "'queued', (select coalesce(json_agg(json_build_array(s.no, case when s.signal_id is null then null else "
    + _SIGNAL_JSON
    + " end, exists (select from risk_assessments r where r.signal_id = s.signal_id)) order by s.no), '[]') from fresh s),"
    "'waiting', (select coalesce(json_agg(json_build_array("
    + _SIGNAL_JSON
    + ", s.legs) order by s.bar_time, s.strategy_id, s.symbol), '[]') from waiting s),"
    "'updates', (select last_no from journal_counters where stream = 'orders.updates'),"
    "'positions', (select coalesce(json_agg(json_build_array(strategy_id, symbol, quantity::text)), '[]') from held),"
    "'orders', (select coalesce(json_agg(json_build_array(id, strategy_id, symbol, side, (quantity - filled_quantity)::text,"
    " coalesce(price, stop_price, 0)::text, status)), '[]') from orders o where account_id = %(account)s and o."
    + IS_OPEN
    + " and purpose not in ('stop', 'target') and not "
    # a slice is in the remainder of its parent
    "(purpose = 'slice' and exists (select from orders p where p.id = o.parent_id and p.status = 'WORKING'))),"
    "'cash', (select coalesce(json_agg(json_build_array(commodity, balance::text)), '[]') from cash_balances"
    " where account_id = %(account)s),"
    "'now', (select now from clock),"
    "'marks', (select coalesce(json_agg(json_build_array(symbol, close_price, ns_of(timestamp), before, ns_of(before_at), bid_close,"
    " ask_close)), '[]') from marks),"
    "'outcomes', case when %(ratios)s then (select coalesce(json_agg(json_build_array(strategy_id, ended, traded, canceled)), '[]')"
    " from (select strategy_id, count(*) as ended, count(*) filter (where filled_quantity > 0) as traded,"
    " count(*) filter (where status = 'CANCELED') as canceled from orders o where account_id = %(account)s and purpose = 'signal'"
    " and decided_at > at_ns((select now from clock) - 3600000000000) and not o." + IS_OPEN + " group by strategy_id) f) else '[]' end,"
    "'closes', (select coalesce(json_agg(json_build_array(t.strategy_id, ns_of(t.executed_at) / 1000, case when o.purpose = 'slice' then"
    " o.parent_id else o.id end, t.id, t.symbol, t.side, t.quantity::text, t.executed_price::text, t.pnl::text, t.commission::text,"
    " t.fee_currency)), '[]') from (select strategy_id from fresh union select strategy_id from waiting) w cross join lateral (select *"
    " from trades where account_id = %(account)s and strategy_id = w.strategy_id and pnl <> 0 order by executed_at desc, order_id desc,"
    " id desc limit %(most_closes)s) t join orders o on o.id = t.order_id where w.strategy_id = any(%(closes)s::text[])),"
    "'fleet', " + fleet.SUMS + ","
    "'killed', (select coalesce(json_agg(json_build_array(scope, key, mode, ns_of(set_at)) order by set_at), '[]')"
    " from kill_switch where active),"
    "'permits', " + permits.OPEN + ","
    "'closing', (select coalesce(json_agg(json_build_array(id, key, ns_of(closing_since), decided_by, reason)"
    " order by closing_since), '[]') from reconcile_items where account_id = %(account)s and closing_since is not null),"
    "'disarmed', " + REASONS + ","
    "'losses', " + halts.LOSSES + ","
    "'limits', " + NEWEST + ","
    "'step', (select step from sessions where session_id = %(session)s),"
    "'decided', coalesce((select step from clock_acks where session_id = %(session)s and phase = 'decide'"
    " and consumer = 'strategy_engine'), 0),"
    "'evaluated', coalesce((select step from clock_acks where session_id = %(session)s and phase = 'decide'"
    " and consumer = 'risk:' || %(account)s), 0))::text"
)

NOTHING_MORE: Final = Asked()
_decode: Final = msgspec.json.Decoder(Snapshot).decode


class RiskStore:
    """One account's side of risk."""

    def __init__(self, database: Database, account_id: str, session_id: str, venue: str, timeframe: str, late_ns: int) -> None:
        """`late_ns`: from the start of a bar of that timeframe to the moment at which it is known."""
        self._database = database
        self._params = {"account": account_id, "session": session_id, "venue": venue, "timeframe": timeframe, "late": late_ns}

    async def read(self, cursor: int, limit: int, now: int, asked: Asked = NOTHING_MORE) -> Snapshot:
        """The next signals beyond the cursor and all that is needed to judge them: one statement, one snapshot.

        Args:
            now: market time as heard; the record may be ahead of it. Marks are closes of bars known by the later of the two.
        """
        rows = await self._database.fetch(
            _READ,
            {
                **self._params,
                "cursor": cursor,
                "limit": limit,
                "now": now,
                **asked._asdict(),
                "quotes": list(asked.quotes),
                "closes": list(asked.closes),
            },
            plan_once=True,
        )
        try:
            return _decode(rows[0][0])
        except msgspec.ValidationError as error:
            raise Rejected(f"the record holds something risk cannot read: {error}", None) from error

    async def unassessed(self, no: int, depth: int) -> list[int]:
        """Numbers of this account's signals, at most `depth` below the cursor and older than 5 s, that have no assessment."""
        rows = await self._database.fetch(
            "select j.no from journal j join signals s on s.signal_id = j.key where j.stream = 'signals' and j.no between %s and %s"
            " and s.account_id = %s and s.created_at < now() - interval '5 seconds'"
            " and not exists (select from risk_assessments r where r.signal_id = s.signal_id) order by j.no limit 256",
            (no - depth, no, self._params["account"]),
        )
        return [row[0] for row in rows]

    async def decided(self, since: int) -> list[DecidedRow]:
        """Every order that risk has decided later than `since`, market ns."""
        rows = await self._database.fetch(
            "select ns_of(decided_at), strategy_id, symbol, side, quantity, price, signal_id, not reduce_only from orders"
            " where account_id = %s and decided_at > at_ns(%s) and parent_id is null and purpose <> 'external'",
            (self._params["account"], since),
        )
        return [DecidedRow(*row) for row in rows]

    async def sizes(self, since: int, until: int, most: int) -> list[SizeRow]:
        """Entries decided later than `since` and up to `until`, market ns: the newest of each strategy, at most so many."""
        rows = await self._database.fetch(
            "select strategy_id, symbol, ns_of(decided_at), quantity, price from (select o.*, row_number() over (partition by strategy_id"
            " order by decided_at desc, quantity * price desc) as n from orders o where account_id = %s and decided_at > at_ns(%s)"
            " and decided_at <= at_ns(%s) and parent_id is null and not reduce_only and price is not null and purpose = 'signal') o"
            " where n <= %s",
            (self._params["account"], since, until, most),
        )
        return [SizeRow(*row) for row in rows]

    async def volumes(self, symbols: Sequence[str], since: int, until: int) -> dict[str, list[tuple[int, float]]]:
        """(start, volume) of the finest bars of each symbol with since <= start < until (market ns), ascending; not of what is before
        the session."""
        rows = await self._database.fetch(
            "select symbol, array_agg(ns_of(timestamp) order by timestamp), array_agg(volume order by timestamp) from market_ohlcv"
            " where venue = %s and symbol = any(%b::text[]) and timeframe = %s and volume is not null and timestamp >= at_ns(greatest(%s,"
            " (select start_time from sessions where session_id = %s))) and timestamp < at_ns(%s) group by symbol",
            (self._params["venue"], list(symbols), self._params["timeframe"], since, self._params["session"], until),
        )
        return {symbol: list(zip(starts, volumes, strict=True)) for symbol, starts, volumes in rows}

    async def liquidations(self, since: int) -> dict[tuple[str, str], tuple[int, float, int]]:
        """How many orders were to close a book since a host time (ns), seconds since the newest, and how many there ever were; by
        (strategy, symbol)."""
        rows = await self._database.fetch(
            "select strategy_id, symbol, count(*) filter (where created_at >= at_ns(%s)),"
            " extract(epoch from clock_timestamp() - max(created_at))::float8, count(*) from orders"
            " where account_id = %s and purpose = 'liquidation' group by 1, 2",
            (since, self._params["account"]),
        )
        return {(strategy_id, symbol): (n, age_s, ever) for strategy_id, symbol, n, age_s, ever in rows}

    async def told(self, ids: Sequence[UUID]) -> set[UUID]:
        """Which of these notifications are on record."""
        rows = await self._database.fetch("select id from notifications where id = any(%b::uuid[])", (list(ids),))
        return {row[0] for row in rows}

    async def funded(self) -> bool:
        """Whether the account's deposit has been booked: without it nothing can be sized."""
        rows = await self._database.fetch("select exists (select from cash_balances where account_id = %s)", (self._params["account"],))
        return bool(rows[0][0])


class Assessment(NamedTuple):
    """A row of risk_assessments."""

    signal_id: UUID
    session_id: str
    account_id: str
    strategy_id: str
    symbol: str
    verdict: VerdictKind
    code: str
    reason: str
    limit: str
    seen: str
    checks: str  # JSON: [code, what, limit, seen] of every control that was passed


def store_assessments(rows: Sequence[Assessment]) -> Write:
    """One row per signal; only one that still waits may be written over (TW004 otherwise)."""
    return Write(
        "select assessments_store(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],"
        " %b::text[], %b::text[], %b::text[])",
        tuple([row[n] for row in rows] for n in range(len(Assessment._fields))),
    )


def store_orders(orders: Sequence[Order], epoch: int) -> Write:
    """Approved orders, each leg once."""
    return Write(
        "insert into orders (id, client_order_id, account_id, venue, session_id, symbol, order_type, side, quantity, price, status,"
        " time_in_force, strategy_id, signal_id, leg, risk_assessment_id, epoch, decided_at, valid_until, expires_at, purpose,"
        " reduce_only, execution, protect)"
        " select i, c, a, v, e, y, t, d, q, p, 'APPROVED', f, s, g, l, g, %s, at_ns(x), at_ns(u), at_ns(z), m, r, k, h::jsonb from"
        " unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::numeric[],"
        " %s::numeric[], %b::text[], %b::text[], %b::uuid[], %b::int8[], %b::int8[], %b::int8[], %b::int8[], %b::text[], %b::bool[],"
        " %b::text[], %s::text[]) w(i, c, a, v, e, y, t, d, q, p, f, s, g, l, x, u, z, m, r, k, h)",
        (
            epoch,
            [o.order_id for o in orders],
            [o.client_order_id for o in orders],
            [o.account_id for o in orders],
            [o.venue for o in orders],
            [o.session_id for o in orders],
            [o.symbol for o in orders],
            [o.order_type for o in orders],
            [o.side for o in orders],
            [o.quantity for o in orders],
            [o.price for o in orders],
            [o.time_in_force for o in orders],
            [o.strategy_id for o in orders],
            [o.signal_id for o in orders],
            [o.leg for o in orders],
            [o.decided_at for o in orders],
            [o.valid_until for o in orders],
            [o.expires_at for o in orders],
            [o.purpose for o in orders],
            [o.reduce_only for o in orders],
            [o.execution for o in orders],
            [None if o.protect is None else msgspec.json.encode(o.protect).decode() for o in orders],
        ),
    )
