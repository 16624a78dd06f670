"""A recorded market that falls (Bitcoin, 4 April 2018), traded by the real fleet until the account has lost what it may lose in a day."""

import os
from pathlib import Path
from typing import Final

import pytest

from tests.verify.running import Fleet, a_fleet

CONFIG: Final = Path(__file__).parent / "parity_config"
LIMIT_S: Final = 90.0
HALT: Final = "select halted_at from risk_halts where active and limit_name = 'max_daily_loss'"
ADDING: Final = (
    "select count(*) from orders o join risk_halts h using (account_id) where h.limit_name = 'max_daily_loss' and not o.reduce_only"
    " and o.created_at > h.at + interval '1 s'"
)
CLOSED: Final = (
    "select count(*) from orders o join risk_halts h using (account_id) where h.limit_name = 'max_daily_loss' and o.reduce_only"
    " and o.created_at > h.at"
)
REFUSED: Final = "select count(*) from risk_assessments where code = 'RC-B05'"

pytestmark = pytest.mark.skipif(not os.environ.get("MARKET_DATA_DIR"), reason="MARKET_DATA_DIR is not set: no recorded markets")


def goes_on_refusing(fleet: Fleet) -> None:
    """More entries are refused than were so far."""
    before = fleet.ask(REFUSED)
    fleet.until(f"select count(*) > {before} from risk_assessments where code = 'RC-B05'", LIMIT_S)


@pytest.mark.timeout(240)
def test_the_account_halts_at_its_daily_loss_closes_only_survives_a_restart_and_is_rearmed_by_a_person(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    playing = ["--replay", "crypto", "--speed", "1500"]
    with a_fleet(tmp_path, database_url, redis_url, playing, {"CONFIG_DIR": str(CONFIG)}) as fleet:
        fleet.until(HALT, LIMIT_S)
        goes_on_refusing(fleet)
        for service in ("risk_manager", "trade_executor"):
            fleet.kill(service)
        goes_on_refusing(fleet)
        assert fleet.ask(HALT) is not None, "a restart lifts nothing"
        assert fleet.ask(ADDING) == 0
        fleet.until(CLOSED, LIMIT_S)
        status = fleet.operate("risk", "status")
        account = fleet.ask("select account_id from risk_halts where active")
        fleet.operate("risk", "rearm", "--scope", f"account:{account}", "--reason", "the fall is understood")
        fleet.until(f"select not exists ({HALT})", LIMIT_S)
        fleet.until(
            "select exists (select from orders where not reduce_only and created_at > (select max(rearmed_at) from risk_halts))", LIMIT_S
        )
        fleet.stop(restarts=2)
    assert "max_daily_loss" in status
