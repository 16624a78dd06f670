"""The service runs the backtests that are asked of it and reports them; what cannot be asked for is named."""

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from aiohttp import web

from fleet import record
from libs.common.database import Database
from libs.common.settings import Settings
from libs.store import backtests, searches
from services.backtester.routes import spec_of
from services.backtester.spec import Spec
from tests.backtest_commands import a_file, run
from tests.backtester_process import LIMIT_S, Service
from tests.search_results import FINISHED

ASKED = {"strategy": "sma_cross", "params": {"fast": 3, "slow": 8}, "risk": False, "sizing": "fixed:1"}


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
    asyncio.run(record.with_database(environment["DATABASE_URL"], lambda database: database.write(searches.stored(uuid4(), FINISHED))))
    (listed,) = running.ask("/searches")[1]["searches"]
    shown = running.ask(f"/searches/{listed['id'][:8]}")[1]
    assert (shown["strategy"], shown["result"]["label"], shown["result"]["trials"]) == ("sma_cross", "not shown", FINISHED.trials)
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
