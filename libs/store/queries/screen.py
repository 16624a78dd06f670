"""What the live screen shows of the record: two SELECTs, cheap enough to be asked once a second beside the trading.

Figures are of the newest session. Portfolio's and risk_manager's own figures are taken where they are there; where they are not,
the same is made from the books, the newest closes and the deposit.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, LiteralString

import msgspec

from libs.common.database import Database
from libs.store.control import Killed
from libs.store.open_orders import IS_OPEN


class SessionSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The newest session."""

    state: str
    paused: bool
    market_time: int  # ns


class AccountSeen(msgspec.Struct, frozen=True, kw_only=True):
    """An account's worth now, in its base currency."""

    account_id: str
    name: str
    currency: str
    deposit: Decimal
    opened: bool  # its deposit is booked; before that it has no worth that means anything
    cash: Decimal
    day_equity: Decimal | None  # at the beginning of its trading day; None: not known
    peak_equity: Decimal | None  # the highest known to portfolio or risk_manager; None: they have not counted yet


class BookSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy holds of a symbol, or has earned with it. Prices are the instrument's, money the base currency's."""

    account_id: str
    strategy_id: str
    symbol: str
    quantity: Decimal
    avg_cost: Decimal
    mark: float | None  # None: no price yet, and it counts at cost
    value: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal


class HaltSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A loss limit that was reached: the account may only close."""

    account_id: str
    limit_name: str
    limit_value: float  # share of the equity it is measured from
    seen: float
    at: datetime  # host time


class ItemSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A difference between record and venue that nobody has decided on: what adds to a book of the account waits."""

    account_id: str
    kind: str
    key: str
    ours: str
    theirs: str
    found_at: datetime  # host time


class DisarmedSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Why an account sends nothing that adds to a book, by the state of the system."""

    account_id: str
    key: str
    code: str
    text: str
    since: datetime  # host time


class AlertSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What monitor knows to be wrong."""

    key: str
    severity: str
    title: str
    body: str
    link: str
    since: datetime


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The record at one moment; `session` is None before there is one."""

    session: SessionSeen | None
    accounts: list[AccountSeen]
    books: list[BookSeen]  # by symbol, strategy and account; flat ones only when they have earned or lost something
    open_orders: int
    killed: list[Killed]
    halts: list[HaltSeen]
    failed: dict[str, str]  # strategy -> why it was stopped
    alerts: list[AlertSeen]  # one of each key, the oldest first
    differences: list[ItemSeen] = []
    disarmed: list[DisarmedSeen] = []


class Price(msgspec.Struct, frozen=True):
    """A symbol's newest closes, oldest first, at the mid where a bar has no trade."""

    symbol: str
    decimals: int  # of its tick
    opened: float | None  # where its market day (UTC) began
    closes: list[float]


_CLOSE: Final = "coalesce(close_price, (bid_close + ask_close) / 2)"
_NEWEST: Final[LiteralString] = (
    f"(select {_CLOSE} as close, timestamp from market_ohlcv b where b.venue = s.venue and b.symbol = i.symbol"
    " and b.timeframe = s.timeframes[1] and b.timestamp <= s.now order by b.timestamp desc limit"
)
_SESSION: Final[LiteralString] = "with s as (select *, at_ns(market_time) as now from sessions order by played_at desc limit 1)"
_DAY: Final[LiteralString] = "at time zone a.day_tz - a.day_starts_at::interval)::date"

