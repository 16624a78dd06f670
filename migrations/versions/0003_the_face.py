"""The face: loss limits, portfolio, jobs, notifications, alerts."""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
VIEWS = Path(__file__).parents[1] / "sql" / "0003_views.sql"
FUNCTIONS = Path(__file__).parents[1] / "sql" / "0003_functions.sql"
RETENTION = Path(__file__).parents[1] / "sql" / "0003_retention.sql"

branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", "source", name=op.f("pk_alerts")),
    )
    op.create_table(
        "job_runs",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_runs")),
    )
    op.create_index("ix_job_runs_job_id_created_at", "job_runs", ["job_id", "created_at"], unique=False)
    op.create_index(
        "ix_job_runs_open", "job_runs", ["created_at"], unique=False, postgresql_where=sa.text("state in ('queued', 'running')")
    )
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_jobs")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("producer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
    )
    op.create_index("ix_notifications_created_at", "notifications", ["created_at"], unique=False)
    op.create_index(
        "ix_notifications_undecided", "notifications", ["created_at"], unique=False, postgresql_where=sa.text("planned_at is null")
    )
    op.create_table(
        "notification_deliveries",
        sa.Column("notification_id", sa.UUID(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["notifications.id"], name=op.f("fk_notification_deliveries_notification_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("notification_id", "channel", name=op.f("pk_notification_deliveries")),
    )
    op.create_index(
        "ix_notification_deliveries_waiting",
        "notification_deliveries",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "portfolio_equity",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("equity", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("drawdown", sa.Float(precision=53), nullable=False),
        sa.Column("gross_exposure", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fk_portfolio_equity_account_id")),
        sa.PrimaryKeyConstraint("account_id", "strategy_id", "at", name=op.f("pk_portfolio_equity")),
    )
    op.create_table(
        "portfolio_marks",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("price", sa.Float(precision=53), nullable=False),
        sa.Column("rate", sa.Float(precision=53), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fk_portfolio_marks_account_id")),
        sa.PrimaryKeyConstraint("account_id", "symbol", name=op.f("pk_portfolio_marks")),
    )
    op.create_table(
        "portfolio_snapshots",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("snapshot_date", sa.Date(), nullable=False),
        sa.Column("total_value", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("cash_balance", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("invested_value", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("day_pnl", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("total_pnl", sa.Numeric(precision=38, scale=12), nullable=False),
        sa.Column("performance_metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("market_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fk_portfolio_snapshots_account_id")),
        sa.PrimaryKeyConstraint("account_id", "strategy_id", "snapshot_date", name=op.f("pk_portfolio_snapshots")),
    )
    op.create_table(
        "risk_halts",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("limit_name", sa.Text(), nullable=False),
        sa.Column("halted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("equity", sa.Float(precision=53), nullable=False),
        sa.Column("reference", sa.Float(precision=53), nullable=False),
        sa.Column("limit_value", sa.Float(precision=53), nullable=False),
        sa.Column("seen", sa.Float(precision=53), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("rearmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rearmed_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("rebased", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fk_risk_halts_account_id")),
        sa.PrimaryKeyConstraint("account_id", "limit_name", "halted_at", name=op.f("pk_risk_halts")),
    )
    op.create_index("ix_risk_halts_active", "risk_halts", ["account_id", "limit_name"], unique=True, postgresql_where=sa.text("active"))
    op.create_table(
        "risk_states",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("evaluated_at", sa.BigInteger(), nullable=False),
        sa.Column("equity", sa.Float(precision=53), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("day_equity", sa.Float(precision=53), nullable=False),
        sa.Column("peak_equity", sa.Float(precision=53), nullable=False),
        sa.Column("max_daily_loss", sa.Float(precision=53), nullable=True),
        sa.Column("max_drawdown", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fk_risk_states_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_risk_states")),
    )
    op.execute(VIEWS.read_text())
    op.get_bind().connection.cursor().execute(FUNCTIONS.read_text())  # as it is: not every % is a parameter
    op.execute(RETENTION.read_text())


def downgrade() -> None:
    """What was recorded in the new tables has no place in the old schema."""
    raise RuntimeError("this migration has no way back; restore the backup made before it instead")
