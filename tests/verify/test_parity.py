"""The claim of the house: a recorded market traded by the real fleet in lockstep and by the backtester leaves the same
signals, orders, fills and ledger, to the last digit."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from libs.common.database import Database
from libs.common.settings import from_toml
from libs.domain.configuration import RiskConfig, StrategiesConfig, SystemConfig
from libs.domain.losses import Halt
from libs.quant.backtest.play import play
from libs.quant.fills import FillTerms
from libs.store import sessions
from libs.venues.replay.catalog import named
from services.backtester.parity import Compared, Held, Operating, compare, setup_of, stored_tape
from tests.verify.running import Fleet, a_fleet

CONFIG: Final = Path(__file__).parent / "parity_config"
HALTED: Final = {"equities": ["max_drawdown"], "crypto": ["max_daily_loss"]}
DATA: Final = os.environ.get("MARKET_DATA_DIR", "")

pytestmark = pytest.mark.skipif(not DATA, reason="MARKET_DATA_DIR is not set: no recorded markets")


def operating() -> Operating:
    system = from_toml(SystemConfig, CONFIG, "system", "")
    terms = FillTerms(**{name: getattr(system.paper, name) for name in FillTerms.__struct_fields__})
    strategies = from_toml(StrategiesConfig, CONFIG, "strategies", "").strategy
    return Operating(system.account, strategies, from_toml(RiskConfig, CONFIG, "risk", "").limit, terms, system.fleet_tag, system.tradable)


async def beside_a_backtest(fleet: Fleet, replay: str, data: Path | None) -> Compared:
    database = Database(fleet.url, "parity")
    try:
        dataset = named(replay)
        [compared] = await compare(database, (dataset.start, dataset.end), operating(), None, data)
        return compared
    finally:
        await database.close()


async def halts_of(fleet: Fleet) -> tuple[list[Halt], list[Halt]]:
    """Halts of the one account: those that risk_manager wrote down, and those of a backtest over the same bars."""
    database = Database(fleet.url, "parity")
    try:
        [session] = await sessions.played(database)
        [account] = await sessions.accounts(database, session.session_id)
        rows = await database.fetch(
            "select limit_name, ns_of(halted_at), equity, reference, limit_value, seen from risk_halts order by halted_at, limit_name"
        )
        played = play(
            await stored_tape(database, session, session.market_time + 1000),
            setup_of(session, account, operating(), Held.of_the_file(operating())),
        )
        return [Halt(*row) for row in rows], list(played.halts)
    finally:
        await database.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("replay", ["equities", "aapl_split", "goog_half_day", "crypto"])
async def test_a_recorded_market_is_traded_alike_by_fleet_and_backtester(
    tmp_path: Path, database_url: str, redis_url: str, replay: str
) -> None:
    with a_fleet(tmp_path, database_url, redis_url, ["--lockstep", "--replay", replay], {"CONFIG_DIR": str(CONFIG)}) as fleet:
        fleet.play_to_its_end()
        from_the_record = await beside_a_backtest(fleet, replay, None)
        from_the_files = await beside_a_backtest(fleet, replay, Path(DATA))
        halts, expected = await halts_of(fleet)
        books = fleet.ask("select count(distinct strategy_id) from positions")
        held_over_the_split = fleet.ask("select coalesce(sum(amount), 0) from cash_ledger where kind = 'corporate_action' and amount > 0")
        fleet.stop()
    assert from_the_record.differences == from_the_files.differences == []
    assert from_the_files.trades > 100
    assert halts == expected
    assert [halt.limit for halt in halts] == HALTED.get(replay, [])
    assert books >= 5
    assert (held_over_the_split > Decimal(0)) is (replay == "aapl_split")
