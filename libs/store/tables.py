"""Every trading table, once. Each has one writing service, named first in its docstring.

Market prices are float64, exactly as recorded; money and quantities are NUMERIC. Times in tables are UTC.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from libs.common.journal_tables import Base as Base
from libs.store.open_orders import IS_OPEN

QUANTITY: Final = Numeric(38, 12)
MONEY: Final = Numeric(38, 12)


class InstrumentRow(Base):
    """data_collector: what can be traded, per source of its market data."""

    __tablename__ = "instruments"

    venue: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    asset_class: Mapped[str]
    currency: Mapped[str]
    tick: Mapped[Decimal] = mapped_column(QUANTITY)
    lot: Mapped[Decimal] = mapped_column(QUANTITY)
    min_notional: Mapped[Decimal] = mapped_column(MONEY)
    multiplier: Mapped[Decimal] = mapped_column(QUANTITY)
    calendar: Mapped[str]


class CorporateActionRow(Base):
    """data_collector: what changes the meaning of a symbol's prices from a session on. Bars stay as they were traded."""

    __tablename__ = "corporate_actions"

    venue: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    effective: Mapped[datetime] = mapped_column(primary_key=True)  # open of the first session at which it holds
    kind: Mapped[str] = mapped_column(primary_key=True)  # split, dividend, rename
    ratio: Mapped[Decimal] = mapped_column(QUANTITY)  # new units for each old one
    cash: Mapped[Decimal] = mapped_column(MONEY)  # paid for each old unit
    reference_price: Mapped[Decimal] = mapped_column(MONEY)  # last close in old units; 0: not known
    new_symbol: Mapped[str]


class SessionRow(Base):
    """data_collector: one feed timeline. Times are market nanoseconds."""

    __tablename__ = "sessions"

    session_id: Mapped[str] = mapped_column(primary_key=True)
    feed: Mapped[str]
    seed: Mapped[int]
    mode: Mapped[str]  # free, lockstep
    speed: Mapped[float] = mapped_column(Float(53))
    venue: Mapped[str]  # of its market data
    timeframes: Mapped[list[str]] = mapped_column(ARRAY(Text))  # finest first
    grace_ns: Mapped[int]  # a bar is known at its end plus this
    start_time: Mapped[int]  # where it began
    fills: Mapped[dict[str, Any]] = mapped_column(JSONB)  # by symbol: what a simulated fill waits for; latency
    market_time: Mapped[int]
    horizon: Mapped[int]  # nothing later has been published: where the feed goes on
    step: Mapped[int]
    key: Mapped[bytes] = mapped_column(server_default=text("uuid_send(gen_random_uuid())"))  # signs its market data on the bus
    state: Mapped[str]  # running (at most one), suspended, finished
    paused: Mapped[bool] = mapped_column(server_default=text("false"))
    played_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())  # when it was last begun or resumed


class ClockAckRow(Base):
    """The consumers of a lockstep session: the last step each has finished, by phase."""

    __tablename__ = "clock_acks"

    session_id: Mapped[str] = mapped_column(primary_key=True)
    consumer: Mapped[str] = mapped_column(primary_key=True)
    phase: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[int]


class AccountRow(Base):
    """data_collector, with its session: whose money it is."""

    __tablename__ = "accounts"

    account_id: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.session_id"))
    name: Mapped[str]  # as configured; account_id carries a number from the second session on
    venue: Mapped[str]
    base_currency: Mapped[str]
    kind: Mapped[str]
    allow_short: Mapped[bool]
    deposit: Mapped[Decimal] = mapped_column(MONEY)
    day_starts_at: Mapped[str]
    day_tz: Mapped[str]


