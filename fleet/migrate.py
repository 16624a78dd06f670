"""Brings the database to the schema of this release, and tells when the two differ."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine, text

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def config(database_url: str) -> Config:
    """Alembic's configuration for one database."""
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.set_main_option("sqlalchemy.url", database_url.replace("postgresql://", "postgresql+psycopg://", 1).replace("%", "%%"))
    return settings


def upgrade(database_url: str) -> None:
    """Runs every migration that this database has not seen. Whoever does so at the same time waits, and finds it done."""
    settings = config(database_url)
    engine = create_engine(settings.get_main_option("sqlalchemy.url") or "", poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as alone:
        alone.execute(text("select pg_advisory_lock(hashtext('tradewinds migrations'))"))
        command.upgrade(settings, "head")


def behind(database_url: str) -> bool:
    """Whether the database's schema is older than this release's."""
    settings = config(database_url)
    engine = create_engine(settings.get_main_option("sqlalchemy.url") or "", poolclass=NullPool)
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current != ScriptDirectory.from_config(settings).get_current_head()


def durability_faults(database_url: str) -> list[str]:
    """Settings under which a commit could be lost: the fleet refuses to trade on such a server."""
    engine = create_engine(config(database_url).get_main_option("sqlalchemy.url") or "", poolclass=NullPool)
    with engine.connect() as connection:
        shown = {
            name: connection.execute(text(f"show {name}")).scalar_one() for name in ("fsync", "synchronous_commit", "full_page_writes")
        }
    return [f"{name} is {value}, expected on" for name, value in shown.items() if value in ("off", "local")]
