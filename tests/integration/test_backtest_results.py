"""What `fleet backtest run` stores is listed, shown, drawn anew and reported as it was."""

import asyncio
from pathlib import Path
from uuid import uuid4

import msgspec
from typer.testing import CliRunner

from fleet import record
from fleet.cli import app
from libs.store import searches
from tests.backtest_commands import SMA, a_file, fleet, run
from tests.search_results import FINISHED, a_search


def test_a_run_is_stored_with_its_trades_and_listed(environment: dict[str, str], bars: Path) -> None:
    made = run(environment, "--data", bars)
    (listed,) = fleet(environment, "backtest", "results")["backtests"]
    assert (listed["id"], listed["state"], listed["fingerprint"]) == (made["id"], "done", made["fingerprint"])
    whole = fleet(environment, "backtest", "results", made["id"][:8])
    assert len(whole["trades"]) == whole["result"]["trades"] == made["trades"] > 0


def test_results_read_well(environment: dict[str, str], bars: Path) -> None:
    made = run(environment, "--data", bars)
    said = CliRunner().invoke(app, ["backtest", "results"], env=environment).stdout
    assert made["id"][:8] in said
    whole = CliRunner().invoke(app, ["backtest", "results", made["id"]], env=environment).stdout
    assert whole.count(" buy ") + whole.count(" sell ") == made["trades"]


def test_an_unknown_id_is_refused(environment: dict[str, str]) -> None:
    assert "no backtest has an id that begins with 'ffff'" in fleet(environment, "backtest", "results", "ffff", code=2)["error"]


def test_the_trades_of_a_stored_backtest_are_drawn_anew(environment: dict[str, str], bars: Path) -> None:
    made = run(environment, "--data", bars, "--fee-bps", "1")
    asked = ("backtest", "montecarlo", made["id"][:8], "--runs", "200", "--seed", "3")
    found = fleet(environment, *asked)
    assert found == fleet(environment, *asked)
    assert (found["id"], [way["method"] for way in found["found"]]) == (made["id"], ["drawn", "shuffled"])
    assert found["found"][0]["seed"] == 3
    too_many = fleet(environment, "backtest", "montecarlo", made["id"], "--runs", "1000000000", code=2)
    assert "got 1,000,000,000" in too_many["error"]


def test_a_report_of_a_stored_result_is_of_that_result_or_is_refused(environment: dict[str, str], bars: Path, tmp_path: Path) -> None:
    stored = fleet(environment, "backtest", "run", "--data", bars, *SMA)
    found = fleet(environment, "backtest", "report", stored["id"], "--output", tmp_path / "page.html")
    assert found["result"]["final_equity"] == stored["final_equity"]
    assert stored["id"] in (tmp_path / "page.html").read_text()
    a_file(bars, 8)
    said = fleet(environment, "backtest", "report", stored["id"], code=1)["error"]
    assert "data: the bars are not the same" in said
    bars.unlink()
    assert "cannot be played again" in fleet(environment, "backtest", "report", stored["id"], code=2)["error"]


def test_a_stored_search_has_a_page_of_its_own(environment: dict[str, str], tmp_path: Path) -> None:
    id_, result = uuid4(), a_search()
    search = msgspec.structs.replace(FINISHED, trials=result.pop("trials"), result=result)
    asyncio.run(record.with_database(environment["DATABASE_URL"], lambda database: database.write(searches.stored(id_, search))))
    found = fleet(environment, "backtest", "report", str(id_)[:8], "--output", tmp_path / "page.html")
    assert (found["label"], len(found["trials"])) == ("overfitted", 30)
    assert "Search over sma_cross" in (tmp_path / "page.html").read_text()
    neither = fleet(environment, "backtest", "report", "ffffffff", code=2)["error"]
    assert "no backtest" in neither
    assert "no search" in neither
