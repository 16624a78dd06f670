"""What portfolio reads of an account in one snapshot, and the rows it keeps: marks, worth by the minute, one line a day.

Rows are upserts that never go back in market time, so a second writer, or a write that is repeated, does no harm.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

import msgspec

from libs.common.database import Database, Rejected, Write
from libs.domain.orders import Side
from libs.store.sessions import Session

_FRESH: LiteralString = "200"  # fills at one look; as text in the query, whose plan counts on it


class Terms(NamedTuple):
    """What its worth depends on of an account."""

    account_id: str
    base_currency: str
    day_starts_at: str
    day_tz: str


class TradeRow(NamedTuple):
    """A fill, with the price its signal had in mind."""

    strategy_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    pnl: Decimal
    executed_at: int
    reference: float | None


class TickRow(NamedTuple):
    """The newest quote or market trade of a symbol."""

    symbol: str
    bid: float | None
    ask: float | None
    last: float | None
    at: int  # market ns


class Snapshot(msgspec.Struct, kw_only=True):
    """An account as of one moment; times are market ns."""

    now: int
    trade_no: int  # number of trades.executed up to which fresh fills are in it
    positions: list[tuple[str, str, Decimal, Decimal]]  # (strategy, symbol, quantity, average cost)
    balances: list[tuple[str, Decimal]]
    lines: list[tuple[str, str, bool, Decimal]]  # (strategy, currency, deposit, amount): of `fresh`, or of the whole ledger
    fresh: list[TradeRow]  # booked since the number asked for
    day: list[TradeRow]  # executed since the time asked for, when all was asked for; without what was wanted
    booked: list[UUID]  # which of the corporate actions asked for are in the ledger
    ticks: list[TickRow]  # of held symbols and of the pairs that convert
    bars: list[TickRow]  # the same, `at` being the end of the bar


_SUM: LiteralString = "json_build_array(l.strategy_id, l.commodity, l.kind = 'deposit', sum(l.amount)::text) as line"  # of lines l
_BY: LiteralString = " group by l.strategy_id, l.commodity, l.kind = 'deposit'"
_TRADE: LiteralString = (
    "json_build_array(t.strategy_id, t.symbol, t.side, t.quantity::text, t.executed_price::text, t.commission::text, t.fee_currency,"
    " t.pnl::text, ns_of(t.executed_at), "
)
_WANTED: LiteralString = "(select s.reference_price from orders o join signals s using (signal_id) where o.id = t.order_id)"

# Read four times a second, so it must be planned once: with its values known Postgres would plan it anew each time, at ten times
# the cost of running it. So what bounds a range comes from `asked` and `clock`, as values and not joined (then only the partitions
# in question are looked into), and what belongs to a fresh fill is looked up by its key (`offset 0` keeps it so).
# A tick is looked for only after the newest known bar: a symbol at rest would have all its ticks read.
_WITH: LiteralString = (
    "with asked as materialized (select %(after)s::int8 as after, %(start)s::int8 as start, %(actions)s::uuid[] as actions),"
    " clock as (select market_time as now from sessions where session_id = %(session)s),"
    " held as (select * from positions where account_id = %(account)s and quantity <> 0),"
    " new as (select j.no, j.key from journal j where j.stream = 'trades.executed' and j.no > (select after from asked)"
    " order by j.no limit " + _FRESH + "),"
    " fresh as (select t.* from new n cross join lateral (select * from trades t where t.id = n.key and t.account_id = %(account)s"
    " offset 0) t),"
    " currencies as (select commodity as currency from cash_balances where account_id = %(account)s union select i.currency from held h"
    " join instruments i on i.venue = %(venue)s and i.symbol = h.symbol),"
    " wanted as (select symbol from held union select c.symbol from corporate_actions c join held h on h.symbol = c.new_symbol"
    " where c.venue = %(venue)s and c.kind = 'rename' union select i.symbol from currencies c join instruments i on i.venue = %(venue)s"
    " and i.symbol in (c.currency || '/' || %(base)s, %(base)s || '/' || c.currency)),"
    " bars as (select w.symbol, b.* from wanted w left join lateral (select bid_close, ask_close, close_price,"
    " ns_of(timestamp) + %(length)s as closed from market_ohlcv b where b.venue = %(venue)s and b.symbol = w.symbol"
    " and b.timeframe = %(timeframe)s and b.timestamp >= at_ns((select start from asked))"
    " and b.timestamp <= at_ns((select now from clock) - %(length)s - %(grace)s) order by b.timestamp desc limit 1) b on true),"
    " ticks as (select b.symbol, q.* from bars b cross join lateral (select bid, ask, price, ns_of(timestamp) as at from market_quotes q"
    " where q.venue = %(venue)s and q.symbol = b.symbol and q.timestamp >= at_ns(coalesce(b.closed, (select start from asked)))"
    " and q.timestamp <= at_ns((select now from clock)) order by q.timestamp desc limit 1) q)"
    " select json_build_object("
    "'now', (select now from clock),"
    "'trade_no', coalesce((select max(no) from new having count(*) = " + _FRESH + "),"
    " (select last_no from journal_counters where stream = 'trades.executed')),"
    "'positions', (select coalesce(json_agg(json_build_array(strategy_id, symbol, quantity::text, avg_cost::text)), '[]') from held),"
    "'balances', (select coalesce(json_agg(json_build_array(commodity, balance::text)), '[]') from cash_balances"
    " where account_id = %(account)s),"
    "'fresh', (select coalesce(json_agg(" + _TRADE + _WANTED + ")), '[]') from fresh t),"
    "'booked', (select coalesce(json_agg(distinct txn_id), '[]') from cash_ledger where txn_id = any((select actions from asked)::uuid[])),"
    "'ticks', (select coalesce(json_agg(json_build_array(symbol, bid, ask, price, at)), '[]') from ticks),"
    "'bars', (select coalesce(json_agg(json_build_array(symbol, bid_close, ask_close, close_price, closed)), '[]') from bars"
    " where closed is not null),"
)
_READ: LiteralString = (
    _WITH + "'lines', (select coalesce(json_agg(line), '[]') from (select " + _SUM + " from fresh f cross join lateral"
    " (select * from cash_ledger l where l.txn_id = f.id and l.ledger_account = 'cash' offset 0) l" + _BY + ") found),"
    "'day', '[]'::json)::text"
)
_READ_ALL: LiteralString = (
    _WITH + "'lines', (select coalesce(json_agg(line), '[]') from (select " + _SUM + " from cash_ledger l"
    " where l.account_id = %(account)s and l.ledger_account = 'cash'" + _BY + ") found),"
    "'day', (select coalesce(json_agg(" + _TRADE + "null)), '[]') from trades t where t.account_id = %(account)s"
    " and t.executed_at >= at_ns(%(since)s)))::text"
)

_decode: Final = msgspec.json.Decoder(Snapshot).decode


async def terms(database: Database, session_id: str) -> list[Terms]:
    """The session's accounts."""
    rows = await database.fetch(
        "select account_id, base_currency, day_starts_at, day_tz from accounts where session_id = %s order by account_id", (session_id,)
    )
    return [Terms(*row) for row in rows]


