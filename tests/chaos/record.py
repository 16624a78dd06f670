"""What a fleet has on record, read at once when nothing writes to it any more. Times are UTC nanoseconds; `_market` ones market time."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from libs.domain.names import TIMEFRAMES
from libs.domain.orders import Side


class Assessed(NamedTuple):
    signal_id: UUID
    verdict: str


class Order(NamedTuple):
    order_id: UUID
    client_order_id: str
    account_id: str
    strategy_id: str
    symbol: str
    signal_id: UUID
    leg: int
    side: Side
    order_type: str
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    purpose: str
    parent_id: UUID | None
    replaces: UUID | None
    reduce_only: bool
    oco: str
    status: str
    filled: Decimal
    events: int
    decided_market: int
    valid_market: int
    created: int
    updated: int
    late_s: float  # market seconds since valid_until; negative before
    execution: str = ""  # of a parent, which is worked by its slices and never sent itself
    over_s: float = 0.0  # market seconds since expires_at; negative before

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def book(self) -> tuple[str, str, str]:
        return self.account_id, self.strategy_id, self.symbol


class Attempt(NamedTuple):
    """An intent: one request that may have left."""

    order_id: UUID
    n: int
    client_order_id: str
    at: int


class Event(NamedTuple):
    order_id: UUID
    n: int
    event: str
    status: str
    filled: Decimal
    anomaly: bool
    detail: str
    at: int
    at_market: int


class Trade(NamedTuple):
    trade_id: UUID
    order_id: UUID
    account_id: str
    exec_key: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    booked: int


class Line(NamedTuple):
    """Of the ledger."""

    txn_id: UUID
    account_id: str
    strategy_id: str
    ledger_account: str
    commodity: str
    amount: Decimal
    trade_id: UUID | None
    kind: str
    booked: int


class Held(NamedTuple):
    account_id: str
    strategy_id: str
    symbol: str
    quantity: Decimal


class Balance(NamedTuple):
    account_id: str
    commodity: str
    amount: Decimal


class CursorRow(NamedTuple):
    consumer: str
    stream: str
    no: int


class Command(NamedTuple):
    """What the operator ordered: `kill` or `rearm`, of `fleet`, `strategy:sma_fast`, ..."""

    command: str
    scope: str
    at: int
    mode: str = "halt"  # of a kill, as it was last set in its scope


class Account(NamedTuple):
    account_id: str
    name: str  # as limits and kill switches know it
    currency: str
    allow_short: bool


class Close(NamedTuple):
    """A bar's last price and when it was known, market time."""

    symbol: str
    known_market: int
    price: Decimal


class Alerted(NamedTuple):
    """Something that a person was told of."""

    key: str
    since: int
    resolved: int | None


@dataclass(frozen=True)
class Record:
    """All of it."""

    accounts: Sequence[Account] = ()
    multipliers: Mapping[str, Decimal] = field(default_factory=dict)  # by symbol
    signals: Sequence[UUID] = ()
    verdicts: Sequence[Assessed] = ()
    orders: Sequence[Order] = ()
    attempts: Sequence[Attempt] = ()
    events: Sequence[Event] = ()
    trades: Sequence[Trade] = ()
    ledger: Sequence[Line] = ()
    positions: Sequence[Held] = ()
    balances: Sequence[Balance] = ()
    streams: Mapping[str, Sequence[int]] = field(default_factory=dict)  # the numbers there are
    counters: Mapping[str, int] = field(default_factory=dict)
    cursors: Sequence[CursorRow] = ()
    aside: Sequence[str] = ()  # messages and fills in quarantine
    commands: Sequence[Command] = ()
    closes: Sequence[Close] = ()  # in order of when they were known
    alerts: Sequence[Alerted] = ()
    external: frozenset[str] = frozenset()  # client order ids at the venue that somebody was asked to decide on
    keys: Sequence[tuple[str, UUID]] = ()  # (stream, row that a message speaks of), one for each message that was not put aside
    lived_to: int = 0  # the newest message: nothing is known of the fleet after it


