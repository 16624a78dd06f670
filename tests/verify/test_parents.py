"""Orders that are worked in slices, by the real fleet whose executor is killed in the middle of them."""

import shutil
from pathlib import Path
from typing import Final

import psycopg
import pytest

from libs.common.database import Database
from libs.common.settings import from_toml
from libs.domain.configuration import RiskConfig
from services.backtester.parity import Compared, compare, configured
from tests.chaos import venues
from tests.chaos.history import judged
from tests.verify.running import a_fleet
from tests.verify.test_lockstep import replay  # noqa: F401  # a fixture
from tests.verify.test_parity import CONFIG

WORKED: Final = {"sma_fast": "twap:180:3", "sma_slow": "vwap:300:5", "breakout": "iceberg:5:300", "reversion": "twap:600:4"}


def a_configuration(folder: Path) -> Path:
    """That of the parity tests, with executions."""
    shutil.copytree(CONFIG, folder)
    file = folder / "strategies.toml"
    text = file.read_text()
    for strategy, execution in WORKED.items():
        text = text.replace(f'id = "{strategy}"', f'id = "{strategy}"\nexecution = "{execution}"')
    file.write_text(text)
    return folder


async def beside_a_backtest(url: str, configuration: Path) -> Compared:
    database = Database(url, "parity")
    try:
        [(start, end)] = await database.fetch("select start_time, market_time + 1000 from sessions")
        [compared] = await compare(database, (start, end), configured(configuration, ""), None, None)
        return compared
    finally:
        await database.close()


@pytest.mark.timeout(400)
async def test_slices_are_the_same_with_the_executor_killed_and_in_the_backtest(
    tmp_path: Path,
    database_url: str,
    redis_url: str,
    replay: list[str],  # noqa: F811
) -> None:
    state, configuration = tmp_path / "state", a_configuration(tmp_path / "config")
    with a_fleet(state, database_url, redis_url, ["--lockstep", *replay], {"CONFIG_DIR": str(configuration)}) as fleet:
        for trades in (10, 25):
            fleet.play_until_traded(trades)
            fleet.kill("trade_executor")
        fleet.play_until_traded(45)
        fleet.stop(restarts=2)
        compared = await beside_a_backtest(fleet.url, configuration)
        with psycopg.connect(fleet.url) as record:
            slices = record.execute("select id from orders where purpose = 'slice'").fetchall()
            verdict = judged(record, venues.paper(state / "paper"), from_toml(RiskConfig, configuration, "risk", "").limit)
    assert compared.differences == []
    assert verdict.sentences == []
    assert len(slices) > 20