MARKET_QUOTES: Final = Table(  # not mapped: ticks may share a moment, so it has no key
    "market_quotes",
    Base.metadata,
    Column("venue", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("timestamp", DateTime(timezone=True), nullable=False),
    *(Column(name, Float(53)) for name in ("price", "bid", "ask", "bid_size", "ask_size", "volume")),
    Index("ix_market_quotes_symbol_timestamp", "symbol", "timestamp"),
    postgresql_partition_by="RANGE (timestamp)",
)
"""data_collector: quotes (bid, ask) and trades (price, volume) as published."""


class MarketBarRow(Base):
    """data_collector: one stretch of time; trades in the first columns, quotes where the feed records them."""

    __tablename__ = "market_ohlcv"
    __table_args__ = (
        CheckConstraint("close_price is not null or bid_close is not null", name="something"),
        {"postgresql_partition_by": "RANGE (timestamp)"},
    )

    venue: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    timeframe: Mapped[str] = mapped_column(primary_key=True)
    timestamp: Mapped[datetime] = mapped_column(primary_key=True)
    open_price: Mapped[float | None] = mapped_column(Float(53))
    high_price: Mapped[float | None] = mapped_column(Float(53))
    low_price: Mapped[float | None] = mapped_column(Float(53))
    close_price: Mapped[float | None] = mapped_column(Float(53))
    volume: Mapped[float | None] = mapped_column(Float(53))
    adjusted_close: Mapped[float | None] = mapped_column(Float(53))
    bid_open: Mapped[float | None] = mapped_column(Float(53))
    bid_high: Mapped[float | None] = mapped_column(Float(53))
    bid_low: Mapped[float | None] = mapped_column(Float(53))
    bid_close: Mapped[float | None] = mapped_column(Float(53))
    bid_size: Mapped[float | None] = mapped_column(Float(53))
    ask_open: Mapped[float | None] = mapped_column(Float(53))
    ask_high: Mapped[float | None] = mapped_column(Float(53))
    ask_low: Mapped[float | None] = mapped_column(Float(53))
    ask_close: Mapped[float | None] = mapped_column(Float(53))
    ask_size: Mapped[float | None] = mapped_column(Float(53))


class DataQuarantineRow(Base):
    """data_collector: market rows that were not believed, and why."""

    __tablename__ = "data_quarantine"

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[str]
    venue: Mapped[str]
    symbol: Mapped[str]
    timestamp: Mapped[datetime]
    reason: Mapped[str]
    raw: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class StrategyRow(Base):
    """strategy_engine from the configuration; `enabled` also by the operator's commands."""

    __tablename__ = "strategies"

    strategy_id: Mapped[str] = mapped_column(primary_key=True)
    class_name: Mapped[str]
    symbols: Mapped[list[str]] = mapped_column(ARRAY(Text))
    timeframe: Mapped[str]
    account: Mapped[str]
    allocation: Mapped[float] = mapped_column(Float(53))
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    enabled: Mapped[bool]
    configured_enabled: Mapped[bool]
    failed: Mapped[str] = mapped_column(server_default=text("''"))  # why strategy_engine has stopped it; "" while it runs
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StrategyStateRow(Base):
    """strategy_engine: a fold's state after a bar; written with the signal of that bar, or each minute."""

    __tablename__ = "strategy_states"

    session_id: Mapped[str] = mapped_column(primary_key=True)
    strategy_id: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]  # of class, parameters and timeframe: a state of other ones is not taken up
    bar_time: Mapped[datetime]
    state: Mapped[bytes]  # MessagePack


