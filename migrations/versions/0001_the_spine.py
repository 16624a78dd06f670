"""The spine: journal, market data, order path, books."""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
STREAMS = ("commands", "orders.approved", "orders.updates", "portfolio.updates", "risk.alerts", "signals", "trades.executed")
FUNCTIONS = Path(__file__).parents[1] / "sql" / "0001_functions.sql"

branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "cash_balances",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("commodity", sa.Text(), nullable=False),
        sa.Column("balance", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "commodity", name=op.f("pk_cash_balances")),
    )
    op.create_table(
        "cash_ledger",
        sa.Column("txn_id", sa.UUID(), nullable=False),
        sa.Column("entry", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("ledger_account", sa.Text(), nullable=False),
        sa.Column("commodity", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("trade_id", sa.UUID(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("txn_id", "entry", name=op.f("pk_cash_ledger")),
    )
    op.create_index("ix_cash_ledger_account_id", "cash_ledger", ["account_id"], unique=False)
    op.create_table(
        "clock_acks",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "consumer", "phase", name=op.f("pk_clock_acks")),
    )
    op.create_table(
        "commands",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
    )
    op.create_table(
        "cursors",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("no", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "stream", name=op.f("pk_cursors")),
    )
    op.create_table(
        "data_quarantine",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_quarantine")),
    )
    op.create_table(
        "fill_quarantine",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("exec_key", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("venue", "account_id", "exec_key", name=op.f("pk_fill_quarantine")),
    )
    op.create_table(
        "instruments",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("asset_class", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("tick", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("lot", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("min_notional", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("multiplier", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("calendar", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("venue", "symbol", name=op.f("pk_instruments")),
    )
    op.create_table(
        "journal",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("key", sa.UUID(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "no", name=op.f("pk_journal")),
    )
    op.create_table(
        "journal_counters",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("last_no", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_journal_counters")),
    )
    op.create_table(
        "kill_switch",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_kill_switch")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "market_ohlcv",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("open_price", sa.Float(precision=53), nullable=True),
        sa.Column("high_price", sa.Float(precision=53), nullable=True),
        sa.Column("low_price", sa.Float(precision=53), nullable=True),
        sa.Column("close_price", sa.Float(precision=53), nullable=True),
        sa.Column("volume", sa.Float(precision=53), nullable=True),
        sa.Column("adjusted_close", sa.Float(precision=53), nullable=True),
        sa.Column("bid_open", sa.Float(precision=53), nullable=True),
        sa.Column("bid_high", sa.Float(precision=53), nullable=True),
        sa.Column("bid_low", sa.Float(precision=53), nullable=True),
        sa.Column("bid_close", sa.Float(precision=53), nullable=True),
        sa.Column("bid_size", sa.Float(precision=53), nullable=True),
        sa.Column("ask_open", sa.Float(precision=53), nullable=True),
        sa.Column("ask_high", sa.Float(precision=53), nullable=True),
        sa.Column("ask_low", sa.Float(precision=53), nullable=True),
        sa.Column("ask_close", sa.Float(precision=53), nullable=True),
        sa.Column("ask_size", sa.Float(precision=53), nullable=True),
        sa.CheckConstraint("close_price is not null or bid_close is not null", name=op.f("ck_market_ohlcv_something")),
        sa.PrimaryKeyConstraint("venue", "symbol", "timeframe", "timestamp", name=op.f("pk_market_ohlcv")),
        postgresql_partition_by="RANGE (timestamp)",
    )
    op.create_table(
        "market_quotes",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("price", sa.Float(precision=53), nullable=True),
        sa.Column("bid", sa.Float(precision=53), nullable=True),
        sa.Column("ask", sa.Float(precision=53), nullable=True),
        sa.Column("bid_size", sa.Float(precision=53), nullable=True),
        sa.Column("ask_size", sa.Float(precision=53), nullable=True),
        sa.Column("volume", sa.Float(precision=53), nullable=True),
        postgresql_partition_by="RANGE (timestamp)",
    )
    op.create_index("ix_market_quotes_symbol_timestamp", "market_quotes", ["symbol", "timestamp"], unique=False)
    op.create_table(
        "positions",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("avg_cost", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("realized_pnl", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("last_updated", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "strategy_id", "symbol", name=op.f("pk_positions")),
    )
    op.create_table(
        "quarantine",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "stream", "no", name=op.f("pk_quarantine")),
    )
    op.create_table(
        "risk_assessments",
        sa.Column("signal_id", sa.UUID(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("limit_value", sa.Text(), nullable=False),
        sa.Column("seen_value", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("signal_id", name=op.f("pk_risk_assessments")),
    )
    op.create_index("ix_risk_assessments_session_id", "risk_assessments", ["session_id"], unique=False)
    op.create_index(
        "ix_risk_assessments_waiting", "risk_assessments", ["account_id"], unique=False, postgresql_where=sa.text("verdict = 'WAITING'")
    )
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("speed", sa.Float(precision=53), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("timeframes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("grace_ns", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("fills", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("market_time", sa.BigInteger(), nullable=False),
        sa.Column("horizon", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(), server_default=sa.text("uuid_send(gen_random_uuid())"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("played_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_sessions")),
    )
    op.create_table(
        "signals",
        sa.Column("signal_id", sa.UUID(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("bar_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("target", sa.Float(precision=53), nullable=False),
        sa.Column("confidence", sa.Float(precision=53), nullable=False),
        sa.Column("reference_price", sa.Float(precision=53), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("triggered_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("signal_id", name=op.f("pk_signals")),
        sa.UniqueConstraint("session_id", "strategy_id", "symbol", "timeframe", "bar_time", name=op.f("uq_signals_session_id")),
    )
    op.create_table(
        "strategies",
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("class_name", sa.Text(), nullable=False),
        sa.Column("symbols", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("timeframe", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("allocation", sa.Float(precision=53), nullable=False),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("configured_enabled", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("strategy_id", name=op.f("pk_strategies")),
    )
    op.create_table(
        "strategy_states",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("bar_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("last_target", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("session_id", "strategy_id", "symbol", name=op.f("pk_strategy_states")),
    )
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("base_currency", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("allow_short", sa.Boolean(), nullable=False),
        sa.Column("deposit", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("day_starts_at", sa.Text(), nullable=False),
        sa.Column("day_tz", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.session_id"], name=op.f("fk_accounts_session_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("order_type", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("price", sa.Numeric(precision=38, scale=12), nullable=True),
        sa.Column("stop_price", sa.Numeric(precision=38, scale=12), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("filled_quantity", sa.Numeric(precision=38, scale=12), server_default=sa.text("0"), nullable=False),
        sa.Column("avg_fill_price", sa.Numeric(precision=38, scale=12), nullable=True),
        sa.Column("time_in_force", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("signal_id", sa.UUID(), nullable=False),
        sa.Column("leg", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.UUID(), nullable=True),
        sa.Column("risk_assessment_id", sa.UUID(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["risk_assessment_id"], ["risk_assessments.signal_id"], name=op.f("fk_orders_risk_assessment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("client_order_id", name=op.f("uq_orders_client_order_id")),
        sa.UniqueConstraint("signal_id", "leg", name=op.f("uq_orders_signal_id")),
    )
    op.create_index("ix_orders_account_id_decided_at", "orders", ["account_id", "decided_at"], unique=False)
    op.create_index(
        "ix_orders_open",
        "orders",
        ["account_id"],
        unique=False,
        postgresql_where=sa.text("status in ('ACKED', 'APPROVED', 'CANCEL_UNKNOWN', 'PARTIAL', 'PENDING_CANCEL', 'SUBMITTING', 'UNKNOWN')"),
    )
    op.create_table(
        "order_attempts",
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_attempts_order_id")),
        sa.PrimaryKeyConstraint("order_id", "n", name=op.f("pk_order_attempts")),
    )
    op.create_table(
        "order_events",
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("filled_quantity", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("anomaly", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_events_order_id")),
        sa.PrimaryKeyConstraint("order_id", "n", name=op.f("pk_order_events")),
    )
    op.create_table(
        "trades",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("exec_key", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("executed_price", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("commission", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("fee_currency", sa.Text(), nullable=False),
        sa.Column("liquidity", sa.Text(), nullable=False),
        sa.Column("executed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("pnl", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_trades_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trades")),
        sa.UniqueConstraint("venue", "account_id", "exec_key", name=op.f("uq_trades_venue")),
    )
    op.create_index("ix_trades_account_id_executed_at", "trades", ["account_id", "executed_at"], unique=False)

    for table in ("market_quotes", "market_ohlcv"):
        op.execute(f"create table {table}_default partition of {table} default")
    # One row each, updated thousands of times a second: vacuum by count, not by share.
    for table in ("journal_counters", "cursors", "leases", "cash_balances"):
        op.execute(f"alter table {table} set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)")
    op.execute("alter table journal set (autovacuum_vacuum_insert_scale_factor = 0.05)")
    op.bulk_insert(sa.table("journal_counters", sa.column("stream")), [{"stream": name} for name in STREAMS])
    op.get_bind().connection.cursor().execute(FUNCTIONS.read_text())  # as it is: not every % is a parameter


def downgrade() -> None:
    """There is nothing before the first schema: drop the database instead."""
    raise RuntimeError("the first migration has no way back; drop the database instead")
