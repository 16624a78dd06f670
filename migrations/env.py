"""Alembic's entry point; `fleet.migrate` passes the database's URL in."""

from alembic import context
from sqlalchemy import NullPool, create_engine
from sqlalchemy.schema import SchemaItem

from libs.common.crash_points import reached
from libs.store.tables import Base

PARTITIONED = ("market_quotes_", "market_ohlcv_")


def is_ours(item: SchemaItem, name: str | None, kind: str, reflected: bool, compare_to: SchemaItem | None) -> bool:
    """Partitions are made as the market's months come; they are not part of the schema."""
    return not (kind == "table" and name is not None and name.startswith(PARTITIONED))


engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "", poolclass=NullPool)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=is_ours,
        transaction_per_migration=True,
        on_version_apply=lambda **_: reached("CP23"),
    )
    with context.begin_transaction():
        context.run_migrations()
