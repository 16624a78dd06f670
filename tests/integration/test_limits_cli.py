"""`fleet risk limits`, as an operator types it, with no fleet running."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fleet import limits as page
from fleet.cli import app
from fleet.operating import who
from fleet.plan import FleetSettings
from libs.common.database import Database
from libs.common.settings import from_environment, from_toml
from libs.domain.configuration import RiskConfig
from libs.store import limits
from tests.scenes import begin, clear

CONFIG = Path(__file__).parents[2] / "config"
DAILY = ("--scope", "account", "--name", "max_daily_loss")
WHY = ("--reason", "because")


class Operator:
    """Types commands beside a record that begins with the limits of config/."""

    def __init__(self, url: str, state: Path, database: Database) -> None:
        self.environment = {"DATABASE_URL": url, "STATE_DIR": str(state), "CONFIG_DIR": str(CONFIG), "REDIS_URL": ""}
        self.database = database

    async def types(self, *words: str) -> Result:
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["risk", "limits", *words], env=self.environment))

    async def sees(self) -> Any:
        return json.loads((await self.types("--json")).stdout)


@pytest.fixture
async def operator(url: str, tmp_path: Path) -> AsyncIterator[Operator]:
    database = Database(url, "test")
    await clear(database)
    await begin(database)
    await limits.begin(database, from_toml(RiskConfig, CONFIG, "risk", "").limit, "risk_manager")
    yield Operator(url, tmp_path, database)
    await database.close()


async def test_what_holds_is_listed_with_who_when_and_why(operator: Operator) -> None:
    said = (await operator.types()).stdout
    assert "max_daily_loss of account" in said
    assert "risk_manager: a new record begins with config/risk.toml" in said
    assert "DIFFERS" not in said
    assert "WAITS" not in said


async def test_a_tighter_limit_is_told_to_hold_and_the_file_to_differ(operator: Operator) -> None:
    done = await operator.types("set", *DAILY, "--value", "0.02", *WHY)
    assert (done.exit_code, "is 0.02 fraction; risk_manager and trade_executor obey it within a second" in done.stdout) == (0, True)
    assert "DIFFERS  config/risk.toml says max_daily_loss of account: 0.03 fraction" in (await operator.types()).stdout
    assert await page.at_start(operator.database, from_environment(FleetSettings, operator.environment)) == [
        "limits: the record holds, and config/risk.toml differs in max_daily_loss of account; see `fleet risk limits`"
    ]


async def test_a_looser_limit_waits_and_is_withdrawn(operator: Operator) -> None:
    done = await operator.types("remove", *DAILY, *WHY)
    assert "waits 300 s" in done.stdout
    [waiting] = (await operator.sees())["pending"]
    assert (waiting["value"], waiting["by"], waiting["reason"]) == (None, who(), "because")
    assert (await operator.types("withdraw", str(waiting["version"]), *WHY)).exit_code == 0
    seen = await operator.sees()
    assert (seen["pending"], seen["file_differs"]) == ([], [])
    assert (await operator.types("withdraw", str(waiting["version"]), *WHY)).exit_code == 2


async def test_the_file_is_brought_in_by_the_same_rules(operator: Operator) -> None:
    await operator.types("set", *DAILY, "--value", "0.02", *WHY)
    await operator.types("set", "--scope", "fleet", "--name", "max_drawdown", "--value", "0.5", *WHY)
    done = await operator.types("import", *WHY)
    assert done.stdout.count("it waits 300 s") == 2
    assert {row["name"]: row["value"] for row in (await operator.sees())["pending"]} == {"max_daily_loss": 0.03, "max_drawdown": None}
    assert "nothing to bring in" in (await operator.types("import", *WHY)).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*DAILY, "--value", "nan", *WHY], "Expected a value from 0 to 1e15, got nan"),
        ([*DAILY, "--value", "-0.1", *WHY], "got -0.1"),
        ([*DAILY, "--value", "3", *WHY], "Expected a share above 0 and at most 1"),
        ([*DAILY, "--value", "0.02", "--unit", "equity", *WHY], "expected unit fraction of max_daily_loss, got equity"),
        ([*DAILY, "--value", "0.02", "--reason", " "], "say with --reason why"),
        ([*DAILY, "--value", "0.03", *WHY], "is 0.03 fraction already"),
        (["--scope", "account:papper", "--name", "max_drawdown", "--value", "0.1", *WHY], "there are: paper"),
        (["--scope", "planet", "--name", "max_drawdown", "--value", "0.1", *WHY], "expected order, fleet, account:NAME"),
        (["--scope", "account", "--name", "max_hope", "--value", "0.1", *WHY], "no limit is called 'max_hope'"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_reason_and_changes_nothing(operator: Operator, words: Sequence[str], said: str) -> None:
    before = await limits.history(operator.database)
    done = await operator.types("set", *words)
    assert (done.exit_code, said in done.stderr) == (2, True)
    assert await limits.history(operator.database) == before


async def test_the_history_has_every_change(operator: Operator) -> None:
    began_with = len(await limits.history(operator.database))
    await operator.types("set", *DAILY, "--value", "0.02", *WHY)
    rows = json.loads((await operator.types("history", "--json")).stdout)
    assert [row["version"] for row in rows] == list(range(1, began_with + 2))
    assert "because" in (await operator.types("history")).stdout
