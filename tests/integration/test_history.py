"""What risk is measured from, read from a real record; what risk_manager measures, and what `fleet risk measures` says.

60 days of one-minute bars, two a day: ALFA on weekdays, BTC/USD on all days. `fast` has bought 100 ALFA and `slow` 10.
"""

import asyncio
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from math import sin
from pathlib import Path

import msgspec
import psycopg
import pytest
from prometheus_client import REGISTRY
from typer.testing import CliRunner

from fleet.cli import app
from libs.common.database import Database, Write
from libs.domain.measuring import MeasuresConfig
from libs.store import history, market, sessions, strategies
from libs.store.execution import ExecutionStore
from libs.store.history import DAY
from services.risk_manager.measuring import Measuring
from tests.factories import NOON, SECOND, a_signal
from tests.fleets import configuration
from tests.integration.test_queries import CHECKS, FAST, SLOW
from tests.records import a_record
from tests.scenes import SESSION, a_bar, begin
from tests.trading import Scene

MINUTE = 60 * SECOND
BEGINS = NOON // DAY * DAY  # a Monday
DAYS = 60
WEEKDAYS = [day for day in range(DAYS) if day % 7 < 5]


def close(day: int) -> float:
    return 100.0 + 3.0 * sin(day)


async def populate(url: str) -> None:
    database = Database(url, "test")
    account = await begin(database, replace(SESSION, start_time=BEGINS))
    await ExecutionStore(database, account).deposit(Write("select 1", ()))
    await strategies.register(database, [FAST, SLOW])
    scene = Scene(database)
    for signal, quantity in ((a_signal(1.0), 100), (a_signal(1.0, strategy_id="slow"), 10)):
        await scene.wants(signal, "APPROVED", CHECKS)
        await scene.trades(signal, "buy", quantity, [(quantity, "100.00")])
    bars = []
    for day in range(DAYS):
        at = BEGINS + day * DAY + 15 * 3600 * SECOND
        for symbol in ("ALFA", "BTC/USD") if day in WEEKDAYS else ("BTC/USD",):
            bars += [a_bar(at, 1.0, symbol, "1m"), a_bar(at + MINUTE, close(day), symbol, "1m")]
    bars.append(a_bar(BEGINS + DAYS * DAY, 102.0, "ALFA", "1m"))  # of the day that is not over
    bars.append(a_bar(BEGINS + DAYS * DAY, 102.0, "ALFA", "1s"))
    clock = Write("update sessions set market_time = %s", (BEGINS + DAYS * DAY + 3600 * SECOND,))
    await database.write([*market.store_bars(bars), clock])
    await database.close()


@pytest.fixture(scope="module")
def url(database_url: str) -> Iterator[str]:
    with a_record(database_url) as url:
        asyncio.run(populate(url))
        yield url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, "test")
    yield database
    await database.close()


async def test_the_material_is_every_symbol_once_with_its_daily_closes(database: Database) -> None:
    found = await history.material(database, "paper", {"equity": "BTC/USD", "crypto": "SPY"}, observations=500, enough=30)
    (alfa,) = found.held
    assert (alfa.symbol, alfa.asset_class, alfa.value, alfa.priced) == ("ALFA", "equity", 110 * 102.0, True)
    assert sorted(found.closes.prices) == ["ALFA", "BTC/USD"]
    assert found.closes.length_ns == DAY
    assert found.closes.prices["ALFA"] == [close(day) if day in WEEKDAYS else None for day in range(DAYS)]
    assert found.closes.prices["BTC/USD"] == [close(day) for day in range(DAYS)]
    assert list(found.closes.ends) == [BEGINS + (day + 1) * DAY for day in range(DAYS)]
    assert found.equities == [found.equity]


async def test_the_volume_of_a_day_is_that_of_the_days_on_which_it_traded(database: Database) -> None:
    found = await history.material(database, "paper", {}, observations=500, enough=30)
    traded = [10.0 * (1.0 + close(day)) for day in WEEKDAYS if day >= DAYS - history.VOLUME_DAYS]
    assert found.held[0].daily_volume == pytest.approx(sum(traded) / len(traded))


async def test_hours_and_then_minutes_are_read_while_there_are_too_few_days(database: Database) -> None:
    found = await history.material(database, "paper", {}, observations=500, enough=len(WEEKDAYS))
    assert found.closes.length_ns == MINUTE
    assert found.closes.prices["ALFA"] == [1.0, close(58), 1.0, close(59), 102.0]  # of the last 50 hours


async def test_no_more_is_read_than_asked_for_and_nothing_of_what_is_not_over(database: Database) -> None:
    session = await sessions.named(database, "session")
    assert session is not None
    found = await history.closes(database, session, ["ALFA"], "1d", 10)
    assert found.prices["ALFA"] == [close(day) for day in WEEKDAYS[-11:]]
    with pytest.raises(LookupError, match="no bars of 1s or shorter, it has 1m"):
        await history.closes(database, replace(session, timeframes=("1m",)), ["ALFA"], "1s", 10)
    unknown = await history.closes(database, session, ["NONE"], "1d", 10)
    assert (unknown.ends, unknown.prices) == ((), {"NONE": ()})


