"""Alerts that a person has to acknowledge: raised by the gate, told once, and a stopped account where nobody answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fleet.cli import app
from libs.common.bus import MemoryBus
from libs.common.clocks import SystemClock
from libs.common.database import Conflict, Database
from libs.common.envelope import Sealer
from libs.common.journal import PostgresJournal
from libs.domain.configuration import AlertsConfig
from libs.domain.kill import Mode
from libs.domain.messages import RiskAlert
from libs.store import control, risk_alerts
from libs.store.control import Control
from libs.store.risk_alerts import RiskAlertStanding
from services.risk_manager.alert_watch import AlertWatch
from tests.scenes import begin, clear

ACCOUNT = "paper"


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, "test")
    await clear(database)
    await begin(database)
    yield database
    await database.close()


def an_alert(symbol: str = "ALFA", message: str = "KeyError: 'EUR'") -> RiskAlert:
    return RiskAlert(
        code="RC-ERR",
        severity="critical",
        account_id=ACCOUNT,
        strategy_id="sma",
        symbol=symbol,
        message=message,
        limit="",
        seen="",
        market_time=1,
    )


def hand(database: Database) -> Control:
    return Control(database, PostgresJournal(database, MemoryBus(), SystemClock()), SystemClock(), "risk_manager")


def watching(database: Database, config: AlertsConfig | None = None) -> AlertWatch:
    clock, bus = SystemClock(), MemoryBus()
    config = config or AlertsConfig()
    return AlertWatch(database, hand(database), ACCOUNT, config, Sealer("risk_manager", clock), clock, bus.publish)


async def told(database: Database) -> list[tuple[str, str]]:
    return [(state, key) for state, key in await database.fetch("select state, key from notifications order by created_at, id")]


async def the_alert(database: Database) -> RiskAlertStanding:
    [alert] = await risk_alerts.unacknowledged(database)
    return alert


async def test_the_same_alert_of_a_book_is_one_whose_deadline_is_that_of_the_first_time(database: Database) -> None:
    await database.write(risk_alerts.raised([an_alert(), an_alert()], 60.0))
    first = await the_alert(database)
    await database.write(risk_alerts.raised([an_alert(message="KeyError: 'CHF'")], 60.0))
    again = await the_alert(database)
    assert (first.times, again.times, again.message) == (2, 3, "KeyError: 'CHF'")
    assert (again.id, again.deadline) == (first.id, first.deadline)


async def test_it_is_told_once_and_stops_nothing_before_its_time(database: Database) -> None:
    await database.write(risk_alerts.raised([an_alert(), an_alert("BRVO")], 60.0))
    await watching(database).look()
    await watching(database).look()
    assert [state for state, _ in await told(database)] == ["firing", "firing"]
    assert await control.killed(database) == []


@pytest.mark.parametrize("mode", ["halt", "flatten", "reduce_only"])
async def test_unanswered_it_stops_its_account_once(database: Database, mode: Mode) -> None:
    await database.write(risk_alerts.raised([an_alert()], 0.0))
    watch = watching(database, AlertsConfig(mode=mode))
    await watch.look()
    [killed] = await control.killed(database)
    assert (killed.scope, killed.key, killed.mode, killed.by) == ("account", ACCOUNT, mode, "risk_manager")
    assert "was not acknowledged in time: RC-ERR KeyError: 'EUR'" in killed.reason
    await watch.look()
    assert (await control.killed(database))[0].at == killed.at, "it is not set again, nor does it cool off anew"


async def test_what_is_stopped_more_strictly_already_stays_as_it_is(database: Database) -> None:
    await hand(database).kill("account", ACCOUNT, "halt", "by hand", "me")
    await database.write(risk_alerts.raised([an_alert()], 0.0))
    await watching(database, AlertsConfig(mode="reduce_only")).look()
    assert [(kill.mode, kill.by) for kill in await control.killed(database)] == [("halt", "me")]


async def test_acknowledged_it_stops_nothing_and_the_next_one_is_new(database: Database) -> None:
    await database.write(risk_alerts.raised([an_alert()], 60.0))
    await watching(database).look()
    alert = await hand(database).acknowledge(str((await the_alert(database)).id)[:8], "a rate was missing", "me")
    with pytest.raises(Conflict):
        await hand(database).trip(alert, "halt", "risk_manager")
    assert await told(database) == [("firing", alert.fault), ("resolved", alert.fault)]
    await database.write(risk_alerts.raised([an_alert()], 60.0))
    assert ((await the_alert(database)).id != alert.id, (await the_alert(database)).times) == (True, 1)
    assert await control.killed(database) == []


async def test_an_alert_is_acknowledged_with_a_reason_by_a_name_that_is_there(database: Database) -> None:
    await database.write(risk_alerts.raised([an_alert()], 60.0))
    with pytest.raises(ValueError, match="say with --reason what you found"):
        await hand(database).acknowledge(str((await the_alert(database)).id), " ", "me")
    with pytest.raises(LookupError, match="no alert that waits to be acknowledged begins with 'zz'"):
        await hand(database).acknowledge("zz", "why", "me")


async def test_an_operator_sees_what_waits_and_acknowledges_it(database: Database, url: str, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": url, "STATE_DIR": str(tmp_path), "REDIS_URL": ""}

    async def types(*words: str) -> Result:
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, ["risk", *words], env=environment))

    assert "no alert waits" in (await types("alerts")).stdout
    await database.write(risk_alerts.raised([an_alert()], 600.0))
    listed = (await types("alerts")).stdout
    assert f"RC-ERR in {ACCOUNT} sma ALFA: KeyError: 'EUR'" in listed
    assert f"stops account {ACCOUNT} in" in listed
    assert "ALERT" in (await types("status")).stdout
    done = await types("ack", listed[:8], "--reason", "a rate was missing")
    assert (done.exit_code, done.stdout[:21]) == (0, f"acknowledged {listed[:8]}")
    assert (await types("ack", listed[:8], "--reason", "again")).exit_code == 1
    [shown] = json.loads((await types("alerts", "--all", "--json")).stdout)["alerts"]
    assert shown["reason"] == "a rate was missing"
