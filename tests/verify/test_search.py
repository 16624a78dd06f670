"""Searches as an operator runs them: interrupted, kept and counted, over HTTP, and on a Ray cluster of this machine."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fleet.embedded.processes import is_running
from fleet.embedded.server import wait_until
from tests.fleets import configuration

LIMIT_S = 100
ASKED = ("search", "sma_cross", "--range", "fast=2:5", "--range", "slow=4:12:4", "--risk", "off", "--sizing", "fixed:1")


@pytest.fixture
def environment(url: str, tmp_path: Path) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        connection.execute("truncate backtest_searches cascade")
    configuration(tmp_path / "config")
    return os.environ | {
        "DATABASE_URL": url,
        "STATE_DIR": str(tmp_path / "state"),
        "CONFIG_DIR": str(tmp_path / "config"),
        "MARKET_DATA_DIR": "",
    }


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    draw, price, at, lines = random.Random(7), 100.0, datetime(2025, 1, 6, tzinfo=UTC), ["timestamp,open,high,low,close,volume"]
    for n in range(3_000):
        opened, price = price, round(price + draw.gauss(0, 0.2), 2)
        high, low = max(opened, price) + 0.05, min(opened, price) - 0.05
        lines.append(f"{(at + timedelta(hours=n)).isoformat()},{opened},{high:.2f},{low:.2f},{price},1000")
    path = tmp_path / "bars.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


STARTED: list["subprocess.Popen[bytes]"] = []


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> Iterator[None]:
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.communicate()


def started(environment: dict[str, str], *arguments: str | Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "fleet.cli", "backtest", *map(str, arguments), "--json"]
    # Whoever runs these tests in the background of a script ignores SIGINT, and so would what is started.
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    STARTED.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heeds))
    return STARTED[-1]


def ended(process: "subprocess.Popen[bytes]", code: int = 0) -> dict[str, Any]:
    out, complaint = process.communicate(timeout=LIMIT_S)
    STARTED.remove(process)
    assert process.returncode == code, complaint.decode()
    return dict(json.loads(out.splitlines()[-1]))


def players(process: "subprocess.Popen[bytes]") -> list[int]:
    """Processes that play its trials."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in listed if b"backtester.searcher" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_search_is_kept_with_its_trials_and_the_next_one_counts_them(environment: dict[str, str], bars: Path) -> None:
    first = ended(started(environment, *ASKED, "--data", bars, "--workers", "1"))
    dearer = ended(started(environment, *ASKED, "--data", bars, "--workers", "2", "--fee-bps", "5"))
    assert (len(first["trials"]), first["counted"], dearer["counted"]) == (12, 10, 20)
    shown = ended(started(environment, "searches", first["id"][:8]))
    assert (shown["state"], shown["result"]["trials"], shown["result"]["best"]) == ("done", first["trials"], first["best"])


def test_a_search_that_is_interrupted_keeps_what_it_found_and_leaves_no_process(environment: dict[str, str], bars: Path) -> None:
    many = ("search", "sma_cross", "--range", "fast=2:50", "--range", "slow=60:240", "--engine", "event")
    process = started(environment, *many, "--data", bars)
    assert wait_until(lambda: len(players(process)) > 0, LIMIT_S)
    there = players(process)
    assert wait_until(lambda: _busy(there), LIMIT_S)
    process.send_signal(signal.SIGINT)
    found = ended(process, code=130)
    assert len(found["trials"]) < found["asked"]
    assert found["stopped"] == "interrupted"
    assert not any(map(is_running, there))
    assert ended(started(environment, "searches", found["id"]))["state"] == "interrupted"


def _busy(pids: list[int]) -> bool:
    """Whether they have worked for a while: a second of their own time, in which trials were done."""
    ticks = (int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11]) for pid in pids)
    return max(ticks) > 3 * os.sysconf("SC_CLK_TCK")


def test_a_ray_cluster_finds_the_same_to_the_last_digit(environment: dict[str, str], bars: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed; `make ray`")
    walk = ("walk-forward", *ASKED[1:], "--train", "40d", "--test", "30d", "--no-store", "--data", bars)
    here = ended(started(environment, *walk, "--workers", "1"))
    there = ended(started(environment, *walk, "--workers", "2", "--ray", "local"))
    assert here.pop("seconds") != there.pop("seconds")
    assert here == there
    assert len(here["walk_forward"]["windows"]) >= 2


def test_a_cluster_that_does_not_answer_is_an_error_that_says_so(environment: dict[str, str], bars: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed; `make ray`")
    refused = ended(started(environment, *ASKED, "--data", bars, "--no-store", "--ray", "auto"), code=2)
    assert "--ray auto: no Ray cluster answers" in refused["error"]
