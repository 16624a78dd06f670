"""The service runs the searches that are asked of it, as the command would, and says which it does not run."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from aiohttp import web
from typer.testing import CliRunner

from fleet.cli import app
from fleet.embedded.server import wait_until
from libs.common.database import Database
from libs.common.settings import Settings
from libs.quant.validation.sharpe import expected_max
from libs.store import searches
from services.backtester.job import Checked
from services.backtester.search_asked import Asked
from services.backtester.search_check import checked
from services.backtester.search_routes import asked_of
from services.backtester.spec import Spec
from tests.backtest_commands import SMA, fleet
from tests.backtester_process import LIMIT_S, Service
from tests.search_results import FINISHED


def test_a_search_of_the_service_finds_what_the_command_finds(
    service: Callable[[], Service], environment: dict[str, str], bars: Path
) -> None:
    backtest = {"strategy": "sma_cross", "data": str(bars), "risk": False, "sizing": "fixed:1"}
    body = {"backtest": backtest, "ranges": ["slow=8:14:3", "fast=2,3"], "seed": 4, "forward": {"train": "2h", "test": "1h"}}
    running = service()
    id_ = running.asked("/searches", body)
    found = running.ended(id_, "searches")
    assert (found["state"], found["error"], len(found["result"]["trials"])) == ("done", "", 6)
    assert found["created_at"] <= found["started_at"] <= found["finished_at"]
    options = ("--range", "slow=8:14:3", "--range", "fast=2,3", "--seed", "4", "--train", "2h", "--test", "1h", "--no-store")
    theirs = fleet(environment, "backtest", "walk-forward", "sma_cross", *SMA[6:], "--data", bars, *options)
    assert (found["fingerprint"], found["result"]["trials"]) == (theirs["fingerprint"], theirs["trials"])
    assert found["result"]["walk_forward"] == theirs["walk_forward"]
    assert [(each["id"], each["state"]) for each in running.ask("/searches")[1]["searches"]] == [(id_, "done")]
    headers, page = running.page(f"/searches/{id_}/report")
    assert (headers["Content-Type"], headers["X-Content-Type-Options"]) == ("text/html; charset=utf-8", "nosniff")
    assert ("Search over sma_cross" in page, id_ in page) == (True, True)
    assert running.ask(f"/searches/{id_}/report?format=json")[1] == found["result"]


def test_trials_of_an_earlier_search_count_in_one_of_the_service(service: Callable[[], Service], bars: Path) -> None:
    running = service()
    backtest = {"strategy": "sma_cross", "data": str(bars), "risk": False, "sizing": "fixed:1", "params": {"slow": 9}}
    counted = [
        running.ended(running.asked("/searches", {"backtest": backtest, "ranges": [each]}), "searches")["result"]["counted"]
        for each in ("fast=2,3", "fast=4,5,6")
    ]
    assert counted == [2, 5]


def test_idle_trials_of_an_earlier_search_do_not_make_luck_look_small_in_one_of_the_service(
    service: Callable[[], Service], bars: Path
) -> None:
    running = service()
    backtest = {"strategy": "sma_cross", "data": str(bars), "risk": False, "sizing": "fixed:1"}
    idle, after = (
        running.ended(running.asked("/searches", {"backtest": backtest, "ranges": each}), "searches")["result"]
        for each in (["fast=2:21", "slow=400"], ["fast=2,3,4", "slow=9"])
    )
    compared = [trial["figures"]["period_sharpe"] for trial in after["trials"]]
    assert (idle["best"], after["counted"]) == (None, 23)
    assert after["deflated"]["expected_max"] == pytest.approx(expected_max(statistics.variance(compared), 23))


def test_a_search_of_which_no_trial_can_be_run_says_why(service: Callable[[], Service], bars: Path) -> None:
    running = service()
    asked = {"backtest": {"strategy": "pairs", "data": str(bars), "risk": False}, "ranges": ["length=10,20"]}
    found = running.ended(running.asked("/searches", asked), "searches")
    assert (found["state"], found["result"]) == ("failed", None)
    assert "not one of 2 trials could be run; the first: pairs: pairs runs over 2 to 2 symbols, this market has 1" in found["error"]


def test_a_search_that_cannot_be_run_says_why(service: Callable[[], Service], environment: dict[str, str], bars: Path) -> None:
    running = service()
    id_ = running.asked("/searches", {"backtest": {"strategy": "sma_cross", "data": f"{bars}.csv"}})
    found = running.ended(id_, "searches")
    assert (found["state"], found["result"], "bars.csv.csv" in found["error"]) == ("failed", None, True)
    status, problem = running.ask(f"/searches/{id_}/report")
    assert (status, problem["detail"]) == (409, f"search {id_} is failed and has no result: {found['error']}")
    assert running.ask("/searches/ffff/report")[0] == 404
    said = CliRunner().invoke(app, ["backtest", "searches"], env=environment).stdout
    assert ("failed" in said, "bars.csv.csv" in said) == (True, True)
    assert found["error"] in CliRunner().invoke(app, ["backtest", "searches", id_], env=environment).stdout
    assert "has no result" in fleet(environment, "backtest", "report", id_, code=1)["error"]


def test_a_search_that_cannot_be_asked_for_is_refused_in_the_words_of_the_command(
    service: Callable[[], Service], environment: dict[str, str], bars: Path
) -> None:
    running, backtest = service(), {"strategy": "sma_cross", "data": str(bars)}
    for changed, options in (
        ({"ranges": ["fat=1:3"]}, ("--range", "fat=1:3")),
        ({"ranges": ["fast=3:1:1"]}, ("--range", "fast=3:1:1")),
        ({"method": "luck"}, ("--method", "luck")),
        ({"method": "grid", "trials": 3}, ("--method", "grid", "--trials", "3")),
        ({"trials": 0}, ("--trials", "0")),
        ({"metric": "luck"}, ("--metric", "luck")),
        ({"cv": "purged"}, ("--cv", "purged")),
    ):
        status, problem = running.ask("/searches", {"backtest": backtest} | changed)
        theirs = fleet(environment, "backtest", "search", "sma_cross", "--data", bars, *options, code=2)["error"]
        assert (status, problem["detail"]) == (400, theirs)
    assert running.ask("/searches")[1]["searches"] == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"speed": 3}, "unknown field `speed`"),
        ({"seed": -1}, "$.seed"),
        ({"forward": {"train": "1d"}}, "missing required field `test`"),
        ({"backtest": {"strategy": "sma_cross", "data": "/etc/passwd"}}, "expected data to be the whole path of a file below"),
        ({"backtest": {"strategy": "sma_cross"}}, "exactly one of data, replay and symbols"),
    ],
)
def test_what_no_search_can_be_is_named(changed: dict[str, Any], said: str, environment: dict[str, str], bars: Path) -> None:
    asked = {"backtest": {"strategy": "sma_cross", "data": str(bars)}} | changed
    with pytest.raises(web.HTTPBadRequest) as refused:
        asked_of(msgspec.json.encode(asked), Settings(database_url="", redis_url="", state_dir=environment["STATE_DIR"]))
    assert said in (refused.value.text or "")


async def test_a_search_that_a_dead_service_was_running_is_taken_up_again(
    service: Callable[[], Service], environment: dict[str, str], bars: Path
) -> None:
    backtest = Spec(strategy="sma_cross", data=str(bars), risk=False, sizing="fixed:1")
    asked = checked(Asked(backtest=backtest, ranges=["fast=2,3", "slow=9"]))
    assert isinstance(asked, Checked)
    id_, database = uuid4(), Database(environment["DATABASE_URL"], "test")
    await database.write([searches.queued(id_, asked.strategy, asked.spec)])
    taken = await searches.take(database)
    assert taken is not None
    assert await searches.take(database) is None
    await database.close()
    assert service().ended(str(id_), "searches")["state"] == "done"


def test_a_lost_connection_to_the_record_ends_no_search_that_runs(
    service: Callable[[], Service], environment: dict[str, str], bars: Path
) -> None:
    running = service()
    backtest = {"strategy": "sma_cross", "data": str(bars), "risk": False, "sizing": "fixed:1"}
    id_ = running.asked("/searches", {"backtest": backtest, "ranges": ["fast=2:4", "slow=10:13"]})
    assert wait_until(lambda: running.ask(f"/searches/{id_}")[1]["state"] == "running", LIMIT_S)
    began = running.ask(f"/searches/{id_}")[1]["started_at"]
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        ours = "application_name in ('backtester:queue', 'backtester:searches') and datname = current_database()"
        assert connection.execute(f"select count(pg_terminate_backend(pid)) from pg_stat_activity where {ours}").fetchone() == (2,)
    found = running.ended(id_, "searches")
    assert (found["state"], found["started_at"], len(found["result"]["trials"])) == ("done", began, 12)


async def test_a_search_keeps_its_first_result(environment: dict[str, str]) -> None:
    id_, database = uuid4(), Database(environment["DATABASE_URL"], "test")
    await database.write([searches.queued(id_, "sma_cross", b"{}")])
    for search in (FINISHED, msgspec.structs.replace(FINISHED, fingerprint="other")):
        await database.write(searches.finished(id_, search))
    await database.write([searches.failed(id_, "late")])
    found = await searches.found(database, str(id_))
    await database.close()
    assert found.result is not None
    assert (found.state, found.error, found.fingerprint, len(found.result["trials"])) == ("done", "", "all", 1)
