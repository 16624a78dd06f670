"""Stops and targets that stand at the venue, sizes by what is at risk, closed trades and the fall of the account: the fleet in lockstep,
killed in the middle, does what the backtester does."""

import shutil
from pathlib import Path
from typing import Final

import pytest

from libs.common.database import Database
from services.backtester.parity import compare, configured
from tests.verify.running import a_fleet

TRADES: Final = 220  # so that the first strategy closes the 30 without which no edge is measured
ALL_TIME: Final = (0, 2**62)

STRATEGIES: Final = """
[[strategy]]
id = "paired"
class = "sma_cross"
symbols = ["*"]
account = "paper"
allocation = 0.03
params = { fast = 2, slow = 4 }
exits = { stop_bps = 4, target_bps = 5 }
sizing = "equity * kelly:1 * drawdown:0.3"

[[strategy]]
id = "trailing"
class = "sma_cross"
symbols = ["*"]
account = "paper"
allocation = 0.03
params = { fast = 3, slow = 7 }
exits = { trail_bps = 4 }
sizing = "risk:0.0003 * drawdown:0.3"

[[strategy]]
id = "worked"
class = "sma_cross"
symbols = ["*"]
account = "paper"
allocation = 0.03
params = { fast = 3, slow = 9 }
execution = "twap:4:4"
exits = { stop_bps = 5 }
sizing = "volatility:0.5 * kelly:0.9"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    shutil.copytree("config", folder)
    (folder / "strategies.toml").write_text(STRATEGIES)
    return folder


@pytest.mark.timeout(600)
async def test_protected_positions_are_traded_alike_by_a_fleet_that_dies_and_by_the_backtester(
    tmp_path: Path, config: Path, database_url: str, redis_url: str
) -> None:
    market = ["--lockstep", "--market", "synthetic", "--venue", "paper"]
    with a_fleet(tmp_path / "state", database_url, redis_url, market, {"CONFIG_DIR": str(config)}) as fleet:
        fleet.play_until_traded(TRADES // 2)
        fleet.kill("trade_executor")
        fleet.play_until_traded(TRADES)
        fleet.stop(restarts=1)
        database = Database(fleet.url, "parity")
        try:
            [compared] = await compare(database, ALL_TIME, configured(config, ""), None, None)
            protective = await database.fetch(
                "select order_type, bool_or(filled_quantity > 0), bool_or(replaces is not null) from orders"
                " where purpose in ('stop', 'target') group by 1 order by 1"
            )
            [[kellys]] = await database.fetch(
                "select count(distinct c->>3) from risk_assessments cross join lateral jsonb_array_elements(checks) c"
                " where strategy_id = 'paired' and starts_with(c->>1, 'kelly:')"
            )
        finally:
            await database.close()
    assert compared.differences == []
    assert [kind for kind, *_ in protective] == ["limit", "stop", "trailing_stop"]
    assert kellys > 1, "sizes hung on an edge that was measured"
    assert any(filled for _, filled, _ in protective)
    assert any(replaced for *_, replaced in protective), "an exit of a part leaves the rest protected"
