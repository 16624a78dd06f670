"""A fleet that is stopped leaves nothing half-done, and the next start goes on where it was."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fleet.embedded.server import wait_until
from libs.domain.fleet import PORTS
from tests.chaos import venues
from tests.chaos.history import judge
from tests.chaos.record import read_record
from tests.faults.fleet import ROOT, SERVICES, a_fleet, free_offset, record_of

SESSION = "select session_id, market_time from sessions where state = 'running'"


def half_done(record: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """Orders between an intent and its answer, leases not given back, cursors behind their streams."""
    return record.execute(
        "select id::text, status from orders where status in ('SUBMITTING', 'UNKNOWN')"
        " union all select name, 'held' from leases where not released"
        " union all select consumer, stream from cursors join journal_counters using (stream)"
        " where no < last_no and not (consumer like 'risk:%' and stream = 'orders.updates')"
    ).fetchall()


def test_a_fleet_leaves_nothing_half_done_goes_on_where_it_was_and_forgets_when_told_to(folder: Path) -> None:
    with a_fleet(folder) as first:
        first.until_more_trades(10)
        session, _ = first.rows(SESSION)[0]
        assert first.stop().report["healthy"]
    with record_of(first.state) as record:
        assert half_done(record) == []
        before, book = read_record(record), venues.paper(first.state / "paper")
        left_at = record.execute("select market_time from sessions").fetchall()[0][0]
        states = record.execute("select strategy_id, symbol, bar_time from strategy_states order by 1, 2").fetchall()
    assert judge(before, book).sentences == []

    with a_fleet(folder) as second:
        again, market_time = second.rows(SESSION)[0]
        assert again == session
        assert left_at <= market_time < left_at + 120 * 10**9, "it jumped"
        second.until_more_trades(len(before.trades))
        report = second.stop().report
    with record_of(second.state) as record:
        after, later_book = read_record(record), venues.paper(second.state / "paper")
        folded = record.execute("select strategy_id, symbol, bar_time from strategy_states order by 1, 2").fetchall()
    assert judge(after, later_book).sentences == []
    assert len(after.trades) == len(before.trades) + report["trades"]
    assert later_book["paper"].made[: len(book["paper"].made)] == book["paper"].made
    assert set(before.signals) < set(after.signals)
    assert all(now >= then for now, then in zip(folded, states, strict=True))
    assert folded != states

    with a_fleet(folder, "--fresh") as third:
        assert third.rows("select session_id from sessions") != [(session,)]
        assert third.until_more_trades(0) < len(before.trades)
        assert third.stop().report["healthy"]


@pytest.fixture(params=[name for name in SERVICES if name not in ("sim_venue", "deadman")])  # which need none
def alone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, int, subprocess.Popen[bytes]]]:
    """A service whose servers are not there: its name, its port and its process."""
    offset = free_offset()
    environment = {
        **os.environ,
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "STATE_DIR": str(tmp_path),
        "PORT_OFFSET": str(offset),
    }
    process = subprocess.Popen([sys.executable, "-m", f"services.{request.param}"], env=environment, cwd=ROOT)
    yield request.param, PORTS[request.param] + offset, process
    process.kill()
    process.wait()


def checks(port: int) -> dict[str, Any]:
    """What a service says of its readiness; empty while it does not listen."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
            return dict(json.load(answer)["checks"])
    except urllib.error.HTTPError as error:
        return dict(json.load(error)["checks"])
    except OSError:
        return {}


def test_a_service_waits_for_its_servers_says_so_and_leaves_when_asked(alone: tuple[str, int, subprocess.Popen[bytes]]) -> None:
    _, port, process = alone
    assert wait_until(lambda: "127.0.0.1" in checks(port).get("postgres", {}).get("detail", ""), 10)
    assert checks(port)["redis"]["status"] == "failing"
    assert not wait_until(lambda: process.poll() is not None, 1.5), "it did not wait"
    process.terminate()
    assert process.wait(12) == 0
