"""Searches of parameters, with every trial."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.create_table(
        "backtest_searches",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("spec", _JSON, nullable=False),
        sa.Column("result", _JSON, nullable=False),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("data_fingerprint", sa.Text(), nullable=False),
        sa.Column("code_fingerprint", sa.Text(), nullable=False),
        sa.Column("config_fingerprint", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backtest_searches")),
    )
    op.create_index("ix_backtest_searches_created_at", "backtest_searches", ["created_at"], unique=False)
    op.create_index("ix_backtest_searches_of", "backtest_searches", ["strategy", "data_fingerprint"], unique=False)
    op.create_table(
        "backtest_trials",
        sa.Column("search_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("params", _JSON, nullable=False),
        sa.Column("figures", _JSON, nullable=True),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id"], ["backtest_searches.id"], name=op.f("fk_backtest_trials_search_id_backtest_searches"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("search_id", "n", name=op.f("pk_backtest_trials")),
    )


def downgrade() -> None:
    """What was recorded in the new tables has no place in the old schema."""
    raise RuntimeError("this migration has no way back; restore the backup made before it instead")
