"""`fleet risk weights` on a record: what it says, what it leaves alone, and when it refuses."""

import asyncio
import json
from collections.abc import Iterator
from math import cos, sin
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fleet.cli import app
from libs.common.database import Database
from tests.fleets import configuration
from tests.records import a_record
from tests.scenes import begin

STRATEGIES = """
[[strategy]]
id = "calm"
class = "sma_cross"
symbols = ["*"]
account = "paper"
allocation = 0.1

[[strategy]]
id = "wild"
class = "sma_cross"
symbols = ["*"]
account = "paper"
allocation = 0.2

[[strategy]]
id = "fresh"
class = "sma_cross"
symbols = ["*"]
account = "paper"
allocation = 0.3
"""
DAYS = 40


async def populate(url: str) -> None:
    """Forty days on which `wild` earned twice as much on what it was allocated as `calm`, at other times."""
    database = Database(url, "test")
    await begin(database)
    for n in range(DAYS):
        for strategy_id, earned in (("calm", 0.001 * sin(1.7 * n)), ("wild", 0.004 * cos(1.7 * n))):
            await database.fetch(
                "insert into portfolio_snapshots (account_id, strategy_id, snapshot_date, total_value, cash_balance, invested_value,"
                " day_pnl, total_pnl, performance_metrics, market_time)"
                " values ('paper', %s, date '2025-01-01' + %s::int, 0, 0, 0, 0, 0, jsonb_build_object('return', %s::float8), now())",
                (strategy_id, n, earned),
            )
    await database.close()


@pytest.fixture(scope="module")
def url(database_url: str) -> Iterator[str]:
    with a_record(database_url) as url:
        asyncio.run(populate(url))
        yield url


@pytest.fixture
def cli(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    config = configuration(tmp_path / "config", strategies=STRATEGIES)
    for name, value in {"DATABASE_URL": url, "STATE_DIR": str(tmp_path), "CONFIG_DIR": str(config)}.items():
        monkeypatch.setenv(name, value)
    return CliRunner()


def test_allocations_are_said_in_words_and_as_toml(cli: CliRunner) -> None:
    found = cli.invoke(app, ["risk", "weights"])
    assert found.exit_code == 0, found.output
    assert "measured     from 40 daily returns, 2025-01-01 to 2025-02-09" in found.output
    assert "left as it is: fresh, no day with a return on record" in found.output
    pasted = {name: float(line.split()[2]) for line in found.output.splitlines() for name in ("calm", "wild") if line.endswith(f"# {name}")}
    assert pasted["calm"] == pytest.approx(0.2, abs=0.01)
    assert pasted["wild"] == pytest.approx(0.1, abs=0.01)
    assert sum(pasted.values()) <= 0.3


def test_as_json_there_is_the_covariance_it_came_from(cli: CliRunner) -> None:
    said = json.loads(cli.invoke(app, ["risk", "weights", "--method", "correlation", "--json"]).output)
    (numbers,) = said["accounts"].values()
    assert numbers["strategies"] == ["calm", "wild"]
    assert numbers["covariance"][1][1] == pytest.approx(4 * numbers["covariance"][0][0], rel=0.1)
    assert all(after <= before for after, before in zip(numbers["after"], numbers["before"], strict=True))


@pytest.mark.parametrize("span", [("--from", "2025-01-20"), ("--to", "2025-01-25")])
def test_too_few_returns_are_refused_with_how_many_there_are(cli: CliRunner, span: tuple[str, str]) -> None:
    found = cli.invoke(app, ["risk", "weights", *span])
    assert found.exit_code == 1
    assert "account paper: expected at least 30 days on which all of 2 strategies have a return, got 2" in found.output
    assert "fresh: no day with a return on record" in found.output
