"""Limits that an operator changes while the fleet trades hold in both: a session played again by the limits that held when is equal."""

from pathlib import Path

import pytest

from libs.common.database import Database
from libs.store import sessions
from services.backtester.parity import compare, configured
from tests.verify.running import a_fleet

CONFIG = Path(__file__).parents[2] / "config"
LIMIT_S = 60.0


@pytest.mark.timeout(180)
async def test_a_session_whose_limits_were_changed_is_compared_with_those_that_held(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    def set_(name: str, value: str, *more: str) -> list[str]:
        return ["risk", "limits", "set", "--scope", "account", "--name", name, "--value", value, "--reason", "a test", *more]

    playing = ["--lockstep", "--market", "synthetic", "--speed", "100"]
    with a_fleet(tmp_path, database_url, redis_url, playing, {"CONFIG_DIR": str(CONFIG)}) as fleet:
        fleet.play_until_traded(4)
        fleet.operate(*set_("max_order_notional", "3000", "--unit", "currency"))
        fleet.until("select count(*) from risk_assessments where code = 'RC-A05'", LIMIT_S)
        fleet.operate(*set_("max_drawdown", "0.000001"))
        halted = fleet.until("select count(*) from risk_halts", LIMIT_S)
        fleet.until("select count(*) from risk_assessments where code = 'RC-B05'", LIMIT_S)
        fleet.stop()
        database = Database(fleet.url, "parity")
        [session] = await sessions.played(database)
        day = (session.start_time, session.market_time + 1)
        [compared] = await compare(database, day, configured(CONFIG, "development"), None, None)
        await database.close()
    assert halted == 1
    assert compared.differences == []
    assert len(compared.limits) == 2
    assert compared.trades >= 4
