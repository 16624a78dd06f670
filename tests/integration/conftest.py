"""What the tests of backtests stand on: a record without any, a file of bars, and the service itself."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.backtest_commands import a_file
from tests.backtester_process import Service
from tests.fleets import configuration


@pytest.fixture
def environment(url: str, tmp_path: Path) -> dict[str, str]:
    """What commands and backtesters are started with: their record has no backtest and no search."""
    with psycopg.connect(url) as connection:
        connection.execute("truncate backtests, backtest_searches cascade")
    configuration(tmp_path / "config")
    return {"DATABASE_URL": url, "STATE_DIR": str(tmp_path / "state"), "CONFIG_DIR": str(tmp_path / "config"), "MARKET_DATA_DIR": ""}


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """A file among the data of `environment`, where the service may read."""
    folder = tmp_path / "state" / "data"
    folder.mkdir(parents=True)
    return a_file(folder / "bars.csv", 7)


@pytest.fixture
def service(environment: dict[str, str], redis_url: str, bars: Path) -> Iterator[Callable[[], Service]]:
    """Starts backtesters, which are gone afterwards."""
    started: list[Service] = []

    def start() -> Service:
        started.append(Service(environment, redis_url))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
