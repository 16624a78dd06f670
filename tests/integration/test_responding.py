"""Steps that are taken of themselves when a measured risk is too high, and that only a person takes back."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from libs.common.bus import MemoryBus
from libs.common.clocks import SystemClock
from libs.common.database import Database
from libs.common.journal import PostgresJournal
from libs.common.settings import from_toml
from libs.domain.configuration import RiskConfig
from libs.domain.measuring import ResponseConfig, Step
from libs.quant.risk.measures.breaches import Breach
from libs.store import control, limits
from libs.store.control import Control
from libs.store.sessions import Account
from services.risk_manager.responding import Responding
from tests.scenes import begin, clear

CONFIG = Path(__file__).parents[2] / "config"


class Scene:
    """An account, and what responds to its risk."""

    def __init__(self, database: Database, account: Account) -> None:
        self.database = database
        clock = SystemClock()
        self.control = Control(database, PostgresJournal(database, MemoryBus(), clock), clock, "risk_manager", cool_off_s=0.0)
        self.account = account
        self.responding = self.again()

    def again(self) -> Responding:
        """As after a restart."""
        return Responding(self.database, self.control, self.account, (), SystemClock())

    async def modes(self) -> list[str]:
        return [mode for _, _, mode in await control.kills(self.database)]

    async def orders_a_minute(self) -> list[float | None]:
        return [row.value for row in (await limits.now(self.database)).holding if row.name == "max_orders_per_minute"]

    async def told(self) -> Sequence[str]:
        rows = await self.database.fetch("select state from notifications where starts_with(key, 'risk_response:') order by created_at, id")
        return [row[0] for row in rows]


@pytest.fixture
async def scene(url: str) -> AsyncIterator[Scene]:
    database = Database(url, "test")
    await clear(database)
    account = await begin(database)
    await limits.begin(database, from_toml(RiskConfig, CONFIG, "risk", "").limit, "risk_manager")
    yield Scene(database, account)
    await database.close()


def too_high(step: Step, seen: float = 0.06) -> Breach:
    return Breach(ResponseConfig(measure="value_at_risk", most=0.05, step=step), seen)


async def test_a_warning_is_told_once_and_so_is_its_end(scene: Scene) -> None:
    for found in ([too_high("warn")], [too_high("warn", 0.07)], [], []):
        await scene.responding.respond(found)
    assert await scene.told() == ["firing", "resolved"]
    assert await scene.modes() == []


async def test_of_several_steps_the_strictest_stops_the_account(scene: Scene) -> None:
    await scene.responding.respond([too_high("reduce_only"), too_high("flatten"), too_high("warn")])
    assert await scene.modes() == ["flatten"]
    await scene.responding.respond([too_high("halt")])
    assert await scene.modes() == ["halt"]
    await scene.responding.respond([too_high("reduce_only")])
    assert await scene.modes() == ["halt"], "a weaker step lifts nothing"


async def test_nothing_is_taken_back_when_the_risk_is_lower_again_but_by_a_person(scene: Scene) -> None:
    await scene.responding.respond([too_high("reduce_only")])
    await scene.responding.respond([])
    assert await scene.modes() == ["reduce_only"]
    await scene.control.rearm("account", scene.account.account_id, "sold what it came from", "me")
    await scene.responding.respond([])
    assert await scene.modes() == []


async def test_a_throttle_halves_the_orders_a_minute_once_also_after_a_restart(scene: Scene) -> None:
    before = await scene.orders_a_minute()
    await scene.responding.respond([too_high("throttle")])
    await scene.again().respond([too_high("throttle", 0.09)])
    assert (before, await scene.orders_a_minute()) == ([120.0], [120.0, 60.0])
    [row] = [row for row in (await limits.now(scene.database)).holding if (row.name, row.value) == ("max_orders_per_minute", 60.0)]
    assert (row.key, row.reason) == ("paper", "throttled: value_at_risk 6.00%, at most 5.00%")
