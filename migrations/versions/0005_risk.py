"""Risk: limits under version control, measures, and alerts that have to be acknowledged."""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
SQL = Path(__file__).parents[1] / "sql"
FUNCTIONS: tuple[str, ...] = ("0005_limits.sql", "0005_fleet.sql", "0005_alerts.sql", "0005_permits.sql", "0005_roles.sql")

branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    op.create_table(
        "risk_limits",
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=True),
        sa.Column("command_id", sa.UUID(), nullable=True),
        sa.CheckConstraint("by <> '' and reason <> ''", name=op.f("ck_risk_limits_signed")),
        sa.CheckConstraint("effective_at >= at", name=op.f("ck_risk_limits_not_before")),
        sa.ForeignKeyConstraint(["held"], ["risk_limits.version"], name=op.f("fk_risk_limits_held_risk_limits")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_risk_limits")),
    )
    op.create_index("ix_risk_limits_of", "risk_limits", ["scope", "key", "name", "unit", "version"], unique=False)
    op.create_table(
        "risk_limits_used",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("versions", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fk_risk_limits_used_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", "n", name=op.f("pk_risk_limits_used")),
    )
    op.create_table(
        "risk_fleet",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_risk_fleet")),
    )
    op.create_table(
        "risk_metrics",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("equity", sa.Double(), nullable=False),
        sa.Column("measures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fk_risk_metrics_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", "at", name=op.f("pk_risk_metrics")),
    )
    op.create_table(
        "risk_alerts",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tripped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("acknowledged_at is null or (acknowledged_by <> '' and reason <> '')", name=op.f("ck_risk_alerts_signed")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fk_risk_alerts_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_risk_alerts")),
    )
    op.create_index(
        "uq_risk_alerts_open",
        "risk_alerts",
        ["account_id", "code", "strategy_id", "symbol"],
        unique=True,
        postgresql_where=sa.text("acknowledged_at is null"),
    )
    op.create_table(
        "risk_permits",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=28, scale=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signal_id", sa.UUID(), nullable=True),
        sa.CheckConstraint("by <> '' and reason <> ''", name=op.f("ck_risk_permits_signed")),
        sa.CheckConstraint("side in ('buy', 'sell') and quantity > 0", name=op.f("ck_risk_permits_an_order")),
        sa.CheckConstraint("(used_at is null) = (signal_id is null)", name=op.f("ck_risk_permits_used_for")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_risk_permits")),
    )
    op.create_index("ix_risk_permits_unused", "risk_permits", ["account"], unique=False, postgresql_where=sa.text("used_at is null"))
    op.create_table(
        "day_statements",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'asked'"), nullable=False),
        sa.Column("fills", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("breaks", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("detail", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fk_day_statements_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", "day", name=op.f("pk_day_statements")),
    )
    op.create_table(
        "builds",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("schema_version", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("service", "instance", name=op.f("pk_builds")),
    )
    op.create_table(
        "disarmed",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("limit_value", sa.Text(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fk_disarmed_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("pk_disarmed")),
    )
    for name in FUNCTIONS:
        op.get_bind().connection.cursor().execute((SQL / name).read_text())  # as it is: not every % is a parameter
    op.create_index(
        "ix_trades_closes", "trades", ["account_id", "strategy_id", "executed_at"], unique=False, postgresql_where=sa.text("pnl <> 0")
    )


def downgrade() -> None:
    op.drop_index("ix_trades_closes", table_name="trades")
    """What was recorded in the new tables has no place in the old schema."""
    raise RuntimeError("this migration has no way back; restore the backup made before it instead")
