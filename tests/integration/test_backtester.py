"""Backtests in the record: the command stores them, the service runs those that are asked of it."""

import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from aiohttp import web
from typer.testing import CliRunner

from fleet import record
from fleet.cli import app
from fleet.embedded.ports import free_port
from fleet.embedded.postgres import EmbeddedPostgres
from fleet.embedded.processes import is_running
from fleet.embedded.server import wait_until
from fleet.plan import FleetSettings
from fleet.record import NoRecord
from libs.common.database import Database
from libs.common.settings import Settings
from libs.domain.fleet import PORTS
from libs.quant.validation.sharpe import expected_max
from libs.store import backtests, market, searches, sessions
from services.backtester.app import end_of
from services.backtester.job import Checked, Failed, Job
from services.backtester.routes import spec_of
from services.backtester.search_asked import Asked
from services.backtester.search_check import checked
from services.backtester.search_routes import asked_of
from services.backtester.spec import Spec
from tests.factories import NOON, SECOND
from tests.fleets import configuration
from tests.paper import ALFA
from tests.scenes import a_bar, begin, clear
from tests.search_results import a_search
from tests.waiting import until

LIMIT_S = 60
A_SEARCH = searches.Finished(
    state="done",
    strategy="sma_cross",
    spec=b"{}",
    result={"label": "not shown"},
    trials=[{"n": 1, "params": {"fast": 3}, "figures": None, "error": "refused"}],
    error="",
    seconds=1.5,
    fingerprint="all",
    data="data",
    code="code",
    config="config",
    engine="engine",
)
ASKED = {"strategy": "sma_cross", "params": {"fast": 3, "slow": 8}, "risk": False, "sizing": "fixed:1"}
SMA = ("--strategy", "sma_cross", "--param", "fast=3", "--param", "slow=8", "--risk", "off", "--sizing", "fixed:1")


@pytest.fixture
def environment(url: str, tmp_path: Path) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        connection.execute("truncate backtests, backtest_searches cascade")
    configuration(tmp_path / "config")
    return {"DATABASE_URL": url, "STATE_DIR": str(tmp_path / "state"), "CONFIG_DIR": str(tmp_path / "config"), "MARKET_DATA_DIR": ""}


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    folder = tmp_path / "state" / "data"
    folder.mkdir(parents=True)
    return a_file(folder / "bars.csv", 7)


def a_file(path: Path, seed: int, minutes: int = 300) -> Path:
    draw, price, at, lines = random.Random(seed), 100.0, datetime(2025, 1, 6, tzinfo=UTC), ["timestamp,open,high,low,close,volume"]
    for n in range(minutes):
        opened, price = price, round(price + draw.gauss(0, 0.2), 2)
        high, low = max(opened, price) + 0.05, min(opened, price) - 0.05
        lines.append(f"{(at + timedelta(minutes=n)).isoformat()},{opened},{high:.2f},{low:.2f},{price},1000")
    path.write_text("\n".join(lines) + "\n")
    return path