def read_record(connection: psycopg.Connection[Any]) -> Record:
    """Reads it."""

    def rows(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(query.encode()).fetchall()

    streams: defaultdict[str, list[int]] = defaultdict(list)
    for stream, no in rows("select stream, no from journal order by 1, 2"):
        streams[stream].append(no)
    return Record(
        accounts=[Account(*row) for row in rows("select account_id, name, base_currency, allow_short from accounts order by 1")],
        multipliers=dict(rows("select symbol, max(multiplier) from instruments group by 1")),
        signals=[row[0] for row in rows("select signal_id from signals")],
        verdicts=[Assessed(*row) for row in rows("select signal_id, verdict from risk_assessments")],
        orders=[
            Order(*row)
            for row in rows(
                "select o.id, client_order_id, o.account_id, strategy_id, symbol, signal_id, leg, side, order_type, quantity, price,"
                " stop_price, purpose, parent_id, replaces, reduce_only, oco, status, filled_quantity, events, ns_of(decided_at),"
                " ns_of(valid_until), ns_of(o.created_at), ns_of(o.updated_at), (s.market_time - ns_of(valid_until)) / 1e9, execution,"
                " (s.market_time - ns_of(o.expires_at)) / 1e9 from orders o join accounts using (account_id)"
                " join sessions s on s.session_id = o.session_id order by o.created_at, o.id"
            )
        ],
        attempts=[Attempt(*row) for row in rows("select order_id, n, client_order_id, ns_of(at) from order_attempts order by at, 1, 2")],
        events=[
            Event(*row)
            for row in rows(
                "select order_id, n, event, status, filled_quantity, anomaly, detail, ns_of(at), ns_of(market_time) from order_events"
                " order by order_id, n"
            )
        ],
        trades=[
            Trade(*row)
            for row in rows(
                "select id, order_id, account_id, exec_key, symbol, side, quantity, executed_price, commission, fee_currency,"
                " ns_of(booked_at) from trades order by booked_at, id"
            )
        ],
        ledger=[
            Line(*row)
            for row in rows(
                "select txn_id, account_id, strategy_id, ledger_account, commodity, amount, trade_id, kind, ns_of(booked_at)"
                " from cash_ledger order by booked_at, txn_id, entry"
            )
        ],
        positions=[Held(*row) for row in rows("select account_id, strategy_id, symbol, quantity from positions")],
        balances=[Balance(*row) for row in rows("select account_id, commodity, balance from cash_balances")],
        streams=streams,
        counters=dict(rows("select stream, last_no from journal_counters")),
        cursors=[CursorRow(*row) for row in rows("select consumer, stream, no from cursors")],
        aside=[
            f"{where}: {why}"
            for where, why in rows(
                "select consumer || ', message ' || no || ' of ' || stream, error from quarantine"
                " union all select account_id || ', fill ' || exec_key, reason from fill_quarantine"
            )
        ],
        commands=[
            Command(*row)
            for row in rows(
                "select command, c.scope, ns_of(at), coalesce(k.mode, 'halt') from commands c left join kill_switch k"
                " on c.scope = k.scope || case k.key when '' then '' else ':' || k.key end where command in ('kill', 'rearm') order by at"
            )
        ],
        closes=_closes(rows),
        alerts=[Alerted(*row) for row in rows("select key, ns_of(since), ns_of(resolved_at) from alerts")],
        external=frozenset(row[0] for row in rows("select key from reconcile_items where kind in ('order', 'foreign')")),
        keys=rows(
            "select stream, key from journal where stream in ('signals', 'orders.approved', 'orders.updates', 'trades.executed')"
            " and (stream, no) not in (select stream, no from quarantine)"
        ),
        lived_to=rows("select coalesce(ns_of(max(at)), 0) from journal")[0][0],
    )


def _closes(rows: Callable[[str], list[tuple[Any, ...]]]) -> list[Close]:
    """Of the finest bars that a session has, in the symbols that were ordered."""
    lengths = " ".join(f"when '{name}' then {length}" for name, length in TIMEFRAMES.items())
    found = rows(
        f"select b.symbol, ns_of(b.timestamp) + case b.timeframe {lengths} end + s.grace_ns, close_price::numeric from market_ohlcv b"
        " join sessions s on s.venue = b.venue and b.timeframe = s.timeframes[1] where close_price is not null"
        " and b.symbol in (select symbol from orders) order by 2, 1"
    )
    return [Close(*row) for row in found]
