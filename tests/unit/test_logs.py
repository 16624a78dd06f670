"""What a service writes for each event."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

from fleet.log_lines import LogLine
from libs.common import logs
from libs.common.logs import EcsFormatter, about

FORMAT = EcsFormatter("risk_manager", "1.2.3", "production").format


def written(message: str, **more: object) -> dict[str, object]:
    found = json.loads(FORMAT(logging.makeLogRecord({"msg": message, "levelname": "INFO", "created": 1772323200.25, **more})))
    assert isinstance(found, dict)
    return found


def test_a_line_names_service_version_environment_event_and_ids() -> None:
    line = written("a", **about("order_approved", "success", signal_id="s1", order_id="o1", symbol="ALFA", lease=None))
    assert line["@timestamp"] == "2026-03-01T00:00:00.250000Z"
    assert line["log.level"] == "info"
    assert line["service"] == {"name": "risk_manager", "version": "1.2.3", "environment": "production"}
    assert line["event"] == {"dataset": "fleet", "action": "order_approved", "outcome": "success"}
    assert line["labels"] == {"signal_id": "s1", "order_id": "o1", "symbol": "ALFA"}
    assert line["trace"] == {"id": "s1"}


def test_an_error_comes_with_its_stack() -> None:
    try:
        raise ValueError("no such thing")
    except ValueError:
        error = written("it failed", exc_info=sys.exc_info())["error"]
    assert isinstance(error, dict)
    assert (error["type"], error["message"]) == ("ValueError", "no such thing")
    assert "test_logs.py" in error["stack_trace"]


def test_a_line_whose_arguments_do_not_fit_is_still_written() -> None:
    assert written("%d orders", args=("many",))["message"] == "%d orders ('many',)"


def test_what_is_written_is_what_is_read() -> None:
    text = FORMAT(logging.makeLogRecord({"msg": "a", "levelname": "WARNING", **about("tried", "failure", signal_id="s1")}))
    line = LogLine.read(text.encode())
    assert (line.service, line.level, line.message, line.action, line.outcome, line.trace) == (
        "risk_manager",
        "warning",
        "a",
        "tried",
        "failure",
        "s1",
    )


WRITER = """
import logging, sys
from libs.common import logs
logs.FULL, logs.LOOK_EVERY = 2500, 1
logs.configure("one", "INFO", file=sys.argv[1])
for n in range(12):
    logging.getLogger().info("line %d", n)
    print("plain", n, file=sys.stderr, flush=True)
raise ValueError("the end")
"""


def test_a_full_log_is_put_aside_by_its_writer_and_no_line_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    with path.open("ab") as out:
        done = subprocess.run([sys.executable, "-c", WRITER, str(path)], stdout=out, stderr=out, env={**os.environ, "PYTHONPATH": "."})
    before, now = path.with_suffix(".log.1").read_text(), path.read_text()
    assert done.returncode == 1
    assert [f'"line {n}"' in before + now and f"plain {n}\n" in before + now for n in range(12)] == [True] * 12
    assert "plain 11\n" in now
    assert json.loads(now.splitlines()[-1])["error"]["message"] == "the end"


def test_a_log_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    path.write_text("somebody's")
    done = subprocess.run([sys.executable, "-c", WRITER, str(path)], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "."})
    assert done.stdout.count("\n") == 13
    assert path.read_text() == "somebody's"
    assert logs.FULL == 20 * 1024 * 1024
