from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.embedded.postgres import EmbeddedPostgres


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """For fleets; as root their Postgres keeps its data elsewhere, so it has to be wiped by itself."""
    yield tmp_path
    EmbeddedPostgres(tmp_path / "state" / "postgres").wipe()
