"""Searches wait in the record, as backtests do."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_PRINTS = ("fingerprint", "data_fingerprint", "code_fingerprint", "config_fingerprint", "engine")


def upgrade() -> None:
    op.add_column("backtest_searches", sa.Column("started_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("update backtest_searches set started_at = created_at")
    for name in ("result", "finished_at"):
        op.alter_column("backtest_searches", name, nullable=True)
    op.alter_column("backtest_searches", "finished_at", server_default=None)
    op.alter_column("backtest_searches", "created_at", server_default=sa.text("clock_timestamp()"))
    for name in _PRINTS:
        op.alter_column("backtest_searches", name, server_default=sa.text("''"))


def downgrade() -> None:
    """A search that waits has no place in the old schema."""
    raise RuntimeError("this migration has no way back; restore the backup made before it instead")