class SignalRow(Base):
    """strategy_engine: targets."""

    __tablename__ = "signals"
    __table_args__ = (UniqueConstraint("session_id", "strategy_id", "symbol", "timeframe", "bar_time"),)

    signal_id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[str]
    account_id: Mapped[str]
    strategy_id: Mapped[str]
    symbol: Mapped[str]
    timeframe: Mapped[str]
    bar_time: Mapped[datetime]
    decided_at: Mapped[datetime]
    target: Mapped[float] = mapped_column(Float(53))
    confidence: Mapped[float] = mapped_column(Float(53))
    scale: Mapped[float] = mapped_column(Float(53), server_default=text("1"))  # of the strategy's capital, as its sizing says
    reference_price: Mapped[float] = mapped_column(Float(53))
    valid_until: Mapped[datetime]
    reason: Mapped[str]
    triggered_ns: Mapped[int]
    state: Mapped[bytes | None]  # of the strategy just after, MessagePack: why it said so
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class RiskAssessmentRow(Base):
    """risk_manager: the one verdict on a signal."""

    __tablename__ = "risk_assessments"
    __table_args__ = (
        Index("ix_risk_assessments_waiting", "account_id", postgresql_where=text("verdict = 'WAITING'")),
        Index("ix_risk_assessments_session_id", "session_id"),
    )

    signal_id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[str]
    account_id: Mapped[str]
    strategy_id: Mapped[str]
    symbol: Mapped[str]
    verdict: Mapped[str]
    code: Mapped[str]
    reason: Mapped[str]
    limit_value: Mapped[str]
    seen_value: Mapped[str]
    checks: Mapped[list[Any] | None] = mapped_column(JSONB)  # [code, what, limit, seen] of every control that was passed
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class OrderRow(Base):
    """risk_manager inserts, trade_executor updates; children of an approved order are trade_executor's, through orders_child()."""

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("account_id", "client_order_id"),  # what others have placed may be there under each of two accounts
        UniqueConstraint("signal_id", "leg"),
        Index("ix_orders_open", "account_id", postgresql_where=text(IS_OPEN)),
        Index("ix_orders_account_id_decided_at", "account_id", "decided_at"),
        Index("ix_orders_liquidation", "account_id", "created_at", postgresql_where=text("purpose = 'liquidation'")),
        Index("ix_orders_parent_id", "parent_id", postgresql_where=text("parent_id is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_order_id: Mapped[str]
    account_id: Mapped[str]
    venue: Mapped[str]
    session_id: Mapped[str]
    symbol: Mapped[str]
    order_type: Mapped[str]
    side: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    price: Mapped[Decimal | None] = mapped_column(MONEY)
    stop_price: Mapped[Decimal | None] = mapped_column(MONEY)
    trail: Mapped[Decimal | None] = mapped_column(MONEY)
    oco: Mapped[str] = mapped_column(server_default=text("''"))
    purpose: Mapped[str] = mapped_column(server_default=text("'signal'"))
    reduce_only: Mapped[bool] = mapped_column(server_default=text("false"))
    execution: Mapped[str] = mapped_column(server_default=text("''"))
    protect: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # Exits
    replaces: Mapped[UUID | None]
    status: Mapped[str]
    filled_quantity: Mapped[Decimal] = mapped_column(QUANTITY, server_default=text("0"))
    avg_fill_price: Mapped[Decimal | None] = mapped_column(MONEY)
    time_in_force: Mapped[str]
    strategy_id: Mapped[str]
    signal_id: Mapped[UUID]
    leg: Mapped[int]
    parent_id: Mapped[UUID | None]
    risk_assessment_id: Mapped[UUID] = mapped_column(ForeignKey("risk_assessments.signal_id"))
    epoch: Mapped[int]
    events: Mapped[int] = mapped_column(server_default=text("0"))  # how many order_events it has
    decided_at: Mapped[datetime]
    valid_until: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]


class OrderAttemptRow(Base):
    """trade_executor: one request that may have left this host, committed before it does."""

    __tablename__ = "order_attempts"

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    client_order_id: Mapped[str]
    epoch: Mapped[int]
    arrival_price: Mapped[Decimal | None] = mapped_column(MONEY)  # mid of the newest quote, else the last price
    arrival_spread: Mapped[Decimal | None] = mapped_column(MONEY)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class OrderEventRow(Base):
    """trade_executor: every step of every order."""

    __tablename__ = "order_events"

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event: Mapped[str]
    status: Mapped[str]
    filled_quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    anomaly: Mapped[bool]
    detail: Mapped[str]
    market_time: Mapped[datetime]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class TradeRow(Base):
    """trade_executor: one fill as the venue reported it, booked once."""

    __tablename__ = "trades"
    __table_args__ = (
        UniqueConstraint("venue", "account_id", "exec_key"),
        Index("ix_trades_account_id_executed_at", "account_id", "executed_at"),
        Index("ix_trades_order_id", "order_id"),
        Index("ix_trades_closes", "account_id", "strategy_id", "executed_at", postgresql_where=text("pnl <> 0")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"))
    account_id: Mapped[str]
    exec_key: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    executed_price: Mapped[Decimal] = mapped_column(MONEY)
    commission: Mapped[Decimal] = mapped_column(MONEY)
    fee_currency: Mapped[str]
    liquidity: Mapped[str]
    executed_at: Mapped[datetime]
    venue: Mapped[str]
    strategy_id: Mapped[str]
    pnl: Mapped[Decimal] = mapped_column(MONEY)
    booked_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class FillQuarantineRow(Base):
    """trade_executor: a fill that contradicts the record (no such order, more than the order's quantity); for a person."""

    __tablename__ = "fill_quarantine"

    venue: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(primary_key=True)
    exec_key: Mapped[str] = mapped_column(primary_key=True)
    raw: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class PositionRow(Base):
    """trade_executor: a book, derived from fills only."""

    __tablename__ = "positions"

    account_id: Mapped[str] = mapped_column(primary_key=True)
    strategy_id: Mapped[str] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    avg_cost: Mapped[Decimal] = mapped_column(MONEY)
    realized_pnl: Mapped[Decimal] = mapped_column(MONEY)
    last_updated: Mapped[datetime]


class CashLedgerRow(Base):
    """trade_executor: double entry; sums to zero per transaction and commodity."""

    __tablename__ = "cash_ledger"
    __table_args__ = (Index("ix_cash_ledger_account_id", "account_id"),)

    txn_id: Mapped[UUID] = mapped_column(primary_key=True)
    entry: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    account_id: Mapped[str]
    strategy_id: Mapped[str]
    ledger_account: Mapped[str]
    commodity: Mapped[str]
    amount: Mapped[Decimal] = mapped_column(MONEY)
    trade_id: Mapped[UUID | None]
    kind: Mapped[str]
    booked_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class CashBalanceRow(Base):
    """trade_executor: the ledger's cash, summed as it is booked; checked against it at every reconciliation."""

    __tablename__ = "cash_balances"

    account_id: Mapped[str] = mapped_column(primary_key=True)
    commodity: Mapped[str] = mapped_column(primary_key=True)
    balance: Mapped[Decimal] = mapped_column(MONEY)


class KillSwitchRow(Base):
    """The operator (CLI): while active, nothing new is ordered in its scope."""

    __tablename__ = "kill_switch"

    scope: Mapped[str] = mapped_column(primary_key=True)  # fleet, account, strategy, symbol
    key: Mapped[str] = mapped_column(primary_key=True)  # "" for the fleet
    active: Mapped[bool]
    mode: Mapped[str] = mapped_column(server_default=text("'halt'"))  # halt, reduce_only, flatten
    reason: Mapped[str]
    set_by: Mapped[str]
    set_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ReconcileItemRow(Base):
    """trade_executor: something of which record and venue say different things; a person decides (`fleet doctor`)."""

    __tablename__ = "reconcile_items"
    __table_args__ = (
        Index("ix_reconcile_items_open", "account_id", postgresql_where=text("resolved_at is null")),
        Index("ix_reconcile_items_closing", "account_id", postgresql_where=text("closing_since is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)  # of account, kind, key and what differs: found again, it is the same one
    account_id: Mapped[str]
    kind: Mapped[str]  # order, fill, position, cash, foreign, lookup
    key: Mapped[str]  # client order id, exec_key, symbol, currency
    ours: Mapped[str]
    theirs: Mapped[str]
    detail: Mapped[str]
    found_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    decision: Mapped[str] = mapped_column(server_default=text("''"))  # "", adopt, close, ignore, halt
    decided_by: Mapped[str] = mapped_column(server_default=text("''"))
    reason: Mapped[str] = mapped_column(server_default=text("''"))
    decided_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    closing_since: Mapped[datetime | None]  # of a position: risk_manager closes the external book that it went into, until it is flat


class OrderCostRow(Base):
    """trade_executor: what executing an order cost against the price it was decided at; written with its end."""

    __tablename__ = "order_costs"

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    account_id: Mapped[str]
    decision_price: Mapped[Decimal | None] = mapped_column(MONEY)  # close of the bar that was decided on
    arrival_price: Mapped[Decimal | None] = mapped_column(MONEY)  # mid, else last, when the first request was about to leave
    spread: Mapped[Decimal | None] = mapped_column(MONEY)  # then
    end_price: Mapped[Decimal | None] = mapped_column(MONEY)  # mid, else last, when the order ended
    filled: Mapped[Decimal] = mapped_column(QUANTITY)
    fill_rate: Mapped[float]
    avg_fill_price: Mapped[Decimal | None] = mapped_column(MONEY)
    slippage_bps: Mapped[float | None]  # against the arrival price; positive is worse for us
    shortfall: Mapped[Decimal | None] = mapped_column(MONEY)  # against the decision, fees and what was not filled included
    fees: Mapped[Decimal] = mapped_column(MONEY)
    hops_ms: Mapped[dict[str, Any]] = mapped_column(JSONB)  # host milliseconds from step to step
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class CommandRow(Base):
    """The operator (CLI): what was asked, by whom."""

    __tablename__ = "commands"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    command: Mapped[str]
    scope: Mapped[str]
    reason: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class BacktestRow(Base):
    """backtester and `fleet backtest`: what was asked, what came of it, and fingerprints of all that could change it."""

    __tablename__ = "backtests"
    __table_args__ = (Index("ix_backtests_created_at", "created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]  # queued, running, done, failed
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    error: Mapped[str] = mapped_column(server_default=text("''"))
    fingerprint: Mapped[str] = mapped_column(server_default=text("''"))  # of the four below: equal ones give equal results
    data_fingerprint: Mapped[str] = mapped_column(server_default=text("''"))
    code_fingerprint: Mapped[str] = mapped_column(server_default=text("''"))
    config_fingerprint: Mapped[str] = mapped_column(server_default=text("''"))
    engine: Mapped[str] = mapped_column(server_default=text("''"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class BacktestTradeRow(Base):
    """backtester and `fleet backtest`: the fills of a backtest, in order."""

    __tablename__ = "backtest_trades"

    backtest_id: Mapped[UUID] = mapped_column(ForeignKey("backtests.id", ondelete="CASCADE"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    strategy_id: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(QUANTITY)
    executed_price: Mapped[Decimal] = mapped_column(MONEY)
    commission: Mapped[Decimal] = mapped_column(MONEY)
    executed_at: Mapped[datetime]
    pnl: Mapped[Decimal] = mapped_column(MONEY)


class BacktestSearchRow(Base):
    """backtester and `fleet backtest search`: what is searched over which data, and what came of it. The command writes it at its end."""

    __tablename__ = "backtest_searches"
    __table_args__ = (
        Index("ix_backtest_searches_created_at", "created_at"),
        Index("ix_backtest_searches_of", "strategy", "data_fingerprint"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]  # queued, running; done, interrupted, failed: the trials of all these count
    strategy: Mapped[str]
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # without the trials
    error: Mapped[str] = mapped_column(server_default=text("''"))
    fingerprint: Mapped[str] = mapped_column(server_default=text("''"))  # of all four below: equal ones give equal results
    data_fingerprint: Mapped[str] = mapped_column(server_default=text("''"))
    code_fingerprint: Mapped[str] = mapped_column(server_default=text("''"))
    config_fingerprint: Mapped[str] = mapped_column(server_default=text("''"))
    engine: Mapped[str] = mapped_column(server_default=text("''"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class BacktestTrialRow(Base):
    """backtester and `fleet backtest search`: every trial, also those that could not be run; later searches of the same data count them."""

    __tablename__ = "backtest_trials"

    search_id: Mapped[UUID] = mapped_column(ForeignKey("backtest_searches.id", ondelete="CASCADE"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    figures: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    error: Mapped[str] = mapped_column(server_default=text("''"))


class RiskStateRow(Base):
    """risk_manager: what an account's loss limits are measured from, and where they are. Equity is float64, as risk counts it."""

    __tablename__ = "risk_states"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"), primary_key=True)
    evaluated_at: Mapped[int]  # market ns
    equity: Mapped[float] = mapped_column(Float(53))  # then
    day: Mapped[int]  # market ns at which the trading day began
    day_equity: Mapped[float] = mapped_column(Float(53))  # at its beginning, or when a person re-armed
    peak_equity: Mapped[float] = mapped_column(Float(53))  # the highest since the account was opened, or re-armed
    max_daily_loss: Mapped[float | None] = mapped_column(Float(53))  # the limits in force, shares of the equities above
    max_drawdown: Mapped[float | None] = mapped_column(Float(53))


class RiskHaltRow(Base):
    """risk_manager inserts and rebases, the operator re-arms: while active the account may only close."""

    __tablename__ = "risk_halts"
    __table_args__ = (Index("ix_risk_halts_active", "account_id", "limit_name", unique=True, postgresql_where=text("active")),)

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"), primary_key=True)
    limit_name: Mapped[str] = mapped_column(primary_key=True)  # max_daily_loss, max_drawdown
    halted_at: Mapped[datetime] = mapped_column(primary_key=True)  # market time
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    equity: Mapped[float] = mapped_column(Float(53))
    reference: Mapped[float] = mapped_column(Float(53))  # the equity that the loss is measured from
    limit_value: Mapped[float] = mapped_column(Float(53))  # share of the reference
    seen: Mapped[float] = mapped_column(Float(53))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    rearmed_at: Mapped[datetime | None]
    rearmed_by: Mapped[str] = mapped_column(server_default=text("''"))
    reason: Mapped[str] = mapped_column(server_default=text("''"))  # of re-arming
    rebased: Mapped[bool] = mapped_column(server_default=text("false"))  # re-armed, and losses are counted anew since


class RiskLimitRow(Base):
    """The operator inserts, and risk_manager and trade_executor the first: every change of every limit. Nothing is ever updated.

    Of one scope, key, name and unit the newest row counts: it holds from `effective_at` on, and until then what `held` says.
    """

    __tablename__ = "risk_limits"
    __table_args__ = (
        CheckConstraint("by <> '' and reason <> ''", name="signed"),
        CheckConstraint("effective_at >= at", name="not_before"),
        Index("ix_risk_limits_of", "scope", "key", "name", "unit", "version"),
    )

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    scope: Mapped[str]
    key: Mapped[str]
    name: Mapped[str]
    value: Mapped[float | None] = mapped_column(Float(53))  # None: taken away
    unit: Mapped[str]
    reason: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    effective_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())  # a loosening waits out its cool-off
    held: Mapped[int | None] = mapped_column(ForeignKey("risk_limits.version"))  # the version that held when this was asked for
    command_id: Mapped[UUID | None]  # by which it was asked for; None of the first


class RiskLimitUsedRow(Base):
    """risk_manager: by which versions of limits an account was judged from a moment of market time on."""

    __tablename__ = "risk_limits_used"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    since: Mapped[int]  # market ns
    versions: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class RiskFleetRow(Base):
    """risk_manager: moved on whenever an account is approved orders under a limit that is for all accounts together."""

    __tablename__ = "risk_fleet"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # the one row
    version: Mapped[int]


class RiskMetricRow(Base):
    """risk_manager: what an account's risk was measured to be."""

    __tablename__ = "risk_metrics"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)  # market time
    equity: Mapped[float] = mapped_column(Float(53))
    measures: Mapped[dict[str, Any]] = mapped_column(JSONB)


class RiskAlertRow(Base):
    """risk_manager inserts, the operator acknowledges: what a person has to see, each once until it is acknowledged."""

    __tablename__ = "risk_alerts"
    __table_args__ = (
        CheckConstraint("acknowledged_at is null or (acknowledged_by <> '' and reason <> '')", name="signed"),
        Index(
            "uq_risk_alerts_open",
            "account_id",
            "code",
            "strategy_id",
            "symbol",
            unique=True,
            postgresql_where=text("acknowledged_at is null"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"))
    code: Mapped[str]
    strategy_id: Mapped[str]
    symbol: Mapped[str]
    message: Mapped[str]  # of the last time
    times: Mapped[int]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    last_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    deadline: Mapped[datetime]  # unacknowledged by then, it trips the kill switch of the account
    told_at: Mapped[datetime | None]
    tripped_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str] = mapped_column(server_default=text("''"))
    reason: Mapped[str] = mapped_column(server_default=text("''"))


class RiskPermitRow(Base):
    """The operator inserts, risk_manager uses up: one order that may be larger than usual."""

    __tablename__ = "risk_permits"
    __table_args__ = (
        CheckConstraint("by <> '' and reason <> ''", name="signed"),
        CheckConstraint("side in ('buy', 'sell') and quantity > 0", name="an_order"),
        CheckConstraint("(used_at is null) = (signal_id is null)", name="used_for"),
        Index("ix_risk_permits_unused", "account", postgresql_where=text("used_at is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)  # of the command, too
    account: Mapped[str]  # as configured, or the id of one session's
    strategy_id: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[str]
    quantity: Mapped[Decimal] = mapped_column(Numeric(28, 12))
    reason: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    valid_until: Mapped[datetime]
    used_at: Mapped[datetime | None]
    signal_id: Mapped[UUID | None]


class DayStatementRow(Base):
    """scheduler asks, risk_manager answers: an account's day by the venue's statement against the record."""

    __tablename__ = "day_statements"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)  # local date on which it began
    starts_at: Mapped[datetime]  # market time
    ends_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default=text("'asked'"))  # asked, clean, broken
    fills: Mapped[int] = mapped_column(server_default=text("0"))  # of the statement
    breaks: Mapped[int] = mapped_column(server_default=text("0"))  # tickets that stand
    detail: Mapped[str] = mapped_column(server_default=text("''"))
    asked_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    read_at: Mapped[datetime | None]


class PortfolioMarkRow(Base):
    """portfolio: the price that a held symbol was last marked at."""

    __tablename__ = "portfolio_marks"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"), primary_key=True)
    symbol: Mapped[str] = mapped_column(primary_key=True)
    price: Mapped[float] = mapped_column(Float(53))  # in the instrument's currency
    rate: Mapped[float] = mapped_column(Float(53))  # units of the base currency for one of the instrument's
    marked_at: Mapped[datetime]  # market time of the price


class PortfolioEquityRow(Base):
    """portfolio: worth of an account (strategy_id "") once each minute of market time, and what a strategy has added to it."""

    __tablename__ = "portfolio_equity"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"), primary_key=True)
    strategy_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)  # market time, whole minutes
    equity: Mapped[Decimal] = mapped_column(MONEY)  # of a strategy: its gain since the account was opened
    drawdown: Mapped[float] = mapped_column(Float(53))
    gross_exposure: Mapped[float] = mapped_column(Float(53))


class PortfolioSnapshotRow(Base):
    """portfolio: one row a trading day, of an account (strategy_id "") and of each of its strategies; rewritten until the day ends."""

    __tablename__ = "portfolio_snapshots"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"), primary_key=True)
    strategy_id: Mapped[str] = mapped_column(primary_key=True)
    snapshot_date: Mapped[date] = mapped_column(primary_key=True)  # the trading day, in the account's time zone
    total_value: Mapped[Decimal] = mapped_column(MONEY)
    cash_balance: Mapped[Decimal] = mapped_column(MONEY)
    invested_value: Mapped[Decimal] = mapped_column(MONEY)
    day_pnl: Mapped[Decimal] = mapped_column(MONEY)
    total_pnl: Mapped[Decimal] = mapped_column(MONEY)
    performance_metrics: Mapped[dict[str, Any]] = mapped_column(JSONB)
    market_time: Mapped[datetime]
    taken_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class JobRow(Base):
    """scheduler: a job as it is configured, and when it is due."""

    __tablename__ = "jobs"

    job_id: Mapped[str] = mapped_column(primary_key=True)
    about: Mapped[str]
    clock: Mapped[str]  # market, host
    schedule: Mapped[str]  # for a person
    enabled: Mapped[bool]
    next_at: Mapped[datetime | None]  # on its clock
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class JobRunRow(Base):
    """scheduler; queued also by the operator: one run of a job."""

    __tablename__ = "job_runs"
    __table_args__ = (
        Index("ix_job_runs_job_id_created_at", "job_id", "created_at"),
        Index("ix_job_runs_open", "created_at", postgresql_where=text("state in ('queued', 'running')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)  # of its job, session and time: a moment is never run twice
    job_id: Mapped[str]
    session_id: Mapped[str]
    scheduled_for: Mapped[datetime]  # on the job's clock
    asked_by: Mapped[str]  # schedule, or who asked
    state: Mapped[str]  # queued, running, done, failed, skipped
    detail: Mapped[str] = mapped_column(server_default=text("''"))  # what came of it, or why not
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class NotificationRow(Base):
    """Any service, through libs/store/notifications.py: something a person should hear of."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("ix_notifications_created_at", "created_at"),
        Index("ix_notifications_undecided", "created_at", postgresql_where=text("planned_at is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]  # trade, risk, system, report
    severity: Mapped[str]  # info, warning, critical
    state: Mapped[str]  # note, firing, resolved
    key: Mapped[str]  # what fires and is resolved; "" of a note
    title: Mapped[str]
    body: Mapped[str]  # Markdown
    link: Mapped[str]
    producer: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    planned_at: Mapped[datetime | None]  # when monitor decided on its deliveries


class NotificationDeliveryRow(Base):
    """monitor: one notification on one channel."""

    __tablename__ = "notification_deliveries"
    __table_args__ = (Index("ix_notification_deliveries_waiting", "next_at", postgresql_where=text("state = 'waiting'")),)

    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"), primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)  # gotify, email, slack, discord
    state: Mapped[str]  # waiting, sent, dropped
    priority: Mapped[int]  # Gotify's, 0 to 10
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime]
    detail: Mapped[str] = mapped_column(server_default=text("''"))  # last error, or why it was dropped
    done_at: Mapped[datetime | None]


class AlertRow(Base):
    """monitor: what is wrong, by the way it was noticed; kept over restarts."""

    __tablename__ = "alerts"

    key: Mapped[str] = mapped_column(primary_key=True)  # such as service_down:risk_manager
    source: Mapped[str] = mapped_column(primary_key=True)  # direct, prometheus
    severity: Mapped[str]
    title: Mapped[str]
    body: Mapped[str]
    link: Mapped[str]
    since: Mapped[datetime]
    resolved_at: Mapped[datetime | None]


class BuildRow(Base):
    """Every service of the money path: what one of its processes runs, by its own word, renewed while it lives."""

    __tablename__ = "builds"

    service: Mapped[str] = mapped_column(primary_key=True)
    instance: Mapped[str] = mapped_column(primary_key=True)
    release: Mapped[str]
    schema_version: Mapped[str]  # the migration that its code was written for
    config: Mapped[str]  # digest of the configuration it has read
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class DisarmedRow(Base):
    """trade_executor, under the account's lease: why nothing is sent that adds to a book. The row goes when that is over."""

    __tablename__ = "disarmed"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)  # disk, clock_step, releases: see libs/domain/guards.py
    code: Mapped[str]  # RC-..., as risk_manager refuses by it
    text: Mapped[str]  # for a person
    limit_value: Mapped[str]
    seen: Mapped[str]
    since: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