class PortfolioStore:
    """One account's side of the portfolio."""

    def __init__(self, database: Database, account: Terms, session: Session, length_ns: int, actions: Sequence[UUID]) -> None:
        """
        Args:
            length_ns: of the session's finest bars.
            actions: transactions under which the account books the corporate actions of its timeline.
        """
        self._database = database
        self._account_id = account.account_id
        self._params: Mapping[str, object] = {
            "account": account.account_id,
            "base": account.base_currency,
            "session": session.session_id,
            "venue": session.venue,
            "timeframe": session.timeframes[0],
            "start": session.start_time,
            "length": length_ns,
            "grace": session.grace_ns,
            "actions": list(actions),
        }

    async def read(self, after: int | None) -> Snapshot:
        """What has changed since message `after` of trades.executed, and where the market stands: one statement, one snapshot.

        Without `after`, nothing counts as fresh. Of very many fresh fills the first come, and `trade_no` is the last one's.
        """
        return await self._read(_READ, {"after": after})

    async def read_all(self, after: int | None, since: int) -> Snapshot:
        """The same with the sums of the whole ledger and the trades executed since `since` (market ns)."""
        return await self._read(_READ_ALL, {"after": after, "since": since})

    async def _read(self, query: LiteralString, asked: Mapping[str, int | None]) -> Snapshot:
        rows = await self._database.fetch(query, {**self._params, **asked})
        try:
            return _decode(rows[0][0])
        except msgspec.ValidationError as error:
            raise Rejected(f"the record holds something portfolio cannot read: {error}", None) from error

    async def ends(self, before: date) -> list[tuple[str, int, Decimal, float | None]]:
        """How earlier trading days ended, oldest first: (strategy, market ns, total P&L, return of the day)."""
        rows = await self._database.fetch(
            "select strategy_id, ns_of(market_time), total_pnl, (performance_metrics->>'return')::float8 from portfolio_snapshots"
            " where account_id = %s and snapshot_date < %s order by snapshot_date, strategy_id",
            (self._account_id, before),
        )
        return [(strategy_id, at, pnl, day_return) for strategy_id, at, pnl, day_return in rows]

    async def peaks(self) -> dict[str, Decimal]:
        """The highest worth on record, by strategy; the account's under ""."""
        rows = await self._database.fetch(
            "select strategy_id, max((performance_metrics->>'peak')::numeric) from portfolio_snapshots where account_id = %s group by 1",
            (self._account_id,),
        )
        return dict(rows)