_SEEN: Final[LiteralString] = (
    _SESSION + f", mine as (select a.*, (s.now {_DAY} as today, (at_ns(s.start_time) {_DAY} as first_day"
    " from accounts a join s using (session_id)),"
    " book as (select p.*, coalesce(i.multiplier, 1) as multiplier, coalesce(k.rate, 1)::numeric as rate,"
    " case when bar.close is null or k.marked_at >= bar.timestamp then k.price else bar.close end as mark"
    " from positions p join mine using (account_id) cross join s"
    " left join instruments i on i.venue = s.venue and i.symbol = p.symbol"
    " left join portfolio_marks k on k.account_id = p.account_id and k.symbol = p.symbol"
    f" left join lateral {_NEWEST} 1) bar on p.quantity <> 0 where p.quantity <> 0 or p.realized_pnl <> 0)"
    " select json_build_object("
    " 'session', (select json_build_object('state', state, 'paused', paused, 'market_time', market_time) from s),"
    " 'accounts', (select coalesce(json_agg(json_build_object('account_id', account_id, 'name', name, 'currency', base_currency,"
    " 'deposit', deposit, 'opened', exists (select from cash_balances c where c.account_id = a.account_id),"
    " 'cash', coalesce((select balance from cash_balances c where c.account_id = a.account_id"
    " and c.commodity = a.base_currency), 0),"
    " 'day_equity', coalesce((select total_value - day_pnl from portfolio_snapshots d where d.account_id = a.account_id"
    " and d.strategy_id = '' and d.snapshot_date = a.today),"
    f" (select day_equity::numeric from risk_states r where r.account_id = a.account_id and (at_ns(r.day) {_DAY} = a.today),"
    " case when first_day = today then deposit end),"
    " 'peak_equity', coalesce((select case when abs(drawdown) < 1 then equity / (1 - abs(drawdown))::numeric end from portfolio_equity e"
    " where e.account_id = a.account_id and e.strategy_id = '' order by at desc limit 1),"
    " (select peak_equity::numeric from risk_states r where r.account_id = a.account_id))) order by account_id), '[]') from mine a),"
    " 'books', (select coalesce(json_agg(json_build_object('account_id', account_id, 'strategy_id', strategy_id, 'symbol', symbol,"
    " 'quantity', quantity, 'avg_cost', avg_cost, 'mark', mark,"
    " 'value', round(quantity * multiplier * rate * coalesce(mark::numeric, avg_cost), 12),"
    " 'unrealized_pnl', round(quantity * multiplier * rate * (coalesce(mark::numeric, avg_cost) - avg_cost), 12),"
    " 'realized_pnl', realized_pnl) order by symbol, strategy_id, account_id), '[]') from book),"
    f" 'open_orders', (select count(*) from orders join mine using (account_id) where {IS_OPEN}),"
    " 'killed', (select coalesce(json_agg(json_build_array(scope, key, reason, set_by, set_at, mode) order by set_at), '[]')"
    " from kill_switch where active),"
    " 'halts', (select coalesce(json_agg(json_build_object('account_id', account_id, 'limit_name', limit_name,"
    " 'limit_value', limit_value, 'seen', seen, 'at', at) order by at), '[]') from risk_halts join mine using (account_id) where active),"
    " 'disarmed', (select coalesce(json_agg(json_build_object('account_id', account_id, 'key', key, 'code', code, 'text', text,"
    " 'since', since) order by since), '[]') from disarmed join mine using (account_id)),"
    " 'differences', (select coalesce(json_agg(json_build_object('account_id', account_id, 'kind', r.kind, 'key', key, 'ours', ours,"
    " 'theirs', theirs, 'found_at', found_at) order by found_at), '[]') from reconcile_items r join mine using (account_id)"
    " where resolved_at is null and decision <> 'ignore' and r.kind <> 'order'),"
    " 'failed', (select coalesce(json_object_agg(strategy_id, failed order by strategy_id), '{}') from strategies where failed <> ''),"
    " 'alerts', (select coalesce(json_agg(to_json(f) order by since, key), '[]') from (select distinct on (key) key, severity, title,"
    " body, link, since from alerts where resolved_at is null order by key, source) f)"
    ")::text"
)

_PRICES: Final[LiteralString] = (
    _SESSION + " select json_build_array(i.symbol, scale(trim_scale(i.tick)), day.open, coalesce(bars.closes, '{}'))::text"
    " from s join instruments i on i.venue = s.venue"
    f" left join lateral (select array_agg(n.close order by n.timestamp) as closes from {_NEWEST} %(closes)s) n) bars on true"
    " left join lateral (select coalesce(open_price, (bid_open + ask_open) / 2) as open from market_ohlcv b where b.venue = s.venue"
    " and b.symbol = i.symbol and b.timeframe = s.timeframes[1] and b.timestamp >= date_trunc('day', s.now) and b.timestamp <= s.now"
    " order by b.timestamp limit 1) day on true"
    " where i.symbol = any(%(symbols)b::text[]) order by array_position(%(symbols)b::text[], i.symbol)"
)

_seen: Final = msgspec.json.Decoder(Seen).decode
_price: Final = msgspec.json.Decoder(tuple[str, int, float | None, list[float]]).decode


async def seen(database: Database) -> Seen:
    """Accounts, books, orders under way and all that is wrong.

    Raises:
        Unreachable: the database is away.
    """
    rows = await database.fetch(_SEEN)
    return _seen(rows[0][0])


async def prices(database: Database, symbols: Sequence[str], closes: int) -> list[Price]:
    """Each symbol of the newest session's market, in the order given, with up to so many closes of its finest bars.

    Raises:
        Unreachable: the database is away.
    """
    rows = await database.fetch(_PRICES, {"symbols": list(symbols), "closes": closes})
    return [Price(*_price(row[0])) for row in rows]
