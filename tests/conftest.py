"""Real servers for the whole session, ours from wheels unless DATABASE_URL and REDIS_URL name others."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fleet.embedded.postgres import EmbeddedPostgres
from fleet.embedded.valkey import EmbeddedValkey
from libs.common.database import Database
from tests.records import a_record
from tests.scenes import clear


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The server itself, for tests that kill it; they are skipped when DATABASE_URL names a server that is not ours to kill."""
    if os.environ.get("DATABASE_URL"):
        pytest.skip("needs the embedded Postgres, but DATABASE_URL names another")
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()
    server.wipe()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """The server itself, for tests that kill it; they are skipped when REDIS_URL names a server that is not ours to kill."""
    if os.environ.get("REDIS_URL"):
        pytest.skip("needs the embedded Valkey, but REDIS_URL names another")
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()
    server.wipe()


@pytest.fixture(scope="session")
def database_url(request: pytest.FixtureRequest) -> str:
    given = os.environ.get("DATABASE_URL")
    if given:
        return given
    server: EmbeddedPostgres = request.getfixturevalue("postgres")
    return server.url


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    given = os.environ.get("REDIS_URL")
    if given:
        return given
    server: EmbeddedValkey = request.getfixturevalue("valkey")
    return server.url


@pytest.fixture(scope="module")
def url(database_url: str) -> Iterator[str]:
    """A new record for the tests of a module, each of which clears what it finds."""
    with a_record(database_url) as found:
        yield found


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A hand on the module's record, with nothing in it."""
    database = Database(url, "test")
    await clear(database)
    yield database
    await database.close()


@pytest.fixture(scope="session")
def market_data_dir() -> Path:
    """Recorded markets; the tests that want them are skipped where there are none."""
    folder = os.environ.get("MARKET_DATA_DIR")
    if not folder:
        pytest.skip("MARKET_DATA_DIR is not set: no recorded markets")
    return Path(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """For whole fleets; as root their Postgres keeps its data elsewhere, so it has to be wiped by itself."""
    yield tmp_path
    EmbeddedPostgres(tmp_path / "state" / "postgres").wipe()
