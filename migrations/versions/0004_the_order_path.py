"""The order path, finished: modes of the kill switch, children and protection of orders, reconciliation, costs."""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
SQL = Path(__file__).parents[1] / "sql"
FUNCTIONS = ("0004_submitting.sql", "0004_children.sql", "0004_kill.sql", "0004_reconcile.sql")

branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_MONEY = sa.Numeric(precision=38, scale=12)
_OPEN = (
    "status in ('ACKED', 'APPROVED', 'CANCEL_UNKNOWN', 'PARTIAL', 'PENDING_CANCEL', 'PENDING_REPLACE', 'REPLACE_UNKNOWN', 'SUBMITTING',"
    " 'UNKNOWN', 'WORKING')"
)


def upgrade() -> None:
    op.add_column("kill_switch", sa.Column("mode", sa.Text(), server_default=sa.text("'halt'"), nullable=False))
    for column in (
        sa.Column("trail", _MONEY, nullable=True),
        sa.Column("oco", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("purpose", sa.Text(), server_default=sa.text("'signal'"), nullable=False),
        sa.Column("reduce_only", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("execution", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("protect", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("replaces", sa.UUID(), nullable=True),
    ):
        op.add_column("orders", column)
    op.drop_constraint("uq_orders_client_order_id", "orders", type_="unique")
    op.create_unique_constraint("uq_orders_account_id", "orders", ["account_id", "client_order_id"])
    op.drop_index("ix_orders_open", table_name="orders")
    op.create_index("ix_orders_open", "orders", ["account_id"], unique=False, postgresql_where=sa.text(_OPEN))
    op.create_index(
        "ix_orders_liquidation",
        "orders",
        ["account_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("purpose = 'liquidation'"),
    )
    op.add_column("order_attempts", sa.Column("arrival_price", _MONEY, nullable=True))
    op.add_column("order_attempts", sa.Column("arrival_spread", _MONEY, nullable=True))
    op.create_index("ix_orders_parent_id", "orders", ["parent_id"], unique=False, postgresql_where=sa.text("parent_id is not null"))
    op.create_index("ix_trades_order_id", "trades", ["order_id"], unique=False)
    op.create_table(
        "reconcile_items",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("ours", sa.Text(), nullable=False),
        sa.Column("theirs", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("decision", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("decided_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closing_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconcile_items")),
    )
    op.create_index(
        "ix_reconcile_items_open", "reconcile_items", ["account_id"], unique=False, postgresql_where=sa.text("resolved_at is null")
    )
    op.create_index(
        "ix_reconcile_items_closing",
        "reconcile_items",
        ["account_id"],
        unique=False,
        postgresql_where=sa.text("closing_since is not null"),
    )
    op.create_table(
        "order_costs",
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("decision_price", _MONEY, nullable=True),
        sa.Column("arrival_price", _MONEY, nullable=True),
        sa.Column("spread", _MONEY, nullable=True),
        sa.Column("end_price", _MONEY, nullable=True),
        sa.Column("filled", _MONEY, nullable=False),
        sa.Column("fill_rate", sa.Double(), nullable=False),
        sa.Column("avg_fill_price", _MONEY, nullable=True),
        sa.Column("slippage_bps", sa.Double(), nullable=True),
        sa.Column("shortfall", _MONEY, nullable=True),
        sa.Column("fees", _MONEY, nullable=False),
        sa.Column("hops_ms", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_costs_order_id_orders")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_order_costs")),
    )
    for name in FUNCTIONS:
        op.get_bind().connection.cursor().execute((SQL / name).read_text())  # as it is: not every % is a parameter


def downgrade() -> None:
    """What was recorded in the new tables has no place in the old schema."""
    raise RuntimeError("this migration has no way back; restore the backup made before it instead")