async def test_an_account_that_is_not_there_is_refused(database: Database) -> None:
    with pytest.raises(LookupError, match="no account is called 'papr'; there are: paper"):
        await history.material(database, "papr", {}, observations=500, enough=30)


@pytest.fixture
def cli(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name, value in {"DATABASE_URL": url, "STATE_DIR": str(tmp_path), "CONFIG_DIR": str(configuration(tmp_path / "config"))}.items():
        monkeypatch.setenv(name, value)
    return CliRunner()


def test_the_command_says_what_can_be_lost_and_what_is_not_measured(cli: CliRunner) -> None:
    found = cli.invoke(app, ["risk", "measures"])
    assert found.exit_code == 0, found.output
    assert f"measured     from {len(WEEKDAYS) - 1} returns of one day" in found.output
    assert "1 DAY IN 20" in found.output
    assert "Black Monday" in found.output
    assert "historical value at risk at 99%: P&L: expected at least 100 observations at 0.99, got 43" in found.output
    (numbers,) = json.loads(cli.invoke(app, ["risk", "measures", "--account", "paper", "--json"]).output)["accounts"].values()
    assert numbers["gross"] == 11_220.0
    assert numbers["positions"][0]["beta"] is None


def test_an_unknown_account_is_refused_on_the_command_line(cli: CliRunner) -> None:
    found = cli.invoke(app, ["risk", "measures", "--account", "papr"])
    assert found.exit_code == 1
    assert "no account is called 'papr'" in found.output


def gauge(name: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"account": "paper"} | ({"method": "historical"} if "value_at_risk" in name else {}))


async def test_risk_manager_stores_and_shows_what_it_measures(database: Database) -> None:
    measuring = Measuring(database, "paper", MeasuresConfig(confidence=0.95), ())
    risk = await measuring.measure()
    await measuring.measure()  # the market stands still: the same row
    [(at, equity, stored)] = await database.fetch("select ns_of(at), equity, measures from risk_metrics")
    assert (at, equity) == (BEGINS + DAYS * DAY + 3600 * SECOND, risk.equity)
    assert stored == json.loads(msgspec.json.encode(risk))
    (tail,) = [tail for tail in risk.tails if (tail.method, tail.confidence) == ("historical", 0.95)]
    assert gauge("tradewinds_risk_value_at_risk_ratio") == tail.value_at_risk / risk.equity
    assert gauge("tradewinds_risk_worst_stress_ratio") == max(-test.pnl / risk.equity for test in risk.stress)


def test_the_report_is_a_page_with_limits_breaches_measures_and_pictures(cli: CliRunner, url: str, tmp_path: Path) -> None:
    with psycopg.connect(url) as record:
        for n in range(3):
            record.execute(
                "insert into portfolio_equity values ('paper', '', at_ns(%s), %s, %s, 0)", (BEGINS + n * DAY, 100_000 - n, -n / 1e5)
            )
        record.execute(
            "update risk_assessments set verdict = 'REFUSED', code = 'RC-B02', reason = 'gross <above>' where strategy_id = 'slow'"
        )
    page = tmp_path / "report.html"
    done = cli.invoke(app, ["risk", "report", "--out", str(page)])
    assert (done.exit_code, done.output) == (0, f"wrote {page}: 1 account\n")
    text = page.read_text()
    shown = ET.fromstring(re.sub(r"^<!doctype html>\n|<meta[^>]*>", "", text))  # well-formed but for the tags that HTML leaves open
    assert [p.attrib["class"] for p in shown.iter("polyline")][:2] == ["curve0", "curve0"]
    cells = {cell.text for cell in shown.iter("td")}
    assert {"ALFA", "RC-B02", "gross <above>", "11,220.00"} <= cells
    assert "Black Monday" in text


def test_a_report_that_cannot_be_written_says_where(cli: CliRunner, tmp_path: Path) -> None:
    done = cli.invoke(app, ["risk", "report", "--out", str(tmp_path / "none" / "report.html")])
    assert (done.exit_code, "cannot be written" in done.output) == (2, True)


async def test_what_cannot_be_measured_any_more_is_not_shown_as_it_was(database: Database) -> None:
    measuring = Measuring(database, "paper", MeasuresConfig(confidence=0.95), ())
    await measuring.measure()
    await database.write([Write("update positions set quantity = 0", ())])
    assert (await measuring.measure()).tails == []
    assert (gauge("tradewinds_risk_value_at_risk_ratio"), gauge("tradewinds_risk_exit_seconds")) == (None, None)