def fleet(environment: dict[str, str], *arguments: str | Path, code: int = 0) -> Any:
    """The JSON of a command that ends with this exit code."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"], env=environment)
    assert done.exit_code == code, done.output
    return json.loads(done.stdout.splitlines()[-1])


def run(environment: dict[str, str], *arguments: str | Path) -> Any:
    return fleet(environment, "backtest", "run", *SMA, *arguments)


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


def test_diff_explains_a_changed_fee(environment: dict[str, str], bars: Path) -> None:
    free, dear = run(environment, "--data", bars), run(environment, "--data", bars, "--fee-bps", "2")
    found = fleet(environment, "backtest", "diff", free["id"], dear["id"])
    assert (found["causes"], found["equal"], found["defect"]) == (["config"], False, False)
    assert found["spec"] == [{"what": "fee_bps", "a": "0", "b": "2"}]
    assert found["trades_differ"] == free["trades"]
    assert found["trades"][0]["a"]["executed_price"] == found["trades"][0]["b"]["executed_price"]


def test_diff_tells_what_holding_cost_beside_the_fees(environment: dict[str, str], bars: Path) -> None:
    days = a_file(bars, 7, minutes=1_500)
    free, paying = run(environment, "--data", days), run(environment, "--data", days, "--cash-rate", "36")
    found = fleet(environment, "backtest", "diff", free["id"], paying["id"])
    assert found["spec"] == [{"what": "financing.cash_rate", "a": "0", "b": "36"}]
    earned = paying["financing"]["cash_interest"]
    assert {"what": "financing.cash_interest", "a": 0.0, "b": earned} in found["figures"]
    assert earned > 0 == found["trades_differ"]
    assert found["holding"] == ["what holding cost follows from financing.cash_rate"]


def test_diff_explains_another_file(environment: dict[str, str], bars: Path) -> None:
    one = run(environment, "--data", bars, "--symbol", "ALFA")
    other = run(environment, "--data", a_file(bars.with_name("other.csv"), 8), "--symbol", "ALFA")
    found = fleet(environment, "backtest", "diff", one["id"], other["id"])
    assert found["causes"] == ["data"]
    said = CliRunner().invoke(app, ["backtest", "diff", one["id"], other["id"]], env=environment).stdout
    assert "the bars are not the same" in said
    assert "bars 1m ALFA: 2025-01 differs" in said
    assert "the first: the data of ALFA differ in 2025-01, when it was made" in said
    assert "final_equity" in said


def test_the_same_again_has_no_difference(environment: dict[str, str], bars: Path) -> None:
    ids = [run(environment, "--data", bars)["id"] for _ in range(2)]
    found = fleet(environment, "backtest", "diff", *ids)
    assert (found["causes"], found["spec"], found["equal"]) == ([], [], True)


def test_another_result_of_equal_fingerprints_is_called_a_defect(environment: dict[str, str], bars: Path) -> None:
    ids = [run(environment, "--data", bars)["id"] for _ in range(2)]
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        connection.execute("update backtest_trades set executed_price = executed_price + 1 where backtest_id = %s and n = 1", (ids[0],))
    assert fleet(environment, "backtest", "diff", *ids, code=1)["defect"]


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
    search = msgspec.structs.replace(A_SEARCH, trials=result.pop("trials"), result=result)
    asyncio.run(record.with_database(environment["DATABASE_URL"], lambda database: database.write(searches.stored(id_, search))))
    found = fleet(environment, "backtest", "report", str(id_)[:8], "--output", tmp_path / "page.html")
    assert (found["label"], len(found["trials"])) == ("overfitted", 30)
    assert "Search over sma_cross" in (tmp_path / "page.html").read_text()
    neither = fleet(environment, "backtest", "report", "ffffffff", code=2)["error"]
    assert "no backtest" in neither
    assert "no search" in neither


def test_an_unknown_id_is_refused(environment: dict[str, str]) -> None:
    assert "no backtest has an id that begins with 'ffff'" in fleet(environment, "backtest", "results", "ffff", code=2)["error"]


def test_a_result_without_a_record_is_given_all_the_same(environment: dict[str, str], bars: Path) -> None:
    nowhere = {**environment, "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none"}
    done = CliRunner().invoke(app, ["backtest", "run", *SMA, "--data", str(bars), "--json"], env=nowhere)
    assert (done.exit_code, json.loads(done.stdout)["id"]) == (0, None)
    assert "the result is not stored: the record does not answer" in done.stderr


def test_reading_makes_no_record_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(NoRecord, match="no record in"), record.opened(FleetSettings(state_dir=str(tmp_path)), to_write=False):
        pass
    assert not list(tmp_path.iterdir())


def test_without_a_fleet_the_embedded_record_is_started_for_a_moment(environment: dict[str, str], bars: Path) -> None:
    alone = {**environment, "DATABASE_URL": ""}
    server = EmbeddedPostgres(Path(environment["STATE_DIR"]) / "postgres")
    try:
        made = run(alone, "--data", bars)
        (listed,) = fleet(alone, "backtest", "results")["backtests"]
        assert listed["id"] == made["id"] is not None
        with record.opened(FleetSettings(state_dir=environment["STATE_DIR"]), to_write=False):
            assert run(alone, "--data", bars)["id"] is None  # somebody else has it open: the result is given all the same
    finally:
        server.wipe()  # as root its data lie elsewhere


@pytest.mark.parametrize(
    ("changed", "arguments", "code", "said"),
    [
        ({}, ("2013-10-07",), 2, "no session has played 2013-10-07"),
        ({}, ("monday",), 2, "expected a day such as 2013-10-07, got 'monday'"),
        ({}, ("2013-10-07", "--from-files"), 2, "MARKET_DATA_DIR, which is not set"),
        ({"DATABASE_URL": ""}, ("2013-10-07",), 3, "there is no record"),
    ],
)
def test_parity_says_what_it_cannot_compare(
    changed: dict[str, str], arguments: tuple[str, ...], code: int, said: str, environment: dict[str, str]
) -> None:
    assert said in fleet(environment | changed, "parity", *arguments, code=code)["error"]


def test_stored_bars_are_run_over(environment: dict[str, str]) -> None:
    prices = [100.0 + n % 20 for n in range(100)]
    asyncio.run(record.with_database(environment["DATABASE_URL"], lambda database: with_bars(database, prices)))
    made = run(environment, "--symbols", "ALFA")
    assert (made["bars"], made["timeframe"], made["source"]) == (100, "1s", "stored 1s bars of ALFA on TEST")
    assert made["trades"] > 0


def test_stored_bars_make_coarser_ones(environment: dict[str, str]) -> None:
    prices = [100.0 + n // 60 % 5 for n in range(900)]
    asyncio.run(record.with_database(environment["DATABASE_URL"], lambda database: with_bars(database, prices)))
    made = run(environment, "--symbols", "ALFA", "--timeframe", "1m")
    assert (made["bars"], made["timeframe"]) == (915, "1s")


def test_stored_bars_that_are_not_there_are_named(environment: dict[str, str]) -> None:
    answer = fleet(environment, "backtest", "run", *SMA, "--symbols", "NONE", code=2)
    assert "there are no such stored bars" in answer["error"]


async def with_bars(database: Database, prices: Sequence[float]) -> None:
    await sessions.register_instruments(database, [ALFA])
    await database.write(market.store_bars([a_bar(NOON + n * SECOND, price) for n, price in enumerate(prices)]))


# --- the service


class Service:
    """The backtester itself, in a process of its own."""

    def __init__(self, environment: dict[str, str], redis_url: str) -> None:
        offset = free_port() - PORTS["backtester"]
        self.base = f"http://127.0.0.1:{PORTS['backtester'] + offset}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.backtester"],
            env={**os.environ, **environment, "REDIS_URL": redis_url, "PORT_OFFSET": str(offset)},
            stdout=subprocess.DEVNULL,
        )
        assert wait_until(lambda: self.ask("/ready")[0] == 200, LIMIT_S)

    def ask(self, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        request = urllib.request.Request(self.base + path, data=None if body is None else msgspec.json.encode(body))
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except urllib.error.URLError:
            return 0, None

    def page(self, path: str, accept: str = "") -> tuple[Any, str]:
        """Headers and text of what is there."""
        with urllib.request.urlopen(urllib.request.Request(self.base + path, headers={"Accept": accept}), timeout=LIMIT_S) as answer:
            return answer.headers, answer.read().decode()

    def asked(self, path: str, body: object) -> str:
        """The id of what was asked for."""
        status, answer = self.ask(path, body)
        assert status == 202, answer
        return str(answer["id"])

    def ended(self, id_: str, of: str = "backtests") -> Any:
        """A backtest or a search once it has ended."""
        assert wait_until(lambda: self.ask(f"/{of}/{id_}")[1]["state"] in ("done", "failed"), LIMIT_S)
        return self.ask(f"/{of}/{id_}?trades=1")[1]


@pytest.fixture
def service(environment: dict[str, str], redis_url: str, bars: Path) -> Iterator[Callable[[], Service]]:
    started: list[Service] = []

    def start() -> Service:
        started.append(Service(environment, redis_url))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


def test_the_service_runs_what_is_asked_of_it(service: Callable[[], Service], environment: dict[str, str], bars: Path) -> None:
    asked = ASKED | {"data": str(bars)}
    running = service()
    status, answer = running.ask("/backtests", asked)
    assert status == 202
    found = running.ended(answer["id"])
    assert (found["state"], len(found["trades"])) == ("done", found["result"]["trades"])
    assert found["fingerprint"] == run(environment, "--data", bars)["fingerprint"]
    assert answer["id"] in {b["id"] for b in running.ask("/backtests?limit=5")[1]["backtests"]}
    failed = running.ended(running.ask("/backtests", asked | {"data": str(bars) + ".csv"})[1]["id"])
    assert (failed["state"], failed["trades"], failed["fingerprint"]) == ("failed", [], "")
    assert "bars.csv.csv" in failed["error"]
    asyncio.run(record.with_database(environment["DATABASE_URL"], lambda database: database.write(searches.stored(uuid4(), A_SEARCH))))
    (listed,) = running.ask("/searches")[1]["searches"]
    shown = running.ask(f"/searches/{listed['id'][:8]}")[1]
    assert (shown["strategy"], shown["result"]["label"], shown["result"]["trials"]) == ("sma_cross", "not shown", A_SEARCH.trials)
    assert running.ask("/searches/nothing")[0] == 404
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(LIMIT_S) == 0


def test_the_service_makes_the_page_of_a_backtest_and_the_same_as_json(service: Callable[[], Service], bars: Path) -> None:
    running = service()
    id_ = running.asked("/backtests", ASKED | {"data": str(bars)})
    found = running.ended(id_)
    headers, page = running.page(f"/backtests/{id_}/report")
    assert (headers["Content-Type"], headers["X-Content-Type-Options"]) == ("text/html; charset=utf-8", "nosniff")
    inside = page.split('Content-Security-Policy" content="')[1].split('"')[0]
    assert headers["Content-Security-Policy"].startswith(f"{inside}; ")
    assert "sha256-" in inside
    assert id_ in page
    for path, accept in ((f"/backtests/{id_}/report?format=json", "text/html"), (f"/backtests/{id_}/report", "application/json")):
        headers, text = running.page(path, accept)
        report = json.loads(text)
        assert headers["Content-Type"] == "application/json"
        assert (report["id"], report["result"]["final_equity"]) == (id_, found["result"]["final_equity"])
        assert report["review"]["equity"]["times"][0].startswith("2025-01-06T00:0")


def test_the_service_makes_no_report_of_what_is_not_on_record(
    service: Callable[[], Service], environment: dict[str, str], bars: Path, tmp_path: Path
) -> None:
    running = service()
    id_, failed = running.asked("/backtests", ASKED | {"data": str(bars)}), running.asked("/backtests", ASKED | {"data": f"{bars}.csv"})
    running.ended(failed)

    def refused(id_: str, query: str = "") -> tuple[int, str]:
        status, problem = running.ask(f"/backtests/{id_}/report{query}")
        return status, problem["detail"]

    assert refused("ffff") == (404, "there is no backtest 'ffff'")
    assert refused(id_, "?format=pdf") == (400, "expected format to be html or json, got 'pdf'")
    status, said = refused(failed)
    assert (status, f"backtest {failed} is failed and has no result: " in said) == (409, True)
    elsewhere = run(environment, "--data", a_file(tmp_path / "elsewhere.csv", 7))["id"]
    status, said = refused(elsewhere)
    assert (status, "expected data to be the whole path of a file below" in said) == (422, True)
    a_file(bars, 8)
    status, said = refused(id_)
    assert (status, "it would be of another one, for data: the bars are not the same" in said) == (409, True)
    bars.unlink()
    status, said = refused(id_)
    assert (status, said.startswith(f"backtest {id_} cannot be played again: ")) == (422, True)


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


def test_the_service_compares_a_day_of_an_account_with_its_backtest(service: Callable[[], Service], environment: dict[str, str]) -> None:
    asyncio.run(record.with_database(environment["DATABASE_URL"], with_a_day))
    running = service()
    status, answer = running.ask("/parity", {"account": "paper", "day": "2025-01-06"})
    assert (status, answer["session_id"], answer["mode"], answer["source"]) == (200, "session", "free", "bars stored by the session")
    assert (answer["signals"], answer["equal"]) == (0, False)
    assert {difference["kind"] for difference in answer["differences"]} == {"balance"}
    assert answer["causes"] == {"data": len(answer["differences"])}
    for body, code, said in (
        ({"account": "paperr", "day": "2025-01-06"}, 404, "there is no account 'paperr'"),
        ({"account": "paper", "day": "monday"}, 400, "expected a day such as 2013-10-07, got 'monday'"),
        ({"account": "paper"}, 400, "missing required field `day`"),
        ({"account": "paper", "day": "2031-01-06"}, 422, "no session has played 2031-01-06"),
    ):
        status, problem = running.ask("/parity", body)
        assert (status, said in problem["detail"]) == (code, True)


async def with_a_day(database: Database) -> None:
    """A session without strategies whose deposit was never booked, as a backtest books it."""
    await clear(database)
    await begin(database)
    bars = [a_bar(NOON + n * SECOND, 100.0 + n) for n in range(3)]
    await database.write([*market.store_bars(bars), sessions.advanced("session", NOON + 60 * SECOND, NOON + 60 * SECOND, 0)])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cash": -1}, "expected cash above 0"),
        ({"speed": 3}, "unknown field `speed`"),
        ({"allocation": 2}, "$.allocation"),
        ({"params": {"fat": 3}}, "has no parameter 'fat'"),
        ({"strategy": "nope"}, "no strategy class 'nope'"),
        ({"sizing": "huge"}, "expected sizing"),
        ({"data": "/etc/passwd"}, "expected data to be the whole path of a file below"),
        ({"data": "../bars.csv"}, "expected data to be the whole path"),
        ({"actions": "/etc/passwd"}, "expected actions to be the whole path of a file below"),
        ({"funding": "../funding.csv"}, "expected funding to be the whole path of a file below"),
        ({"data": "", "symbols": ["ALFA"], "actions": "/x.csv"}, "recorded and stored bars come with their own"),
        ({"financing": {"cash_rate": "99999"}}, "expected cash_rate from -10000 to 10000, got 99999"),
        ({"financing": {"rate": "4"}}, "unknown field `rate`"),
        ({"replay": "crypto"}, "exactly one of data, replay and symbols"),
    ],
)
def test_what_cannot_be_asked_for_is_named(changed: dict[str, Any], said: str, environment: dict[str, str], bars: Path) -> None:
    asked = {"strategy": "sma_cross", "data": str(bars)} | changed
    settings = Settings(database_url="", redis_url="", state_dir=environment["STATE_DIR"])
    with pytest.raises(web.HTTPBadRequest) as refused:
        spec_of(msgspec.json.encode(asked), settings)
    assert said in (refused.value.text or "")


def test_a_link_does_not_lead_out_of_the_data(environment: dict[str, str], bars: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("timestamp\n")
    bars.with_name("link.csv").symlink_to(tmp_path / "secret.csv")
    body = msgspec.json.encode({"strategy": "sma_cross", "data": str(bars.with_name("link.csv"))})
    with pytest.raises(web.HTTPBadRequest):
        spec_of(body, Settings(database_url="", redis_url="", state_dir=environment["STATE_DIR"]))


async def test_what_a_dead_service_was_running_is_taken_up_again(
    service: Callable[[], Service], environment: dict[str, str], bars: Path
) -> None:
    spec = Spec(strategy="sma_cross", params={"fast": 3, "slow": 8}, data=str(bars), risk=False, sizing="fixed:1")
    id_, database = uuid4(), Database(environment["DATABASE_URL"], "test")
    await database.write([backtests.queued(id_, msgspec.json.encode(spec))])
    taken = await backtests.take(database)
    assert taken is not None
    assert await backtests.take(database) is None
    await database.close()
    assert service().ended(str(id_))["state"] == "done"


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
    for search in (A_SEARCH, msgspec.structs.replace(A_SEARCH, fingerprint="other")):
        await database.write(searches.finished(id_, search))
    await database.write([searches.failed(id_, "late")])
    found = await searches.found(database, str(id_))
    await database.close()
    assert found.result is not None
    assert (found.state, found.error, found.fingerprint, len(found.result["trials"])) == ("done", "", "all", 1)


async def test_what_a_strategy_prints_is_no_part_of_the_answer() -> None:
    program = """
import subprocess, sys
from services.backtester import process
from services.backtester.job import Failed
def work(question):
    print("said by a strategy", flush=True)
    subprocess.run([sys.executable, "-c", "print('and by its child')"], check=True)
    return Failed(error="as expected")
process.answer(work)
"""
    end = await end_of(Job(spec={}, limits=[], market_data_dir="", database_url=""), (sys.executable, "-c", program))
    assert end == Failed(error="as expected")


@pytest.mark.parametrize(
    ("program", "said"),
    [("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL"), ("raise RuntimeError('broken')", "RuntimeError: broken")],
)
async def test_a_worker_that_dies_leaves_a_reason_and_nothing_else(program: str, said: str) -> None:
    end = await end_of(Job(spec={}, limits=[], market_data_dir="", database_url=""), (sys.executable, "-c", program))
    assert isinstance(end, Failed)
    assert said in end.error


async def test_a_worker_does_not_outlive_who_waits_for_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    waiting = asyncio.ensure_future(end_of(Job(spec={}, limits=[], market_data_dir="", database_url=""), (sys.executable, "-c", program)))
    await until(lambda: note.exists() and note.read_text() != "")
    waiting.cancel()
    await asyncio.wait({waiting})
    assert not is_running(int(note.read_text()))
