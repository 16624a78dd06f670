"""Same decisions: corporate actions, states with their targets, controls that were passed, backtests."""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
FUNCTIONS = Path(__file__).parents[1] / "sql" / "0002_functions.sql"

branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

MONEY = sa.Numeric(precision=38, scale=12)


def upgrade() -> None:
    op.create_table(
        "corporate_actions",
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("effective", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ratio", MONEY, nullable=False),
        sa.Column("cash", MONEY, nullable=False),
        sa.Column("reference_price", MONEY, nullable=False),
        sa.Column("new_symbol", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("venue", "symbol", "effective", "kind", name=op.f("pk_corporate_actions")),
    )
    op.create_table(
        "backtests",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("result", postgresql.JSONB(), nullable=True),
        *(
            sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False)
            for name in ("error", "fingerprint", "data_fingerprint", "code_fingerprint", "config_fingerprint", "engine")
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backtests")),
    )
    op.create_index("ix_backtests_created_at", "backtests", ["created_at"], unique=False)
    op.create_table(
        "backtest_trades",
        sa.Column("backtest_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", MONEY, nullable=False),
        sa.Column("executed_price", MONEY, nullable=False),
        sa.Column("commission", MONEY, nullable=False),
        sa.Column("executed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pnl", MONEY, nullable=False),
        sa.ForeignKeyConstraint(["backtest_id"], ["backtests.id"], name=op.f("fk_backtest_trades_backtest_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("backtest_id", "n", name=op.f("pk_backtest_trades")),
    )
    op.add_column("strategies", sa.Column("failed", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("signals", sa.Column("scale", sa.Float(precision=53), server_default=sa.text("1"), nullable=False))
    op.add_column("signals", sa.Column("state", sa.LargeBinary(), nullable=True))
    op.add_column("risk_assessments", sa.Column("checks", postgresql.JSONB(), nullable=True))
    # States of the old form carry fingerprints that no fold has any more: they are not taken up, only spoken after.
    op.drop_column("strategy_states", "last_target")
    op.get_bind().connection.cursor().execute(FUNCTIONS.read_text())  # as it is: not every % is a parameter


def downgrade() -> None:
    """What was recorded with the new columns cannot be told in the old ones."""
    raise RuntimeError("this migration has no way back; restore the backup made before it instead")