class MarkRow(NamedTuple):
    """What a symbol was marked at."""

    symbol: str
    price: float
    rate: float
    at: int  # market ns


class EquityRow(NamedTuple):
    """What an account (strategy "") was worth, or a strategy had added to it, in one minute."""

    strategy_id: str
    at: int  # market ns, a whole minute
    equity: Decimal
    drawdown: float
    gross_exposure: float


class DayRow(NamedTuple):
    """A trading day of an account (strategy ""), or of a strategy, up to `market_time`."""

    strategy_id: str
    day: date
    total_value: Decimal
    cash_balance: Decimal
    invested_value: Decimal
    day_pnl: Decimal
    total_pnl: Decimal
    metrics: str  # JSON
    market_time: int


def store_marks(account_id: str, marks: Sequence[MarkRow]) -> Write:
    """Marks, unless a newer one of the symbol is there."""
    return Write(
        "insert into portfolio_marks as m (account_id, symbol, price, rate, marked_at) select %s, s, p, r, at_ns(t) from"
        " unnest(%b::text[], %b::float8[], %b::float8[], %b::int8[]) u(s, p, r, t) on conflict (account_id, symbol) do update set"
        " price = excluded.price, rate = excluded.rate, marked_at = excluded.marked_at where excluded.marked_at >= m.marked_at"
        " and (excluded.price, excluded.rate, excluded.marked_at) is distinct from (m.price, m.rate, m.marked_at)",
        (account_id, *_columns(marks)),
    )


def store_equity(account_id: str, rows: Sequence[EquityRow]) -> Write:
    """Worth by the minute; the first row of a minute stays."""
    return Write(
        "insert into portfolio_equity (account_id, strategy_id, at, equity, drawdown, gross_exposure) select %s, s, at_ns(t), e, d, g from"
        " unnest(%b::text[], %b::int8[], %b::numeric[], %b::float8[], %b::float8[]) u(s, t, e, d, g) on conflict do nothing",
        (account_id, *_columns(rows)),
    )


def store_days(account_id: str, rows: Sequence[DayRow]) -> Write:
    """Days as they stand; one that is known to a later market time stays as it is."""
    return Write(
        "insert into portfolio_snapshots as p (account_id, strategy_id, snapshot_date, total_value, cash_balance, invested_value, day_pnl,"
        " total_pnl, performance_metrics, market_time) select %s, s, d, v, c, i, y, p, m::jsonb, at_ns(t) from unnest(%b::text[],"
        " %b::date[], %b::numeric[], %b::numeric[], %b::numeric[], %b::numeric[], %b::numeric[], %b::text[], %b::int8[])"
        " u(s, d, v, c, i, y, p, m, t) on conflict (account_id, strategy_id, snapshot_date) do update set"
        " total_value = excluded.total_value, cash_balance = excluded.cash_balance, invested_value = excluded.invested_value,"
        " day_pnl = excluded.day_pnl, total_pnl = excluded.total_pnl, performance_metrics = excluded.performance_metrics,"
        " market_time = excluded.market_time, taken_at = excluded.taken_at where excluded.market_time >= p.market_time and"
        " (excluded.total_value, excluded.cash_balance, excluded.day_pnl, excluded.total_pnl, excluded.performance_metrics,"
        " excluded.market_time) is distinct from (p.total_value, p.cash_balance, p.day_pnl, p.total_pnl, p.performance_metrics,"
        " p.market_time)",
        (account_id, *_columns(rows)),
    )


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
